//! A run is stopped.

use model::{
    clock::Timestamp,
    id::{RunId, WorkerId},
    state::{RunState, StepState},
};
use rusqlite::params;
use store::{
    Result,
    runs::{CancelScope, CancelledRun},
};

use super::{reference, run_state, sql_limit, wait};
use crate::{
    limits,
    transaction::{Tx, step_range, unpack},
};

/// Ends the run, the runs that it started, and all of their steps at once. Attempts that
/// run are fenced by it: their steps do not run any more.
pub(super) fn cancel(tx: &mut Tx<'_>, run: RunId, at: Timestamp) -> Result<Vec<CancelledRun>> {
    // Over those that have ended as well: what they started without waiting may run on.
    let family = tx.all(
        "WITH RECURSIVE family (id) AS (
           SELECT ?1
           UNION
           SELECT r.id FROM family f JOIN run r INDEXED BY run_parent ON r.parent_run = f.id
         )
         SELECT id FROM run WHERE id IN (SELECT id FROM family) AND finished_at IS NULL
         ORDER BY id",
        [run.0],
        |row| Ok(RunId(row.get(0)?)),
    )?;
    let mut cancelled = Vec::with_capacity(family.len());
    for run in family {
        cancelled.extend(cancel_one(tx, run, at)?);
    }
    Ok(cancelled)
}

fn cancel_one(tx: &mut Tx<'_>, run: RunId, at: Timestamp) -> Result<Option<CancelledRun>> {
    let found = tx.first(
        "SELECT state, seq, uuid FROM run WHERE id = ?1",
        [run.0],
        |row| {
            Ok((
                run_state(row, 0)?,
                row.get::<_, i64>(1)?,
                reference(row, 2)?,
            ))
        },
    )?;
    let (seq, reference) = match found {
        Some((state, seq, reference)) if !state.is_final() => (seq + 1, reference),
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
    tx.execute(
        "DELETE FROM wait WHERE step_id BETWEEN ?1 AND ?2",
        [first, last],
    )?;
    tx.execute(
        "DELETE FROM ask WHERE step_id BETWEEN ?1 AND ?2",
        [first, last],
    )?;
    limits::release(tx, (first, last), at)?;
    wait::run_ended(tx, run)?;
    tx.execute(
        "UPDATE run SET state = ?2, seq = ?3, remaining = 0, cancelled = 1, finished_at = ?4
         WHERE id = ?1",
        params![run.0, RunState::Cancelled.code(), seq, at.0],
    )?;
    Ok(Some(CancelledRun {
        run,
        reference,
        running,
    }))
}

/// Ends the oldest runs of a scope. Which they are is read here too: the writer is the only
/// one that writes.
pub(super) fn cancel_all(
    tx: &mut Tx<'_>,
    scope: &CancelScope,
    at: Timestamp,
    limit: usize,
) -> Result<Vec<CancelledRun>> {
    let runs = tx.all(
        "SELECT id FROM run INDEXED BY run_unfinished
         WHERE finished_at IS NULL AND id <= ?1 AND +tenant_id = ?2
           AND (?3 IS NULL OR application_id = ?3) AND (?4 IS NULL OR queue = ?4)
         ORDER BY id LIMIT ?5",
        params![
            scope.until.0,
            scope.tenant.0,
            scope.application,
            scope.queue,
            sql_limit(limit)
        ],
        |row| Ok(RunId(row.get(0)?)),
    )?;
    let mut cancelled = Vec::with_capacity(runs.len());
    for run in runs {
        cancelled.extend(cancel(tx, run, at)?);
    }
    Ok(cancelled)
}
