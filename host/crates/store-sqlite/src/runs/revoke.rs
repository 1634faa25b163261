//! One step is stopped, or marked as late.

use model::{
    clock::Timestamp,
    flow::{Graph, Route, Tally, advance},
    id::{RunId, StepKey, Token, WorkerId},
    state::StepState,
};
use rusqlite::params;
use store::{Error, Result, runs::Revoked};

use super::{activate::Event, complete::update_run, step_state, wait};
use crate::{
    limits,
    transaction::{Tx, pack},
};

/// A step that has not ended, with what its run counts.
struct Found {
    state: StepState,
    token: Token,
    worker: Option<WorkerId>,
    seq: i64,
    tally: Tally,
}

fn find(tx: &mut Tx<'_>, id: i64, run: RunId) -> Result<Option<Found>> {
    tx.first(
        "SELECT s.state, s.token, s.worker, r.seq, r.remaining, r.failed, r.warned, r.cancelled
         FROM step s CROSS JOIN run r
         WHERE s.id = ?1 AND r.id = ?2 AND r.finished_at IS NULL",
        [id, run.0],
        |row| {
            Ok(Found {
                state: step_state(row, 0)?,
                token: Token(row.get(1)?),
                worker: row.get::<_, Option<i64>>(2)?.map(WorkerId),
                seq: row.get(3)?,
                tally: Tally {
                    remaining: row.get(4)?,
                    failed: row.get(5)?,
                    warned: row.get(6)?,
                    cancelled: row.get(7)?,
                },
            })
        },
    )
}

/// Ends the step as cancelled. An attempt that runs is fenced by it.
pub(super) fn revoke(
    tx: &mut Tx<'_>,
    key: StepKey,
    graph: &Graph,
    at: Timestamp,
) -> Result<Option<Revoked>> {
    let Ok(id) = pack(key) else { return Ok(None) };
    let Some(mut found) = find(tx, id, key.run)? else {
        return Ok(None);
    };
    if !matches!(
        found.state,
        StepState::Ready | StepState::Running | StepState::Waiting
    ) {
        return Ok(None);
    }
    let worker = found.worker.filter(|_| found.state == StepState::Running);
    if let Some(worker) = worker {
        tx.execute(
            "INSERT OR IGNORE INTO revoked_claim (worker, step_id) VALUES (?1, ?2)",
            [worker.0, id],
        )?;
    }
    found.seq += 1;
    tx.execute(
        "UPDATE step SET state = ?2, seq = ?3, finished_at = ?4 WHERE id = ?1",
        params![id, StepState::Cancelled.code(), found.seq, at.0],
    )?;
    tx.execute("UPDATE wait SET due_at = NULL WHERE step_id = ?1", [id])?;
    tx.execute("DELETE FROM ask WHERE step_id = ?1", [id])?;
    limits::release(tx, (id, id), at)?;
    let mut event = Event {
        tx,
        run: key.run,
        seq: found.seq,
        at,
    };
    let cancelled = StepState::Cancelled;
    // What is cancelled makes nothing ready.
    let next = advance(graph, key.step, cancelled, &Route::All, &mut event)?;
    for (step, state) in next.unexecuted() {
        event.end_unexecuted(step, state, graph.inputs(step) > 1)?;
    }
    let ended = found
        .tally
        .end(cancelled, next.unexecuted_len())
        .map_err(|error| Error::miscounted(key.run, error))?;
    update_run(event.tx, key.run, at, (found.seq, &found.tally), ended)?;
    if ended.is_some() {
        wait::run_ended(event.tx, key.run)?;
    }
    Ok(Some(Revoked {
        token: found.token,
        worker,
        ended,
    }))
}

/// Marks a running attempt as late.
pub(super) fn mark_late(
    tx: &mut Tx<'_>,
    key: StepKey,
    token: Token,
    at: Timestamp,
) -> Result<bool> {
    let Ok(id) = pack(key) else {
        return Ok(false);
    };
    let marked = tx.execute(
        "UPDATE step SET late_at = ?4, seq = 1 + (SELECT seq FROM run WHERE id = ?5)
         WHERE id = ?1 AND state = ?2 AND token = ?3",
        params![id, StepState::Running.code(), token.0, at.0, key.run.0],
    )?;
    if marked == 0 {
        return Ok(false);
    }
    tx.execute("UPDATE run SET seq = seq + 1 WHERE id = ?1", [key.run.0])?;
    Ok(true)
}
