//! What happened, in its order.

use std::sync::Arc;

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState, WaitKind},
};
use parking_lot::Mutex;
use store::{pauses::PauseScope, runs::NewRun, schedules::Outcome};

/// What the store has committed.
#[derive(Clone, Debug)]
pub(crate) enum Commit {
    /// A run was accepted.
    Accepted(RunId, Box<NewRun>),
    /// An attempt of a step began.
    Claimed(StepKey, Token, WorkerId),
    /// An attempt has ended for good.
    Ended(StepKey, Token, StepState),
    /// An attempt has ended for now.
    Suspended(StepKey, Token, WaitKind),
    /// A waiting step is ready.
    Woken(StepKey),
    /// An attempt of a lost worker was taken back.
    GivenBack(StepKey, Token),
    /// A step was stopped.
    Revoked(StepKey),
    /// A run was stopped.
    Cancelled(RunId),
    /// All steps of a run have ended.
    RunEnded(RunId, RunState),
    /// A schedule was saved; when it is due next.
    Scheduled(i64, Option<Timestamp>),
    /// It was decided what becomes of an occurrence.
    Fired(i64, Timestamp, Outcome, Option<RunId>),
    /// Something starts no steps from now on.
    Paused(PauseScope),
    /// It does again.
    Resumed(PauseScope),
}

/// What happened. A clone is the same journal.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Commit>>>);

impl Journal {
    /// The store has committed that.
    pub(crate) fn commit(&self, commit: Commit) {
        self.0.lock().push(commit);
    }
}
