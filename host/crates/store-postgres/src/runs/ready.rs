//! Steps that wait for a worker.

use model::{id::StepKey, state::StepState};
use sqlx::postgres::PgPool;
use store::{Result, runs::ReadyStep};

use super::{ready_step, sql_limit};
use crate::error::OrRefused;

pub(super) async fn ready(
    pool: &PgPool,
    after: Option<StepKey>,
    limit: usize,
) -> Result<Vec<ReadyStep>> {
    let (run, step) = after.map_or((0, -1), |key| (key.run.0, i64::from(key.step.0)));
    let rows = sqlx::query(
        "SELECT s.run_id, s.step, r.queue, r.priority
         FROM run r JOIN step s ON s.run_id = r.id
         WHERE r.finished_at IS NULL AND r.id >= $1 AND (r.id > $1 OR s.step > $2)
           AND s.state = $3
         ORDER BY r.id, s.step LIMIT $4",
    )
    .bind(run)
    .bind(step)
    .bind(i16::from(StepState::Ready.code()))
    .bind(sql_limit(limit))
    .fetch_all(pool)
    .await
    .or_refused()?;
    rows.iter()
        .map(ready_step)
        .collect::<sqlx::Result<_>>()
        .or_refused()
}
