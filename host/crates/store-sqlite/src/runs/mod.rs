//! Runs and their steps, one file per thing that happens to them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    flow::Graph,
    id::{Ordinal, RunId, RunRef, StepKey, TenantId, Token, WorkerId},
    state::{RunState, StepState},
    trace::Context,
};
use rusqlite::{Row, types::Type};
use store::{
    Page, Result,
    runs::{
        AttemptSummary, CancelScope, CancelledRun, Child, Claim, Claimed, Completed, Completion,
        History, LogChunk, LostStep, NewRun, Priority, QueueStanding, ReadyStep, Revoked,
        RunFilter, RunSummary, Runs, Span, StepSummary, Submitted, Sum, Suspended, Suspension,
        Unfinished, Volume, WaitSummary, Waits, Woken,
    },
};

use crate::SqliteStore;

mod activate;
mod cancel;
mod claim;
mod complete;
mod expire;
mod held;
mod history;
mod list;
mod log;
mod lost;
mod overview;
mod pins;
pub(crate) mod ready;
mod revoke;
pub(crate) mod submit;
pub(crate) mod wait;

#[async_trait]
impl Runs for SqliteStore {
    async fn pin_set(&self, pins: &str) -> Result<i64> {
        let text = pins.to_owned();
        let known = self.readers.call(move |c| pins::number(c, &text)).await?;
        if let Some(number) = known {
            return Ok(number);
        }
        let text = pins.to_owned();
        self.writer.call(move |tx| pins::settle(tx, &text)).await
    }

    async fn pins(&self, set: i64) -> Result<Option<String>> {
        self.readers.call(move |c| pins::text(c, set)).await
    }

    async fn submit(&self, run: NewRun) -> Result<Submitted> {
        self.writer.call(move |tx| submit::submit(tx, &run)).await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Claimed>> {
        self.writer.call(move |tx| claim::claim(tx, claim)).await
    }

    async fn complete(&self, completion: Completion) -> Result<Completed> {
        self.writer
            .call(move |tx| complete::complete(tx, &completion))
            .await
    }

    async fn append_log(
        &self,
        key: StepKey,
        token: Token,
        expires_at: Timestamp,
        lines: Bytes,
    ) -> Result<()> {
        self.writer
            .call(move |tx| log::append(tx, key, token, expires_at, &lines))
            .await
    }

    async fn cancel(&self, run: RunId, at: Timestamp) -> Result<Vec<CancelledRun>> {
        self.writer
            .call(move |tx| cancel::cancel(tx, run, at))
            .await
    }

    async fn cancel_all(
        &self,
        scope: &CancelScope,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<CancelledRun>> {
        let scope = scope.clone();
        self.writer
            .call(move |tx| cancel::cancel_all(tx, &scope, at, limit))
            .await
    }

    async fn revoke(
        &self,
        key: StepKey,
        graph: Arc<Graph>,
        at: Timestamp,
    ) -> Result<Option<Revoked>> {
        self.writer
            .call(move |tx| revoke::revoke(tx, key, &graph, at))
            .await
    }

    async fn mark_late(&self, key: StepKey, token: Token, at: Timestamp) -> Result<bool> {
        self.writer
            .call(move |tx| revoke::mark_late(tx, key, token, at))
            .await
    }

    async fn lost(&self, now: Timestamp, limit: usize) -> Result<Vec<LostStep>> {
        self.writer.call(move |tx| lost::lost(tx, now, limit)).await
    }

    async fn held(&self, worker: WorkerId) -> Result<Vec<(StepKey, Token)>> {
        self.readers.call(move |c| held::held(c, worker)).await
    }

    async fn give_back(
        &self,
        worker: WorkerId,
        attempts: &[(StepKey, Token)],
        now: Timestamp,
    ) -> Result<Vec<ReadyStep>> {
        let attempts = attempts.to_vec();
        self.writer
            .call(move |tx| held::give_back(tx, worker, &attempts, now))
            .await
    }

    async fn ready(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<ReadyStep>> {
        self.readers
            .call(move |c| ready::ready(c, after, limit, None))
            .await
    }

    async fn outputs(
        &self,
        run: RunId,
        expires_at: Timestamp,
        steps: &[Ordinal],
    ) -> Result<Vec<Option<Bytes>>> {
        self.readers
            .call_here(|c| history::outputs(c, run, expires_at, steps))
            .await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let forgotten = self
            .writer
            .call(move |tx| expire::forget_runs(tx, now, limit))
            .await?;
        // Piece by piece, so that other calls get their turn between.
        while self
            .writer
            .call(move |tx| expire::shrink_partitions(tx, now))
            .await?
        {}
        while self.writer.call(expire::give_back).await? {}
        Ok(forgotten)
    }
}

#[async_trait]
impl Waits for SqliteStore {
    async fn suspend(&self, suspension: Suspension) -> Result<Suspended> {
        self.writer
            .call(move |tx| wait::suspend(tx, &suspension))
            .await
    }

    async fn wake_due(&self, now: Timestamp, limit: usize) -> Result<Woken> {
        self.writer
            .call(move |tx| wait::wake_due(tx, now, limit))
            .await
    }

    async fn settle(&self, parent: StepKey, at: Timestamp) -> Result<Option<ReadyStep>> {
        self.writer
            .call(move |tx| wait::settle(tx, parent, at))
            .await
    }

    async fn unsettled(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<StepKey>> {
        self.readers
            .call(move |c| wait::unsettled(c, after, limit))
            .await
    }

    async fn children(
        &self,
        parent: StepKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Child>> {
        self.readers
            .call(move |c| wait::children(c, parent, after, limit))
            .await
    }

    async fn depth(&self, run: RunId, limit: u32) -> Result<u32> {
        self.readers.call(move |c| wait::depth(c, run, limit)).await
    }

    async fn waits(&self, run: RunId) -> Result<Vec<WaitSummary>> {
        self.readers.call(move |c| wait::waits(c, run)).await
    }

    async fn attempts(&self, key: StepKey) -> Result<Vec<AttemptSummary>> {
        self.readers.call(move |c| wait::attempts(c, key)).await
    }
}

#[async_trait]
impl History for SqliteStore {
    async fn run(&self, tenant: TenantId, reference: RunRef) -> Result<Option<RunSummary>> {
        self.readers
            .call(move |c| list::run(c, tenant, reference))
            .await
    }

    async fn runs(
        &self,
        tenant: TenantId,
        filter: &RunFilter,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunSummary>> {
        let filter = filter.clone();
        self.readers
            .call(move |c| list::runs(c, tenant, &filter, after, limit))
            .await
    }

    async fn last_runs(&self, tenant: TenantId, applications: &[i64]) -> Result<Vec<RunSummary>> {
        let applications = applications.to_vec();
        self.readers
            .call(move |c| list::last_runs(c, tenant, &applications))
            .await
    }

    async fn timeline(&self, tenant: TenantId, span: &Span) -> Result<Vec<Sum>> {
        let span = span.clone();
        self.readers
            .call(move |c| list::timeline(c, tenant, &span))
            .await
    }

    async fn volume(&self, tenant: TenantId, volume: Volume) -> Result<Vec<Sum>> {
        self.readers
            .call(move |c| overview::volume(c, tenant, volume))
            .await
    }

    async fn standing(&self, tenant: TenantId) -> Result<Vec<QueueStanding>> {
        self.readers
            .call(move |c| overview::standing(c, tenant))
            .await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        self.readers.call(list::unfinished).await
    }

    async fn steps(&self, run: RunId, after_seq: i64) -> Result<Vec<StepSummary>> {
        self.readers
            .call(move |c| history::steps(c, run, after_seq))
            .await
    }

    async fn input(&self, run: RunId, expires_at: Timestamp) -> Result<Option<Bytes>> {
        self.readers
            .call(move |c| history::input(c, run, expires_at))
            .await
    }

    async fn error(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Ordinal,
    ) -> Result<Option<Bytes>> {
        self.readers
            .call(move |c| history::error(c, run, expires_at, step))
            .await
    }

    async fn log(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Option<Ordinal>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<LogChunk>> {
        self.readers
            .call(move |c| log::read(c, run, expires_at, step, after, limit))
            .await
    }
}

pub(crate) use list::count_runs;

/// A number of SQL from a number of ours: `LIMIT` takes no more than it can count.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn unknown(column: usize, code: u8) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, i64::from(code))
}

#[inline]
pub(crate) fn step_state(row: &Row<'_>, column: usize) -> rusqlite::Result<StepState> {
    let code = row.get(column)?;
    StepState::from_code(code).ok_or_else(|| unknown(column, code))
}

#[inline]
fn run_state(row: &Row<'_>, column: usize) -> rusqlite::Result<RunState> {
    let code = row.get(column)?;
    RunState::from_code(code).ok_or_else(|| unknown(column, code))
}

#[inline]
fn priority(row: &Row<'_>, column: usize) -> rusqlite::Result<Priority> {
    match row.get(column)? {
        0 => Ok(Priority::Normal),
        1 => Ok(Priority::High),
        code => Err(unknown(column, code)),
    }
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(crate) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

fn trace(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Context>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(bytes.and_then(Context::from_bytes))
}

pub(crate) fn reference(row: &Row<'_>, column: usize) -> rusqlite::Result<RunRef> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(RunRef::from_uuid(uuid::Uuid::from_bytes(bytes)))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    row.get_ref(column)?
        .as_str()
        .map(Arc::from)
        .map_err(|_| rusqlite::Error::InvalidColumnType(column, "text".to_owned(), Type::Text))
}
