//! Limits: who holds a key, and who waits for it. What becomes of whom is
//! [`model::limits::Standing`]'s to say.
//!
//! Keys are locked after runs, in the order of kind, tenant and key. Whoever hands a place to
//! a step has not locked its run, and could not without breaking that order: it marks the
//! place, and [`handed`] makes the step ready in a transaction that locks its run first.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, TenantId},
    limits::{Answer, Arrival, Kind, Limit, Place, Standing, Wanted},
    state::StepState,
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::{
    Page, Result,
    limits::{Acquire, Acquired, LimitDetail, LimitSummary, LimitWait, Limits},
};

use crate::{
    PostgresStore,
    runs::{ordinal, sql_limit, step_state, unknown, wait},
    transaction::{Work, transact},
};

mod line;
mod read;

pub(crate) use line::{call_due, handed, release_runs, release_steps};

/// How many keys that nobody uses are forgotten in one commit.
const FORGOTTEN: i64 = 10_000;

#[async_trait]
impl Limits for PostgresStore {
    async fn acquire(&self, wanted: Acquire) -> Result<Acquired> {
        transact!(self.pool, connection => acquire(connection, &wanted).await)
    }

    async fn limits(
        &self,
        tenant: TenantId,
        now: Timestamp,
        after: Option<(Kind, String)>,
        limit: usize,
    ) -> Result<Page<LimitSummary>> {
        read::limits(&self.pool, tenant, now, after, limit).await
    }

    async fn limit(&self, tenant: TenantId, key: &str, limit: usize) -> Result<Vec<LimitDetail>> {
        read::limit(&self.pool, tenant, key, limit).await
    }

    async fn limit_waits(&self, run: RunId, holders: usize) -> Result<Vec<LimitWait>> {
        read::waits(&self.pool, run, holders).await
    }

    async fn sweep_limits(&self, now: Timestamp, limit: usize) -> Result<usize> {
        transact!(self.pool, connection => sweep(connection, now, limit).await)
    }
}

fn kind(row: &PgRow, column: usize) -> sqlx::Result<Kind> {
    let code: i16 = row.try_get(column)?;
    let kind = u8::try_from(code).ok().and_then(Kind::from_code);
    kind.ok_or_else(|| unknown(column, &format!("limit {code}")))
}

fn place(row: &PgRow, column: usize) -> sqlx::Result<Place> {
    let code: i16 = row.try_get(column)?;
    let place = u8::try_from(code).ok().and_then(Place::from_code);
    place.ok_or_else(|| unknown(column, &format!("place {code}")))
}

fn count(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    let count: i32 = row.try_get(column)?;
    u32::try_from(count).map_err(|_| unknown(column, &format!("count {count}")))
}

/// The limit in three columns.
fn limit(row: &PgRow, kind: Kind, column: usize) -> sqlx::Result<Limit> {
    let span = (row.try_get(column + 1)?, count(row, column + 2)?);
    Ok(Limit::stored(kind, count(row, column)?, span))
}

/// The columns `kind, held, waiting, arrival, ahead, due_at`.
fn standing(row: &PgRow, column: usize) -> sqlx::Result<Standing> {
    Ok(Standing {
        kind: kind(row, column)?,
        held: count(row, column + 1)?,
        waiting: count(row, column + 2)?,
        arrival: Arrival(row.try_get(column + 3)?),
        ahead: Arrival(row.try_get(column + 4)?),
        due: row.try_get::<Option<i64>, _>(column + 5)?.map(Timestamp),
    })
}

/// The step's state, and where it stands with its keys: of a step that executes, nobody else
/// changes that.
const STANDS: &str = "
  SELECT s.state, k.id, k.kind, k.key, p.place, p.number
  FROM step s
  LEFT JOIN limit_place p ON p.run_id = s.run_id AND p.step = s.step
  LEFT JOIN limit_key k ON k.id = p.key_id
  WHERE s.run_id = $1 AND s.step = $2 AND s.token = $3";

/// Locks the key's row, which is made if there is none.
const LOCK: &str = "
  INSERT INTO limit_key (kind, tenant_id, key, held, waiting, last, arrival, ahead, most, per,
    burst)
  VALUES ($1, $2, $3, 0, 0, 0, 0, 0, $4, $5, $6)
  ON CONFLICT (kind, tenant_id, key) DO UPDATE SET most = excluded.most, per = excluded.per,
    burst = excluded.burst
  RETURNING id, last, kind, held, waiting, arrival, ahead, due_at";

/// Writes a key, and where the step stands with it: nowhere if the place is null.
const WRITE: &str = "
  WITH stands AS (
    INSERT INTO limit_place (run_id, step, key_id, place, number, since, most, per, burst)
    SELECT $8, $9, $1, $10, $11, $12, $13, $14, $15 WHERE $10 IS NOT NULL
    ON CONFLICT (run_id, step, key_id) DO UPDATE SET place = excluded.place,
      since = excluded.since, most = excluded.most, per = excluded.per, burst = excluded.burst
  ), gone AS (
    DELETE FROM limit_place WHERE $10 IS NULL AND run_id = $8 AND step = $9 AND key_id = $1
  )
  UPDATE limit_key SET last = $2, held = $3, waiting = $4, arrival = $5, ahead = $6, due_at = $7
  WHERE id = $1";

/// Where a step stands with one of its keys.
struct Stands {
    kind: Kind,
    key: String,
    place: Place,
    number: i64,
}

fn stands(row: &PgRow) -> sqlx::Result<Option<Stands>> {
    if row.try_get::<Option<i64>, _>(1)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Stands {
        kind: kind(row, 2)?,
        key: row.try_get(3)?,
        place: place(row, 4)?,
        number: row.try_get(5)?,
    }))
}

/// Takes what an attempt wants, or suspends its step.
async fn acquire(connection: &mut PgConnection, acquire: &Acquire) -> Work<Acquired> {
    let Some(step) = ordinal(acquire.key.step) else {
        return Ok(Acquired::Fenced);
    };
    if !wait::lock(connection, acquire.key.run).await? {
        return Ok(Acquired::Fenced);
    }
    let found = sqlx::query(STANDS)
        .bind(acquire.key.run.0)
        .bind(step)
        .bind(acquire.token.0)
        .fetch_all(&mut *connection)
        .await?;
    let state = found.first().map(|row| step_state(row, 0)).transpose()?;
    match state {
        Some(StepState::Running) => {}
        // It was sent before, and whether it was committed was not known.
        Some(StepState::Waiting) => return Ok(Acquired::Waits(None)),
        _ => return Ok(Acquired::Fenced),
    }
    let mut all = Vec::with_capacity(found.len());
    for row in &found {
        all.extend(stands(row)?);
    }
    for wanted in &acquire.wanted {
        let kind = wanted.limit.kind();
        let stands = all
            .iter()
            .find(|one| one.kind == kind && one.key == wanted.key);
        // Its place is its own: the key need not be locked.
        if kind == Kind::Concurrency && stands.is_some_and(|one| one.place == Place::Holds) {
            continue;
        }
        if let Answer::Waits(turn) = ask(connection, acquire, (step, stands), wanted).await? {
            wait::wait_for_limit(connection, acquire.key, step, acquire.at).await?;
            return Ok(Acquired::Waits(turn));
        }
    }
    Ok(Acquired::Taken)
}

async fn ask(
    connection: &mut PgConnection,
    acquire: &Acquire,
    (step, stands): (i32, Option<&Stands>),
    wanted: &Wanted,
) -> sqlx::Result<Answer> {
    let (kind, now) = (wanted.limit.kind(), acquire.at);
    let (most, (per, burst)) = (wanted.limit.most() as i32, wanted.limit.span());
    let burst = burst as i32;
    let found = sqlx::query(LOCK)
        .bind(i16::from(kind.code()))
        .bind(acquire.tenant.0)
        .bind(&wanted.key)
        .bind(most)
        .bind(per)
        .bind(burst)
        .fetch_one(&mut *connection)
        .await?;
    let (key, last): (i64, i64) = (found.try_get(0)?, found.try_get(1)?);
    let mut standing = standing(&found, 2)?;
    let answer = standing.ask(&wanted.limit, stands.map(|one| one.place), now);
    let place = match (answer, kind) {
        // A start is over when it is made.
        (Answer::Taken, Kind::Rate) => None,
        (Answer::Taken, Kind::Concurrency) => Some(Place::Holds),
        (Answer::Waits(_), _) => Some(Place::Waits),
    };
    let number = stands.map_or(last + 1, |one| one.number);
    sqlx::query(WRITE)
        .bind(key)
        .bind(last.max(number))
        .bind(standing.held as i32)
        .bind(standing.waiting as i32)
        .bind(standing.arrival.0)
        .bind(standing.ahead.0)
        .bind(standing.due.map(|due| due.0))
        .bind(acquire.key.run.0)
        .bind(step)
        .bind(place.map(|place| i16::from(place.code())))
        .bind(number)
        .bind(now.0)
        .bind(most)
        .bind(per)
        .bind(burst)
        .execute(connection)
        .await?;
    Ok(answer)
}

/// Gives back the places of steps that have ended, and forgets keys that nobody uses.
async fn sweep(connection: &mut PgConnection, now: Timestamp, limit: usize) -> Work<usize> {
    let ended: Vec<(i64, i32)> = sqlx::query_as(
        "SELECT DISTINCT p.run_id, p.step
         FROM limit_place p LEFT JOIN step s ON s.run_id = p.run_id AND s.step = p.step
         WHERE s.state IS NULL OR s.state >= $1 LIMIT $2",
    )
    .bind(i16::from(StepState::Success.code()))
    .bind(sql_limit(limit))
    .fetch_all(&mut *connection)
    .await?;
    release_steps(connection, &ended, now).await?;
    // A key that somebody has asked for meanwhile is looked at again when its lock is had.
    sqlx::query(
        "DELETE FROM limit_key WHERE id IN (
           SELECT id FROM limit_key
           WHERE held = 0 AND waiting = 0 AND ahead <= $1
             AND NOT EXISTS (SELECT FROM limit_place p WHERE p.key_id = limit_key.id AND p.place > 0)
           ORDER BY kind, tenant_id, key LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now.0)
    .bind(FORGOTTEN)
    .execute(connection)
    .await?;
    Ok(ended.len())
}
