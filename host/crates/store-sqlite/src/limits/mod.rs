//! Limits: who holds a key, and who waits for it. What becomes of whom is
//! [`model::limits::Standing`]'s to say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, TenantId},
    limits::{Answer, Arrival, Kind, Limit, Place, Standing, Wanted},
    state::StepState,
};
use rusqlite::{Row, params, types::Type};
use store::{
    Page, Result,
    limits::{Acquire, Acquired, LimitDetail, LimitSummary, LimitWait, Limits},
};

use crate::{
    SqliteStore,
    runs::{sql_limit, step_state, wait},
    transaction::{Tx, pack},
};

mod read;

/// How many of a line are looked at by one query.
const PART: i64 = 64;

#[async_trait]
impl Limits for SqliteStore {
    async fn acquire(&self, wanted: Acquire) -> Result<Acquired> {
        self.writer.call(move |tx| acquire(tx, &wanted)).await
    }

    async fn limits(
        &self,
        tenant: TenantId,
        now: Timestamp,
        after: Option<(Kind, String)>,
        limit: usize,
    ) -> Result<Page<LimitSummary>> {
        self.readers
            .call(move |c| read::limits(c, tenant, now, after, limit))
            .await
    }

    async fn limit(&self, tenant: TenantId, key: &str, limit: usize) -> Result<Vec<LimitDetail>> {
        let key = key.to_owned();
        self.readers
            .call(move |c| read::limit(c, tenant, &key, limit))
            .await
    }

    async fn limit_waits(&self, run: RunId, holders: usize) -> Result<Vec<LimitWait>> {
        self.readers
            .call(move |c| read::waits(c, run, holders))
            .await
    }

    async fn sweep_limits(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.writer.call(move |tx| sweep(tx, now, limit)).await
    }
}

/// The limit in three columns.
fn limit(row: &Row<'_>, kind: Kind, column: usize) -> rusqlite::Result<Limit> {
    let span = (row.get(column + 1)?, row.get(column + 2)?);
    Ok(Limit::stored(kind, row.get(column)?, span))
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    Kind::from_code(row.get(column)?).ok_or_else(|| unknown(column))
}

fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<Place> {
    Place::from_code(row.get(column)?).ok_or_else(|| unknown(column))
}

fn unknown(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "code".to_owned(), Type::Integer)
}

/// The columns `kind, held, waiting, arrival, ahead, due_at`.
fn standing(row: &Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    Ok(Standing {
        kind: kind(row, column)?,
        held: row.get(column + 1)?,
        waiting: row.get(column + 2)?,
        arrival: Arrival(row.get(column + 3)?),
        ahead: Arrival(row.get(column + 4)?),
        due: row.get::<_, Option<i64>>(column + 5)?.map(Timestamp),
    })
}

/// Takes what an attempt wants, or suspends its step.
fn acquire(tx: &mut Tx<'_>, wanted: &Acquire) -> Result<Acquired> {
    let Ok(id) = pack(wanted.key) else {
        return Ok(Acquired::Fenced);
    };
    let state = tx.first(
        "SELECT state FROM step WHERE id = ?1 AND token = ?2",
        [id, wanted.token.0],
        |row| step_state(row, 0),
    )?;
    match state {
        Some(StepState::Running) => {}
        // It was sent before, and the answer was lost.
        Some(StepState::Waiting) => return Ok(Acquired::Waits(None)),
        _ => return Ok(Acquired::Fenced),
    }
    for one in &wanted.wanted {
        if let Answer::Waits(turn) = ask(tx, id, wanted.tenant, one, wanted.at)? {
            wait::suspend(tx, &wanted.suspension())?;
            return Ok(Acquired::Waits(turn));
        }
    }
    Ok(Acquired::Taken)
}

fn ask(
    tx: &mut Tx<'_>,
    step: i64,
    tenant: TenantId,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Answer> {
    let kind = wanted.limit.kind();
    let known = tx.first(
        "SELECT id, last, kind, held, waiting, arrival, ahead, due_at FROM limit_key
         WHERE kind = ?1 AND tenant_id = ?2 AND key = ?3",
        params![kind.code(), tenant.0, wanted.key],
        |row| Ok((row.get(0)?, row.get(1)?, standing(row, 2)?)),
    )?;
    let (key, mut last, mut standing): (i64, i64, Standing) = if let Some(known) = known {
        known
    } else {
        tx.execute(
            "INSERT INTO limit_key (kind, tenant_id, key, held, waiting, last, arrival, ahead,
               most, per, burst)
             VALUES (?1, ?2, ?3, 0, 0, 0, 0, 0, 0, 0, 0)",
            params![kind.code(), tenant.0, wanted.key],
        )?;
        (tx.inserted(), 0, Standing::new(kind))
    };
    let stands = tx.first(
        "SELECT place, number FROM limit_place WHERE step_id = ?1 AND key_id = ?2",
        [step, key],
        |row| Ok((place(row, 0)?, row.get::<_, i64>(1)?)),
    )?;
    let answer = standing.ask(&wanted.limit, stands.map(|(place, _)| place), now);
    let (most, (per, burst)) = (wanted.limit.most(), wanted.limit.span());
    let place = match (answer, kind) {
        // A start is over when it is made.
        (Answer::Taken, Kind::Rate) => None,
        (Answer::Taken, Kind::Concurrency) => Some(Place::Holds),
        (Answer::Waits(_), _) => Some(Place::Waits),
    };
    if let Some(place) = place {
        let number = stands.map_or(last + 1, |(_, number)| number);
        last = last.max(number);
        tx.execute(
            "INSERT INTO limit_place (step_id, key_id, place, number, since, most, per, burst)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (step_id, key_id) DO UPDATE SET place = excluded.place,
               since = CASE WHEN excluded.place > 0 THEN since ELSE excluded.since END,
               most = excluded.most, per = excluded.per, burst = excluded.burst",
            params![step, key, place.code(), number, now.0, most, per, burst],
        )?;
    } else if stands.is_some() {
        tx.execute(
            "DELETE FROM limit_place WHERE step_id = ?1 AND key_id = ?2",
            [step, key],
        )?;
    }
    tx.execute(
        "UPDATE limit_key SET last = ?2, most = ?3, per = ?4, burst = ?5 WHERE id = ?1",
        params![key, last, most, per, burst],
    )?;
    save(tx, key, &standing)?;
    Ok(answer)
}

fn save(tx: &mut Tx<'_>, key: i64, standing: &Standing) -> Result<()> {
    tx.execute(
        "UPDATE limit_key SET held = ?2, waiting = ?3, arrival = ?4, ahead = ?5, due_at = ?6
         WHERE id = ?1",
        params![
            key,
            standing.held,
            standing.waiting,
            standing.arrival.0,
            standing.ahead.0,
            standing.due.map(|due| due.0)
        ],
    )
    .map(drop)
}

/// Gives back what the steps of these rows hold, from the first to the last, and hands it to
/// those who wait; says whether any of them got something.
pub(crate) fn release(tx: &mut Tx<'_>, (first, last): (i64, i64), now: Timestamp) -> Result<bool> {
    let places = tx.all(
        "SELECT key_id, place FROM limit_place WHERE step_id BETWEEN ?1 AND ?2",
        [first, last],
        |row| Ok((row.get::<_, i64>(0)?, place(row, 1)?)),
    )?;
    if places.is_empty() {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM limit_place WHERE step_id BETWEEN ?1 AND ?2",
        [first, last],
    )?;
    let mut left: BTreeMap<i64, Vec<Place>> = BTreeMap::new();
    for (key, place) in places {
        left.entry(key).or_default().push(place);
    }
    let mut handed = false;
    for (key, places) in left {
        let found = tx.first(
            "SELECT kind, held, waiting, arrival, ahead, due_at FROM limit_key WHERE id = ?1",
            [key],
            |row| standing(row, 0),
        )?;
        let Some(mut standing) = found else { continue };
        for place in places {
            standing.leave(place);
        }
        handed |= hand_over(tx, key, &mut standing, now)?;
        save(tx, key, &standing)?;
    }
    Ok(handed)
}

/// Hands what is free to the first of the line, as far as it goes. Says whether anybody got
/// something.
fn hand_over(tx: &mut Tx<'_>, key: i64, standing: &mut Standing, now: Timestamp) -> Result<bool> {
    let kind = standing.kind;
    let before = standing.waiting;
    while standing.waiting > 0 {
        let line = tx.all(
            "SELECT step_id, most, per, burst FROM limit_place
             WHERE key_id = ?1 AND place = 0 ORDER BY number LIMIT ?2",
            [key, PART],
            |row| Ok((row.get::<_, i64>(0)?, limit(row, kind, 1)?)),
        )?;
        if line.is_empty() {
            tracing::error!(
                key,
                waiting = standing.waiting,
                "the line of a limit is shorter than was counted"
            );
            standing.waiting = 0;
            standing.due = None;
            break;
        }
        for (step, limit) in line {
            if !standing.hand(&limit, now) {
                return Ok(standing.waiting < before);
            }
            tx.execute(
                "UPDATE limit_place SET place = ?3, since = ?4 WHERE step_id = ?1 AND key_id = ?2",
                params![step, key, Place::Handed.code(), now.0],
            )?;
        }
    }
    Ok(standing.waiting < before)
}

/// Calls those whose turn by rate has come.
pub(crate) fn call_due(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    let due = tx.all(
        "SELECT id, kind, held, waiting, arrival, ahead, due_at FROM limit_key
         WHERE due_at <= ?1 ORDER BY due_at",
        [now.0],
        |row| Ok((row.get::<_, i64>(0)?, standing(row, 1)?)),
    )?;
    for (key, mut standing) in due {
        hand_over(tx, key, &mut standing, now)?;
        save(tx, key, &standing)?;
    }
    Ok(())
}

/// Steps that were handed a place and are to be woken, the first first, at most `limit`.
pub(crate) fn take_handed(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<i64>> {
    let handed = tx.all(
        "SELECT step_id, key_id FROM limit_place WHERE place = 1 ORDER BY since LIMIT ?1",
        [sql_limit(limit)],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    )?;
    let mut steps = Vec::with_capacity(handed.len());
    for (step, key) in handed {
        tx.execute(
            "UPDATE limit_place SET place = ?3 WHERE step_id = ?1 AND key_id = ?2",
            params![step, key, Place::Holds.code()],
        )?;
        steps.push(step);
    }
    Ok(steps)
}

/// Gives back the places of steps that have ended, and forgets keys that nobody uses.
fn sweep(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<usize> {
    let ended = tx.all(
        "SELECT DISTINCT p.step_id FROM limit_place p LEFT JOIN step s ON s.id = p.step_id
         WHERE s.id IS NULL OR s.state >= ?1 LIMIT ?2",
        params![StepState::Success.code(), sql_limit(limit)],
        |row| row.get::<_, i64>(0),
    )?;
    for &step in &ended {
        release(tx, (step, step), now)?;
    }
    tx.execute(
        "DELETE FROM limit_key WHERE held = 0 AND waiting = 0 AND ahead <= ?1
           AND NOT EXISTS (SELECT 1 FROM limit_place WHERE key_id = limit_key.id AND place > 0)",
        [now.0],
    )?;
    Ok(ended.len())
}
