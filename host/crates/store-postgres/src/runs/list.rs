//! Runs as lists and pages show them.

use model::id::{RunId, RunRef, TenantId};
use sqlx::{
    Postgres, QueryBuilder, Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Page, Result,
    runs::{RunFilter, RunSummary, Span, Sum, Unfinished},
};

use super::{code, maybe_time, part, priority, run_state, sql_limit, time, trace};
use crate::{error::OrRefused, uuid::Name};

const SUMMARY: &str = "
  SELECT r.id, r.uuid, r.tenant_id, r.application_id, d.name,
    r.application_revision, v.number, cd.name, r.queue, r.priority, r.log_level, r.started_by,
    r.state, r.steps, r.remaining, r.seq, r.created_at, r.started_at, r.finished_at, r.expires_at,
    r.trace, r.pins, r.part
  FROM run r
  LEFT JOIN definition d ON d.id = r.application_id
  LEFT JOIN revision v ON v.id = r.application_revision
  LEFT JOIN revision cv ON cv.id = r.configuration_revision
  LEFT JOIN definition cd ON cd.id = cv.definition_id
  WHERE r.tenant_id = ";

fn summary(row: &PgRow) -> sqlx::Result<RunSummary> {
    let steps = row.try_get::<i32, _>(13)? as u32;
    let remaining = row.try_get::<i32, _>(14)? as u32;
    Ok(RunSummary {
        run: RunId(row.try_get(0)?),
        reference: row.try_get::<Name, _>(1)?.0,
        tenant: TenantId(row.try_get(2)?),
        application: row.try_get(3)?,
        application_name: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        application_revision: row.try_get(5)?,
        application_revision_number: row.try_get::<Option<i64>, _>(6)?.unwrap_or_default(),
        configuration_name: row.try_get(7)?,
        queue: row.try_get(8)?,
        priority: priority(row, 9)?,
        log_level: code(row, 10)?,
        trigger: row.try_get(11)?,
        state: run_state(row, 12)?,
        steps,
        ended: steps.saturating_sub(remaining),
        seq: row.try_get(15)?,
        created_at: time(row, 16)?,
        started_at: maybe_time(row, 17)?,
        finished_at: maybe_time(row, 18)?,
        expires_at: time(row, 19)?,
        trace: trace(row, 20)?,
        pins: row.try_get(21)?,
        part: part(row, 22)?,
    })
}

pub(super) async fn run(
    pool: &PgPool,
    tenant: TenantId,
    reference: RunRef,
) -> Result<Option<RunSummary>> {
    let mut query = QueryBuilder::<Postgres>::new(SUMMARY);
    query
        .push_bind(tenant.0)
        .push(" AND r.uuid = ")
        .push_bind(Name(reference));
    query
        .build()
        .try_map(|row: PgRow| summary(&row))
        .fetch_optional(pool)
        .await
        .or_refused()
}

pub(super) async fn runs(
    pool: &PgPool,
    tenant: TenantId,
    filter: &RunFilter,
    after: Option<RunId>,
    limit: usize,
) -> Result<Page<RunSummary>> {
    let mut query = QueryBuilder::<Postgres>::new(SUMMARY);
    query.push_bind(tenant.0).push(" AND r.part IS NULL");
    if let Some(after) = after {
        query.push(" AND r.id < ").push_bind(after.0);
    }
    narrow(&mut query, filter);
    query
        .push(" ORDER BY r.id DESC LIMIT ")
        .push_bind(sql_limit(limit).saturating_add(1));
    let mut items = query
        .build()
        .try_map(|row: PgRow| summary(&row))
        .fetch_all(pool)
        .await
        .or_refused()?;
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|run| run.run.0.to_string())
    });
    Ok(Page {
        items,
        next: next.flatten(),
    })
}

/// The newest run of each of these applications.
pub(super) async fn last_runs(
    pool: &PgPool,
    tenant: TenantId,
    applications: &[i64],
) -> Result<Vec<RunSummary>> {
    let mut query = QueryBuilder::<Postgres>::new(SUMMARY);
    query
        .push_bind(tenant.0)
        .push(
            " AND r.id IN (SELECT last.id FROM unnest(",
        )
        .push_bind(applications)
        .push(
            "::bigint[]) AS one (id), LATERAL (
               SELECT l.id FROM run l WHERE l.part IS NULL AND l.application_id = one.id AND l.tenant_id = ",
        )
        .push_bind(tenant.0)
        .push(" ORDER BY l.id DESC LIMIT 1) AS last)");
    query
        .build()
        .try_map(|row: PgRow| summary(&row))
        .fetch_all(pool)
        .await
        .or_refused()
}

pub(super) async fn timeline(pool: &PgPool, tenant: TenantId, span: &Span) -> Result<Vec<Sum>> {
    let filter = span.runs();
    let mut query = QueryBuilder::<Postgres>::new("SELECT ((r.created_at - ");
    query
        .push_bind(span.from.0)
        .push(") / ")
        .push_bind(span.part.max(1))
        .push(
            ")::integer AS part, r.state, count(*), max(r.finished_at - r.created_at),
               coalesce(sum(r.finished_at - r.created_at), 0)::bigint
             FROM run r
             LEFT JOIN revision cv ON cv.id = r.configuration_revision
             LEFT JOIN definition cd ON cd.id = cv.definition_id
             WHERE r.part IS NULL AND r.tenant_id = ",
        )
        .push_bind(tenant.0);
    narrow(&mut query, &filter);
    query
        .push(" GROUP BY 1, 2 ORDER BY 1, 2")
        .build()
        .try_map(|row: PgRow| {
            Ok(Sum {
                part: row.try_get::<i32, _>(0)? as u32,
                state: run_state(&row, 1)?,
                count: row.try_get::<i64, _>(2)? as u64,
                longest: row.try_get(3)?,
                total: row.try_get(4)?,
            })
        })
        .fetch_all(pool)
        .await
        .or_refused()
}

/// How many runs fit, below that number.
pub(crate) async fn count_runs(
    pool: &PgPool,
    tenant: TenantId,
    filter: &RunFilter,
    below: RunId,
) -> Result<u64> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT count(*) FROM run r
         LEFT JOIN revision cv ON cv.id = r.configuration_revision
         LEFT JOIN definition cd ON cd.id = cv.definition_id
         WHERE r.tenant_id = ",
    );
    query
        .push_bind(tenant.0)
        .push(" AND r.part IS NULL AND r.id < ")
        .push_bind(below.0);
    narrow(&mut query, filter);
    query
        .build()
        .try_map(|row: PgRow| row.try_get::<i64, _>(0))
        .fetch_one(pool)
        .await
        .map(|count| count as u64)
        .or_refused()
}

/// Adds which runs fit.
fn narrow<'f>(query: &mut QueryBuilder<'f, Postgres>, filter: &'f RunFilter) {
    if let Some(application) = filter.application {
        query
            .push(" AND r.application_id = ")
            .push_bind(application);
    }
    if let Some(queue) = &filter.queue {
        query.push(" AND r.queue = ").push_bind(queue);
    }
    if let Some(configuration) = &filter.configuration {
        query.push(" AND cd.name = ").push_bind(configuration);
    }
    if !filter.states.is_empty() {
        let codes: Vec<_> = filter
            .states
            .iter()
            .map(|state| i16::from(state.code()))
            .collect();
        query
            .push(" AND r.state = ANY (")
            .push_bind(codes)
            .push(")");
    }
    if let Some(from) = filter.from {
        query.push(" AND r.created_at >= ").push_bind(from.0);
    }
    if let Some(until) = filter.until {
        query.push(" AND r.created_at < ").push_bind(until.0);
    }
    if filter.top {
        query.push(" AND r.parent_run IS NULL");
    }
    if filter.dead {
        query.push(" AND EXISTS (SELECT FROM dead_letter l WHERE l.run_id = r.id)");
    }
}

pub(super) async fn unfinished(pool: &PgPool) -> Result<Vec<Unfinished>> {
    sqlx::query(
        "SELECT tenant_id, queue, count(*) FROM run WHERE finished_at IS NULL
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .try_map(|row: PgRow| {
        Ok(Unfinished {
            tenant: TenantId(row.try_get(0)?),
            queue: row.try_get::<&str, _>(1)?.into(),
            runs: row.try_get::<i64, _>(2)? as u64,
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}
