//! Recorded occurrences.

use model::clock::Timestamp;
use rusqlite::{Connection, Params, Row, params};
use store::{
    Page, Result,
    schedules::{Occurrence, Outcome, Waiting},
};

use super::{COLUMNS, schedule, schedules_with};
use crate::{error::OrRefused, runs::reference, transaction::Tx};

pub(super) fn next_due(connection: &Connection) -> Result<(Option<Timestamp>, bool)> {
    connection
        .prepare_cached(
            "SELECT (SELECT min(next_due) FROM schedule WHERE next_due IS NOT NULL),
               EXISTS (SELECT 1 FROM occurrence o JOIN schedule s ON s.id = o.schedule_id
                 WHERE o.outcome = 5 AND s.enabled = 1)",
        )
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                let due: Option<i64> = row.get(0)?;
                Ok((due.map(Timestamp), row.get(1)?))
            })
        })
        .or_refused()
}

pub(super) fn waiting(connection: &Connection, each: usize, limit: usize) -> Result<Vec<Waiting>> {
    let mut statement = connection
        .prepare_cached(schedules_with!(
            ", o.due_at FROM (
               SELECT schedule_id, due_at,
                 row_number() OVER (PARTITION BY schedule_id ORDER BY due_at) AS place
               FROM occurrence WHERE outcome = 5) o
             JOIN schedule s ON s.id = o.schedule_id
             WHERE s.enabled = 1 AND o.place <= ?1 ORDER BY o.place, o.due_at, s.id LIMIT ?2"
        ))
        .or_refused()?;
    statement
        .query_map(params![each as i64, limit as i64], |row| {
            Ok(Waiting {
                schedule: schedule(row)?,
                due: Timestamp(row.get(COLUMNS)?),
            })
        })
        .and_then(Iterator::collect)
        .or_refused()
}

pub(super) fn backfill(
    tx: &mut Tx<'_>,
    schedule: i64,
    dues: &[Timestamp],
    at: Timestamp,
) -> Result<usize> {
    let mut waiting = 0;
    for due in dues {
        waiting += tx.execute(
            "INSERT INTO occurrence (schedule_id, due_at, outcome, at)
             SELECT id, ?2, 5, ?3 FROM schedule WHERE id = ?1
             ON CONFLICT (schedule_id, due_at) DO UPDATE
               SET outcome = 5, reason = NULL, at = ?3 WHERE outcome IN (2, 3, 4)",
            params![schedule, due.0, at.0],
        )?;
    }
    Ok(waiting)
}

/// Columns of an occurrence.
macro_rules! occurrences_with {
    ($more:literal) => {
        concat!(
            "SELECT due_at, outcome, run_uuid, reason, at FROM occurrence WHERE schedule_id = ?1 ",
            $more
        )
    };
}

pub(super) fn list(
    connection: &Connection,
    schedule: i64,
    outcome: Option<Outcome>,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Page<Occurrence>> {
    let mut items = read(
        connection,
        occurrences_with!(
            "AND due_at < ?2 AND (?3 IS NULL OR outcome = ?3) ORDER BY due_at DESC LIMIT ?4"
        ),
        params![
            schedule,
            before.map_or(i64::MAX, |before| before.0),
            outcome.map(|outcome| outcome as u8),
            limit as i64 + 1
        ],
    )?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| last.due.0.to_string());
    Ok(Page { items, next })
}

pub(super) fn between(
    connection: &Connection,
    schedule: i64,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Occurrence>> {
    read(
        connection,
        occurrences_with!("AND due_at BETWEEN ?2 AND ?3 ORDER BY due_at"),
        params![schedule, from.0, until.0],
    )
}

fn read(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<Occurrence>> {
    let mut statement = connection.prepare_cached(sql).or_refused()?;
    statement
        .query_map(params, occurrence)
        .and_then(Iterator::collect)
        .or_refused()
}

fn occurrence(row: &Row<'_>) -> rusqlite::Result<Occurrence> {
    let code: u8 = row.get(1)?;
    let outcome = Outcome::from_code(code)
        .ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(1, i64::from(code)))?;
    let has_run = row.get_ref(2)? != rusqlite::types::ValueRef::Null;
    Ok(Occurrence {
        due: Timestamp(row.get(0)?),
        outcome,
        run: has_run.then(|| reference(row, 2)).transpose()?,
        reason: row.get(3)?,
        at: Timestamp(row.get(4)?),
    })
}
