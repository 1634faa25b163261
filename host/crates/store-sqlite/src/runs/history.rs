//! The steps of a run and their payloads.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, WorkerId},
};
use rusqlite::{Connection, OptionalExtension};
use store::{Result, runs::StepSummary};

use super::{maybe_time, step_state};
use crate::{
    error::OrRefused,
    partition,
    transaction::{pack, step_range, unpack},
};

pub(super) fn steps(
    connection: &Connection,
    run: RunId,
    after_seq: i64,
) -> Result<Vec<StepSummary>> {
    let (first, last) = step_range(run);
    connection
        .prepare_cached(
            "SELECT id, state, token, worker, seq, ready_at, started_at, finished_at,
               CASE WHEN late_at >= started_at THEN late_at END
             FROM step WHERE id BETWEEN ?1 AND ?2 AND seq > ?3 ORDER BY id",
        )
        .and_then(|mut statement| {
            statement
                .query_map([first, last, after_seq], |row| {
                    Ok(StepSummary {
                        step: unpack(row.get(0)?).step,
                        state: step_state(row, 1)?,
                        attempts: row.get(2)?,
                        worker: row.get::<_, Option<i64>>(3)?.map(WorkerId),
                        seq: row.get(4)?,
                        ready_at: maybe_time(row, 5)?,
                        started_at: maybe_time(row, 6)?,
                        finished_at: maybe_time(row, 7)?,
                        late_at: maybe_time(row, 8)?,
                    })
                })?
                .collect()
        })
        .or_refused()
}

pub(super) fn outputs(
    connection: &Connection,
    run: RunId,
    expires_at: Timestamp,
    steps: &[Ordinal],
) -> Result<Vec<Option<Bytes>>> {
    let day = expires_at.day();
    steps
        .iter()
        .map(|&step| of_step(connection, day, "data", run, step))
        .collect()
}

pub(super) fn error(
    connection: &Connection,
    run: RunId,
    expires_at: Timestamp,
    step: Ordinal,
) -> Result<Option<Bytes>> {
    of_step(connection, expires_at.day(), "error", run, step)
}

pub(super) fn input(
    connection: &Connection,
    run: RunId,
    expires_at: Timestamp,
) -> Result<Option<Bytes>> {
    let sql = format!(
        "SELECT p.data FROM run r JOIN \"payload_{}\" p ON p.id = r.input WHERE r.id = ?1",
        expires_at.day()
    );
    payload(connection, expires_at.day(), &sql, run.0)
}

fn of_step(
    connection: &Connection,
    day: i64,
    column: &str,
    run: RunId,
    step: Ordinal,
) -> Result<Option<Bytes>> {
    let Ok(id) = pack(StepKey { run, step }) else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT p.{column} FROM step s JOIN \"payload_{day}\" p ON p.id = s.result
         WHERE s.id = ?1"
    );
    payload(connection, day, &sql, id)
}

fn payload(connection: &Connection, day: i64, sql: &str, id: i64) -> Result<Option<Bytes>> {
    if !partition::exists(connection, day)? {
        return Ok(None);
    }
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_row([id], |row| partition::bytes(row, 0))
                .optional()
        })
        .map(Option::flatten)
        .or_refused()
}
