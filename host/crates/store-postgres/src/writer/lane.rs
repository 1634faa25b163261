//! A lane: one connection that writes batch after batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use store::Error;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    batch::{self, Stage},
    item::{Answer, Item},
};
use crate::{
    Options,
    connection::{self, Use},
    error::{from_sqlx, is_conflict, is_without_partition},
    partition::Partitions,
    runs::submit,
    transaction::pause,
};

/// How many bytes of payload a batch has at most, beside its first item.
const BYTES: usize = 8 << 20;
/// How often a batch is tried that others stand in the way of, or whose connection was cut.
const TRIES: u32 = 6;
/// How long a connection may have been idle before it is asked whether it still lives.
const TRUSTED: Duration = Duration::from_secs(1);

/// How long to ask whether a commit was made whose connection was cut.
const DOUBT: Duration = Duration::from_secs(30);

/// A lane's state.
pub(super) struct Lane {
    options: Options,
    target: PgConnectOptions,
    partitions: Arc<Partitions>,
    waiting: Arc<AtomicUsize>,
    connection: Option<PgConnection>,
    used: Instant,
}

/// What became of a batch.
enum Outcome {
    /// Committed.
    Done(Vec<Answer>),
    /// Rolled back because of one of its items.
    Spoilt(Error),
    /// Not committed, or nobody knows; all for the same reason.
    Lost(Error),
}

impl Lane {
    pub(super) fn new(
        options: &Options,
        target: &PgConnectOptions,
        partitions: &Arc<Partitions>,
        waiting: &Arc<AtomicUsize>,
    ) -> Self {
        Self {
            options: options.clone(),
            target: target.clone(),
            partitions: Arc::clone(partitions),
            waiting: Arc::clone(waiting),
            connection: None,
            used: Instant::now(),
        }
    }

    /// Writes what waits until the store is closed.
    pub(super) async fn work(mut self, mut queue: UnboundedReceiver<Item>) {
        let mut taken = Vec::with_capacity(submit::BATCH);
        while queue.recv_many(&mut taken, submit::BATCH).await > 0 {
            self.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
            while !taken.is_empty() {
                let batch: Vec<_> = taken.drain(..fitting(&taken)).collect();
                self.write(batch).await;
            }
        }
        if let Some(connection) = self.connection {
            // Whether the server hears of the end is its own affair.
            let _ = connection.close().await;
        }
    }

    /// Writes a batch, in halves where one of its items is refused, and answers.
    async fn write(&mut self, batch: Vec<Item>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let began = Instant::now();
            match self.try_to_write(&part).await {
                Outcome::Done(answers) => {
                    metrics::get().committed(part.len(), began.elapsed());
                    for (item, answer) in part.into_iter().zip(answers) {
                        item.answer(answer);
                    }
                }
                Outcome::Spoilt(_) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Outcome::Spoilt(error) | Outcome::Lost(error) => {
                    tracing::error!(%error, items = part.len(), "a batch was not written");
                    for item in part {
                        item.refuse(&error);
                    }
                }
            }
        }
    }

    async fn try_to_write(&mut self, items: &[Item]) -> Outcome {
        let mut tried = 0;
        let mut again = false;
        loop {
            tried += 1;
            if let Err(error) = self.partitions.ensure(batch::days(items)).await {
                return Outcome::Lost(error);
            }
            let mut connection = match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return Outcome::Lost(error),
            };
            let mut stage = Stage::Before;
            // The server gives up a statement; this is for one that does not answer at all.
            let patience = self.options.statement_timeout * 2;
            let attempt = batch::attempt(&mut connection, items, again, &mut stage);
            let error = match tokio::time::timeout(patience, attempt).await {
                Ok(Ok(answers)) => {
                    self.keep(connection);
                    return Outcome::Done(answers);
                }
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer within {patience:?}"),
                )),
            };
            let refused = error.as_database_error().is_some();
            if refused && connection::is_alive(&self.options, &mut connection).await {
                // What the server refused was rolled back, the commit included.
                self.keep(connection);
                stage = Stage::Before;
            }
            let cut = self.connection.is_none();
            match stage {
                Stage::Before => {}
                Stage::Statement => again = true,
                Stage::Commit(number, answers) => match self.settle(number).await {
                    Ok(true) => return Outcome::Done(answers),
                    Ok(false) => {}
                    Err(error) => return Outcome::Lost(error),
                },
            }
            if is_without_partition(&error) {
                self.partitions.forget();
            }
            let retry = cut || is_conflict(&error) || is_without_partition(&error);
            if retry && tried < TRIES {
                tracing::debug!(%error, tried, "a batch is tried again");
                tokio::time::sleep(pause(tried)).await;
                continue;
            }
            let error = from_sqlx(error);
            return if error.is_retryable() {
                Outcome::Lost(error)
            } else {
                Outcome::Spoilt(error)
            };
        }
    }

    /// Finds out whether a transaction was committed whose connection was cut at the
    /// commit. A caller that was told "perhaps" could not go on: what the transaction may
    /// have claimed for it would be held by nobody.
    async fn settle(&mut self, number: i64) -> store::Result<bool> {
        let since = Instant::now();
        loop {
            let error = match self.connect().await {
                Ok(mut connection) => match batch::was_committed(&mut connection, number).await {
                    Ok(Some(committed)) => {
                        self.keep(connection);
                        return Ok(committed);
                    }
                    Ok(None) => Error::Unavailable("the server is still at it".to_owned()),
                    Err(error) => from_sqlx(error),
                },
                Err(error) => error,
            };
            if since.elapsed() > DOUBT {
                return Err(Error::Unavailable(format!(
                    "the connection was lost at the commit, which may have been made: {error}"
                )));
            }
            tokio::time::sleep(DOUBT / 300).await;
        }
    }

    fn keep(&mut self, connection: PgConnection) {
        self.connection = Some(connection);
        self.used = Instant::now();
    }

    async fn connect(&mut self) -> store::Result<PgConnection> {
        if let Some(mut connection) = self.connection.take()
            && (self.used.elapsed() < TRUSTED
                || connection::is_alive(&self.options, &mut connection).await)
        {
            return Ok(connection);
        }
        connection::connect(&self.options, &self.target, Use::Lane).await
    }
}

/// How many of the items one batch takes.
fn fitting(items: &[Item]) -> usize {
    let mut bytes = 0;
    let more = items.iter().skip(1).take_while(|item| {
        bytes += item.size();
        bytes <= BYTES
    });
    1 + more.count()
}
