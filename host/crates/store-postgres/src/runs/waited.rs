//! What is read of steps that wait or have waited, and of what they started.

use model::id::{RunId, StepKey, Token, WorkerId};
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Result,
    runs::{AttemptSummary, Child, WaitSummary},
};

use super::{
    key, maybe_time, ordinal, run_state, sql_limit, step_state, time,
    wait::{bytes, wait_kind},
};
use crate::{error::OrRefused, uuid::Name};

pub(super) async fn children(
    pool: &PgPool,
    parent: StepKey,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<Child>> {
    let Some(step) = ordinal(parent.step) else {
        return Ok(Vec::new());
    };
    sqlx::query(
        "SELECT r.id, r.uuid, r.application_revision, r.pins, d.name, r.state, r.expires_at,
           r.idempotency_key
         FROM run r LEFT JOIN definition d ON d.id = r.application_id
         WHERE r.parent_run = $1 AND r.parent_step = $2 AND r.id > $3
         ORDER BY r.id LIMIT $4",
    )
    .bind(parent.run.0)
    .bind(step)
    .bind(after.map_or(0, |run| run.0))
    .bind(sql_limit(limit))
    .try_map(|row: PgRow| {
        Ok(Child {
            run: RunId(row.try_get(0)?),
            reference: row.try_get::<Name, _>(1)?.0,
            application_revision: row.try_get(2)?,
            pins: row.try_get(3)?,
            application_name: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
            state: run_state(&row, 5)?,
            expires_at: time(&row, 6)?,
            key: row.try_get(7)?,
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}

pub(super) async fn depth(pool: &PgPool, run: RunId, limit: u32) -> Result<u32> {
    sqlx::query_scalar(
        "WITH RECURSIVE above (id, depth) AS (
           SELECT parent_run, 1 FROM run WHERE id = $1 AND parent_run IS NOT NULL
           UNION ALL
           SELECT r.parent_run, depth + 1 FROM above a JOIN run r ON r.id = a.id
           WHERE r.parent_run IS NOT NULL AND depth < $2
         )
         SELECT coalesce(max(depth), 0) FROM above",
    )
    .bind(run.0)
    .bind(limit as i32)
    .fetch_one(pool)
    .await
    .map(|depth: i32| depth as u32)
    .or_refused()
}

pub(super) async fn waits(pool: &PgPool, run: RunId) -> Result<Vec<WaitSummary>> {
    sqlx::query(
        "SELECT run_id, step, kind, since, due_at, retries, wakes, started, ended
         FROM wait WHERE run_id = $1 ORDER BY step",
    )
    .bind(run.0)
    .try_map(|row: PgRow| {
        Ok(WaitSummary {
            key: key(&row, 0)?,
            kind: wait_kind(&row, 2)?,
            since: time(&row, 3)?,
            until: maybe_time(&row, 4)?,
            retries: row.try_get::<i32, _>(5)? as u32,
            wakes: row.try_get(6)?,
            children: (
                row.try_get::<i32, _>(7)? as u32,
                row.try_get::<i32, _>(8)? as u32,
            ),
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}

pub(super) async fn attempts(pool: &PgPool, of: StepKey) -> Result<Vec<AttemptSummary>> {
    let Some(step) = ordinal(of.step) else {
        return Ok(Vec::new());
    };
    sqlx::query(
        "SELECT token, state, worker, ready_at, started_at, finished_at, error
         FROM attempt WHERE run_id = $1 AND step = $2 ORDER BY token",
    )
    .bind(of.run.0)
    .bind(step)
    .try_map(|row: PgRow| {
        Ok(AttemptSummary {
            token: Token(row.try_get(0)?),
            state: step_state(&row, 1)?,
            worker: row.try_get::<Option<i64>, _>(2)?.map(WorkerId),
            ready_at: maybe_time(&row, 3)?,
            started_at: maybe_time(&row, 4)?,
            finished_at: time(&row, 5)?,
            error: bytes(&row, 6)?,
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}
