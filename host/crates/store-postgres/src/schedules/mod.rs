//! Schedules and their occurrences.

use async_trait::async_trait;
use futures::TryStreamExt;
use model::{
    clock::Timestamp,
    id::{RunRef, TenantId},
};
use sqlx::{
    PgConnection, Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Error, Page, Result,
    schedules::{
        Fire, Fired, Occurrence, Outcome, SaveSchedule, Schedule, ScheduleFilter, Schedules,
        Waiting,
    },
};

use crate::{
    PostgresStore,
    error::OrRefused,
    transaction::{Work, transact},
    uuid::Name,
};

mod fire;
mod occurrences;

/// Columns of a schedule, as [`schedule`] reads them.
macro_rules! schedules_with {
    ($more:literal) => {
        concat!(
            "SELECT s.id, s.tenant_id, s.name, s.application, s.document, s.revision, s.origin,
               s.enabled, s.anchor, s.next_due, s.total_runs, s.last_run, s.last_run_at,
               s.edited_by, s.edited_at, s.created_at ",
            $more
        )
    };
}
pub(super) use schedules_with;

/// How many columns that are.
pub(super) const COLUMNS: usize = 16;

#[async_trait]
impl Schedules for PostgresStore {
    async fn save_schedule(&self, save: SaveSchedule) -> Result<Schedule> {
        transact!(self.pool, connection => store(connection, &save).await)
    }

    async fn schedule(&self, tenant: TenantId, name: &str) -> Result<Option<Schedule>> {
        sqlx::query(BY_NAME)
            .bind(tenant.0)
            .bind(name)
            .try_map(|row: PgRow| schedule(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn schedules(
        &self,
        tenant: TenantId,
        filter: &ScheduleFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Schedule>> {
        list(&self.pool, tenant, filter, after, limit).await
    }

    async fn scheduled(&self, tenant: TenantId) -> Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT DISTINCT application FROM schedule
             WHERE tenant_id = $1 AND enabled ORDER BY application",
        )
        .bind(tenant.0)
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn delete_schedule(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        transact!(self.pool, connection => delete(connection, tenant, name, expected).await)
    }

    async fn next_due(&self) -> Result<(Option<Timestamp>, bool)> {
        occurrences::next_due(&self.pool).await
    }

    async fn due(
        &self,
        tenant: Option<TenantId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Schedule>> {
        sqlx::query(schedules_with!(
            "FROM schedule s WHERE s.next_due <= $1 AND ($3::bigint IS NULL OR s.tenant_id = $3)
             ORDER BY s.next_due, s.id LIMIT $2"
        ))
        .bind(now.0)
        .bind(limit as i64)
        .bind(tenant.map(|tenant| tenant.0))
        .try_map(|row: PgRow| schedule(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn waiting(&self, each: usize, limit: usize) -> Result<Vec<Waiting>> {
        occurrences::waiting(&self.pool, each, limit).await
    }

    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>> {
        fire::fire(self, &fires).await
    }

    async fn backfill(&self, schedule: i64, dues: Vec<Timestamp>, at: Timestamp) -> Result<usize> {
        occurrences::backfill(&self.pool, schedule, &dues, at).await
    }

    async fn occurrences(
        &self,
        schedule: i64,
        outcome: Option<Outcome>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Page<Occurrence>> {
        occurrences::list(&self.pool, schedule, outcome, before, limit).await
    }

    async fn occurrences_between(
        &self,
        schedule: i64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Occurrence>> {
        occurrences::between(&self.pool, schedule, from, until).await
    }

    async fn unfinished_of(&self, schedule: i64, before: Timestamp) -> Result<Vec<RunRef>> {
        let names: Vec<Name> = sqlx::query_scalar(fire::UNFINISHED)
            .bind(schedule)
            .bind(before.0)
            .fetch_all(&self.pool)
            .await
            .or_refused()?;
        Ok(names.into_iter().map(|name| name.0).collect())
    }

    async fn forget_occurrences(&self, before: Timestamp, limit: usize) -> Result<usize> {
        sqlx::query(
            "DELETE FROM occurrence WHERE (schedule_id, due_at) IN (
               SELECT schedule_id, due_at FROM occurrence
               WHERE at < $1 AND outcome <> 5 AND NOT EXISTS (
                 SELECT 1 FROM run
                 WHERE run.id = occurrence.run_id AND run.finished_at IS NULL)
               LIMIT $2)",
        )
        .bind(before.0)
        .bind(limit as i64)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() as usize)
        .or_refused()
    }
}

const BY_NAME: &str = schedules_with!("FROM schedule s WHERE s.tenant_id = $1 AND s.name = $2");

pub(super) fn schedule(row: &PgRow) -> sqlx::Result<Schedule> {
    let run: Option<Name> = row.try_get(11)?;
    let at: Option<i64> = row.try_get(12)?;
    Ok(Schedule {
        id: row.try_get(0)?,
        tenant: TenantId(row.try_get(1)?),
        name: row.try_get(2)?,
        application: row.try_get(3)?,
        document: row.try_get(4)?,
        revision: row.try_get(5)?,
        origin: row.try_get(6)?,
        enabled: row.try_get(7)?,
        anchor: Timestamp(row.try_get(8)?),
        next_due: row.try_get::<Option<i64>, _>(9)?.map(Timestamp),
        total_runs: row.try_get(10)?,
        last_run: run.zip(at).map(|(run, at)| (run.0, Timestamp(at))),
        edited_by: row.try_get(13)?,
        edited_at: Timestamp(row.try_get(14)?),
        created_at: Timestamp(row.try_get(15)?),
    })
}

/// Searched here and not by PostgreSQL, whose folding of case is the collation's.
async fn list(
    pool: &PgPool,
    tenant: TenantId,
    filter: &ScheduleFilter,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Schedule>> {
    let search = filter.search.to_lowercase();
    let mut rows = sqlx::query(schedules_with!(
        "FROM schedule s WHERE s.tenant_id = $1 AND s.name > $2
           AND ($3::text IS NULL OR s.application = $3) ORDER BY s.name"
    ))
    .bind(tenant.0)
    .bind(after.unwrap_or_default())
    .bind(&filter.application)
    .fetch(pool);
    let mut items: Vec<Schedule> = Vec::new();
    while let Some(row) = rows.try_next().await.or_refused()? {
        let matches = |column| {
            let text: &str = row.try_get(column)?;
            sqlx::Result::Ok(search.is_empty() || text.to_lowercase().contains(&search))
        };
        if !(matches(2).or_refused()? || matches(3).or_refused()?) {
            continue;
        }
        if items.len() == limit {
            let next = items.last().map(|item| item.name.clone());
            return Ok(Page { items, next });
        }
        items.push(schedule(&row).or_refused()?);
    }
    Ok(Page { items, next: None })
}

/// The schedule of that name, which nobody else changes until the commit.
pub(crate) async fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
) -> sqlx::Result<Option<Schedule>> {
    sqlx::query(schedules_with!(
        "FROM schedule s WHERE s.tenant_id = $1 AND s.name = $2 FOR UPDATE"
    ))
    .bind(tenant.0)
    .bind(name)
    .try_map(|row: PgRow| schedule(&row))
    .fetch_optional(connection)
    .await
}

fn refuse_conflict(name: &str, expected: Option<i64>, found: Option<&Schedule>) -> Result<()> {
    let found = found.map_or(0, |schedule| schedule.revision);
    match expected {
        Some(expected) if expected != found => Err(Error::Conflict {
            name: name.to_owned(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

/// Saves a schedule in the transaction of somebody else.
pub(crate) async fn store(connection: &mut PgConnection, save: &SaveSchedule) -> Work<Schedule> {
    let found = find(&mut *connection, save.tenant, &save.name).await?;
    refuse_conflict(&save.name, save.expected, found.as_ref())?;
    let sql = if found.is_some() {
        "UPDATE schedule SET document = $3, enabled = $4, next_due = $5, edited_by = $6,
           edited_at = $7, application = $8, origin = $9, anchor = $10, revision = revision + 1
         WHERE tenant_id = $1 AND name = $2"
    } else {
        // A name that was taken meanwhile is refused, and the transaction tried again.
        "INSERT INTO schedule (tenant_id, name, folder, document, enabled, next_due, edited_by,
           edited_at, application, origin, anchor, created_at)
         VALUES ($1, $2, '', $3, $4, $5, $6, $7, $8, $9, $10, $7)"
    };
    sqlx::query(sql)
        .bind(save.tenant.0)
        .bind(&save.name)
        .bind(&save.document)
        .bind(save.enabled)
        .bind(save.next_due.map(|due| due.0))
        .bind(&save.by)
        .bind(save.at.0)
        .bind(&save.application)
        .bind(&save.origin)
        .bind(save.anchor.0)
        .execute(&mut *connection)
        .await?;
    let saved = find(connection, save.tenant, &save.name).await?;
    Ok(saved.ok_or_else(|| Error::Corrupt(format!("`{}` was not stored", save.name)))?)
}

async fn delete(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
    expected: Option<i64>,
) -> Work<bool> {
    let found = find(&mut *connection, tenant, name).await?;
    refuse_conflict(name, expected, found.as_ref())?;
    let Some(found) = found else {
        return Ok(false);
    };
    for sql in [
        "DELETE FROM occurrence WHERE schedule_id = $1",
        "DELETE FROM schedule WHERE id = $1",
    ] {
        sqlx::query(sql)
            .bind(found.id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}
