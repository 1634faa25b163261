//! How many accepted runs have not ended: of each tenant, and on each queue. Beyond what the
//! settings allow, runs are refused.
//!
//! A process counts what it accepts and ends, and reads from the store from time to time what
//! others did, so that a limit is kept about as exactly as the processes are many.

use std::{collections::HashMap, sync::Arc, time::Duration};

use model::id::TenantId;
use parking_lot::Mutex;
use store::runs::Unfinished;

use crate::{
    Engine,
    error::{Error, Result},
};

#[derive(Default)]
pub(crate) struct Backlog(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: i64,
    tenants: HashMap<TenantId, i64>,
    queues: HashMap<Arc<str>, i64>,
}

impl Counts {
    fn add(&mut self, tenant: TenantId, queue: &Arc<str>, runs: i64) {
        self.all += runs;
        *self.tenants.entry(tenant).or_default() += runs;
        match self.queues.get_mut(queue) {
            Some(count) => *count += runs,
            None => {
                self.queues.insert(Arc::clone(queue), runs);
            }
        }
    }
}

impl Backlog {
    /// Forgets what it has counted, and goes on from what the store says.
    pub(crate) fn replace(&self, unfinished: &[Unfinished]) {
        let mut counts = Counts::default();
        for one in unfinished {
            counts.add(one.tenant, &one.queue, one.runs as i64);
        }
        *self.0.lock() = counts;
    }

    /// So many runs more; fewer when `runs` is negative.
    pub(crate) fn add(&self, tenant: TenantId, queue: &Arc<str>, runs: i64) {
        self.0.lock().add(tenant, queue, runs);
    }

    /// Whether there is any that has not ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().all <= 0
    }

    /// How many there are of a tenant and on a queue.
    fn of(&self, tenant: TenantId, queue: &str) -> (i64, i64) {
        let counts = self.0.lock();
        let of_tenant = counts.tenants.get(&tenant).copied();
        let of_queue = counts.queues.get(queue).copied();
        (of_tenant.unwrap_or_default(), of_queue.unwrap_or_default())
    }

    /// How many there are on each queue.
    pub(crate) fn by_queue(&self) -> Vec<(String, u64)> {
        let counts = self.0.lock();
        let filled = counts.queues.iter().filter(|(_, runs)| **runs > 0);
        filled
            .map(|(queue, runs)| (queue.to_string(), *runs as u64))
            .collect()
    }
}

impl Engine {
    /// Whether one more run can be accepted now.
    pub(crate) fn has_room(&self, tenant: TenantId, queue: &str) -> Result<()> {
        if self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let (of_tenant, of_queue) = self.backlog.of(tenant, queue);
        let (most, most_on_queue) = (self.settings.backlog, self.settings.backlog_of_queue);
        let full = if of_tenant >= most as i64 {
            format!(
                "{of_tenant} accepted runs have not ended, and {most} are the limit of a tenant (limits.backlog): try again when some have"
            )
        } else if of_queue >= most_on_queue as i64 {
            format!(
                "{of_queue} accepted runs on queue `{queue}` have not ended, and {most_on_queue} are the limit of a queue (limits.backlog_of_queue): try again when some have, use another queue, or let more workers serve it"
            )
        } else {
            return Ok(());
        };
        self.recount.notify_one();
        metrics::get().runs_refused.inc();
        Err(Error::Full(full))
    }

    /// Counts from time to time how many runs have not ended: other processes end runs that
    /// this one accepted, and accept others.
    pub(crate) async fn count_backlog(&self) {
        const PERIOD: Duration = Duration::from_secs(5);
        /// Where a run was refused because there are too many.
        const FULL: Duration = Duration::from_millis(250);
        /// Of the time, this part at most: the store looks at each run that has not ended.
        const PART: u32 = 20;
        let mut took = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(PERIOD.max(took * PART)) => {}
                () = async {
                    tokio::time::sleep(FULL.max(took * PART)).await;
                    self.recount.notified().await;
                } => {}
                () = self.stopped.cancelled() => return,
            }
            let asked = tokio::time::Instant::now();
            let answer = self.store.unfinished().await;
            took = asked.elapsed();
            match answer {
                Ok(unfinished) => self.backlog.replace(&unfinished),
                Err(error) => tracing::debug!(%error, "the backlog could not be counted"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_queues_are_counted_apart() {
        let backlog = Backlog::default();
        let (acme, bulk): (Arc<str>, Arc<str>) = ("acme".into(), "bulk".into());
        assert!(backlog.is_empty());
        backlog.add(TenantId(1), &acme, 2);
        backlog.add(TenantId(2), &acme, 1);
        backlog.add(TenantId(2), &bulk, 5);
        assert_eq!(backlog.of(TenantId(1), "acme"), (2, 3));
        assert_eq!(backlog.of(TenantId(2), "bulk"), (6, 5));
        assert_eq!(backlog.of(TenantId(3), "other"), (0, 0));
        backlog.add(TenantId(2), &bulk, -5);
        assert_eq!(backlog.by_queue(), [("acme".to_owned(), 3)]);
        backlog.replace(&[Unfinished {
            tenant: TenantId(1),
            queue: bulk,
            runs: 7,
        }]);
        assert_eq!(backlog.of(TenantId(1), "bulk"), (7, 7));
        assert_eq!(backlog.of(TenantId(2), "acme"), (0, 0));
        assert!(!backlog.is_empty());
    }
}
