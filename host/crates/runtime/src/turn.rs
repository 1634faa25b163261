//! Turns: no guest keeps others from computing.
//!
//! A guest has a burst of CPU time of its own. Time in which it waits gives it back. One that has
//! used its burst up continues only in turns, of which there are fewer than cores: however many
//! guests spin, a thread remains for those that do not.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

use crate::epoch::{TICK, Ticker};

thread_local! {
    /// When the guest that computes on this thread has to give it up.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether it gave the thread up for this reason.
    static YIELDED: Cell<bool> = const { Cell::new(false) };
}

/// What to do when a guest notices a tick: go on while its time lasts, then give up the thread.
pub(crate) fn on_tick() -> UpdateDeadline {
    let left = UNTIL.get().map_or(Duration::ZERO, |until| {
        until.saturating_duration_since(Instant::now())
    });
    if left.is_zero() {
        YIELDED.set(true);
        return UpdateDeadline::Yield(1);
    }
    UpdateDeadline::Continue(
        (left.as_micros() as u64)
            .div_ceil(TICK.as_micros() as u64)
            .max(1),
    )
}

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The rules for one runtime.
pub(crate) struct Rules {
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) quantum: Duration,
    pub(crate) ticker: Ticker,
}

/// A guest that keeps to the rules.
pub(crate) struct Fair<'a, F> {
    inner: Pin<&'a mut F>,
    rules: &'a Rules,
    /// CPU time used and not yet given back.
    used: Duration,
    /// CPU time in all.
    pub(crate) busy: Duration,
    paused: Option<Instant>,
    queued: Option<Acquire>,
}

impl<'a, F> Fair<'a, F> {
    pub(crate) fn new(rules: &'a Rules, inner: Pin<&'a mut F>) -> Self {
        Self {
            inner,
            rules,
            used: Duration::ZERO,
            busy: Duration::ZERO,
            paused: None,
            queued: None,
        }
    }
}

impl<F: Future> Fair<'_, F> {
    /// A turn if the guest needs one; pending while it has to wait for it.
    fn turn(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        if self.queued.is_none() {
            if let Some(paused) = self.paused.take() {
                self.used = self
                    .used
                    .saturating_sub(now.saturating_duration_since(paused));
            }
            if self.used < self.rules.quantum {
                return Poll::Ready(None);
            }
        }
        let queued = self
            .queued
            .get_or_insert_with(|| Box::pin(self.rules.turns.clone().acquire_owned()));
        match queued.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(turn) => {
                self.queued = None;
                self.used = Duration::ZERO;
                Poll::Ready(turn.ok())
            }
        }
    }
}

impl<F: Future> Future for Fair<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let start = Instant::now();
        let turn = match this.turn(start, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(turn) => turn,
        };
        let left = this.rules.quantum.saturating_sub(this.used);
        let outer = UNTIL.replace(Some(start + left));
        let computing = this.rules.ticker.computing();
        let result = this.inner.as_mut().poll(cx);
        drop(computing);
        UNTIL.set(outer);
        let end = Instant::now();
        let spent = end.saturating_duration_since(start);
        this.busy += spent;
        this.used += spent;
        if YIELDED.replace(false) {
            // It did not wait for anything: the pause gives nothing back.
            this.used = this.used.max(this.rules.quantum);
            this.paused = None;
        } else {
            this.paused = Some(end);
        }
        drop(turn);
        result
    }
}
