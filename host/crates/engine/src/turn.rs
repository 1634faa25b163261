//! A run gives its slot up for a moment when it has had it for long.
//!
//! The worker that has executed a step goes on with the next one of the same run, past the
//! queue. Where all slots are taken, a run of many steps would so keep out whatever waits on
//! the queue, another tenant's runs among it, until its end. So between two steps, and not
//! before it has had the slot for [`TURN`], it lines up for a slot behind all that wait for
//! one already: the dispatcher first, who takes the next entry off the queue.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::Instant,
};

use crate::Engine;

/// How long a run may keep its slot from step to step while others wait for one.
const TURN: Duration = Duration::from_secs(1);
/// How long the dispatcher keeps the slot that a run has given up, when the queue brings
/// nothing for it: more than a question to Redis takes.
const GRACE: Duration = Duration::from_millis(20);

/// Runs that have given up their slot and wait for one.
#[derive(Default)]
pub(crate) struct LinedUp {
    runs: AtomicUsize,
    more: Notify,
}

struct Place<'line>(&'line LinedUp);

impl LinedUp {
    fn join(&self) -> Place<'_> {
        self.runs.fetch_add(1, Ordering::AcqRel);
        self.more.notify_one();
        Place(self)
    }

    /// Ends a while after there was one.
    pub(crate) async fn wait(&self) {
        while self.runs.load(Ordering::Acquire) == 0 {
            self.more.notified().await;
        }
        tokio::time::sleep(GRACE).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.runs.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A run's slot, and since when it has it.
pub(crate) struct Slot {
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    since: Instant,
}

impl Slot {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self {
            permit: Some(permit),
            since: Instant::now(),
        }
    }
}

impl Engine {
    /// Between two steps of a run: gives its slot to whoever waits for one, if it has had it
    /// for long, and waits for another.
    pub(crate) async fn take_turns(&self, slot: &mut Slot) {
        if slot.since.elapsed() < TURN || self.slots.available_permits() > 0 {
            return;
        }
        slot.permit = None;
        let place = self.lined_up.join();
        // It is never closed.
        slot.permit = self.slots.clone().acquire_owned().await.ok();
        drop(place);
        slot.since = Instant::now();
    }
}
