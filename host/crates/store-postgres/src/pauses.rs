//! Pauses: what starts no steps for now.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{StepKey, TenantId},
};
use sqlx::{Row, postgres::PgRow};
use store::{
    Result,
    pauses::{Pause, PauseScope, Pauses},
    runs::ReadyStep,
};

use crate::{PostgresStore, error::OrRefused, runs::ready};

#[async_trait]
impl Pauses for PostgresStore {
    async fn pause(&self, pause: Pause) -> Result<bool> {
        let (application, queue) = columns(&pause.scope);
        let made = sqlx::query(
            "INSERT INTO pause (tenant_id, application_id, queue, paused_by, paused_at, reason)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(pause.tenant.0)
        .bind(application)
        .bind(queue)
        .bind(&pause.by)
        .bind(pause.at.0)
        .bind(&pause.reason)
        .execute(&self.pool)
        .await
        .or_refused()?;
        Ok(made.rows_affected() == 1)
    }

    async fn resume(&self, tenant: TenantId, scope: &PauseScope) -> Result<bool> {
        let (application, queue) = columns(scope);
        let ended = sqlx::query(
            "DELETE FROM pause WHERE tenant_id = $1 AND application_id = $2 AND queue = $3",
        )
        .bind(tenant.0)
        .bind(application)
        .bind(queue)
        .execute(&self.pool)
        .await
        .or_refused()?;
        Ok(ended.rows_affected() == 1)
    }

    async fn pauses(&self) -> Result<Vec<Pause>> {
        sqlx::query(
            "SELECT p.tenant_id, p.application_id, p.queue, p.paused_by, p.paused_at, p.reason,
               d.name
             FROM pause p LEFT JOIN definition d ON d.id = p.application_id
             ORDER BY p.paused_at, p.tenant_id, p.application_id, p.queue",
        )
        .try_map(|row: PgRow| pause(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn ready_of(
        &self,
        tenant: TenantId,
        scope: &PauseScope,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<ReadyStep>> {
        let (application, queue) = columns(scope);
        ready::ready(&self.pool, after, limit, Some((tenant, application, queue))).await
    }
}

/// As the table has a scope.
fn columns(scope: &PauseScope) -> (i64, &str) {
    let queue = scope.queue.as_deref().unwrap_or_default();
    (scope.application.unwrap_or_default(), queue)
}

fn pause(row: &PgRow) -> sqlx::Result<Pause> {
    let (application, queue): (i64, String) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Pause {
        tenant: TenantId(row.try_get(0)?),
        scope: PauseScope {
            application: (application != 0).then_some(application),
            queue: (!queue.is_empty()).then_some(queue),
        },
        application_name: row.try_get(6)?,
        by: row.try_get(3)?,
        at: Timestamp(row.try_get(4)?),
        reason: row.try_get(5)?,
    })
}
