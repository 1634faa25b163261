//! A run is stopped.

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, WorkerId},
    state::{RunState, StepState},
};
use sqlx::{PgConnection, Row};

use super::{key, run_state};
use crate::transaction::Work;

/// Ends the run and all of its steps at once. Attempts that run are fenced by it:
/// their steps do not run any more.
pub(super) async fn cancel(
    connection: &mut PgConnection,
    run: RunId,
    at: Timestamp,
) -> Work<Option<Vec<(StepKey, WorkerId)>>> {
    let found = sqlx::query("SELECT state FROM run WHERE id = $1 FOR NO KEY UPDATE")
        .bind(run.0)
        .fetch_optional(&mut *connection)
        .await?;
    match found {
        Some(row) if !run_state(&row, 0)?.is_final() => {}
        _ => return Ok(None),
    }
    let running = sqlx::query(
        "SELECT run_id, step, worker FROM step WHERE run_id = $1 AND state = $2 ORDER BY step",
    )
    .bind(run.0)
    .bind(i16::from(StepState::Running.code()))
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(|row| Ok((key(row, 0)?, WorkerId(row.try_get(2)?))))
    .collect::<sqlx::Result<_>>()?;
    sqlx::query(
        "INSERT INTO cancelled_claim (worker, run_id)
         SELECT DISTINCT worker, run_id FROM step WHERE run_id = $1 AND state = $2
         ON CONFLICT DO NOTHING",
    )
    .bind(run.0)
    .bind(i16::from(StepState::Running.code()))
    .execute(&mut *connection)
    .await?;
    // Pending, ready, running and waiting are the states below success.
    sqlx::query(
        "UPDATE step SET state = $2, finished_at = $3,
           seq = (SELECT seq + 1 FROM run WHERE id = $1)
         WHERE run_id = $1 AND state < $4",
    )
    .bind(run.0)
    .bind(i16::from(StepState::Cancelled.code()))
    .bind(at.0)
    .bind(i16::from(StepState::Success.code()))
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM timer WHERE run_id = $1")
        .bind(run.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE run SET state = $2, seq = seq + 1, remaining = 0, cancelled = 1, finished_at = $3
         WHERE id = $1",
    )
    .bind(run.0)
    .bind(i16::from(RunState::Cancelled.code()))
    .bind(at.0)
    .execute(connection)
    .await?;
    Ok(Some(running))
}
