//! Pauses: what starts no steps for now, because somebody said so.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{StepKey, TenantId},
};

use crate::{Result, runs::ReadyStep};

/// What a pause holds up: runs that fit everything that is given. With neither, every run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PauseScope {
    /// Runs of this application's definition.
    pub application: Option<i64>,
    /// Runs on this queue.
    pub queue: Option<String>,
}

impl PauseScope {
    /// Whether a run of that application on that queue is held up.
    pub fn holds(&self, application: i64, queue: &str) -> bool {
        self.application.is_none_or(|id| id == application)
            && self.queue.as_deref().is_none_or(|name| name == queue)
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Whose runs it holds up.
    pub tenant: TenantId,
    /// Which of them.
    pub scope: PauseScope,
    /// The application's name when this was read; ignored when it is stored.
    pub application_name: Option<String>,
    /// Who paused.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why, in that person's words; may be empty.
    pub reason: String,
}

/// Pauses. A paused run is accepted and waits, its steps that execute go on to their end, and
/// none of its steps is claimed from the commit of the pause on: [`crate::runs::Runs::claim`]
/// answers `None`, a completion claims nothing, and [`crate::runs::Runs::ready`] leaves out
/// its steps. A step that a submit claims with its run's acceptance is the caller's to refuse.
#[async_trait]
pub trait Pauses: Send + Sync + 'static {
    /// Pauses. `false`: that scope was paused before, and stays so as it was.
    async fn pause(&self, pause: Pause) -> Result<bool>;

    /// Ends a pause. `false`: there was none of that scope. Its ready steps are the caller's
    /// to queue, see [`Pauses::ready_of`].
    async fn resume(&self, tenant: TenantId, scope: &PauseScope) -> Result<bool>;

    /// All pauses, the oldest first.
    async fn pauses(&self) -> Result<Vec<Pause>>;

    /// Ready steps of runs in that scope which no other pause holds up, in the order of
    /// acceptance, after `after`, at most `limit`.
    async fn ready_of(
        &self,
        tenant: TenantId,
        scope: &PauseScope,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<ReadyStep>>;
}
