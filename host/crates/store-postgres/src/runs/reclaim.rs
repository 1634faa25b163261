//! Steps of workers whose lease has ended become ready again.

use model::{clock::Timestamp, state::StepState};
use sqlx::{Executor, PgConnection, postgres::PgPool};
use store::{Result, runs::ReadyStep};

use super::{ready_step, sql_limit};
use crate::{
    error::OrRefused,
    transaction::{Work, transact},
};

/// Every claim's worker has a row, which the claim's commit makes if there is none, and
/// the row of one whose lease has ended goes when it holds no step any more: without
/// such rows there is nothing to look for.
pub(super) async fn reclaim(pool: &PgPool, now: Timestamp, limit: usize) -> Result<Vec<ReadyStep>> {
    let ended: Vec<i64> = sqlx::query_scalar("SELECT id FROM worker WHERE lease_until <= $1")
        .bind(now.0)
        .fetch_all(pool)
        .await
        .or_refused()?;
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let steps = transact!(pool, connection => give_away(connection, &ended, now, limit).await)?;
    if steps.len() < limit {
        let forgotten = transact!(pool, connection => forget(connection, &ended, now).await);
        if let Err(error) = forgotten {
            // The rows are looked at again the next time.
            tracing::info!(%error, "workers whose lease has ended are kept for now");
        }
    }
    Ok(steps)
}

/// The locks first, in their order; the steps are read by the statement after it, which
/// sees what those committed who held them.
const LOCK: &str = "
  SELECT id FROM run
  WHERE id IN (
    SELECT held.run_id FROM (
      SELECT s.run_id, s.step FROM run r JOIN step s ON s.run_id = r.id
      WHERE r.finished_at IS NULL AND s.state = $1 AND s.worker = ANY ($2)
      ORDER BY s.run_id, s.step LIMIT $3
    ) held)
  ORDER BY id FOR NO KEY UPDATE";

/// Each step is an event of its run.
const GIVE_AWAY: &str = "
  WITH held AS MATERIALIZED (
    SELECT s.run_id, s.step, r.queue, r.priority,
      r.seq + row_number() OVER (PARTITION BY s.run_id ORDER BY s.step) AS seq
    FROM (
      SELECT run_id, step FROM step
      WHERE run_id = ANY ($1) AND state = $2 AND worker = ANY ($3)
      ORDER BY run_id, step LIMIT $4
    ) s JOIN run r ON r.id = s.run_id
    WHERE r.finished_at IS NULL
  ), runs AS (
    UPDATE run SET seq = last.seq
    FROM (SELECT run_id, max(seq) AS seq FROM held GROUP BY run_id) last
    WHERE run.id = last.run_id
  ), steps AS (
    UPDATE step SET state = $5, ready_at = $6, seq = held.seq
    FROM held WHERE step.run_id = held.run_id AND step.step = held.step
  )
  SELECT run_id, step, queue, priority FROM held ORDER BY run_id, step";

async fn give_away(
    connection: &mut PgConnection,
    ended: &[i64],
    now: Timestamp,
    limit: usize,
) -> Work<Vec<ReadyStep>> {
    let running = i16::from(StepState::Running.code());
    let runs: Vec<i64> = sqlx::query_scalar(LOCK)
        .bind(running)
        .bind(ended)
        .bind(sql_limit(limit))
        .fetch_all(&mut *connection)
        .await?;
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(GIVE_AWAY)
        .bind(runs)
        .bind(running)
        .bind(ended)
        .bind(sql_limit(limit))
        .bind(i16::from(StepState::Ready.code()))
        .bind(now.0)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(ready_step).collect::<sqlx::Result<_>>()?)
}

/// Forgets workers that hold nothing. Claims make their worker's row, or find it, under
/// a lock on the table until their commit: while this transaction has it for itself, no
/// claim is under way that counts on a row which goes.
async fn forget(connection: &mut PgConnection, ended: &[i64], now: Timestamp) -> Work<()> {
    connection
        .execute("SET LOCAL lock_timeout = 1000; LOCK TABLE worker IN SHARE ROW EXCLUSIVE MODE;")
        .await?;
    sqlx::query(
        "DELETE FROM worker
         WHERE id = ANY ($1) AND lease_until <= $2 AND id NOT IN (
           SELECT s.worker FROM run r JOIN step s ON s.run_id = r.id
           WHERE r.finished_at IS NULL AND s.state = $3 AND s.worker = ANY ($1))",
    )
    .bind(ended)
    .bind(now.0)
    .bind(i16::from(StepState::Running.code()))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM cancelled_claim
         WHERE worker = ANY ($1) AND worker NOT IN (SELECT id FROM worker)",
    )
    .bind(ended)
    .execute(connection)
    .await?;
    Ok(())
}
