//! Runs and their steps: the hot path ([`Runs`]), steps that wait ([`Waits`]), and what is
//! read of both ([`History`]).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    flow::{Graph, Route},
    id::{Ordinal, RunId, RunRef, StepKey, TenantId, Token, WorkerId},
    state::{RunState, StepState},
    trace::Context,
};

use crate::Result;

mod history;
mod timeline;
mod waits;

pub use history::{History, LogChunk, RunFilter, RunSummary, StepSummary};
pub use timeline::{QueueStanding, Span, Sum, Volume};
pub use waits::{Again, AttemptSummary, Child, Suspended, Suspension, WaitSummary, Waits, Woken};

/// Which executions run first among those of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// The usual one.
    #[default]
    Normal = 0,
    /// Before all of [`Priority::Normal`].
    High = 1,
}

/// What the caller gives so that a submit sent twice makes one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key, unique in the tenant while the run is kept.
    pub key: String,
    /// A digest of the request: the same key with another one is refused.
    pub digest: [u8; 16],
}

/// The attempt of a step that starts a run as its child: the run is accepted only while that
/// attempt runs, and the step is told when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The step.
    pub key: StepKey,
    /// The attempt's token, from its claim.
    pub token: Token,
}

/// A run to be accepted.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name outside.
    pub reference: RunRef,
    /// The application's definition and the revision that it runs.
    pub application: i64,
    /// The revision of the application that the run is pinned to.
    pub application_revision: i64,
    /// The revision of the configuration object that it is pinned to, if aligned.
    pub configuration_revision: Option<i64>,
    /// The set of pack versions that it is pinned to, see [`Runs::pin_set`].
    pub pins: i64,
    /// The queue on which its steps wait.
    pub queue: Arc<str>,
    /// Their priority there.
    pub priority: Priority,
    /// The log level of its steps (10, 20, 25, 30, 40).
    pub log_level: u8,
    /// Who or what started it: `api:isadmin`, `schedule:…`, `run:isapp-…`.
    pub trigger: Arc<str>,
    /// The attempt that starts it as a child.
    pub parent: Option<Parent>,
    /// The run's own parameters: a JSON object, references unresolved.
    pub input: Bytes,
    /// Its plan's edges; the steps that wait for none become ready with the commit.
    pub graph: Arc<Graph>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it may be forgotten once it has ended; names its payload partition.
    pub expires_at: Timestamp,
    /// So that the same submit sent twice makes one run.
    pub idempotency: Option<Idempotency>,
    /// Claim the first ready step for this worker in the same commit. Not heeded where
    /// results are kept.
    pub claim: Option<WorkerId>,
    /// Its place in a trace.
    pub trace: Option<Context>,
    /// The step of its application that it executes for an element of a list, and nothing
    /// else: its own step 0. `None`: the whole application.
    pub part: Option<Ordinal>,
    /// Steps that have ended when it is accepted, with the results of another run; each
    /// behind those that it waits for ([`model::flow::order_of_ended`]).
    pub kept: Vec<KeptStep>,
}

/// A step that is not executed: its result is that of another run. It counts no attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStep {
    /// The step.
    pub step: Ordinal,
    /// [`StepState::Success`] or [`StepState::Warning`].
    pub state: StepState,
    /// Which successors go on.
    pub route: Route,
    /// Its data.
    pub output: Option<Bytes>,
    /// Its warning.
    pub error: Option<Bytes>,
}

impl NewRun {
    /// How a kept step ends in this run.
    pub fn end_of(&self, run: RunId, kept: &KeptStep) -> Completion {
        Completion {
            key: StepKey {
                run,
                step: kept.step,
            },
            token: Token(0),
            state: kept.state,
            output: kept.output.clone(),
            error: kept.error.clone(),
            log: None,
            at: self.created_at,
            graph: self.graph.clone(),
            route: kept.route.clone(),
            claim: None,
            expires_at: self.expires_at,
            parent: None,
            limited: false,
        }
    }
}

/// What became of a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// A new run.
    New {
        /// Its number.
        run: RunId,
        /// The step that was claimed for the worker named in the submit.
        claimed: Option<(Ordinal, Token)>,
        /// Ready steps that the caller must put on the queue.
        ready: Vec<Ordinal>,
    },
    /// The run that was made when this idempotency key came first.
    Existing {
        /// Its number.
        run: RunId,
        /// Its name outside.
        reference: RunRef,
    },
    /// The attempt that starts it as a child runs no more. Nothing was stored.
    Orphan,
}

/// What a worker needs to know about a run whose step it has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHeader {
    /// Its number.
    pub run: RunId,
    /// Its name outside.
    pub reference: RunRef,
    /// Whose it is.
    pub tenant: TenantId,
    /// The application's definition.
    pub application: i64,
    /// The revision that it is pinned to.
    pub application_revision: i64,
    /// The revision of the configuration object, if aligned.
    pub configuration_revision: Option<i64>,
    /// The set of pack versions that it is pinned to.
    pub pins: i64,
    /// The queue of its steps.
    pub queue: Arc<str>,
    /// Their priority.
    pub priority: Priority,
    /// Its log level.
    pub log_level: u8,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Its payload partition.
    pub expires_at: Timestamp,
    /// The run's own parameters.
    pub input: Bytes,
    /// The place in a trace that it was accepted at.
    pub trace: Option<Context>,
    /// The step that started it as a child.
    pub parent: Option<StepKey>,
    /// The only step of its application that it executes, as its step 0.
    pub part: Option<Ordinal>,
}

/// A claimed step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What fences this attempt. Its number is the attempt's: 1 for the first.
    pub token: Token,
    /// When the step became ready.
    pub ready_at: Option<Timestamp>,
    /// What is left of its attempts before, if it has waited.
    pub again: Option<Again>,
    /// The run.
    pub header: RunHeader,
}

/// A claim: this worker wants to execute this step.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The step.
    pub key: StepKey,
    /// Who executes it.
    pub worker: WorkerId,
    /// Now: when the step counts as started.
    pub at: Timestamp,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The step.
    pub key: StepKey,
    /// The attempt's token, from its claim.
    pub token: Token,
    /// [`StepState::Success`], [`StepState::Warning`], [`StepState::Failed`] or
    /// [`StepState::Cancelled`].
    pub state: StepState,
    /// The step's data: a JSON text. `None` for a step without any.
    pub output: Option<Bytes>,
    /// Why it failed, or its warning: a JSON object (`kind`, `code`, `message`, `detail`).
    pub error: Option<Bytes>,
    /// Log lines that were not appended before: a JSON array of
    /// `{"t": micros, "l": level, "m": text}`.
    pub log: Option<Bytes>,
    /// When it ended.
    pub at: Timestamp,
    /// The edges of the run's plan.
    pub graph: Arc<Graph>,
    /// Which successors go on.
    pub route: Route,
    /// Claim the first step that becomes ready for this worker in the same commit.
    pub claim: Option<WorkerId>,
    /// The run's payload partition, from its header.
    pub expires_at: Timestamp,
    /// The step that started the run, from its header: it is told when the run ends.
    pub parent: Option<StepKey>,
    /// Whether the step may hold places of limits, which are given back.
    pub limited: bool,
}

/// What became of a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The attempt had been fenced: another claim is newer, or the step has ended.
    /// Nothing was stored.
    Fenced,
    /// The result is stored.
    Stored {
        /// The step that was claimed for the worker.
        claimed: Option<(Ordinal, Token)>,
        /// Ready steps that the caller must put on the queue.
        ready: Vec<Ordinal>,
        /// The state in which the run ended, if this was its last step.
        ended: Option<RunState>,
        /// Whether places of limits were handed to steps of whichever runs, which
        /// [`Waits::wake_due`] is to wake now. It may say so of one where it was another.
        handed: bool,
    },
}

/// A ready step, for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyStep {
    /// The step.
    pub key: StepKey,
    /// The queue of its run.
    pub queue: Arc<str>,
    /// The priority of its run.
    pub priority: Priority,
    /// Whose its run is.
    pub tenant: TenantId,
}

/// Accepted runs that have not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Whose they are.
    pub tenant: TenantId,
    /// Their queue.
    pub queue: Arc<str>,
    /// How many, at least one.
    pub runs: u64,
}

/// An attempt whose worker is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostStep {
    /// The step.
    pub key: StepKey,
    /// The attempt.
    pub token: Token,
    /// Who executed it.
    pub worker: WorkerId,
    /// The run's name outside.
    pub reference: RunRef,
    /// Whose it is.
    pub tenant: TenantId,
    /// The revision of the application that the run is pinned to.
    pub application_revision: i64,
    /// The set of pack versions that it is pinned to.
    pub pins: i64,
    /// Its payload partition.
    pub expires_at: Timestamp,
    /// The step that started the run.
    pub parent: Option<StepKey>,
    /// The queue of the run's steps.
    pub queue: Arc<str>,
    /// Their priority.
    pub priority: Priority,
    /// The only step of its application that the run executes, as its step 0.
    pub part: Option<Ordinal>,
}

/// Which runs are cancelled together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelScope {
    /// Runs of this tenant.
    pub tenant: TenantId,
    /// Runs of this application's definition.
    pub application: Option<i64>,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// Runs that were accepted no later than this one.
    pub until: RunId,
}

/// A run that was cancelled together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledRun {
    /// Its number.
    pub run: RunId,
    /// Its name outside.
    pub reference: RunRef,
    /// Its steps that were running, with their workers.
    pub running: Vec<(StepKey, WorkerId)>,
}

/// A step that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its newest attempt; 0 when there was none.
    pub token: Token,
    /// Who was executing it.
    pub worker: Option<WorkerId>,
    /// The state in which the run ended, if this was its last step.
    pub ended: Option<RunState>,
}

/// The hot path of runs. Calls that wait at the same time share a commit.
#[async_trait]
pub trait Runs: Send + Sync + 'static {
    /// The number of a set of pins (JSON: pack versions and component digests). The
    /// same text has the same number.
    async fn pin_set(&self, pins: &str) -> Result<i64>;

    /// The text of a set of pins.
    async fn pins(&self, set: i64) -> Result<Option<String>>;

    /// Accepts a run: run, input and ready steps in one commit.
    ///
    /// # Errors
    /// [`crate::Error::KeyReused`], [`crate::Error::Busy`].
    async fn submit(&self, run: NewRun) -> Result<Submitted>;

    /// Claims a ready step. `None` when it is not ready: somebody else has it, it has
    /// ended, or its run was cancelled; or when its run is paused.
    async fn claim(&self, claim: Claim) -> Result<Option<Claimed>>;

    /// Stores the end of an attempt, everything that follows from it
    /// ([`model::flow::advance`]) and the claim of the next step in one commit.
    async fn complete(&self, completion: Completion) -> Result<Completed>;

    /// Appends log lines (a JSON array as in [`Completion::log`]) of a running attempt, or
    /// of one that was cancelled while it ran. Those of any other are dropped.
    async fn append_log(
        &self,
        key: StepKey,
        token: Token,
        expires_at: Timestamp,
        lines: Bytes,
    ) -> Result<()>;

    /// Cancels a run and the runs that it started, down to the last: their waiting steps
    /// end as cancelled at once, and those that run are fenced. Answers what it cancelled,
    /// the run itself first; nothing when there is no such run or all of them have ended.
    async fn cancel(&self, run: RunId, at: Timestamp) -> Result<Vec<CancelledRun>>;

    /// Cancels runs of that scope that have not ended, the oldest first, at most `limit`
    /// in one commit, each as [`Runs::cancel`] does. Answers those that it cancelled; call
    /// again until there are none.
    async fn cancel_all(
        &self,
        scope: &CancelScope,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<CancelledRun>>;

    /// Ends one step that is ready, running or waiting as cancelled; what follows from it
    /// follows as after a failure. An attempt that runs is fenced. `None` when there is no
    /// such step or it is in another state.
    async fn revoke(
        &self,
        key: StepKey,
        graph: Arc<Graph>,
        at: Timestamp,
    ) -> Result<Option<Revoked>>;

    /// Notes that a running attempt takes longer than it should: an event of its run. Says
    /// whether it still runs.
    async fn mark_late(&self, key: StepKey, token: Token, at: Timestamp) -> Result<bool>;

    /// Attempts that are recorded for workers whose lease has ended, in the order of
    /// acceptance, at most `limit`. Each is to be given back ([`Runs::give_back`]) or
    /// ended ([`Runs::complete`]): both do nothing once somebody else has done either.
    /// Workers that hold nothing are forgotten when there is none.
    async fn lost(&self, now: Timestamp, limit: usize) -> Result<Vec<LostStep>>;

    /// The steps that are recorded as executed by that worker, with their attempts'
    /// tokens: what it compares with what it executes.
    async fn held(&self, worker: WorkerId) -> Result<Vec<(StepKey, Token)>>;

    /// Makes those of these attempts ready again that are still recorded for that
    /// worker, which is lost or knows nothing of them. Answers them for the queue. Those of
    /// a run that somebody else is changing may be left out: call again.
    async fn give_back(
        &self,
        worker: WorkerId,
        attempts: &[(StepKey, Token)],
        now: Timestamp,
    ) -> Result<Vec<ReadyStep>>;

    /// Ready steps of runs that are not paused, in the order of acceptance, after `after`, at
    /// most `limit`: what the reconciler puts on the queue.
    async fn ready(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<ReadyStep>>;

    /// The outputs of these steps of a run, in the order asked for; `None` for a step
    /// that has none.
    async fn outputs(
        &self,
        run: RunId,
        expires_at: Timestamp,
        steps: &[Ordinal],
    ) -> Result<Vec<Option<Bytes>>>;

    /// Forgets runs that have ended and expired, at most `limit`, and drops payload
    /// partitions that no run refers to. Answers how many runs were forgotten.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize>;
}
