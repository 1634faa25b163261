//! The one thread that writes. It takes whatever waits into one transaction, commits,
//! and answers all callers: under load one fsync serves hundreds of calls, and a lone
//! call waits for nothing but its own.
//!
//! An item that fails harms no other. Batches run without a savepoint per item, which
//! would copy every page that an item touches; when an item fails after it has
//! written, the transaction is rolled back and the batch runs again with savepoints.
//! Nobody has been answered by then, so the outcome is the same as if they had been
//! there from the start.

use std::{
    collections::VecDeque,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use store::{Error, Result};
use tokio::sync::oneshot;

use crate::{error::from_sqlite, transaction::Tx};

/// How many items a transaction takes at most.
const BATCH: usize = 512;
/// How long a transaction takes on items before it commits.
const BATCH_TIME: Duration = Duration::from_millis(8);

/// An item of work, which may have to be done twice.
trait Job: Send {
    /// Does the work and keeps the answer. Says whether it succeeded.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// The work panicked: the answer is an error.
    fn panicked(&mut self);
    /// Answers the caller: what was kept if there is no error and it is one itself.
    fn answer(self: Box<Self>, lost: Option<&str>);
}

struct Call<F, T> {
    work: F,
    value: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Job for Call<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let value = (self.work)(tx);
        let success = value.is_ok();
        self.value = Some(value);
        success
    }

    fn panicked(&mut self) {
        self.value = Some(Err(Error::Internal("a write panicked".to_owned())));
    }

    fn answer(self: Box<Self>, lost: Option<&str>) {
        let value = match (self.value, lost) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(why)) => Err(Error::Unavailable(why.to_owned())),
            (Some(value), None) => value,
            (None, None) => Err(Error::Unavailable("the write was not made".to_owned())),
        };
        // A caller that has gone needs no answer.
        let _ = self.reply.send(value);
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn Job>>,
    closing: bool,
    sleeping: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    limit: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `batch` with what waits; waits while there is nothing. `false` when the
    /// writer is to end and nothing waits any more.
    fn take(&self, batch: &mut Vec<Box<dyn Job>>) -> bool {
        let mut queue = self.lock();
        loop {
            let count = queue.waiting.len().min(BATCH - batch.len());
            batch.extend(queue.waiting.drain(..count));
            if !batch.is_empty() {
                return true;
            }
            if queue.closing {
                return false;
            }
            queue.sleeping = true;
            queue = self
                .arrived
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.sleeping = false;
        }
    }
}

/// The handle of the writer's thread.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. The lock of the data directory is let go when it ends.
    pub(crate) fn start(connection: Connection, limit: usize, lock: File) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            limit,
        });
        // Read once here, so that a database that cannot be read is refused at the start.
        Tx::new(&connection)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || work(&shared, connection, lock)
            })
            .map_err(|error| Error::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Has the writer do `work` in its next transaction and answers after the commit.
    ///
    /// `work` may be called again when the transaction was rolled back for another
    /// item's sake: it must not change what it has captured.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.push(Box::new(Call {
            work,
            value: None,
            reply,
        }))?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the store is closed".to_owned())))
    }

    fn push(&self, job: Box<dyn Job>) -> Result<()> {
        let mut queue = self.shared.lock();
        if queue.closing {
            return Err(Error::Unavailable("the store is being closed".to_owned()));
        }
        if queue.waiting.len() >= self.shared.limit {
            return Err(Error::Busy(queue.waiting.len()));
        }
        queue.waiting.push_back(job);
        if queue.sleeping {
            self.shared.arrived.notify_one();
        }
        Ok(())
    }

    /// Refuses new work, does what waits, and ends the thread.
    pub(crate) fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.arrived.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(shared: &Shared, connection: Connection, lock: File) {
    match Tx::new(&connection) {
        Ok(mut tx) => {
            let mut batch = Vec::with_capacity(BATCH);
            while shared.take(&mut batch) {
                run(&mut tx, &mut batch);
            }
        }
        Err(error) => tracing::error!(%error, "the store's writer could not start"),
    }
    shared.lock().closing = true;
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        // The write-ahead log stays and is read at the next start.
        tracing::warn!(%error, "the write-ahead log was not merged");
    }
    drop(connection);
    drop(lock);
}

/// What became of an attempt at a batch.
enum Attempt {
    /// So many of its items, from the first, are committed or refused.
    Done(usize),
    /// An item failed after it had written.
    Spoilt,
    /// The transaction of so many items was lost, all for the same reason.
    Lost(usize, String),
}

/// Runs a batch and answers its callers. Items for which there was no time stay in it.
fn run(tx: &mut Tx<'_>, batch: &mut Vec<Box<dyn Job>>) {
    let attempt = match attempt(tx, batch, false) {
        Attempt::Spoilt => attempt(tx, batch, true),
        attempt => attempt,
    };
    match attempt {
        Attempt::Done(count) => batch.drain(..count).for_each(|job| job.answer(None)),
        Attempt::Lost(count, why) => {
            tracing::error!(error = why, items = count, "a commit failed");
            batch.drain(..count).for_each(|job| job.answer(Some(&why)));
        }
        Attempt::Spoilt => batch
            .drain(..)
            .for_each(|job| job.answer(Some("the transaction could not be isolated"))),
    }
}

fn attempt(tx: &mut Tx<'_>, batch: &mut [Box<dyn Job>], savepoints: bool) -> Attempt {
    if let Err(error) = tx.execute("BEGIN IMMEDIATE", []) {
        return Attempt::Lost(batch.len(), error.to_string());
    }
    let started = Instant::now();
    let mut count = 0;
    for job in batch.iter_mut() {
        let before = tx.connection.total_changes();
        if savepoints && let Err(error) = tx.execute("SAVEPOINT item", []) {
            return lost(tx, batch.len(), &error);
        }
        let success = catch_unwind(AssertUnwindSafe(|| job.run(tx))).unwrap_or_else(|_| {
            job.panicked();
            false
        });
        count += 1;
        if tx.connection.is_autocommit() {
            // SQLite has rolled back by itself: no space, or no disk.
            tx.forget();
            return Attempt::Lost(count, "the transaction was rolled back".to_owned());
        }
        let clean = success || tx.connection.total_changes() == before;
        if savepoints {
            let undo = if clean { Ok(0) } else { undo(tx) };
            if let Err(error) = undo.and_then(|_| tx.execute("RELEASE item", [])) {
                return lost(tx, count, &error);
            }
        } else if !clean {
            return match tx.execute("ROLLBACK", []) {
                Ok(_) => {
                    tx.forget();
                    Attempt::Spoilt
                }
                Err(error) => lost(tx, count, &error),
            };
        }
        if started.elapsed() > BATCH_TIME {
            break;
        }
    }
    match tx.execute("COMMIT", []) {
        Ok(_) => {
            metrics::get().committed(count, started.elapsed());
            Attempt::Done(count)
        }
        Err(error) => lost(tx, count, &error),
    }
}

fn undo(tx: &mut Tx<'_>) -> Result<usize> {
    tx.forget();
    tx.execute("ROLLBACK TO item", [])
}

fn lost(tx: &mut Tx<'_>, count: usize, error: &Error) -> Attempt {
    tx.forget();
    if !tx.connection.is_autocommit()
        && let Err(error) = tx.connection.execute_batch("ROLLBACK").map_err(from_sqlite)
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
    Attempt::Lost(count, error.to_string())
}
