//! Connections that read, each call in one snapshot, on the runtime's blocking threads.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Options, connection, error::OrRefused};

/// The idle reading connections.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan; it goes back when it is dropped, a panic included.
struct Loan {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}

impl Readers {
    /// Opens the connections.
    pub(crate) fn open(options: &Options) -> Result<Self> {
        let count = options.read_connections.max(1);
        let idle = (0..count)
            .map(|_| connection::open_reader(options))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            permits: Arc::new(Semaphore::new(count)),
        })
    }

    async fn loan(&self) -> Result<Loan> {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let connection = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Ok(Loan {
            connection: Some(connection.ok_or_else(closed)?),
            idle: Arc::clone(&self.idle),
            _permit: permit,
        })
    }

    /// Reads on a blocking thread.
    pub(crate) async fn call<T, F>(&self, read: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let loan = self.loan().await?;
        tokio::task::spawn_blocking(move || loan.read(read))
            .await
            .map_err(|error| Error::Internal(format!("a read did not end: {error}")))?
    }

    /// Reads on the caller's thread: for a few rows by their keys, which take less
    /// time than the way to another thread and back.
    pub(crate) async fn call_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        self.loan().await?.read(read)
    }

    /// Closes the connections once they are idle.
    pub(crate) async fn close(&self, options: &Options) {
        let count = options.read_connections.max(1) as u32;
        if let Ok(permits) = self.permits.acquire_many(count).await {
            self.permits.close();
            drop(permits);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Loan {
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let Some(connection) = &self.connection else {
            return Err(Error::Unavailable("the store is closed".to_owned()));
        };
        if !connection.is_autocommit() {
            // The reader before panicked.
            connection.execute_batch("ROLLBACK").or_refused()?;
        }
        run(connection, "BEGIN")?;
        let answer = read(connection);
        run(connection, "COMMIT")?;
        answer
    }
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .or_refused()
}
