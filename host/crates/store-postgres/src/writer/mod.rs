//! The hot path's writes: whatever waits is taken into one transaction, committed, and
//! answered. Under load one commit serves hundreds of calls, and a lone call waits for
//! nothing but its own.
//!
//! There are a few lanes, each with a connection of its own; the writes of a run fall
//! to one of them, so that lanes do not wait for each other's locks. Between processes
//! rows are locked in the order of their numbers.
//!
//! An item that the database refuses harms no other: the batch is rolled back, halved,
//! and each half done again until the item stands alone. Nobody has been answered by
//! then, so the outcome is the same as if they had been apart from the start.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use model::id::RunId;
use sqlx::postgres::PgConnectOptions;
use store::{Error, Result};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{Options, partition::Partitions};

mod batch;
mod item;
mod lane;

pub(crate) use item::Item;

/// The sending ends of the lanes; none when the store is closed.
type Lanes = Vec<mpsc::UnboundedSender<Item>>;

/// The handle of the lanes.
pub(crate) struct Writer {
    lanes: RwLock<Lanes>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    next: AtomicUsize,
}

impl Writer {
    /// Starts the lanes, which connect when there is something to write.
    pub(crate) fn start(
        options: &Options,
        target: &PgConnectOptions,
        partitions: &Arc<Partitions>,
    ) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let (lanes, tasks) = (0..options.lanes.max(1))
            .map(|_| {
                let (sender, receiver) = mpsc::unbounded_channel();
                let lane = lane::Lane::new(options, target, partitions, &waiting);
                (sender, tokio::spawn(lane.work(receiver)))
            })
            .unzip();
        Self {
            lanes: RwLock::new(lanes),
            tasks: Mutex::new(tasks),
            waiting,
            limit: options.queue_limit,
            next: AtomicUsize::new(0),
        }
    }

    /// Has a write about `run` (`None`: a new one) done and answers after the commit.
    pub(crate) async fn call<T>(
        &self,
        run: Option<RunId>,
        item: impl FnOnce(oneshot::Sender<Result<T>>) -> Item,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.push(run, item(reply))?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the store is closed".to_owned())))
    }

    fn push(&self, run: Option<RunId>, item: Item) -> Result<()> {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= self.limit {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Busy(waiting));
        }
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let sent = if lanes.is_empty() {
            Err(closed())
        } else {
            let lane = match run {
                Some(run) => run.0 as usize,
                None => self.next.fetch_add(1, Ordering::Relaxed),
            };
            lanes[lane % lanes.len()].send(item).map_err(|_| closed())
        };
        if sent.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// Refuses new work, does what waits, and ends the lanes.
    pub(crate) async fn close(&self) {
        self.lanes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if task.await.is_err() {
                tracing::error!("a lane of the store's writer panicked");
            }
        }
    }
}
