//! Pauses: what starts no steps for now.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, StepKey, TenantId},
};
use rusqlite::params;
use store::{
    Result,
    pauses::{Pause, PauseScope, Pauses},
    runs::ReadyStep,
};

use crate::{SqliteStore, error::OrRefused, runs::ready, transaction::Tx};

#[async_trait]
impl Pauses for SqliteStore {
    async fn pause(&self, pause: Pause) -> Result<bool> {
        self.writer
            .call(move |tx| {
                tx.any_pause = None;
                let (application, queue) = columns(&pause.scope);
                let made = tx.execute(
                    "INSERT INTO pause
                       (tenant_id, application_id, queue, paused_by, paused_at, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                    params![
                        pause.tenant.0,
                        application,
                        queue,
                        pause.by,
                        pause.at.0,
                        pause.reason
                    ],
                )?;
                Ok(made == 1)
            })
            .await
    }

    async fn resume(&self, tenant: TenantId, scope: &PauseScope) -> Result<bool> {
        let scope = scope.clone();
        self.writer
            .call(move |tx| {
                tx.any_pause = None;
                let (application, queue) = columns(&scope);
                let ended = tx.execute(
                    "DELETE FROM pause
                     WHERE tenant_id = ?1 AND application_id = ?2 AND queue = ?3",
                    params![tenant.0, application, queue],
                )?;
                Ok(ended == 1)
            })
            .await
    }

    async fn pauses(&self) -> Result<Vec<Pause>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT p.tenant_id, p.application_id, p.queue, p.paused_by, p.paused_at, p.reason,
                       d.name
                     FROM pause p LEFT JOIN definition d ON d.id = p.application_id
                     ORDER BY p.paused_at, p.tenant_id, p.application_id, p.queue",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map([], |row| {
                            let (application, queue): (i64, String) = (row.get(1)?, row.get(2)?);
                            Ok(Pause {
                                tenant: TenantId(row.get(0)?),
                                scope: PauseScope {
                                    application: (application != 0).then_some(application),
                                    queue: (!queue.is_empty()).then_some(queue),
                                },
                                application_name: row.get(6)?,
                                by: row.get(3)?,
                                at: Timestamp(row.get(4)?),
                                reason: row.get(5)?,
                            })
                        })?
                        .collect()
                })
                .or_refused()
            })
            .await
    }

    async fn ready_of(
        &self,
        tenant: TenantId,
        scope: &PauseScope,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<ReadyStep>> {
        let scope = scope.clone();
        self.readers
            .call(move |c| {
                let (application, queue) = columns(&scope);
                ready::ready(c, after, limit, Some((tenant, application, queue)))
            })
            .await
    }
}

/// As the table has a scope.
fn columns(scope: &PauseScope) -> (i64, &str) {
    let queue = scope.queue.as_deref().unwrap_or_default();
    (scope.application.unwrap_or_default(), queue)
}

/// Whether that run may start no step now. Costs nothing while nothing is paused.
pub(crate) fn holds(tx: &mut Tx<'_>, run: RunId) -> Result<bool> {
    if !any(tx)? {
        return Ok(false);
    }
    let held = tx.first(
        "SELECT 1 FROM run r JOIN pause p ON p.tenant_id = r.tenant_id
           AND p.application_id IN (0, r.application_id) AND p.queue IN ('', r.queue)
         WHERE r.id = ?1",
        [run.0],
        |_| Ok(()),
    )?;
    Ok(held.is_some())
}

fn any(tx: &mut Tx<'_>) -> Result<bool> {
    if let Some(any) = tx.any_pause {
        return Ok(any);
    }
    let any = tx.first("SELECT 1 FROM pause", [], |_| Ok(()))?.is_some();
    tx.any_pause = Some(any);
    Ok(any)
}
