//! The rows of steps that become ready, are claimed in the same commit, or end unexecuted.

use model::{
    clock::Timestamp,
    flow::{Arrivals, Joins, Signal},
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    state::StepState,
};
use store::Error;

use super::rows::{Rows, StepRow};

/// The first token of a step.
pub(super) const FIRST: Token = Token(1);

/// A run at one of its events.
pub(super) struct Event<'r> {
    pub(super) rows: &'r mut Rows,
    pub(super) run: RunId,
    pub(super) seq: i64,
    pub(super) at: Timestamp,
}

impl Event<'_> {
    fn change(&mut self, step: Ordinal, change: impl FnOnce(&mut StepRow)) {
        let key = StepKey {
            run: self.run,
            step,
        };
        let seq = self.seq;
        self.rows.change_step(key, |row| {
            change(row);
            row.seq = seq;
        });
    }

    /// Makes steps ready, the first of them claimed if a worker asks for one.
    pub(super) fn start(
        &mut self,
        ready: &mut Vec<Ordinal>,
        worker: Option<WorkerId>,
    ) -> Option<(Ordinal, Token)> {
        let at = self.at.0;
        let claimed = match (worker, ready.first()) {
            (Some(worker), Some(&first)) => {
                self.rows.workers.insert(worker);
                self.change(first, |row| {
                    row.state = StepState::Running;
                    row.token = FIRST.0;
                    row.worker = Some(worker.0);
                    row.ready_at = Some(at);
                    row.started_at = Some(at);
                });
                ready.remove(0);
                Some((first, FIRST))
            }
            _ => None,
        };
        for &step in ready.iter() {
            self.change(step, |row| {
                row.state = StepState::Ready;
                row.ready_at = Some(at);
            });
        }
        claimed
    }

    /// Ends a step that was never ready, in that state.
    pub(super) fn end_unexecuted(&mut self, step: Ordinal, state: StepState) {
        let at = self.at.0;
        self.change(step, |row| {
            row.state = state;
            row.finished_at = Some(at);
        });
    }
}

/// The run's row is locked, so that reading the count and writing it is atomic.
impl Joins for Event<'_> {
    type Error = Error;

    fn arrive(&mut self, step: Ordinal, inputs: u32, signal: Signal) -> Result<Arrivals, Error> {
        let key = StepKey {
            run: self.run,
            step,
        };
        let before = self
            .rows
            .step(key)
            .map_or(Arrivals::none(inputs), |row| Arrivals {
                pending: row.pending,
                live: row.live,
                failed: row.failed,
            });
        let now = before.with(signal);
        self.change(step, |row| {
            row.pending = now.pending;
            row.live = now.live;
            row.failed = now.failed;
        });
        Ok(now)
    }
}
