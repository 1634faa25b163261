//! Steps that wait and hold no worker: for the next attempt after a failed one, or for the
//! runs that they have started.

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunId, RunRef, StepKey, Token, WorkerId},
    state::{RunState, StepState, WaitKind},
};

use super::ReadyStep;
use crate::{Result, asks::Ask};

/// The end of an attempt whose step is not done: it waits.
#[derive(Clone, Debug)]
pub struct Suspension {
    /// The step.
    pub key: StepKey,
    /// The attempt's token, from its claim.
    pub token: Token,
    /// What it waits for.
    pub kind: WaitKind,
    /// When it is woken, if nothing wakes it before.
    pub until: Option<Timestamp>,
    /// How many children it has started in all, and with how many ended ones of them it is
    /// woken. 0: it waits for none.
    pub children: (u32, u32),
    /// Given to the attempt that goes on. `None`: what was given before stays.
    pub detail: Option<Bytes>,
    /// What it asks of the outside: the answer is the detail of the attempt that goes on.
    pub ask: Option<Ask>,
    /// How the attempt ended, for the history: [`StepState::Failed`] of one that is tried
    /// again. `None`: it has not ended, and goes on when it is woken.
    pub ended: Option<StepState>,
    /// Why it failed: a JSON object.
    pub error: Option<Bytes>,
    /// Log lines that were not appended before.
    pub log: Option<Bytes>,
    /// When.
    pub at: Timestamp,
    /// The run's payload partition, from its header.
    pub expires_at: Timestamp,
}

/// What became of a suspension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspended {
    /// The attempt had been fenced. Nothing was stored.
    Fenced,
    /// The step waits.
    Waiting,
    /// What it waits for has happened already: it is ready.
    Ready(ReadyStep),
}

/// What is left of the attempts of a step that has waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// What it waited for last.
    pub kind: WaitKind,
    /// What suspensions gave, the last one that gave anything.
    pub detail: Option<Bytes>,
    /// How often it was woken: so many claims follow no lost worker.
    pub wakes: i64,
    /// How many of its attempts have failed and were followed by another.
    pub retries: u32,
    /// How many children it has started, and how many of them had ended when it was woken.
    pub children: (u32, u32),
    /// When its first attempt started.
    pub first_at: Timestamp,
}

/// What a waiting step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitSummary {
    /// The step.
    pub key: StepKey,
    /// What for.
    pub kind: WaitKind,
    /// Since when.
    pub since: Timestamp,
    /// When it is woken, if nothing wakes it before.
    pub until: Option<Timestamp>,
    /// How many of its attempts have failed and were followed by another.
    pub retries: u32,
    /// How often it was woken.
    pub wakes: i64,
    /// How many children it has started, and how many of them have ended.
    pub children: (u32, u32),
}

/// An attempt that was followed by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSummary {
    /// Its claim.
    pub token: Token,
    /// How it ended.
    pub state: StepState,
    /// Who executed it.
    pub worker: Option<WorkerId>,
    /// When the step had become ready.
    pub ready_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it failed.
    pub error: Option<Bytes>,
}

/// A run that a step has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub run: RunId,
    /// Its name outside.
    pub reference: RunRef,
    /// The application revision that it is pinned to, and its set of packs.
    pub application_revision: i64,
    /// The set of pack versions that it is pinned to.
    pub pins: i64,
    /// The application's name when this was read.
    pub application_name: String,
    /// Where it stands.
    pub state: RunState,
    /// Its payload partition.
    pub expires_at: Timestamp,
    /// The idempotency key that it was accepted with.
    pub key: Option<String>,
}

/// Steps that were woken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// They are ready: for the queue.
    pub ready: Vec<ReadyStep>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
}

/// Steps that wait.
#[async_trait]
pub trait Waits: Send + Sync + 'static {
    /// Ends an attempt for now: its step waits and holds no worker.
    async fn suspend(&self, suspension: Suspension) -> Result<Suspended>;

    /// Makes those waiting steps ready whose time has come, the earliest first, at most
    /// `limit`; says when the next one is due after them. With more than `limit` that is at
    /// once.
    async fn wake_due(&self, now: Timestamp, limit: usize) -> Result<Woken>;

    /// Counts the children of this step that have ended since it was asked last, and makes
    /// the step ready if it waits for no more of them. Safe to call at any time.
    async fn settle(&self, parent: StepKey, at: Timestamp) -> Result<Option<ReadyStep>>;

    /// Steps with children that have ended and are not counted, in their order after that
    /// one, at most `limit`: whoever ended them did not come to [`Waits::settle`], or the step
    /// does not wait yet.
    async fn unsettled(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<StepKey>>;

    /// The runs that a step has started, in the order of acceptance, after the run of that
    /// number, at most `limit`.
    async fn children(
        &self,
        parent: StepKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Child>>;

    /// How many runs stand above a run: its parent, the parent's, and so on, counted up to
    /// `limit`.
    async fn depth(&self, run: RunId, limit: u32) -> Result<u32>;

    /// What the waiting steps of a run wait for, and what is left of earlier waits of its
    /// other steps.
    async fn waits(&self, run: RunId) -> Result<Vec<WaitSummary>>;

    /// The attempts of a step that were followed by another, in their order.
    async fn attempts(&self, key: StepKey) -> Result<Vec<AttemptSummary>>;
}
