//! Runs and their steps, one file per thing that happens to them.
//!
//! Whoever changes a run's row or its steps holds the lock on the run's row until the
//! commit, and locks several in the order of their numbers.

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
use sqlx::{Row, postgres::PgRow};
use store::{
    Page, Result,
    runs::{
        AttemptSummary, CancelScope, CancelledRun, Child, Claim, Claimed, Completed, Completion,
        History, LogChunk, LostStep, NewRun, Priority, QueueStanding, ReadyStep, Revoked,
        RunFilter, RunSummary, Runs, Span, StepSummary, Submitted, Sum, Suspended, Suspension,
        Unfinished, Volume, WaitSummary, Waits, Woken,
    },
};

use crate::{PostgresStore, transaction::transact, writer::Item};

mod activate;
mod cancel;
pub(crate) mod claim;
pub(crate) mod complete;
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
pub(crate) mod rows;
pub(crate) mod submit;
pub(crate) mod wait;
mod waited;
mod write;

pub(crate) use list::count_runs;

#[async_trait]
impl Runs for PostgresStore {
    async fn pin_set(&self, pins: &str) -> Result<i64> {
        pins::settle(&self.pool, pins).await
    }

    async fn pins(&self, set: i64) -> Result<Option<String>> {
        pins::text(&self.pool, set).await
    }

    async fn submit(&self, run: NewRun) -> Result<Submitted> {
        // A child's parent is locked with it: the lane of its run is the one that may wait for it.
        let parent = run.parent.map(|parent| parent.key.run);
        self.writer
            .call(parent, |reply| Item::Submit(Box::new(run), reply))
            .await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Claimed>> {
        self.writer
            .call(Some(claim.key.run), |reply| Item::Claim(claim, reply))
            .await
    }

    async fn complete(&self, completion: Completion) -> Result<Completed> {
        self.writer
            .call(Some(completion.key.run), |reply| {
                Item::Complete(Box::new(completion), reply)
            })
            .await
    }

    async fn append_log(
        &self,
        key: StepKey,
        token: Token,
        expires_at: Timestamp,
        lines: Bytes,
    ) -> Result<()> {
        let lines = Box::new(rows::Chunk {
            key,
            token,
            day: expires_at.day(),
            lines,
        });
        self.writer
            .call(Some(key.run), |reply| Item::Log(lines, reply))
            .await
    }

    async fn cancel(&self, run: RunId, at: Timestamp) -> Result<Vec<CancelledRun>> {
        transact!(self.pool, connection => cancel::cancel(connection, run, at).await)
    }

    async fn cancel_all(
        &self,
        scope: &CancelScope,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<CancelledRun>> {
        transact!(self.pool, connection => cancel::cancel_all(connection, scope, at, limit).await)
    }

    async fn revoke(
        &self,
        key: StepKey,
        graph: Arc<Graph>,
        at: Timestamp,
    ) -> Result<Option<Revoked>> {
        transact!(self.pool, connection => revoke::revoke(connection, key, &graph, at).await)
    }

    async fn mark_late(&self, key: StepKey, token: Token, at: Timestamp) -> Result<bool> {
        transact!(self.pool, connection => revoke::mark_late(connection, key, token, at).await)
    }

    async fn lost(&self, now: Timestamp, limit: usize) -> Result<Vec<LostStep>> {
        lost::lost(&self.pool, now, limit).await
    }

    async fn held(&self, worker: WorkerId) -> Result<Vec<(StepKey, Token)>> {
        held::held(&self.pool, worker).await
    }

    async fn give_back(
        &self,
        worker: WorkerId,
        attempts: &[(StepKey, Token)],
        now: Timestamp,
    ) -> Result<Vec<ReadyStep>> {
        transact!(self.pool, connection => held::give_back(connection, worker, attempts, now).await)
    }

    async fn ready(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<ReadyStep>> {
        ready::ready(&self.pool, after, limit, None).await
    }

    async fn outputs(
        &self,
        run: RunId,
        expires_at: Timestamp,
        steps: &[Ordinal],
    ) -> Result<Vec<Option<Bytes>>> {
        history::outputs(&self.pool, run, expires_at, steps).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let forgotten =
            transact!(self.pool, connection => expire::forget_runs(connection, now, limit).await)?;
        expire::drop_partitions(&self.partitions, now).await;
        Ok(forgotten)
    }
}

#[async_trait]
impl Waits for PostgresStore {
    async fn suspend(&self, suspension: Suspension) -> Result<Suspended> {
        self.partitions
            .ensure([suspension.expires_at.day()])
            .await?;
        transact!(self.pool, connection => wait::suspend(connection, &suspension).await)
    }

    async fn wake_due(&self, now: Timestamp, limit: usize) -> Result<Woken> {
        let ready =
            transact!(self.pool, connection => wait::wake_due(connection, now, limit).await)?;
        let next = wait::next_due(&self.pool).await?;
        Ok(Woken { ready, next })
    }

    async fn settle(&self, parent: StepKey, at: Timestamp) -> Result<Option<ReadyStep>> {
        transact!(self.pool, connection => wait::settle(connection, parent, at).await)
    }

    async fn unsettled(&self, after: Option<StepKey>, limit: usize) -> Result<Vec<StepKey>> {
        wait::unsettled(&self.pool, after, limit).await
    }

    async fn children(
        &self,
        parent: StepKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Child>> {
        waited::children(&self.pool, parent, after, limit).await
    }

    async fn depth(&self, run: RunId, limit: u32) -> Result<u32> {
        waited::depth(&self.pool, run, limit).await
    }

    async fn waits(&self, run: RunId) -> Result<Vec<WaitSummary>> {
        waited::waits(&self.pool, run).await
    }

    async fn attempts(&self, key: StepKey) -> Result<Vec<AttemptSummary>> {
        waited::attempts(&self.pool, key).await
    }
}

#[async_trait]
impl History for PostgresStore {
    async fn run(&self, tenant: TenantId, reference: RunRef) -> Result<Option<RunSummary>> {
        list::run(&self.pool, tenant, reference).await
    }

    async fn runs(
        &self,
        tenant: TenantId,
        filter: &RunFilter,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunSummary>> {
        list::runs(&self.pool, tenant, filter, after, limit).await
    }

    async fn last_runs(&self, tenant: TenantId, applications: &[i64]) -> Result<Vec<RunSummary>> {
        list::last_runs(&self.pool, tenant, applications).await
    }

    async fn timeline(&self, tenant: TenantId, span: &Span) -> Result<Vec<Sum>> {
        list::timeline(&self.pool, tenant, span).await
    }

    async fn volume(&self, tenant: TenantId, volume: Volume) -> Result<Vec<Sum>> {
        overview::volume(&self.pool, tenant, volume).await
    }

    async fn standing(&self, tenant: TenantId) -> Result<Vec<QueueStanding>> {
        overview::standing(&self.pool, tenant).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        list::unfinished(&self.pool).await
    }

    async fn steps(&self, run: RunId, after_seq: i64) -> Result<Vec<StepSummary>> {
        history::steps(&self.pool, run, after_seq).await
    }

    async fn input(&self, run: RunId, expires_at: Timestamp) -> Result<Option<Bytes>> {
        history::input(&self.pool, run, expires_at).await
    }

    async fn error(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Ordinal,
    ) -> Result<Option<Bytes>> {
        history::error(&self.pool, run, expires_at, step).await
    }

    async fn log(
        &self,
        run: RunId,
        expires_at: Timestamp,
        step: Option<Ordinal>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<LogChunk>> {
        log::read(&self.pool, run, expires_at, step, after, limit).await
    }
}

/// A number of SQL from a number of ours: `LIMIT` takes no more than it can count.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A column that holds what it should not.
pub(crate) fn unknown(column: usize, what: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: format!("{what} is not known").into(),
    }
}

fn code(row: &PgRow, column: usize) -> sqlx::Result<u8> {
    let code: i16 = row.try_get(column)?;
    u8::try_from(code).map_err(|_| unknown(column, &format!("code {code}")))
}

#[inline]
pub(crate) fn step_state(row: &PgRow, column: usize) -> sqlx::Result<StepState> {
    let code = code(row, column)?;
    StepState::from_code(code).ok_or_else(|| unknown(column, &format!("step state {code}")))
}

#[inline]
fn run_state(row: &PgRow, column: usize) -> sqlx::Result<RunState> {
    let code = code(row, column)?;
    RunState::from_code(code).ok_or_else(|| unknown(column, &format!("run state {code}")))
}

#[inline]
fn priority(row: &PgRow, column: usize) -> sqlx::Result<Priority> {
    match code(row, column)? {
        0 => Ok(Priority::Normal),
        1 => Ok(Priority::High),
        code => Err(unknown(column, &format!("priority {code}"))),
    }
}

/// The step of two columns, the run and the ordinal.
pub(crate) fn key(row: &PgRow, column: usize) -> sqlx::Result<StepKey> {
    Ok(StepKey {
        run: RunId(row.try_get(column)?),
        step: Ordinal(row.try_get::<i32, _>(column + 1)? as u32),
    })
}

/// The column of the only step that a run executes.
fn part(row: &PgRow, column: usize) -> sqlx::Result<Option<Ordinal>> {
    let part = row.try_get::<Option<i32>, _>(column)?;
    Ok(part.map(|part| Ordinal(part as u32)))
}

/// The column of an ordinal; `None` beyond those that there can be.
pub(crate) fn ordinal(step: Ordinal) -> Option<i32> {
    i32::try_from(step.0).ok()
}

pub(crate) fn time(row: &PgRow, column: usize) -> sqlx::Result<Timestamp> {
    row.try_get(column).map(Timestamp)
}

pub(crate) fn maybe_time(row: &PgRow, column: usize) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
}

fn trace(row: &PgRow, column: usize) -> sqlx::Result<Option<Context>> {
    let bytes = row.try_get::<Option<&[u8]>, _>(column)?;
    Ok(bytes.and_then(Context::from_bytes))
}

fn ready_step(row: &PgRow) -> sqlx::Result<ReadyStep> {
    Ok(ReadyStep {
        key: key(row, 0)?,
        queue: row.try_get::<&str, _>(2)?.into(),
        priority: priority(row, 3)?,
        tenant: TenantId(row.try_get(4)?),
    })
}
