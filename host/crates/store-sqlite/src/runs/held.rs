//! What is recorded for a worker, and what of it the worker gives back.

use model::{
    clock::Timestamp,
    id::{StepKey, TenantId, Token, WorkerId},
    state::StepState,
};
use rusqlite::{Connection, params};
use store::{Result, runs::ReadyStep};

use super::{priority, text};
use crate::{
    error::OrRefused,
    transaction::{Tx, pack, unpack},
};

pub(super) fn held(connection: &Connection, worker: WorkerId) -> Result<Vec<(StepKey, Token)>> {
    connection
        .prepare_cached(
            "SELECT s.id, s.token
             FROM run r INDEXED BY run_unfinished
             CROSS JOIN step s ON s.id BETWEEN (r.id << 24) + 1 AND (r.id << 24) + 16777215
             WHERE r.finished_at IS NULL AND s.state = ?1 AND s.worker = ?2
             ORDER BY r.id, s.id",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![StepState::Running.code(), worker.0], |row| {
                    Ok((unpack(row.get(0)?), Token(row.get(1)?)))
                })?
                .collect()
        })
        .or_refused()
}

pub(super) fn give_back(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    attempts: &[(StepKey, Token)],
    now: Timestamp,
) -> Result<Vec<ReadyStep>> {
    let mut given = Vec::new();
    for &(key, token) in attempts {
        let id = pack(key)?;
        let found = tx.first(
            "SELECT r.queue, r.priority, r.tenant_id
             FROM step s JOIN run r ON r.id = ?2
             WHERE s.id = ?1 AND s.token = ?3 AND s.state = ?4 AND s.worker = ?5
               AND r.finished_at IS NULL",
            params![id, key.run.0, token.0, StepState::Running.code(), worker.0],
            |row| {
                Ok(ReadyStep {
                    key,
                    queue: text(row, 0)?,
                    priority: priority(row, 1)?,
                    tenant: TenantId(row.get(2)?),
                })
            },
        )?;
        let Some(step) = found else { continue };
        tx.execute("UPDATE run SET seq = seq + 1 WHERE id = ?1", [key.run.0])?;
        tx.execute(
            "UPDATE step SET state = ?2, ready_at = ?3, seq = (SELECT seq FROM run WHERE id = ?4)
             WHERE id = ?1",
            params![id, StepState::Ready.code(), now.0, key.run.0],
        )?;
        given.push(step);
    }
    Ok(given)
}
