//! What is read of runs.

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, TenantId, Token, WorkerId},
    state::{RunState, StepState},
    trace::Context,
};

use super::{Priority, QueueStanding, Span, Sum, Unfinished, Volume};
use crate::{Page, Result};

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its number.
    pub run: RunId,
    /// Its name outside.
    pub reference: RunRef,
    /// Whose it is.
    pub tenant: TenantId,
    /// The application's definition.
    pub application: i64,
    /// The application's name when the run was read.
    pub application_name: String,
    /// The revision that it is pinned to: its row, and its number as people see it.
    pub application_revision: i64,
    /// The application revision's number as people see it, from 1.
    pub application_revision_number: i64,
    /// The aligned configuration object's name.
    pub configuration_name: Option<String>,
    /// Its queue.
    pub queue: String,
    /// Its priority there.
    pub priority: Priority,
    /// Its log level.
    pub log_level: u8,
    /// Who or what started it.
    pub trigger: String,
    /// Where it stands.
    pub state: RunState,
    /// How many steps its plan has.
    pub steps: u32,
    /// How many of them have ended.
    pub ended: u32,
    /// The number of its last event.
    pub seq: i64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its first step started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its payload partition.
    pub expires_at: Timestamp,
    /// The place in a trace that it was accepted at.
    pub trace: Option<Context>,
    /// The set of pack versions that it is pinned to, see [`super::Runs::pin_set`].
    pub pins: i64,
    /// The only step of its application that it executes, as its step 0.
    pub part: Option<Ordinal>,
}

/// A step of a run as pages show it. Steps that nothing has reached yet have no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSummary {
    /// Its place in the plan.
    pub step: Ordinal,
    /// Where it stands.
    pub state: StepState,
    /// How often it was claimed.
    pub attempts: i64,
    /// Who executes or executed it.
    pub worker: Option<WorkerId>,
    /// The number of the run's event that changed it last.
    pub seq: i64,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// When its newest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its newest attempt was marked as late.
    pub late_at: Option<Timestamp>,
}

/// What a list of runs is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Runs of this application's definition.
    pub application: Option<i64>,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// Runs aligned with the configuration object of this name.
    pub configuration: Option<String>,
    /// Runs in one of these states; empty: any.
    pub states: Vec<RunState>,
    /// Runs accepted at this moment or later.
    pub from: Option<Timestamp>,
    /// Runs accepted before this moment.
    pub until: Option<Timestamp>,
    /// Runs that no other run started.
    pub top: bool,
    /// Runs with dead letters, see [`crate::bulk`].
    pub dead: bool,
}

/// Log lines of one attempt, as they were stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Its place among all chunks: the `after` of the next call.
    pub id: i64,
    /// The step.
    pub step: Ordinal,
    /// The attempt.
    pub token: Token,
    /// A JSON array of `{"t": micros, "l": level, "m": text}`.
    pub lines: Bytes,
}

/// What is read of runs. Never on the hot path.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// The run of that name.
    async fn run(&self, tenant: TenantId, reference: RunRef) -> Result<Option<RunSummary>>;

    /// Runs of whole applications, the newest first, after the run of number `after`.
    async fn runs(
        &self,
        tenant: TenantId,
        filter: &RunFilter,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunSummary>>;

    /// The newest run of a whole application, of each of these that has one.
    async fn last_runs(&self, tenant: TenantId, applications: &[i64]) -> Result<Vec<RunSummary>>;

    /// The runs of a span summed up, part by part in their order, by state.
    async fn timeline(&self, tenant: TenantId, span: &Span) -> Result<Vec<Sum>>;

    /// The runs of all applications summed up, part by part in their order, by state.
    async fn volume(&self, tenant: TenantId, volume: Volume) -> Result<Vec<Sum>>;

    /// The runs that have not ended, queue by queue in the order of their names.
    async fn standing(&self, tenant: TenantId) -> Result<Vec<QueueStanding>>;

    /// How many accepted runs have not ended, for each tenant and queue that has any.
    async fn unfinished(&self) -> Result<Vec<Unfinished>>;

    /// The steps of a run that changed after its event `after_seq` (0: all), in the
    /// order of the plan.
    async fn steps(&self, run: RunId, after_seq: i64) -> Result<Vec<StepSummary>>;

    /// The run's own parameters.
    async fn input(&self, run: RunId, expires_at: Timestamp) -> Result<Option<Bytes>>;

    /// Why a step failed, or its warning.
    async fn error(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Ordinal,
    ) -> Result<Option<Bytes>>;

    /// Stored log lines of a run or of one of its steps, after chunk `after`.
    async fn log(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Option<Ordinal>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<LogChunk>>;
}
