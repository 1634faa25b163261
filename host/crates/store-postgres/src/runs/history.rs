//! The steps of a run and their payloads.

use std::collections::HashMap;

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, WorkerId},
};
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{Result, runs::StepSummary};

use super::{maybe_time, ordinal, step_state};
use crate::{
    error::{OrRefused, is_without_table},
    partition,
};

/// The step of a run's own parameters.
const INPUT: i32 = -1;

pub(super) async fn steps(pool: &PgPool, run: RunId, after_seq: i64) -> Result<Vec<StepSummary>> {
    let rows = sqlx::query(
        "SELECT step, state, token, worker, seq, ready_at, started_at, finished_at,
           CASE WHEN late_at >= started_at THEN late_at END
         FROM step WHERE run_id = $1 AND seq > $2 ORDER BY step",
    )
    .bind(run.0)
    .bind(after_seq)
    .fetch_all(pool)
    .await
    .or_refused()?;
    rows.iter()
        .map(summary)
        .collect::<sqlx::Result<_>>()
        .or_refused()
}

fn summary(row: &PgRow) -> sqlx::Result<StepSummary> {
    Ok(StepSummary {
        step: Ordinal(row.try_get::<i32, _>(0)? as u32),
        state: step_state(row, 1)?,
        attempts: row.try_get(2)?,
        worker: row.try_get::<Option<i64>, _>(3)?.map(WorkerId),
        seq: row.try_get(4)?,
        ready_at: maybe_time(row, 5)?,
        started_at: maybe_time(row, 6)?,
        finished_at: maybe_time(row, 7)?,
        late_at: maybe_time(row, 8)?,
    })
}

pub(super) async fn outputs(
    pool: &PgPool,
    run: RunId,
    expires_at: Timestamp,
    steps: &[Ordinal],
) -> Result<Vec<Option<Bytes>>> {
    let numbers = steps.iter().filter_map(|&step| ordinal(step)).collect();
    let found = payloads(pool, run, expires_at, "data", numbers).await?;
    Ok(steps
        .iter()
        .map(|&step| found.get(&ordinal(step)?).cloned())
        .collect())
}

pub(super) async fn error(
    pool: &PgPool,
    run: RunId,
    expires_at: Timestamp,
    step: Ordinal,
) -> Result<Option<Bytes>> {
    let Some(step) = ordinal(step) else {
        return Ok(None);
    };
    let mut found = payloads(pool, run, expires_at, "error", vec![step]).await?;
    Ok(found.remove(&step))
}

pub(super) async fn input(
    pool: &PgPool,
    run: RunId,
    expires_at: Timestamp,
) -> Result<Option<Bytes>> {
    let mut found = payloads(pool, run, expires_at, "data", vec![INPUT]).await?;
    Ok(found.remove(&INPUT))
}

/// A run's payloads by their steps. Those of a run that has been forgotten are no more,
/// although their partition may still be there.
async fn payloads(
    pool: &PgPool,
    run: RunId,
    expires_at: Timestamp,
    column: &str,
    steps: Vec<i32>,
) -> Result<HashMap<i32, Bytes>> {
    let sql = format!(
        "SELECT step, {column} FROM {}
         WHERE run_id = $1 AND step = ANY ($2) AND {column} IS NOT NULL
           AND EXISTS (SELECT 1 FROM run WHERE id = $1)",
        partition::payload(expires_at.day())
    );
    let rows = sqlx::query(&sql)
        .bind(run.0)
        .bind(steps)
        .fetch_all(pool)
        .await;
    match rows {
        Err(error) if is_without_table(&error) => Ok(HashMap::new()),
        rows => rows
            .or_refused()?
            .iter()
            .map(|row| Ok((row.try_get(0)?, Bytes::copy_from_slice(row.try_get(1)?))))
            .collect::<sqlx::Result<_>>()
            .or_refused(),
    }
}
