//! What is seen of limits.

use model::{
    clock::Timestamp,
    id::{RunId, TenantId},
    limits::Kind,
};
use rusqlite::{Connection, Params, Row, params};
use store::{
    Page, Result,
    limits::{LimitDetail, LimitPlace, LimitSummary, LimitWait},
};

use super::{limit as limit_of, standing};
use crate::{
    error::OrRefused,
    runs::{reference, sql_limit, step_state, time},
    transaction::{step_range, unpack},
};

/// How many of those before a step in a line are counted.
const COUNTED: i64 = 1_000;

/// The columns of a key: `id, key, kind, held, waiting, arrival, ahead, due_at, most, per,
/// burst`.
fn summary(row: &Row<'_>) -> rusqlite::Result<(i64, LimitSummary)> {
    let standing = standing(row, 2)?;
    let limit = limit_of(row, standing.kind, 8)?;
    let summary = LimitSummary {
        key: row.get(1)?,
        limit,
        held: standing.held.into(),
        waiting: standing.waiting.into(),
        next: standing.next(&limit),
    };
    Ok((row.get(0)?, summary))
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(params, read)?.collect())
        .or_refused()
}

pub(super) fn limits(
    connection: &Connection,
    tenant: TenantId,
    now: Timestamp,
    after: Option<(Kind, String)>,
    limit: usize,
) -> Result<Page<LimitSummary>> {
    let (kind, key) = after.map_or((0, String::new()), |(kind, key)| (kind.code(), key));
    let mut items = rows(
        connection,
        "SELECT id, key, kind, held, waiting, arrival, ahead, due_at, most, per, burst
         FROM limit_key
         WHERE tenant_id = ?1 AND (kind, key) > (?3, ?4) AND (held > 0 OR waiting > 0 OR ahead > ?2)
         ORDER BY kind, key LIMIT ?5",
        params![
            tenant.0,
            now.0,
            kind,
            key,
            sql_limit(limit.saturating_add(1))
        ],
        |row| Ok(summary(row)?.1),
    )?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(LimitSummary::position);
    Ok(Page { items, next })
}

pub(super) fn limit(
    connection: &Connection,
    tenant: TenantId,
    key: &str,
    limit: usize,
) -> Result<Vec<LimitDetail>> {
    let found = rows(
        connection,
        "SELECT id, key, kind, held, waiting, arrival, ahead, due_at, most, per, burst
         FROM limit_key WHERE kind IN (1, 2) AND tenant_id = ?1 AND key = ?2 ORDER BY kind",
        params![tenant.0, key],
        summary,
    )?;
    let mut details = Vec::with_capacity(found.len());
    for (id, summary) in found {
        details.push(LimitDetail {
            holders: holders(connection, id, &summary, limit)?,
            line: rows(
                connection,
                "SELECT p.step_id, r.uuid, d.name, s.state, p.since, p.most
                 FROM limit_place p JOIN step s ON s.id = p.step_id
                 JOIN run r ON r.id = p.step_id >> 24
                 LEFT JOIN definition d ON d.id = r.application_id
                 WHERE p.key_id = ?1 AND p.place = 0 ORDER BY p.number LIMIT ?2",
                params![id, sql_limit(limit)],
                read_place,
            )?,
            summary,
        });
    }
    Ok(details)
}

/// Who holds a key; nobody does of a rate.
fn holders(
    connection: &Connection,
    id: i64,
    of: &LimitSummary,
    limit: usize,
) -> Result<Vec<LimitPlace>> {
    if of.limit.kind() == Kind::Rate {
        return Ok(Vec::new());
    }
    rows(
        connection,
        "SELECT p.step_id, r.uuid, d.name, s.state, p.since, p.most
         FROM limit_place p JOIN step s ON s.id = p.step_id
         JOIN run r ON r.id = p.step_id >> 24
         LEFT JOIN definition d ON d.id = r.application_id
         WHERE p.key_id = ?1 AND p.place > 0 ORDER BY p.since, p.step_id LIMIT ?2",
        params![id, sql_limit(limit)],
        read_place,
    )
}

fn read_place(row: &Row<'_>) -> rusqlite::Result<LimitPlace> {
    Ok(LimitPlace {
        step: unpack(row.get(0)?),
        reference: reference(row, 1)?,
        application_name: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        state: step_state(row, 3)?,
        since: time(row, 4)?,
        limit: row.get(5)?,
    })
}

pub(super) fn waits(connection: &Connection, run: RunId, limit: usize) -> Result<Vec<LimitWait>> {
    let (first, last) = step_range(run);
    let found = rows(
        connection,
        "SELECT k.id, k.key, k.kind, k.held, k.waiting, k.arrival, k.ahead, k.due_at, p.most,
           p.per, p.burst, p.step_id, (
             SELECT count(*) FROM (
               SELECT 1 FROM limit_place b
               WHERE b.key_id = p.key_id AND b.place = 0 AND b.number < p.number LIMIT ?3))
         FROM limit_place p JOIN limit_key k ON k.id = p.key_id
         WHERE p.step_id BETWEEN ?1 AND ?2 AND p.place < 2 ORDER BY p.step_id",
        [first, last, COUNTED],
        |row| {
            let (id, summary) = summary(row)?;
            let before = row.get::<_, i64>(12)?;
            Ok((id, summary, unpack(row.get(11)?), before as u64))
        },
    )?;
    let mut waits = Vec::with_capacity(found.len());
    for (id, summary, step, before) in found {
        waits.push(LimitWait {
            step,
            limit: summary.limit.most(),
            before,
            of: LimitDetail {
                holders: holders(connection, id, &summary, limit)?,
                line: Vec::new(),
                summary,
            },
        });
    }
    Ok(waits)
}
