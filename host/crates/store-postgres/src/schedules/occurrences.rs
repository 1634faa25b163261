//! Recorded occurrences.

use model::clock::Timestamp;
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Page, Result,
    schedules::{Occurrence, Outcome, Waiting},
};

use super::{COLUMNS, schedule, schedules_with};
use crate::{error::OrRefused, uuid::Name};

pub(super) async fn next_due(pool: &PgPool) -> Result<(Option<Timestamp>, bool)> {
    let (due, waits): (Option<i64>, bool) = sqlx::query_as(
        "SELECT (SELECT min(next_due) FROM schedule WHERE next_due IS NOT NULL),
           EXISTS (SELECT 1 FROM occurrence o JOIN schedule s ON s.id = o.schedule_id
             WHERE o.outcome = 5 AND s.enabled)",
    )
    .fetch_one(pool)
    .await
    .or_refused()?;
    Ok((due.map(Timestamp), waits))
}

pub(super) async fn waiting(pool: &PgPool, each: usize, limit: usize) -> Result<Vec<Waiting>> {
    sqlx::query(schedules_with!(
        ", o.due_at FROM (
           SELECT schedule_id, due_at,
             row_number() OVER (PARTITION BY schedule_id ORDER BY due_at) AS place
           FROM occurrence WHERE outcome = 5) o
         JOIN schedule s ON s.id = o.schedule_id
         WHERE s.enabled AND o.place <= $1 ORDER BY o.place, o.due_at, s.id LIMIT $2"
    ))
    .bind(each as i64)
    .bind(limit as i64)
    .try_map(|row: PgRow| {
        Ok(Waiting {
            schedule: schedule(&row)?,
            due: Timestamp(row.try_get(COLUMNS)?),
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}

pub(super) async fn backfill(
    pool: &PgPool,
    schedule: i64,
    dues: &[Timestamp],
    at: Timestamp,
) -> Result<usize> {
    let dues: Vec<i64> = dues.iter().map(|due| due.0).collect();
    sqlx::query(
        "INSERT INTO occurrence (schedule_id, due_at, outcome, at)
         SELECT s.id, wanted.due, 5, $3
         FROM schedule s, (SELECT DISTINCT due FROM unnest($2::bigint[]) AS w (due)) AS wanted
         WHERE s.id = $1
         ON CONFLICT (schedule_id, due_at) DO UPDATE
           SET outcome = 5, reason = NULL, at = $3 WHERE occurrence.outcome IN (2, 3, 4)",
    )
    .bind(schedule)
    .bind(dues)
    .bind(at.0)
    .execute(pool)
    .await
    .map(|done| done.rows_affected() as usize)
    .or_refused()
}

/// Columns of an occurrence.
macro_rules! occurrences_with {
    ($more:literal) => {
        concat!(
            "SELECT due_at, outcome, run_uuid, reason, at FROM occurrence WHERE schedule_id = $1 ",
            $more
        )
    };
}

pub(super) async fn list(
    pool: &PgPool,
    schedule: i64,
    outcome: Option<Outcome>,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Page<Occurrence>> {
    let mut items = sqlx::query(occurrences_with!(
        "AND due_at < $2 AND ($3::smallint IS NULL OR outcome = $3) ORDER BY due_at DESC LIMIT $4"
    ))
    .bind(schedule)
    .bind(before.map_or(i64::MAX, |before| before.0))
    .bind(outcome.map(|outcome| i16::from(outcome as u8)))
    .bind(limit as i64 + 1)
    .try_map(|row: PgRow| occurrence(&row))
    .fetch_all(pool)
    .await
    .or_refused()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| last.due.0.to_string());
    Ok(Page { items, next })
}

pub(super) async fn between(
    pool: &PgPool,
    schedule: i64,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Occurrence>> {
    sqlx::query(occurrences_with!(
        "AND due_at BETWEEN $2 AND $3 ORDER BY due_at"
    ))
    .bind(schedule)
    .bind(from.0)
    .bind(until.0)
    .try_map(|row: PgRow| occurrence(&row))
    .fetch_all(pool)
    .await
    .or_refused()
}

fn occurrence(row: &PgRow) -> sqlx::Result<Occurrence> {
    let code: i16 = row.try_get(1)?;
    let outcome = u8::try_from(code)
        .ok()
        .and_then(Outcome::from_code)
        .ok_or_else(|| sqlx::Error::Decode(format!("outcome {code}").into()))?;
    Ok(Occurrence {
        due: Timestamp(row.try_get(0)?),
        outcome,
        run: row.try_get::<Option<Name>, _>(2)?.map(|name| name.0),
        reason: row.try_get(3)?,
        at: Timestamp(row.try_get(4)?),
    })
}
