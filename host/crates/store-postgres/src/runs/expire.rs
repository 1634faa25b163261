//! Runs are forgotten, and their space is given back.

use model::clock::Timestamp;
use sqlx::PgConnection;

use super::sql_limit;
use crate::{partition::Partitions, transaction::Work};

/// Runs that have ended and expired go, with what belongs to them. Those that another
/// process is forgetting are left to it.
const FORGET: &str = "
  WITH expired AS MATERIALIZED (
    SELECT id FROM run WHERE expires_at <= $1 AND finished_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM run p WHERE p.id = run.parent_run AND p.finished_at IS NULL)
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ), steps AS (
    DELETE FROM step USING expired WHERE step.run_id = expired.id
  ), waits AS (
    DELETE FROM wait USING expired WHERE wait.run_id = expired.id
  ), asks AS (
    DELETE FROM ask USING expired WHERE ask.run_id = expired.id
  ), attempts AS (
    DELETE FROM attempt USING expired WHERE attempt.run_id = expired.id
  ), ends AS (
    DELETE FROM child_end USING expired WHERE child_end.parent_run = expired.id
  ), letters AS (
    DELETE FROM dead_letter USING expired WHERE dead_letter.run_id = expired.id
  )
  DELETE FROM run USING expired WHERE run.id = expired.id";

/// Forgets runs that have ended and expired; what expired of the shared records goes
/// with them.
pub(super) async fn forget_runs(
    connection: &mut PgConnection,
    now: Timestamp,
    limit: usize,
) -> Work<usize> {
    sqlx::query("DELETE FROM cache WHERE expires_at <= $1")
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    let forgotten = sqlx::query(FORGET)
        .bind(now.0)
        .bind(sql_limit(limit))
        .execute(connection)
        .await?;
    Ok(forgotten.rows_affected() as usize)
}

/// Drops past partitions that no run refers to. One that cannot be dropped now, because
/// somebody reads it for long, is dropped another time.
pub(super) async fn drop_partitions(partitions: &Partitions, now: Timestamp) {
    loop {
        match partitions.drop_oldest(now.day()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::info!(%error, "a past partition is kept for now");
                return;
            }
        }
    }
}
