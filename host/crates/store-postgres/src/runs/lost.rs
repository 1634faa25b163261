//! Attempts of workers whose lease has ended.

use model::{
    clock::Timestamp,
    id::{TenantId, Token, WorkerId},
    state::StepState,
};
use sqlx::{
    Executor, PgConnection, Row,
    postgres::{PgPool, PgRow},
};
use store::{Result, runs::LostStep};

use super::{key, part, priority, sql_limit, time, wait};
use crate::{
    error::OrRefused,
    transaction::{Work, transact},
    uuid::Name,
};

const LOST: &str = "
  SELECT s.run_id, s.step, s.token, s.worker, r.uuid, r.tenant_id, r.application_revision,
    r.pins, r.expires_at, r.parent_run, r.parent_step, r.queue, r.priority,
    r.part
  FROM run r JOIN step s ON s.run_id = r.id
  WHERE r.finished_at IS NULL AND s.state = $1 AND s.worker = ANY ($2)
  ORDER BY s.run_id, s.step LIMIT $3";

/// Every claim's worker has a row, which the claim's commit makes if there is none, and
/// the row of one whose lease has ended goes when it holds no step any more: without
/// such rows there is nothing to look for.
pub(super) async fn lost(pool: &PgPool, now: Timestamp, limit: usize) -> Result<Vec<LostStep>> {
    let ended: Vec<i64> = sqlx::query_scalar("SELECT id FROM worker WHERE lease_until <= $1")
        .bind(now.0)
        .fetch_all(pool)
        .await
        .or_refused()?;
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let steps = sqlx::query(LOST)
        .bind(i16::from(StepState::Running.code()))
        .bind(&ended)
        .bind(sql_limit(limit))
        .try_map(|row: PgRow| lost_step(&row))
        .fetch_all(pool)
        .await
        .or_refused()?;
    if steps.is_empty() && limit > 0 {
        let forgotten = transact!(pool, connection => forget(connection, &ended, now).await);
        if let Err(error) = forgotten {
            // The rows are looked at again the next time.
            tracing::info!(%error, "workers whose lease has ended are kept for now");
        }
    }
    Ok(steps)
}

fn lost_step(row: &PgRow) -> sqlx::Result<LostStep> {
    Ok(LostStep {
        key: key(row, 0)?,
        token: Token(row.try_get(2)?),
        worker: WorkerId(row.try_get(3)?),
        reference: row.try_get::<Name, _>(4)?.0,
        tenant: TenantId(row.try_get(5)?),
        application_revision: row.try_get(6)?,
        pins: row.try_get(7)?,
        expires_at: time(row, 8)?,
        parent: wait::parent_of(row, 9)?,
        queue: row.try_get::<&str, _>(11)?.into(),
        priority: priority(row, 12)?,
        part: part(row, 13)?,
    })
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
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM revoked_claim
         WHERE worker = ANY ($1) AND worker NOT IN (SELECT id FROM worker)",
    )
    .bind(ended)
    .execute(connection)
    .await?;
    Ok(())
}
