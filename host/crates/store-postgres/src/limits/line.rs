//! What is given back is handed to the first of the line.

use std::collections::BTreeMap;

use model::{
    clock::Timestamp,
    limits::{Limit, Place, Standing},
};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{limit, place, standing};
use crate::runs::sql_limit;

/// How many of each line are looked at by one query.
const PART: i64 = 64;
/// How many keys are called in one commit.
const KEYS: i64 = 1_024;

/// Keys that are locked.
type Keys = BTreeMap<i64, Standing>;

/// In the order in which everybody locks them.
const LOCK: &str = "
  SELECT id, kind, held, waiting, arrival, ahead, due_at FROM limit_key WHERE id = ANY ($1)
  ORDER BY kind, tenant_id, key FOR NO KEY UPDATE";

const DUE: &str = "
  SELECT id, kind, held, waiting, arrival, ahead, due_at FROM limit_key WHERE due_at <= $1
  ORDER BY kind, tenant_id, key LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED";

/// The next of each line behind a number of its own.
const LINE: &str = "
  SELECT k.id, p.run_id, p.step, p.number, p.most, p.per, p.burst
  FROM unnest($1::bigint[], $2::bigint[]) AS k (id, behind)
  CROSS JOIN LATERAL (
    SELECT * FROM limit_place
    WHERE key_id = k.id AND place = 0 AND number > k.behind ORDER BY number LIMIT $3
  ) p
  ORDER BY k.id, p.number";

fn key(row: &PgRow) -> sqlx::Result<(i64, Standing)> {
    Ok((row.try_get(0)?, standing(row, 1)?))
}

/// Gives back what these steps hold and hands it to those who wait; says whether any of them
/// got something. The steps' runs are locked, or they have ended.
pub(crate) async fn release_steps(
    connection: &mut PgConnection,
    steps: &[(i64, i32)],
    now: Timestamp,
) -> sqlx::Result<bool> {
    if steps.is_empty() {
        return Ok(false);
    }
    let (runs, ordinals): (Vec<i64>, Vec<i32>) = steps.iter().copied().unzip();
    let places = sqlx::query_as(
        "SELECT p.run_id, p.step, p.key_id
         FROM unnest($1::bigint[], $2::integer[]) AS given (run_id, step)
         JOIN limit_place p ON p.run_id = given.run_id AND p.step = given.step",
    )
    .bind(runs)
    .bind(ordinals)
    .fetch_all(&mut *connection)
    .await?;
    release(connection, places, now).await
}

/// The same for all steps of runs.
pub(crate) async fn release_runs(
    connection: &mut PgConnection,
    runs: &[i64],
    now: Timestamp,
) -> sqlx::Result<bool> {
    let places =
        sqlx::query_as("SELECT run_id, step, key_id FROM limit_place WHERE run_id = ANY ($1)")
            .bind(runs)
            .fetch_all(&mut *connection)
            .await?;
    release(connection, places, now).await
}

async fn release(
    connection: &mut PgConnection,
    places: Vec<(i64, i32, i64)>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    if places.is_empty() {
        return Ok(false);
    }
    let column = places.iter().map(|(_, _, key)| *key);
    let mut keys: Keys = sqlx::query(LOCK)
        .bind(column.collect::<Vec<i64>>())
        .try_map(|row: PgRow| key(&row))
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .collect();
    let left = sqlx::query(
        "DELETE FROM limit_place p
         USING unnest($1::bigint[], $2::integer[], $3::bigint[]) AS given (run_id, step, key_id)
         WHERE p.run_id = given.run_id AND p.step = given.step AND p.key_id = given.key_id
         RETURNING p.key_id, p.place",
    )
    .bind(places.iter().map(|one| one.0).collect::<Vec<i64>>())
    .bind(places.iter().map(|one| one.1).collect::<Vec<i32>>())
    .bind(places.iter().map(|one| one.2).collect::<Vec<i64>>())
    .try_map(|row: PgRow| Ok((row.try_get::<i64, _>(0)?, place(&row, 1)?)))
    .fetch_all(&mut *connection)
    .await?;
    let mut most = 0;
    for (key, place) in left {
        if let Some(standing) = keys.get_mut(&key) {
            standing.leave(place);
            most += 1;
        }
    }
    let handed = hand_over(&mut *connection, &mut keys, most + 1, now).await?;
    save(connection, &keys).await?;
    Ok(handed)
}

/// Calls those whose turn by rate has come. Keys that somebody else is at are left to them.
pub(crate) async fn call_due(connection: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    let mut keys: Keys = sqlx::query(DUE)
        .bind(now.0)
        .bind(KEYS)
        .try_map(|row: PgRow| key(&row))
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    hand_over(&mut *connection, &mut keys, 1, now).await?;
    save(connection, &keys).await
}

/// One of a line.
struct Waiter {
    run: i64,
    step: i32,
    number: i64,
    limit: Limit,
}

/// Hands what is free of each key to the first of its line, as far as it goes. `first`: how
/// many of each are looked at to begin with. Says whether anybody got something.
async fn hand_over(
    connection: &mut PgConnection,
    keys: &mut Keys,
    first: i64,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let mut handed: (Vec<i64>, Vec<i32>, Vec<i64>) = (Vec::new(), Vec::new(), Vec::new());
    // Lines that go on, each behind the number that was looked at last.
    let mut open: BTreeMap<i64, i64> = keys
        .iter()
        .filter(|(_, standing)| standing.waiting > 0)
        .map(|(key, _)| (*key, 0))
        .collect();
    let mut part = first.min(PART);
    while !open.is_empty() {
        let mut lines = lines(&mut *connection, keys, &open, part).await?;
        part = PART;
        for (id, behind) in std::mem::take(&mut open) {
            let Some(standing) = keys.get_mut(&id) else {
                continue;
            };
            let line = lines.remove(&id).unwrap_or_default();
            if line.is_empty() {
                tracing::error!(
                    key = id,
                    waiting = standing.waiting,
                    "the line of a limit is shorter than was counted"
                );
                standing.waiting = 0;
                standing.due = None;
                continue;
            }
            let mut last = behind;
            let all = line.into_iter().all(|one| {
                last = one.number;
                let given = standing.hand(&one.limit, now);
                if given {
                    handed.0.push(one.run);
                    handed.1.push(one.step);
                    handed.2.push(id);
                }
                given
            });
            if all && standing.waiting > 0 {
                open.insert(id, last);
            }
        }
    }
    if handed.0.is_empty() {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE limit_place p SET place = $4, since = $5
         FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS given (run_id, step, key_id)
         WHERE p.run_id = given.run_id AND p.step = given.step AND p.key_id = given.key_id",
    )
    .bind(handed.0)
    .bind(handed.1)
    .bind(handed.2)
    .bind(i16::from(Place::Handed.code()))
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(true)
}

async fn lines(
    connection: &mut PgConnection,
    keys: &Keys,
    open: &BTreeMap<i64, i64>,
    part: i64,
) -> sqlx::Result<BTreeMap<i64, Vec<Waiter>>> {
    let rows = sqlx::query(LINE)
        .bind(open.keys().copied().collect::<Vec<i64>>())
        .bind(open.values().copied().collect::<Vec<i64>>())
        .bind(part)
        .fetch_all(connection)
        .await?;
    let mut lines: BTreeMap<i64, Vec<Waiter>> = BTreeMap::new();
    for row in &rows {
        let id = row.try_get(0)?;
        let Some(standing) = keys.get(&id) else {
            continue;
        };
        lines.entry(id).or_default().push(Waiter {
            run: row.try_get(1)?,
            step: row.try_get(2)?,
            number: row.try_get(3)?,
            limit: limit(row, standing.kind, 4)?,
        });
    }
    Ok(lines)
}

async fn save(connection: &mut PgConnection, keys: &Keys) -> sqlx::Result<()> {
    let number = |read: fn(&Standing) -> i64| keys.values().map(read).collect::<Vec<i64>>();
    let due = keys.values().map(|one| one.due.map(|due| due.0));
    sqlx::query(
        "UPDATE limit_key SET held = new.held, waiting = new.waiting, arrival = new.arrival,
           ahead = new.ahead, due_at = new.due_at
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
             $6::bigint[])
           AS new (id, held, waiting, arrival, ahead, due_at)
         WHERE limit_key.id = new.id",
    )
    .bind(keys.keys().copied().collect::<Vec<i64>>())
    .bind(number(|one| one.held.into()))
    .bind(number(|one| one.waiting.into()))
    .bind(number(|one| one.arrival.0))
    .bind(number(|one| one.ahead.0))
    .bind(due.collect::<Vec<Option<i64>>>())
    .execute(connection)
    .await
    .map(drop)
}

/// Steps that were handed a place and are to be woken, at most `limit`; their runs are locked
/// then. Those of runs that somebody else is at are left for another time.
pub(crate) async fn handed(
    connection: &mut PgConnection,
    limit: usize,
) -> sqlx::Result<Vec<(i64, i32)>> {
    let steps: Vec<(i64, i32)> = sqlx::query_as(
        "SELECT p.run_id, p.step FROM limit_place p JOIN run r ON r.id = p.run_id
         WHERE p.place = 1 ORDER BY p.since, p.run_id, p.step LIMIT $1
         FOR NO KEY UPDATE OF r SKIP LOCKED",
    )
    .bind(sql_limit(limit))
    .fetch_all(&mut *connection)
    .await?;
    if steps.is_empty() {
        return Ok(steps);
    }
    let (runs, ordinals): (Vec<i64>, Vec<i32>) = steps.iter().copied().unzip();
    sqlx::query(
        "UPDATE limit_place p SET place = $3
         FROM unnest($1::bigint[], $2::integer[]) AS given (run_id, step)
         WHERE p.run_id = given.run_id AND p.step = given.step AND p.place = 1",
    )
    .bind(runs)
    .bind(ordinals)
    .bind(i16::from(Place::Holds.code()))
    .execute(connection)
    .await?;
    Ok(steps)
}
