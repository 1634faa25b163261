//! Runs as lists and pages show them.

use std::{borrow::Cow, fmt::Write};

use model::id::{Ordinal, RunId, RunRef, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use store::{
    Page, Result,
    runs::{RunFilter, RunSummary, Span, Sum, Unfinished},
};

use super::{maybe_time, priority, reference, run_state, sql_limit, text, time, trace};
use crate::error::OrRefused;

const SUMMARY: &str = "SELECT r.id, r.uuid, r.tenant_id, r.application_id, d.name,
    r.application_revision, v.number, cd.name, r.queue, r.priority, r.log_level, r.started_by,
    r.state, r.steps, r.remaining, r.seq, r.created_at, r.started_at, r.finished_at, r.expires_at,
    r.trace, r.pins, r.part
  FROM run r
  LEFT JOIN definition d ON d.id = r.application_id
  LEFT JOIN revision v ON v.id = r.application_revision
  LEFT JOIN revision cv ON cv.id = r.configuration_revision
  LEFT JOIN definition cd ON cd.id = cv.definition_id";

/// What conditions on a run need besides it.
const JOINED: &str = "
  LEFT JOIN revision cv ON cv.id = r.configuration_revision
  LEFT JOIN definition cd ON cd.id = cv.definition_id";

fn summary(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let steps: u32 = row.get(13)?;
    let remaining: u32 = row.get(14)?;
    Ok(RunSummary {
        run: RunId(row.get(0)?),
        reference: reference(row, 1)?,
        tenant: TenantId(row.get(2)?),
        application: row.get(3)?,
        application_name: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        application_revision: row.get(5)?,
        application_revision_number: row.get::<_, Option<i64>>(6)?.unwrap_or_default(),
        configuration_name: row.get(7)?,
        queue: row.get(8)?,
        priority: priority(row, 9)?,
        log_level: row.get(10)?,
        trigger: row.get(11)?,
        state: run_state(row, 12)?,
        steps,
        ended: steps.saturating_sub(remaining),
        seq: row.get(15)?,
        created_at: time(row, 16)?,
        started_at: maybe_time(row, 17)?,
        finished_at: maybe_time(row, 18)?,
        expires_at: time(row, 19)?,
        trace: trace(row, 20)?,
        pins: row.get(21)?,
        part: row.get::<_, Option<u32>>(22)?.map(Ordinal),
    })
}

pub(super) fn run(
    connection: &Connection,
    tenant: TenantId,
    reference: RunRef,
) -> Result<Option<RunSummary>> {
    connection
        .prepare_cached(&format!("{SUMMARY} WHERE r.uuid = ?1 AND r.tenant_id = ?2"))
        .and_then(|mut statement| {
            statement
                .query_row((reference.uuid().as_bytes(), tenant.0), summary)
                .optional()
        })
        .or_refused()
}

pub(super) fn runs(
    connection: &Connection,
    tenant: TenantId,
    filter: &RunFilter,
    after: Option<RunId>,
    limit: usize,
) -> Result<Page<RunSummary>> {
    let before = after.map_or(i64::MAX, |run| run.0);
    let more = sql_limit(limit).saturating_add(1);
    let mut values: Vec<&dyn ToSql> = vec![&tenant.0, &before, &more];
    let narrowed = narrowed(filter, &mut values);
    // Pages after the first walk on in the order of the list: each would sort the span anew.
    let select = match after {
        None => in_time(SUMMARY, filter),
        Some(_) => Cow::Borrowed(SUMMARY),
    };
    let mut sql = format!("{select}{narrowed}");
    sql.push_str(" ORDER BY r.id DESC LIMIT ?3");
    let mut items: Vec<RunSummary> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_map(params_from_iter(values), summary)?
                .collect()
        })
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

/// A span of time of an application is found by time, not by walking from its newest run.
fn in_time(select: &'static str, filter: &RunFilter) -> Cow<'static, str> {
    if filter.application.is_some() && filter.from.is_some() && filter.until.is_some() {
        Cow::Owned(select.replacen("FROM run r", "FROM run r INDEXED BY run_time", 1))
    } else {
        Cow::Borrowed(select)
    }
}

/// The newest run of each of these applications.
pub(super) fn last_runs(
    connection: &Connection,
    tenant: TenantId,
    applications: &[i64],
) -> Result<Vec<RunSummary>> {
    let sql = format!(
        "{SUMMARY} WHERE r.tenant_id = ?1 AND r.application_id = ?2 AND r.part IS NULL
         ORDER BY r.id DESC LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql).or_refused()?;
    let mut found = Vec::with_capacity(applications.len());
    for application in applications {
        let one = statement
            .query_row((tenant.0, application), summary)
            .optional();
        found.extend(one.or_refused()?);
    }
    Ok(found)
}

pub(super) fn timeline(connection: &Connection, tenant: TenantId, span: &Span) -> Result<Vec<Sum>> {
    let filter = span.runs();
    // The second stands for the end of a page, the third for its limit.
    let part = span.part.max(1);
    let mut values: Vec<&dyn ToSql> = vec![&tenant.0, &i64::MAX, &part, &span.from.0];
    let narrowed = narrowed(&filter, &mut values);
    let joined = if filter.configuration.is_some() {
        JOINED
    } else {
        ""
    };
    let sql = format!(
        "SELECT (r.created_at - ?4) / ?3, r.state, count(*),
           max(r.finished_at - r.created_at), total(r.finished_at - r.created_at)
         FROM run r INDEXED BY run_time{joined}{narrowed} GROUP BY 1, 2 ORDER BY 1, 2"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_map(params_from_iter(values), |row| {
                    Ok(Sum {
                        part: row.get(0)?,
                        state: run_state(row, 1)?,
                        count: row.get::<_, i64>(2)? as u64,
                        longest: row.get(3)?,
                        total: row.get::<_, f64>(4)? as i64,
                    })
                })?
                .collect()
        })
        .or_refused()
}

/// How many runs fit, below that number.
pub(crate) fn count_runs(
    connection: &Connection,
    tenant: TenantId,
    filter: &RunFilter,
    below: RunId,
) -> Result<u64> {
    // The third stands for the limit of a list.
    let mut values: Vec<&dyn ToSql> = vec![&tenant.0, &below.0, &0];
    let sql = format!(
        "SELECT count(*), ?3 FROM run r{JOINED}{}",
        narrowed(filter, &mut values)
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))
        })
        .map(|count| count as u64)
        .or_refused()
}

/// Which runs fit, of the tenant `?1` and below `?2`.
fn narrowed<'f>(filter: &'f RunFilter, values: &mut Vec<&'f dyn ToSql>) -> String {
    // `+` keeps the walk on the rows' own order where no application narrows it.
    let tenant_column = if filter.application.is_some() {
        "r.tenant_id"
    } else {
        "+r.tenant_id"
    };
    let mut sql = format!(" WHERE {tenant_column} = ?1 AND r.id < ?2 AND r.part IS NULL");
    // Writing to a string does not fail.
    let mut narrow = |condition: &str, value| {
        values.push(value);
        let _ = write!(sql, " AND {condition} ?{}", values.len());
    };
    if let Some(application) = &filter.application {
        narrow("r.application_id =", application);
    }
    if let Some(queue) = &filter.queue {
        narrow("r.queue =", queue);
    }
    if let Some(configuration) = &filter.configuration {
        narrow("cd.name =", configuration);
    }
    if let Some(from) = &filter.from {
        narrow("r.created_at >=", &from.0);
    }
    if let Some(until) = &filter.until {
        narrow("r.created_at <", &until.0);
    }
    if filter.top {
        sql.push_str(" AND r.parent_run IS NULL");
    }
    if filter.dead {
        sql.push_str(" AND EXISTS (SELECT 1 FROM dead_letter l WHERE l.run_id = r.id)");
    }
    if !filter.states.is_empty() {
        let codes: Vec<_> = filter
            .states
            .iter()
            .map(|state| state.code().to_string())
            .collect();
        let _ = write!(sql, " AND r.state IN ({})", codes.join(", "));
    }
    sql
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<Unfinished>> {
    connection
        .prepare_cached(
            "SELECT tenant_id, queue, count(*) FROM run INDEXED BY run_unfinished
             WHERE finished_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .and_then(|mut statement| {
            let found = statement.query_map([], |row| {
                Ok(Unfinished {
                    tenant: TenantId(row.get(0)?),
                    queue: text(row, 1)?,
                    runs: row.get::<_, i64>(2)? as u64,
                })
            });
            found?.collect()
        })
        .or_refused()
}
