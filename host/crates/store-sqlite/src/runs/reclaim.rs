//! Steps of workers whose lease has ended become ready again.

use model::{clock::Timestamp, state::StepState};
use rusqlite::params;
use store::{Result, runs::ReadyStep};

use super::{priority, sql_limit, text};
use crate::transaction::{Tx, unpack};

/// Every claim's worker has a row ([`Tx::know_worker`]), and the row of one whose
/// lease has ended goes when it holds no step any more: without such rows there is
/// nothing to look for.
pub(super) fn reclaim(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<Vec<ReadyStep>> {
    let ended = tx.first(
        "SELECT 1 FROM worker WHERE lease_until <= ?1 LIMIT 1",
        [now.0],
        |_| Ok(()),
    )?;
    if ended.is_none() {
        return Ok(Vec::new());
    }
    let steps = tx.all(
        "SELECT s.id, r.queue, r.priority
         FROM run r INDEXED BY run_unfinished
         CROSS JOIN step s ON s.id BETWEEN (r.id << 24) + 1 AND (r.id << 24) + 16777215
         WHERE r.finished_at IS NULL AND +s.state = ?2
           AND +s.worker IN (SELECT id FROM worker WHERE lease_until <= ?1)
         ORDER BY r.id, s.id LIMIT ?3",
        params![now.0, StepState::Running.code(), sql_limit(limit)],
        |row| {
            let step = ReadyStep {
                key: unpack(row.get(0)?),
                queue: text(row, 1)?,
                priority: priority(row, 2)?,
            };
            Ok((row.get::<_, i64>(0)?, step))
        },
    )?;
    for (id, step) in &steps {
        let run = step.key.run.0;
        tx.execute("UPDATE run SET seq = seq + 1 WHERE id = ?1", [run])?;
        tx.execute(
            "UPDATE step SET state = ?2, ready_at = ?3, seq = (SELECT seq FROM run WHERE id = ?4)
             WHERE id = ?1",
            params![id, StepState::Ready.code(), now.0, run],
        )?;
    }
    if steps.len() < limit {
        tx.execute(
            "DELETE FROM cancelled_claim
             WHERE worker IN (SELECT id FROM worker WHERE lease_until <= ?1)",
            [now.0],
        )?;
        tx.execute("DELETE FROM worker WHERE lease_until <= ?1", [now.0])?;
        tx.forget_workers();
    }
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}
