//! The steps that this process executes, so that they can be cancelled.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use model::id::{RunId, StepKey};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

const SHARDS: usize = 16;

/// How long a cancelled run is remembered: longer than any time between the claim of a
/// step and its begin.
const REMEMBERED: Duration = Duration::from_mins(2);

/// The steps in execution.
#[derive(Default)]
pub(crate) struct Running {
    /// Runs that were cancelled a moment ago: a step of theirs may be claimed and not
    /// have begun.
    cancelled: Mutex<HashMap<RunId, Instant>>,
    /// Whether there is one, so that a step's begin needs no lock while there is none.
    any_cancelled: AtomicBool,
    shards: [Mutex<HashMap<StepKey, CancellationToken>>; SHARDS],
}

/// A step in execution; dropping it says that it has ended.
pub(crate) struct Entry<'a> {
    running: &'a Running,
    key: StepKey,
    /// Cancelled when the step must stop.
    pub(crate) cancel: CancellationToken,
}

impl Running {
    fn shard(&self, run: RunId) -> &Mutex<HashMap<StepKey, CancellationToken>> {
        &self.shards[run.0 as usize % SHARDS]
    }

    /// A step begins.
    pub(crate) fn begin(&self, key: StepKey) -> Entry<'_> {
        let cancel = CancellationToken::new();
        if self.any_cancelled.load(Ordering::SeqCst) && self.cancelled.lock().contains_key(&key.run)
        {
            cancel.cancel();
        }
        self.shard(key.run).lock().insert(key, cancel.clone());
        Entry {
            running: self,
            key,
            cancel,
        }
    }

    /// Lets no claimed step of this run begin.
    pub(crate) fn cancel_run(&self, run: RunId) {
        let now = Instant::now();
        let mut cancelled = self.cancelled.lock();
        cancelled.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        cancelled.insert(run, now);
        self.any_cancelled.store(true, Ordering::SeqCst);
    }

    /// Stops the step, if it executes here.
    pub(crate) fn cancel(&self, key: StepKey) {
        if let Some(cancel) = self.shard(key.run).lock().get(&key) {
            cancel.cancel();
        }
    }

    /// Stops everything.
    pub(crate) fn cancel_all(&self) {
        for shard in &self.shards {
            for cancel in shard.lock().values() {
                cancel.cancel();
            }
        }
    }

    /// How many steps execute.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.running.shard(self.key.run).lock().remove(&self.key);
    }
}
