//! A run is stopped.

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, WorkerId},
    state::{RunState, StepState},
};
use rusqlite::params;
use store::Result;

use super::run_state;
use crate::transaction::{Tx, step_range, unpack};

/// Ends the run and all of its steps at once. Attempts that run are fenced by it:
/// their steps do not run any more.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    run: RunId,
    at: Timestamp,
) -> Result<Option<Vec<(StepKey, WorkerId)>>> {
    let found = tx.first("SELECT state, seq FROM run WHERE id = ?1", [run.0], |row| {
        Ok((run_state(row, 0)?, row.get::<_, i64>(1)?))
    })?;
    let seq = match found {
        Some((state, seq)) if !state.is_final() => seq + 1,
        _ => return Ok(None),
    };
    let (first, last) = step_range(run);
    let running = tx.all(
        "SELECT id, worker FROM step WHERE id BETWEEN ?1 AND ?2 AND state = ?3",
        params![first, last, StepState::Running.code()],
        |row| Ok((unpack(row.get(0)?), WorkerId(row.get(1)?))),
    )?;
    for (key, worker) in &running {
        tx.execute(
            "INSERT OR IGNORE INTO cancelled_claim (worker, run_id) VALUES (?1, ?2)",
            [worker.0, key.run.0],
        )?;
    }
    // Pending, ready, running and waiting are the states below success.
    tx.execute(
        "UPDATE step SET state = ?3, seq = ?4, finished_at = ?5
         WHERE id BETWEEN ?1 AND ?2 AND state < ?6",
        params![
            first,
            last,
            StepState::Cancelled.code(),
            seq,
            at.0,
            StepState::Success.code()
        ],
    )?;
    tx.execute("DELETE FROM timer WHERE run_id = ?1", [run.0])?;
    tx.execute(
        "UPDATE run SET state = ?2, seq = ?3, remaining = 0, cancelled = 1, finished_at = ?4
         WHERE id = ?1",
        params![run.0, RunState::Cancelled.code(), seq, at.0],
    )?;
    Ok(Some(running))
}
