//! Steps that wait and hold no worker.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunId, StepKey, TenantId, Token, WorkerId},
    state::{StepState, WaitKind},
};
use rusqlite::{Connection, Row, params};
use store::{
    Result,
    runs::{Again, AttemptSummary, Child, ReadyStep, Suspended, Suspension, WaitSummary, Woken},
};

use super::{
    maybe_time, priority, reference, run_state, sql_limit, step_state, text, time, unknown,
};
use crate::{
    asks,
    error::OrRefused,
    limits,
    transaction::{Tx, pack, step_range, unpack},
};

/// The attempt that ends for now.
struct Attempt {
    worker: Option<i64>,
    ready_at: Option<i64>,
    started_at: Option<i64>,
}

pub(crate) fn suspend(tx: &mut Tx<'_>, suspension: &Suspension) -> Result<Suspended> {
    let Ok(id) = pack(suspension.key) else {
        return Ok(Suspended::Fenced);
    };
    let attempt = tx.first(
        "SELECT state, worker, ready_at, started_at FROM step WHERE id = ?1 AND token = ?2",
        params![id, suspension.token.0],
        |row| {
            let attempt = Attempt {
                worker: row.get(1)?,
                ready_at: row.get(2)?,
                started_at: row.get(3)?,
            };
            Ok((step_state(row, 0)?, attempt))
        },
    )?;
    let attempt = match attempt {
        Some((StepState::Running, attempt)) => attempt,
        // It was sent before, and the answer was lost.
        Some((StepState::Waiting, _)) => return Ok(Suspended::Waiting),
        _ => return Ok(Suspended::Fenced),
    };
    if let Some(lines) = &suspension.log {
        tx.partition(suspension.expires_at)?
            .append_log(id, suspension.token.0, lines)?;
    }
    if let Some(state) = suspension.ended {
        tx.execute(
            "INSERT INTO attempt (step_id, token, state, worker, ready_at, started_at,
               finished_at, error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                id,
                suspension.token.0,
                state.code(),
                attempt.worker,
                attempt.ready_at,
                attempt.started_at,
                suspension.at.0,
                suspension.error.as_deref()
            ],
        )?;
    }
    tx.execute(
        "INSERT INTO wait (step_id, kind, since, due_at, wakes, retries, first_at, started, ended,
           wanted, detail)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, 0, ?8, ?9)
         ON CONFLICT (step_id) DO UPDATE SET kind = excluded.kind, since = excluded.since,
           due_at = excluded.due_at, retries = retries + excluded.retries,
           first_at = CASE WHEN kind = ?10 AND retries = 0 THEN excluded.first_at ELSE first_at END,
           started = excluded.started, wanted = excluded.wanted,
           ended = CASE WHEN excluded.retries > 0 THEN 0 ELSE ended END,
           detail = coalesce(excluded.detail, detail)",
        params![
            id,
            suspension.kind.code(),
            suspension.at.0,
            suspension.until.map(|until| until.0),
            u8::from(suspension.ended.is_some()),
            attempt.started_at.unwrap_or(suspension.at.0),
            suspension.children.0,
            suspension.children.1,
            suspension.detail.as_deref(),
            WaitKind::Limit.code()
        ],
    )?;
    set_state(tx, suspension.key, id, StepState::Waiting, None)?;
    if asks::ask(tx, id, suspension)? {
        let woken = wake(tx, suspension.key, id, suspension.at)?;
        return Ok(woken.map_or(Suspended::Waiting, Suspended::Ready));
    }
    // Until the next attempt it needs no place.
    if suspension.ended.is_some() {
        limits::release(tx, (id, id), suspension.at)?;
    }
    Ok(
        match count_children(tx, suspension.key, id, suspension.at)? {
            Some(ready) => Suspended::Ready(ready),
            None => Suspended::Waiting,
        },
    )
}

/// Each change of a step is an event of its run.
fn set_state(
    tx: &mut Tx<'_>,
    key: StepKey,
    id: i64,
    state: StepState,
    ready_at: Option<Timestamp>,
) -> Result<()> {
    tx.execute("UPDATE run SET seq = seq + 1 WHERE id = ?1", [key.run.0])?;
    tx.execute(
        "UPDATE step SET state = ?2, ready_at = coalesce(?3, ready_at),
           seq = (SELECT seq FROM run WHERE id = ?4)
         WHERE id = ?1",
        params![id, state.code(), ready_at.map(|at| at.0), key.run.0],
    )
    .map(drop)
}

/// Makes a waiting step ready; `None` when it waits no more.
pub(crate) fn wake(
    tx: &mut Tx<'_>,
    key: StepKey,
    id: i64,
    at: Timestamp,
) -> Result<Option<ReadyStep>> {
    tx.execute(
        "UPDATE wait SET due_at = NULL, wakes = wakes + (SELECT count(*) FROM step
           WHERE id = ?1 AND state = ?2)
         WHERE step_id = ?1",
        params![id, StepState::Waiting.code()],
    )?;
    tx.execute("DELETE FROM ask WHERE step_id = ?1", [id])?;
    let found = tx.first(
        "SELECT r.queue, r.priority, r.tenant_id FROM step s JOIN run r ON r.id = ?2
         WHERE s.id = ?1 AND s.state = ?3 AND r.finished_at IS NULL",
        params![id, key.run.0, StepState::Waiting.code()],
        |row| {
            Ok(ReadyStep {
                key,
                queue: text(row, 0)?,
                priority: priority(row, 1)?,
                tenant: TenantId(row.get(2)?),
            })
        },
    )?;
    if found.is_some() {
        set_state(tx, key, id, StepState::Ready, Some(at))?;
    }
    Ok(found)
}

pub(super) fn wake_due(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<Woken> {
    let due = tx.all(
        "SELECT step_id FROM wait WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
        params![now.0, sql_limit(limit)],
        |row| row.get::<_, i64>(0),
    )?;
    let mut woken = Woken::default();
    for id in due {
        woken.ready.extend(wake(tx, unpack(id), id, now)?);
    }
    limits::call_due(tx, now)?;
    for id in limits::take_handed(tx, limit - woken.ready.len().min(limit))? {
        woken.ready.extend(wake(tx, unpack(id), id, now)?);
    }
    let next = tx.first(
        "SELECT min(at) FROM (
           SELECT min(due_at) AS at FROM wait WHERE due_at IS NOT NULL
           UNION ALL SELECT min(due_at) FROM limit_key WHERE due_at IS NOT NULL
           UNION ALL SELECT min(since) FROM limit_place WHERE place = 1)",
        [],
        |row| maybe_time(row, 0),
    )?;
    woken.next = next.flatten();
    Ok(woken)
}

/// A child has ended: its parent is to count it.
pub(super) fn child_ended(tx: &mut Tx<'_>, parent: StepKey, child: RunId) -> Result<()> {
    tx.execute(
        "INSERT OR IGNORE INTO child_end (parent, run_id) VALUES (?1, ?2)",
        [pack(parent)?, child.0],
    )
    .map(drop)
}

/// The same, where only the run that ended is known.
pub(super) fn run_ended(tx: &mut Tx<'_>, run: RunId) -> Result<()> {
    let parent = tx.first(
        "SELECT parent_run, parent_step FROM run WHERE id = ?1 AND parent_run IS NOT NULL",
        [run.0],
        |row| parent_of(row, 0),
    )?;
    match parent.flatten() {
        Some(parent) => child_ended(tx, parent, run),
        None => Ok(()),
    }
}

/// The step that started a run.
pub(super) fn parent_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<StepKey>> {
    let run: Option<i64> = row.get(column)?;
    let step: Option<u32> = row.get(column + 1)?;
    Ok(run.zip(step).map(|(run, step)| StepKey {
        run: RunId(run),
        step: model::id::Ordinal(step),
    }))
}

pub(super) fn settle(tx: &mut Tx<'_>, parent: StepKey, at: Timestamp) -> Result<Option<ReadyStep>> {
    let Ok(id) = pack(parent) else {
        return Ok(None);
    };
    let state = tx.first("SELECT state FROM step WHERE id = ?1", [id], |row| {
        step_state(row, 0)
    })?;
    match state {
        Some(StepState::Waiting) => count_children(tx, parent, id, at),
        // It counts them when it waits for them.
        Some(StepState::Running | StepState::Ready) => Ok(None),
        // Nobody does any more.
        _ => {
            tx.execute("DELETE FROM child_end WHERE parent = ?1", [id])?;
            Ok(None)
        }
    }
}

/// Counts the children of a waiting step that have ended, and wakes it for the last that it
/// waits for.
fn count_children(
    tx: &mut Tx<'_>,
    parent: StepKey,
    id: i64,
    at: Timestamp,
) -> Result<Option<ReadyStep>> {
    let ended = tx.execute("DELETE FROM child_end WHERE parent = ?1", [id])? as i64;
    let enough = tx.first(
        "UPDATE wait SET ended = ended + ?2 WHERE step_id = ?1
         RETURNING wanted > 0 AND ended >= wanted",
        [id, ended],
        |row| row.get::<_, bool>(0),
    )?;
    match enough {
        Some(true) => wake(tx, parent, id, at),
        _ => Ok(None),
    }
}

pub(super) fn unsettled(
    connection: &Connection,
    after: Option<StepKey>,
    limit: usize,
) -> Result<Vec<StepKey>> {
    let after = after.map(pack).transpose()?.unwrap_or(0);
    connection
        .prepare_cached(
            "SELECT DISTINCT parent FROM child_end WHERE parent > ?1 ORDER BY parent LIMIT ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![after, sql_limit(limit)], |row| {
                    Ok(unpack(row.get(0)?))
                })?
                .collect()
        })
        .or_refused()
}

pub(super) fn children(
    connection: &Connection,
    parent: StepKey,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<Child>> {
    connection
        .prepare_cached(
            "SELECT r.id, r.uuid, r.application_revision, r.pins, d.name, r.state, r.expires_at,
               r.idempotency_key
             FROM run r INDEXED BY run_parent LEFT JOIN definition d ON d.id = r.application_id
             WHERE r.parent_run = ?1 AND r.parent_step = ?2 AND r.id > ?3
             ORDER BY r.id LIMIT ?4",
        )
        .and_then(|mut statement| {
            statement
                .query_map(
                    params![
                        parent.run.0,
                        parent.step.0,
                        after.map_or(0, |run| run.0),
                        sql_limit(limit)
                    ],
                    |row| {
                        Ok(Child {
                            run: RunId(row.get(0)?),
                            reference: reference(row, 1)?,
                            application_revision: row.get(2)?,
                            pins: row.get(3)?,
                            application_name: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                            state: run_state(row, 5)?,
                            expires_at: time(row, 6)?,
                            key: row.get(7)?,
                        })
                    },
                )?
                .collect()
        })
        .or_refused()
}

pub(super) fn depth(connection: &Connection, run: RunId, limit: u32) -> Result<u32> {
    connection
        .prepare_cached(
            "WITH RECURSIVE above (id, depth) AS (
               SELECT parent_run, 1 FROM run WHERE id = ?1 AND parent_run IS NOT NULL
               UNION ALL
               SELECT r.parent_run, depth + 1 FROM above a JOIN run r ON r.id = a.id
               WHERE r.parent_run IS NOT NULL AND depth < ?2
             )
             SELECT coalesce(max(depth), 0) FROM above",
        )
        .and_then(|mut statement| statement.query_row(params![run.0, limit], |row| row.get(0)))
        .or_refused()
}

pub(crate) fn wait_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<WaitKind> {
    let code = row.get(column)?;
    WaitKind::from_code(code).ok_or_else(|| unknown(column, code))
}

pub(crate) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Bytes>> {
    Ok(row
        .get_ref(column)?
        .as_bytes_or_null()?
        .map(Bytes::copy_from_slice))
}

/// What is left of the attempts before; read only for a step that was claimed before.
pub(super) fn again(tx: &mut Tx<'_>, id: i64) -> Result<Option<Again>> {
    tx.first(
        "SELECT kind, detail, wakes, retries, started, ended, first_at FROM wait
         WHERE step_id = ?1",
        [id],
        |row| {
            Ok(Again {
                kind: wait_kind(row, 0)?,
                detail: bytes(row, 1)?,
                wakes: row.get(2)?,
                retries: row.get(3)?,
                children: (row.get(4)?, row.get(5)?),
                first_at: time(row, 6)?,
            })
        },
    )
}

pub(super) fn waits(connection: &Connection, run: RunId) -> Result<Vec<WaitSummary>> {
    let (first, last) = step_range(run);
    connection
        .prepare_cached(
            "SELECT step_id, kind, since, due_at, retries, wakes, started, ended FROM wait WHERE step_id BETWEEN ?1 AND ?2 ORDER BY step_id",
        )
        .and_then(|mut statement| {
            statement
                .query_map([first, last], |row| {
                    Ok(WaitSummary {
                        key: unpack(row.get(0)?),
                        kind: wait_kind(row, 1)?,
                        since: time(row, 2)?,
                        until: maybe_time(row, 3)?,
                        retries: row.get(4)?,
                        wakes: row.get(5)?,
                        children: (row.get(6)?, row.get(7)?),
                    })
                })?
                .collect()
        })
        .or_refused()
}

pub(super) fn attempts(connection: &Connection, key: StepKey) -> Result<Vec<AttemptSummary>> {
    let Ok(id) = pack(key) else {
        return Ok(Vec::new());
    };
    connection
        .prepare_cached(
            "SELECT token, state, worker, ready_at, started_at, finished_at, error
             FROM attempt WHERE step_id = ?1 ORDER BY token",
        )
        .and_then(|mut statement| {
            statement
                .query_map([id], |row| {
                    Ok(AttemptSummary {
                        token: Token(row.get(0)?),
                        state: step_state(row, 1)?,
                        worker: row.get::<_, Option<i64>>(2)?.map(WorkerId),
                        ready_at: maybe_time(row, 3)?,
                        started_at: maybe_time(row, 4)?,
                        finished_at: time(row, 5)?,
                        error: bytes(row, 6)?,
                    })
                })?
                .collect()
        })
        .or_refused()
}
