//! Waking those who wait for a run of this process to end.

use std::{collections::BTreeMap, sync::Arc};

use model::id::RunRef;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Who waits for which run. Empty while nobody waits.
#[derive(Default)]
pub(crate) struct Wake {
    waiting: Mutex<BTreeMap<RunRef, Arc<Notify>>>,
}

/// Somebody who waits; dropping it ends the waiting.
pub(crate) struct Waiter<'a> {
    wake: &'a Wake,
    run: RunRef,
    notify: Arc<Notify>,
}

impl Wake {
    /// Begins to wait. Look at the run after this call and before waiting.
    pub(crate) fn wait_for(&self, run: RunRef) -> Waiter<'_> {
        let notify = self.waiting.lock().entry(run).or_default().clone();
        Waiter {
            wake: self,
            run,
            notify,
        }
    }

    /// Something may have been missed: everybody looks.
    pub(crate) fn look(&self) {
        for notify in self.waiting.lock().values() {
            notify.notify_waiters();
        }
    }

    /// The run has ended.
    pub(crate) fn ended(&self, run: RunRef) {
        let notify = {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return;
            }
            waiting.remove(&run)
        };
        if let Some(notify) = notify {
            notify.notify_waiters();
        }
    }
}

impl Waiter<'_> {
    /// Resolves when the run ends after this call.
    pub(crate) fn ended(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.wake.waiting.lock();
        // Two references: the map's and this one.
        if waiting.get(&self.run).is_some_and(|notify| {
            Arc::ptr_eq(notify, &self.notify) && Arc::strong_count(notify) <= 2
        }) {
            waiting.remove(&self.run);
        }
    }
}
