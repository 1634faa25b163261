//! What is recorded for a worker, and what of it the worker gives back.

use std::collections::HashSet;

use model::{
    clock::Timestamp,
    id::{StepKey, Token, WorkerId},
    state::StepState,
};
use sqlx::{
    PgConnection, Row,
    postgres::{PgPool, PgRow},
};
use store::{Result, runs::ReadyStep};

use super::{key, ready_step};
use crate::{error::OrRefused, transaction::Work};

pub(super) async fn held(pool: &PgPool, worker: WorkerId) -> Result<Vec<(StepKey, Token)>> {
    sqlx::query(
        "SELECT s.run_id, s.step, s.token FROM run r JOIN step s ON s.run_id = r.id
         WHERE r.finished_at IS NULL AND s.state = $1 AND s.worker = $2
         ORDER BY s.run_id, s.step",
    )
    .bind(i16::from(StepState::Running.code()))
    .bind(worker.0)
    .try_map(|row: PgRow| Ok((key(&row, 0)?, Token(row.try_get(2)?))))
    .fetch_all(pool)
    .await
    .or_refused()
}

/// The locks first, in their order, as everybody does who changes runs. A run that somebody
/// else is at, perhaps a lost worker that fell asleep in the middle of a commit, must not
/// hold up the others.
const LOCK: &str =
    "SELECT id FROM run WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";

/// Each step is an event of its run.
const GIVE_BACK: &str = "
  WITH held AS MATERIALIZED (
    SELECT s.run_id, s.step, r.queue, r.priority, r.tenant_id,
      r.seq + row_number() OVER (PARTITION BY s.run_id ORDER BY s.step) AS seq
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS given (run_id, step, token)
    JOIN step s ON s.run_id = given.run_id AND s.step = given.step AND s.token = given.token
    JOIN run r ON r.id = s.run_id
    WHERE r.finished_at IS NULL AND s.state = $4 AND s.worker = $5
  ), runs AS (
    UPDATE run SET seq = last.seq
    FROM (SELECT run_id, max(seq) AS seq FROM held GROUP BY run_id) last
    WHERE run.id = last.run_id
  ), steps AS (
    UPDATE step SET state = $6, ready_at = $7, seq = held.seq
    FROM held WHERE step.run_id = held.run_id AND step.step = held.step
  )
  SELECT run_id, step, queue, priority, tenant_id FROM held ORDER BY run_id, step";

pub(super) async fn give_back(
    connection: &mut PgConnection,
    worker: WorkerId,
    attempts: &[(StepKey, Token)],
    now: Timestamp,
) -> Work<Vec<ReadyStep>> {
    let wanted: Vec<i64> = attempts.iter().map(|(key, _)| key.run.0).collect();
    let locked: HashSet<i64> = sqlx::query_scalar(LOCK)
        .bind(&wanted)
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .collect();
    let (mut runs, mut steps, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for (key, token) in attempts {
        if locked.contains(&key.run.0) {
            runs.push(key.run.0);
            steps.push(key.step.0 as i32);
            tokens.push(token.0);
        }
    }
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(GIVE_BACK)
        .bind(runs)
        .bind(steps)
        .bind(tokens)
        .bind(i16::from(StepState::Running.code()))
        .bind(worker.0)
        .bind(i16::from(StepState::Ready.code()))
        .bind(now.0)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(ready_step).collect::<sqlx::Result<_>>()?)
}
