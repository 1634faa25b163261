//! An attempt of a step ends.

use model::{
    clock::Timestamp,
    flow::{Tally, advance},
    id::{Ordinal, RunId},
    state::{RunState, StepState},
};
use rusqlite::params;
use store::{
    Error, Result,
    runs::{Completed, Completion},
};

use super::{activate::Event, step_state, wait};
use crate::{
    limits, pauses,
    transaction::{Tx, pack},
};

/// What a run counts, and the attempt that ends.
struct Counts {
    seq: i64,
    tally: Tally,
}

pub(super) fn complete(tx: &mut Tx<'_>, end: &Completion) -> Result<Completed> {
    let Some(mut counts) = current(tx, end)? else {
        return Ok(Completed::Fenced);
    };
    counts.seq += 1;
    store_result(tx, end, counts.seq)?;
    let handed = if end.limited {
        let id = pack(end.key)?;
        limits::release(tx, (id, id), end.at)?
    } else {
        false
    };
    let mut event = Event {
        tx,
        run: end.key.run,
        seq: counts.seq,
        at: end.at,
    };
    let mut next = advance(&end.graph, end.key.step, end.state, &end.route, &mut event)?;
    let joined = |step: Ordinal| end.graph.inputs(step) > 1;
    for (step, state) in next.unexecuted() {
        event.end_unexecuted(step, state, joined(step))?;
    }
    let claim = match end.claim {
        Some(worker) if !pauses::holds(event.tx, end.key.run)? => Some(worker),
        _ => None,
    };
    let claimed = event.start(&mut next.ready, claim, joined)?;
    let ended = counts
        .tally
        .end(
            end.graph.counted(end.key.step, end.state),
            next.unexecuted_len(),
        )
        .map_err(|error| Error::miscounted(end.key.run, error))?;
    let counted = (counts.seq, &counts.tally);
    update_run(event.tx, end.key.run, end.at, counted, ended)?;
    if let (Some(_), Some(parent)) = (ended, end.parent) {
        wait::child_ended(event.tx, parent, end.key.run)?;
    }
    Ok(Completed::Stored {
        claimed,
        ready: next.ready,
        ended,
        handed,
    })
}

/// The run's counts if the attempt is the step's newest and still runs.
fn current(tx: &mut Tx<'_>, end: &Completion) -> Result<Option<Counts>> {
    let Ok(id) = pack(end.key) else {
        return Ok(None);
    };
    let found = tx.first(
        "SELECT s.state, s.token, r.seq, r.remaining, r.failed, r.warned, r.cancelled
         FROM step s CROSS JOIN run r WHERE s.id = ?1 AND r.id = ?2",
        [id, end.key.run.0],
        |row| {
            let counts = Counts {
                seq: row.get(2)?,
                tally: Tally {
                    remaining: row.get(3)?,
                    failed: row.get(4)?,
                    warned: row.get(5)?,
                    cancelled: row.get(6)?,
                },
            };
            Ok((step_state(row, 0)?, row.get::<_, i64>(1)?, counts))
        },
    )?;
    Ok(match found {
        Some((StepState::Running, token, counts)) if token == end.token.0 => Some(counts),
        _ => None,
    })
}

fn store_result(tx: &mut Tx<'_>, end: &Completion, seq: i64) -> Result<()> {
    let id = pack(end.key)?;
    let (data, error) = (end.output.as_deref(), end.error.as_deref());
    let result = if data.is_some() || error.is_some() {
        Some(tx.partition(end.expires_at)?.append(data, error)?)
    } else {
        None
    };
    if let Some(log) = &end.log {
        tx.partition(end.expires_at)?
            .append_log(id, end.token.0, log)?;
    }
    tx.execute(
        "UPDATE step SET state = ?2, seq = ?3, finished_at = ?4, result = ?5 WHERE id = ?1",
        params![id, end.state.code(), seq, end.at.0, result],
    )
    .map(drop)
}

/// Writes what a run counts after one of its steps has ended, and its end.
pub(super) fn update_run(
    tx: &mut Tx<'_>,
    run: RunId,
    at: Timestamp,
    (seq, tally): (i64, &Tally),
    ended: Option<RunState>,
) -> Result<()> {
    let changed = match ended {
        None => tx.execute(
            "UPDATE run SET seq = ?2, remaining = ?3, failed = ?4, warned = ?5, cancelled = ?6
             WHERE id = ?1",
            params![
                run.0,
                seq,
                tally.remaining,
                tally.failed,
                tally.warned,
                tally.cancelled
            ],
        ),
        Some(state) => tx.execute(
            "UPDATE run SET seq = ?2, remaining = 0, failed = ?3, warned = ?4, cancelled = ?5,
               state = ?6, finished_at = ?7
             WHERE id = ?1",
            params![
                run.0,
                seq,
                tally.failed,
                tally.warned,
                tally.cancelled,
                state.code(),
                at.0
            ],
        ),
    };
    changed.map(drop)
}
