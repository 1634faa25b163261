//! Runs are stopped.

use std::collections::BTreeMap;

use model::{
    clock::Timestamp,
    id::{RunId, RunRef, StepKey, WorkerId},
    state::{RunState, StepState},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::runs::{CancelScope, CancelledRun};

use super::{key, sql_limit, wait};
use crate::{limits, transaction::Work, uuid::Name};

/// The oldest runs of a scope. One that ends before it is locked counts for the limit.
const OLDEST: &str = "
  SELECT id FROM run
  WHERE finished_at IS NULL AND id <= $1 AND tenant_id = $2
    AND ($3::bigint IS NULL OR application_id = $3) AND ($4::text IS NULL OR queue = $4)
  ORDER BY id LIMIT $5";

/// With the runs that they started, down to the last. In the order of their numbers, as
/// everybody does who changes runs: a child comes after its parent.
const LOCK: &str = "
  WITH RECURSIVE family AS (
    SELECT unnest($1::bigint[]) AS id
    UNION
    SELECT r.id FROM family f JOIN run r ON r.parent_run = f.id
  )
  SELECT id, uuid FROM run
  WHERE id IN (SELECT id FROM family) AND finished_at IS NULL
  ORDER BY id FOR NO KEY UPDATE";

/// Ends the run, the runs that it started, and all of their steps at once. Attempts that
/// run are fenced by it: their steps do not run any more.
pub(super) async fn cancel(
    connection: &mut PgConnection,
    run: RunId,
    at: Timestamp,
) -> Work<Vec<CancelledRun>> {
    cancel_families(connection, &[run.0], at).await
}

/// The same for the oldest runs of a scope.
pub(super) async fn cancel_all(
    connection: &mut PgConnection,
    scope: &CancelScope,
    at: Timestamp,
    limit: usize,
) -> Work<Vec<CancelledRun>> {
    let found: Vec<i64> = sqlx::query_scalar(OLDEST)
        .bind(scope.until.0)
        .bind(scope.tenant.0)
        .bind(scope.application)
        .bind(&scope.queue)
        .bind(sql_limit(limit))
        .fetch_all(&mut *connection)
        .await?;
    cancel_families(connection, &found, at).await
}

async fn cancel_families(
    connection: &mut PgConnection,
    runs: &[i64],
    at: Timestamp,
) -> Work<Vec<CancelledRun>> {
    let mut found = Vec::new();
    loop {
        let before = found.len();
        found = sqlx::query(LOCK)
            .bind(runs)
            .try_map(|row: PgRow| locked(&row))
            .fetch_all(&mut *connection)
            .await?;
        // While it waited for a lock, whoever held it may have started more children. Of
        // runs that are locked nobody does.
        if found.len() <= before {
            return end(connection, found, at).await;
        }
    }
}

fn locked(row: &PgRow) -> sqlx::Result<(RunId, RunRef)> {
    Ok((RunId(row.try_get(0)?), row.try_get::<Name, _>(1)?.0))
}

/// Ends runs that have not ended and are locked.
async fn end(
    connection: &mut PgConnection,
    runs: Vec<(RunId, RunRef)>,
    at: Timestamp,
) -> Work<Vec<CancelledRun>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = runs.iter().map(|(run, _)| run.0).collect();
    let mut running = tell(connection, &numbers).await?;
    // Pending, ready, running and waiting are the states below success.
    sqlx::query(
        "UPDATE step SET state = $2, finished_at = $3, seq = run.seq + 1
         FROM run WHERE run.id = step.run_id AND step.run_id = ANY ($1) AND step.state < $4",
    )
    .bind(&numbers)
    .bind(i16::from(StepState::Cancelled.code()))
    .bind(at.0)
    .bind(i16::from(StepState::Success.code()))
    .execute(&mut *connection)
    .await?;
    for sql in [
        "DELETE FROM wait WHERE run_id = ANY ($1)",
        "DELETE FROM ask WHERE run_id = ANY ($1)",
    ] {
        sqlx::query(sql)
            .bind(&numbers)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "UPDATE run SET state = $2, seq = seq + 1, remaining = 0, cancelled = 1, finished_at = $3
         WHERE id = ANY ($1)",
    )
    .bind(&numbers)
    .bind(i16::from(RunState::Cancelled.code()))
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    wait::runs_ended(&mut *connection, &numbers).await?;
    limits::release_runs(connection, &numbers, at).await?;
    let cancelled = runs.into_iter().map(|(run, reference)| CancelledRun {
        run,
        reference,
        running: running.remove(&run).unwrap_or_default(),
    });
    Ok(cancelled.collect())
}

/// The steps of these runs that execute, with their workers, which learn of it when they
/// renew their leases.
async fn tell(
    connection: &mut PgConnection,
    runs: &[i64],
) -> Work<BTreeMap<RunId, Vec<(StepKey, WorkerId)>>> {
    let found: Vec<(StepKey, WorkerId)> = sqlx::query(
        "SELECT run_id, step, worker FROM step WHERE run_id = ANY ($1) AND state = $2
         ORDER BY run_id, step",
    )
    .bind(runs)
    .bind(i16::from(StepState::Running.code()))
    .try_map(|row: PgRow| Ok((key(&row, 0)?, WorkerId(row.try_get(2)?))))
    .fetch_all(&mut *connection)
    .await?;
    if !found.is_empty() {
        sqlx::query(
            "INSERT INTO cancelled_claim (worker, run_id)
             SELECT DISTINCT worker, run_id FROM step WHERE run_id = ANY ($1) AND state = $2
             ON CONFLICT DO NOTHING",
        )
        .bind(runs)
        .bind(i16::from(StepState::Running.code()))
        .execute(connection)
        .await?;
    }
    let mut running: BTreeMap<RunId, Vec<_>> = BTreeMap::new();
    for (key, worker) in found {
        running.entry(key.run).or_default().push((key, worker));
    }
    Ok(running)
}
