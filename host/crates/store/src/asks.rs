//! What waiting steps ask of the outside: a decision of a person, or a message under a key.

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunRef, StepKey, TenantId},
    state::WaitKind,
};

use crate::{Result, runs::ReadyStep};

/// How many messages are kept under one key for steps that will wait for it.
pub const MOST_KEPT: usize = 1_000;

/// What a step asks while it waits ([`crate::runs::Suspension::ask`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whose it is.
    pub tenant: TenantId,
    /// Under which messages reach it; empty for a decision.
    pub key: String,
    /// What is asked: a JSON object.
    pub detail: Bytes,
}

/// What a waiting step asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskSummary {
    /// The step.
    pub step: StepKey,
    /// The run's name outside.
    pub reference: RunRef,
    /// The application's definition.
    pub application: i64,
    /// Its name when this was read.
    pub application_name: String,
    /// What for.
    pub kind: WaitKind,
    /// Under which messages reach it.
    pub key: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when it waits.
    pub until: Option<Timestamp>,
    /// What is asked: a JSON object.
    pub detail: Bytes,
}

/// Which asks are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskFilter {
    /// Of this tenant.
    pub tenant: TenantId,
    /// Of this kind.
    pub kind: WaitKind,
    /// Of runs of this application's definition.
    pub application: Option<i64>,
    /// Under this key.
    pub key: Option<String>,
}

/// A message for the step that waits under a key, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignal {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which step it is for: the one that waits longest under this key.
    pub key: String,
    /// The sender's id: a second one of the same under the key is the same message.
    pub sender_id: Option<String>,
    /// What the step is given.
    pub body: Bytes,
    /// When it came.
    pub at: Timestamp,
    /// Until when it is kept where no step waits for it. No later than `at`: it is not.
    pub keep_until: Timestamp,
    /// Until when its id is remembered, at least.
    pub remember_until: Timestamp,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// A step has been given it and is ready.
    Delivered {
        /// The step, for the queue.
        step: ReadyStep,
        /// The run's name outside.
        reference: RunRef,
    },
    /// It is kept for a step that will wait for it.
    Kept,
    /// No step waits for it, and it was not to be kept. Nothing was stored.
    Nobody,
    /// It came before. Nothing was stored.
    Duplicate,
    /// [`MOST_KEPT`] are kept under this key. Nothing was stored.
    Full,
}

/// What waiting steps ask, and the answers.
#[async_trait]
pub trait Asks: Send + Sync + 'static {
    /// Gives a step that waits for this kind its answer: the detail with which its attempt
    /// goes on. `None`: it does not wait for that, or no more; the first answer counts.
    async fn answer(
        &self,
        step: StepKey,
        kind: WaitKind,
        answer: Bytes,
        at: Timestamp,
    ) -> Result<Option<ReadyStep>>;

    /// What waiting steps ask, in the order of acceptance of their runs, after that step, at
    /// most `limit`.
    async fn asks(
        &self,
        filter: &AskFilter,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<AskSummary>>;

    /// What that step asks; `None` when it does not wait for an answer.
    async fn asked(&self, step: StepKey) -> Result<Option<AskSummary>>;

    /// Gives a message to the step that waits for it longest, by the acceptance of its run,
    /// or keeps it.
    async fn signal(&self, signal: NewSignal) -> Result<Signalled>;

    /// Forgets messages that have expired, at most `limit`. Answers how many.
    async fn expire_signals(&self, now: Timestamp, limit: usize) -> Result<usize>;
}
