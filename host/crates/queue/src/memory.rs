//! The queue of a single process, in memory. What it holds is lost with the
//! process; at the next start the reconciler enqueues from the store.
//!
//! Everything is behind one mutex that is held for a batch at most, never over an
//! await. An idle queue costs nothing: receivers sleep until they are woken, and a
//! timer exists only while a delivery is open.

mod chain;
mod lane;
mod leases;
mod lines;
mod waiters;

use std::sync::Arc;

use async_trait::async_trait;
use model::id::{StepKey, TenantId};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, time::Instant};

use self::{lines::Lines, waiters::Waiters};
use crate::{DeadLetter, Delivery, Depth, Error, Limits, Queue, Subscription};

/// A queue in memory.
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    /// Ends the timer when the queue is dropped or closed.
    ended: Notify,
}

#[derive(Default)]
struct State {
    lines: Lines,
    waiters: Waiters,
    closed: bool,
    /// A timer runs that ends leases.
    timed: bool,
}

impl State {
    /// Wakes receivers for whatever waits. Called wherever a receiver that was woken
    /// for an entry may have taken another, or none: no entry waits while a receiver
    /// for it sleeps.
    fn wake(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        for (line, waiting) in self.lines.filled() {
            self.waiters.wake(line, waiting);
        }
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                state: Mutex::default(),
                ended: Notify::new(),
            }),
        }
    }

    /// Takes what is there or, when nothing is, joins those who wait with `bell`.
    fn take_or_wait(
        &self,
        subscription: &Subscription,
        max: usize,
        bell: &Arc<Notify>,
    ) -> Result<Vec<Delivery>, Error> {
        let limits = self.shared.limits;
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        let now = Instant::now();
        state.lines.expire(now, limits);
        let (taken, interest) = state.lines.take(subscription, max, now + limits.lease);
        if taken.is_empty() {
            state.waiters.join(interest, max, Arc::clone(bell));
        }
        state.wake();
        if !taken.is_empty() && !state.timed {
            state.timed = spawn_timer(&self.shared);
        }
        Ok(taken)
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Drop for MemoryQueue {
    fn drop(&mut self) {
        self.shared.ended.notify_one();
    }
}

/// A receiver that waits; dropped in its sleep, it hands its turn on.
struct Waiting<'queue> {
    shared: &'queue Shared,
    bell: &'queue Arc<Notify>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if !state.waiters.leave(self.bell) {
            state.wake();
        }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn enqueue(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        let line = state.lines.push(queue, high, tenant, steps);
        state.waiters.wake(line, steps.len());
        Ok(())
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let max = max.max(1);
        let bell = Arc::new(Notify::new());
        loop {
            let taken = self.take_or_wait(subscription, max, &bell)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            let waiting = Waiting {
                shared: &self.shared,
                bell: &bell,
            };
            bell.notified().await;
            // Woken: it takes at once, with no point in between at which it may be dropped.
            std::mem::forget(waiting);
        }
    }

    async fn acknowledge(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        for delivery in deliveries {
            state.lines.end(delivery.id);
        }
        Ok(())
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        if let Some(lease) = state.lines.end(delivery.id) {
            state.lines.bury(lease, reason);
        }
        Ok(())
    }

    async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.shared.state.lock().lines.dead_letters(queue))
    }

    async fn revive(&self, queue: &str) -> Result<usize, Error> {
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        let Some((line, revived)) = state.lines.revive(queue) else {
            return Ok(0);
        };
        state.waiters.wake(line, revived);
        Ok(revived)
    }

    async fn depths(&self) -> Result<Vec<Depth>, Error> {
        Ok(self.shared.state.lock().lines.depths())
    }

    fn looks_empty(&self, queue: &str) -> bool {
        self.shared.state.lock().lines.waiting(queue) == 0
    }

    fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.waiters.wake_all();
        self.shared.ended.notify_one();
    }

    fn description(&self) -> String {
        "memory".to_owned()
    }
}

/// Starts the timer that ends leases; false where no runtime is there to run it.
/// Without it, leases still end whenever somebody receives.
fn spawn_timer(shared: &Arc<Shared>) -> bool {
    let Ok(runtime) = Handle::try_current() else {
        return false;
    };
    let mut timer = Timer {
        shared: Arc::clone(shared),
        running: true,
    };
    runtime.spawn(async move {
        while let Some(next) = timer.expire() {
            tokio::select! {
                () = timer.shared.ended.notified() => return,
                () = tokio::time::sleep_until(next) => {}
            }
        }
    });
    true
}

struct Timer {
    shared: Arc<Shared>,
    running: bool,
}

impl Timer {
    /// Ends what is over. Answers when the next lease ends; when none is open, the
    /// timer is over, and the next delivery starts another.
    fn expire(&mut self) -> Option<Instant> {
        let mut state = self.shared.state.lock();
        if state.lines.expire(Instant::now(), self.shared.limits) {
            state.wake();
        }
        let next = state.lines.next_end();
        if next.is_none() {
            state.timed = false;
            self.running = false;
        }
        next
    }
}

impl Drop for Timer {
    /// The runtime may end under it.
    fn drop(&mut self) {
        if self.running {
            self.shared.state.lock().timed = false;
        }
    }
}

#[cfg(test)]
mod tests;
