//! What is seen of limits.

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, TenantId},
    limits::Kind,
};
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Page, Result,
    limits::{LimitDetail, LimitPlace, LimitSummary, LimitWait},
};

use super::{count, limit as limit_of, standing};
use crate::{
    error::OrRefused,
    runs::{key, sql_limit, step_state, time},
    uuid::Name,
};

/// How many of those before a step in a line are counted.
const COUNTED: i64 = 1_000;

/// The columns of a key: `id, key, kind, held, waiting, arrival, ahead, due_at, most, per,
/// burst`.
fn summary(row: &PgRow) -> sqlx::Result<(i64, LimitSummary)> {
    let standing = standing(row, 2)?;
    let limit = limit_of(row, standing.kind, 8)?;
    let summary = LimitSummary {
        key: row.try_get(1)?,
        limit,
        held: standing.held.into(),
        waiting: standing.waiting.into(),
        next: standing.next(&limit),
    };
    Ok((row.try_get(0)?, summary))
}

pub(super) async fn limits(
    pool: &PgPool,
    tenant: TenantId,
    now: Timestamp,
    after: Option<(Kind, String)>,
    limit: usize,
) -> Result<Page<LimitSummary>> {
    let (kind, key) = after.map_or((0, String::new()), |(kind, key)| (kind.code(), key));
    let mut items = sqlx::query(
        "SELECT id, key, kind, held, waiting, arrival, ahead, due_at, most, per, burst
         FROM limit_key
         WHERE tenant_id = $1 AND (kind, key) > ($3, $4) AND (held > 0 OR waiting > 0 OR ahead > $2)
         ORDER BY kind, key LIMIT $5",
    )
    .bind(tenant.0)
    .bind(now.0)
    .bind(i16::from(kind))
    .bind(key)
    .bind(sql_limit(limit.saturating_add(1)))
    .try_map(|row: PgRow| Ok(summary(&row)?.1))
    .fetch_all(pool)
    .await
    .or_refused()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(LimitSummary::position);
    Ok(Page { items, next })
}

pub(super) async fn limit(
    pool: &PgPool,
    tenant: TenantId,
    key: &str,
    limit: usize,
) -> Result<Vec<LimitDetail>> {
    // It can hold no such text, and would refuse to look for it.
    if key.contains('\0') {
        return Ok(Vec::new());
    }
    let found = sqlx::query(
        "SELECT id, key, kind, held, waiting, arrival, ahead, due_at, most, per, burst
         FROM limit_key WHERE kind = ANY ('{1,2}') AND tenant_id = $1 AND key = $2 ORDER BY kind",
    )
    .bind(tenant.0)
    .bind(key)
    .try_map(|row: PgRow| summary(&row))
    .fetch_all(pool)
    .await
    .or_refused()?;
    let mut details = Vec::with_capacity(found.len());
    for (id, summary) in found {
        details.push(LimitDetail {
            holders: holders(pool, id, &summary, limit).await?,
            line: sqlx::query(
                "SELECT p.run_id, p.step, r.uuid, d.name, s.state, p.since, p.most
                 FROM limit_place p
                 JOIN step s ON s.run_id = p.run_id AND s.step = p.step
                 JOIN run r ON r.id = p.run_id
                 LEFT JOIN definition d ON d.id = r.application_id
                 WHERE p.key_id = $1 AND p.place = 0 ORDER BY p.number LIMIT $2",
            )
            .bind(id)
            .bind(sql_limit(limit))
            .try_map(|row: PgRow| read_place(&row))
            .fetch_all(pool)
            .await
            .or_refused()?,
            summary,
        });
    }
    Ok(details)
}

/// Who holds a key; nobody does of a rate.
async fn holders(
    pool: &PgPool,
    id: i64,
    of: &LimitSummary,
    limit: usize,
) -> Result<Vec<LimitPlace>> {
    if of.limit.kind() == Kind::Rate {
        return Ok(Vec::new());
    }
    sqlx::query(
        "SELECT p.run_id, p.step, r.uuid, d.name, s.state, p.since, p.most
         FROM limit_place p
         JOIN step s ON s.run_id = p.run_id AND s.step = p.step
         JOIN run r ON r.id = p.run_id
         LEFT JOIN definition d ON d.id = r.application_id
         WHERE p.key_id = $1 AND p.place > 0 ORDER BY p.since, p.run_id, p.step LIMIT $2",
    )
    .bind(id)
    .bind(sql_limit(limit))
    .try_map(|row: PgRow| read_place(&row))
    .fetch_all(pool)
    .await
    .or_refused()
}

fn read_place(row: &PgRow) -> sqlx::Result<LimitPlace> {
    Ok(LimitPlace {
        step: key(row, 0)?,
        reference: row.try_get::<Name, _>(2)?.0,
        application_name: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
        state: step_state(row, 4)?,
        since: time(row, 5)?,
        limit: count(row, 6)?,
    })
}

pub(super) async fn waits(pool: &PgPool, run: RunId, limit: usize) -> Result<Vec<LimitWait>> {
    let found: Vec<(i64, LimitSummary, StepKey, i64)> = sqlx::query(
        "SELECT k.id, k.key, k.kind, k.held, k.waiting, k.arrival, k.ahead, k.due_at, p.most,
           p.per, p.burst, p.run_id, p.step, (
             SELECT count(*) FROM (
               SELECT FROM limit_place b
               WHERE b.key_id = p.key_id AND b.place = 0 AND b.number < p.number LIMIT $2) before)
         FROM limit_place p JOIN limit_key k ON k.id = p.key_id
         WHERE p.run_id = $1 AND p.place < 2 ORDER BY p.step",
    )
    .bind(run.0)
    .bind(COUNTED)
    .try_map(|row: PgRow| {
        let (id, summary) = summary(&row)?;
        Ok((id, summary, key(&row, 11)?, row.try_get(13)?))
    })
    .fetch_all(pool)
    .await
    .or_refused()?;
    let mut waits = Vec::with_capacity(found.len());
    for (id, summary, step, before) in found {
        waits.push(LimitWait {
            step,
            limit: summary.limit.most(),
            before: u64::try_from(before).unwrap_or_default(),
            of: LimitDetail {
                holders: holders(pool, id, &summary, limit).await?,
                line: Vec::new(),
                summary,
            },
        });
    }
    Ok(waits)
}
