//! Attempts of workers whose lease has ended.

use model::{
    clock::Timestamp,
    id::{Ordinal, TenantId, Token, WorkerId},
    state::StepState,
};
use rusqlite::params;
use store::{Result, runs::LostStep};

use super::{priority, reference, sql_limit, text, time, wait};
use crate::transaction::{Tx, unpack};

/// Every claim's worker has a row ([`Tx::know_worker`]), and the row of one whose
/// lease has ended goes when it holds no step any more: without such rows there is
/// nothing to look for.
pub(super) fn lost(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<Vec<LostStep>> {
    let ended = tx.first(
        "SELECT 1 FROM worker WHERE lease_until <= ?1 LIMIT 1",
        [now.0],
        |_| Ok(()),
    )?;
    if ended.is_none() {
        return Ok(Vec::new());
    }
    let steps = tx.all(
        "SELECT s.id, s.token, s.worker, r.uuid, r.tenant_id, r.application_revision, r.pins,
           r.expires_at, r.parent_run, r.parent_step, r.queue, r.priority, r.part
         FROM run r INDEXED BY run_unfinished
         CROSS JOIN step s ON s.id BETWEEN (r.id << 24) + 1 AND (r.id << 24) + 16777215
         WHERE r.finished_at IS NULL AND +s.state = ?2
           AND +s.worker IN (SELECT id FROM worker WHERE lease_until <= ?1)
         ORDER BY r.id, s.id LIMIT ?3",
        params![now.0, StepState::Running.code(), sql_limit(limit)],
        |row| {
            Ok(LostStep {
                key: unpack(row.get(0)?),
                token: Token(row.get(1)?),
                worker: WorkerId(row.get(2)?),
                reference: reference(row, 3)?,
                tenant: TenantId(row.get(4)?),
                application_revision: row.get(5)?,
                pins: row.get(6)?,
                expires_at: time(row, 7)?,
                parent: wait::parent_of(row, 8)?,
                queue: text(row, 10)?,
                priority: priority(row, 11)?,
                part: row.get::<_, Option<u32>>(12)?.map(Ordinal),
            })
        },
    )?;
    if steps.is_empty() && limit > 0 {
        forget(tx, now)?;
    }
    Ok(steps)
}

/// Forgets workers whose lease has ended.
fn forget(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM cancelled_claim
         WHERE worker IN (SELECT id FROM worker WHERE lease_until <= ?1)",
        [now.0],
    )?;
    tx.execute(
        "DELETE FROM revoked_claim
         WHERE worker IN (SELECT id FROM worker WHERE lease_until <= ?1)",
        [now.0],
    )?;
    tx.execute("DELETE FROM worker WHERE lease_until <= ?1", [now.0])?;
    tx.forget_workers();
    Ok(())
}
