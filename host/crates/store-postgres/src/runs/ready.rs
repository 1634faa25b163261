//! Steps that wait for a worker.

use model::{
    id::{StepKey, TenantId},
    state::StepState,
};
use sqlx::postgres::PgPool;
use store::{Result, runs::ReadyStep};

use super::{ready_step, sql_limit};
use crate::error::OrRefused;

/// Of the runs of a tenant, an application (0: any) and a queue ('': any), or of all.
pub(crate) async fn ready(
    pool: &PgPool,
    after: Option<StepKey>,
    limit: usize,
    scope: Option<(TenantId, i64, &str)>,
) -> Result<Vec<ReadyStep>> {
    let (tenant, application, queue) = scope.unwrap_or((TenantId(0), 0, ""));
    let (run, step) = after.map_or((0, -1), |key| (key.run.0, i64::from(key.step.0)));
    let rows = sqlx::query(
        "SELECT s.run_id, s.step, r.queue, r.priority, r.tenant_id
         FROM run r JOIN step s ON s.run_id = r.id
         WHERE r.finished_at IS NULL AND r.id >= $1 AND (r.id > $1 OR s.step > $2)
           AND s.state = $3
           AND $5 IN (0, r.tenant_id) AND $6 IN (0, r.application_id) AND $7 IN ('', r.queue)
           AND NOT EXISTS (
             SELECT FROM pause p WHERE p.tenant_id = r.tenant_id
               AND p.application_id IN (0, r.application_id) AND p.queue IN ('', r.queue))
         ORDER BY r.id, s.step LIMIT $4",
    )
    .bind(run)
    .bind(step)
    .bind(i16::from(StepState::Ready.code()))
    .bind(sql_limit(limit))
    .bind(tenant.0)
    .bind(application)
    .bind(queue)
    .fetch_all(pool)
    .await
    .or_refused()?;
    rows.iter()
        .map(ready_step)
        .collect::<sqlx::Result<_>>()
        .or_refused()
}
