//! Schedules and their occurrences.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunRef, TenantId},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{
    Error, Page, Result,
    schedules::{
        Fire, Fired, Occurrence, Outcome, SaveSchedule, Schedule, ScheduleFilter, Schedules,
        Waiting,
    },
};

use crate::{
    SqliteStore, error::OrRefused, runs::reference, transaction::Tx, workers::count_change,
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
impl Schedules for SqliteStore {
    async fn save_schedule(&self, save: SaveSchedule) -> Result<Schedule> {
        self.writer.call(move |tx| store(tx, &save)).await
    }

    async fn schedule(&self, tenant: TenantId, name: &str) -> Result<Option<Schedule>> {
        let name = name.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(BY_NAME)
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![tenant.0, name], schedule)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn schedules(
        &self,
        tenant: TenantId,
        filter: &ScheduleFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Schedule>> {
        let filter = filter.clone();
        let after = after.map(str::to_owned);
        self.readers
            .call(move |c| list(c, tenant, &filter, after.as_deref(), limit))
            .await
    }

    async fn scheduled(&self, tenant: TenantId) -> Result<Vec<String>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT DISTINCT application FROM schedule
                     WHERE tenant_id = ?1 AND enabled ORDER BY application",
                )
                .and_then(|mut statement| {
                    statement.query_map([tenant.0], |row| row.get(0))?.collect()
                })
                .or_refused()
            })
            .await
    }

    async fn delete_schedule(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let name = name.to_owned();
        self.writer
            .call(move |tx| delete(tx, tenant, &name, expected))
            .await
    }

    async fn next_due(&self) -> Result<(Option<Timestamp>, bool)> {
        self.readers.call(occurrences::next_due).await
    }

    async fn due(
        &self,
        tenant: Option<TenantId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Schedule>> {
        self.readers
            .call(move |c| {
                let mut statement = c
                    .prepare_cached(schedules_with!(
                        "FROM schedule s WHERE s.next_due <= ?1 AND (?3 IS NULL OR s.tenant_id = ?3)
                         ORDER BY s.next_due, s.id LIMIT ?2"
                    ))
                    .or_refused()?;
                statement
                    .query_map(
                        params![now.0, limit as i64, tenant.map(|tenant| tenant.0)],
                        schedule,
                    )
                    .and_then(Iterator::collect)
                    .or_refused()
            })
            .await
    }

    async fn waiting(&self, each: usize, limit: usize) -> Result<Vec<Waiting>> {
        self.readers
            .call(move |c| occurrences::waiting(c, each, limit))
            .await
    }

    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>> {
        self.writer
            .call(move |tx| fires.iter().map(|one| fire::fire(tx, one)).collect())
            .await
    }

    async fn backfill(&self, schedule: i64, dues: Vec<Timestamp>, at: Timestamp) -> Result<usize> {
        self.writer
            .call(move |tx| occurrences::backfill(tx, schedule, &dues, at))
            .await
    }

    async fn occurrences(
        &self,
        schedule: i64,
        outcome: Option<Outcome>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Page<Occurrence>> {
        self.readers
            .call(move |c| occurrences::list(c, schedule, outcome, before, limit))
            .await
    }

    async fn occurrences_between(
        &self,
        schedule: i64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Occurrence>> {
        self.readers
            .call(move |c| occurrences::between(c, schedule, from, until))
            .await
    }

    async fn unfinished_of(&self, schedule: i64, before: Timestamp) -> Result<Vec<RunRef>> {
        self.readers
            .call(move |c| {
                let mut statement = c.prepare_cached(fire::UNFINISHED).or_refused()?;
                statement
                    .query_map([schedule, before.0], |row| reference(row, 0))
                    .and_then(Iterator::collect)
                    .or_refused()
            })
            .await
    }

    async fn forget_occurrences(&self, before: Timestamp, limit: usize) -> Result<usize> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM occurrence WHERE (schedule_id, due_at) IN (
                       SELECT schedule_id, due_at FROM occurrence
                       WHERE at < ?1 AND outcome <> 5 AND NOT EXISTS (
                         SELECT 1 FROM run
                         WHERE run.id = occurrence.run_id AND run.finished_at IS NULL)
                       LIMIT ?2)",
                    params![before.0, limit as i64],
                )
            })
            .await
    }
}

const BY_NAME: &str = schedules_with!("FROM schedule s WHERE s.tenant_id = ?1 AND s.name = ?2");

pub(super) fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    let started: Option<i64> = row.get(12)?;
    Ok(Schedule {
        id: row.get(0)?,
        tenant: TenantId(row.get(1)?),
        name: row.get(2)?,
        application: row.get(3)?,
        document: row.get(4)?,
        revision: row.get(5)?,
        origin: row.get(6)?,
        enabled: row.get(7)?,
        anchor: Timestamp(row.get(8)?),
        next_due: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        total_runs: row.get(10)?,
        last_run: match started {
            Some(at) => Some((reference(row, 11)?, Timestamp(at))),
            None => None,
        },
        edited_by: row.get(13)?,
        edited_at: Timestamp(row.get(14)?),
        created_at: Timestamp(row.get(15)?),
    })
}

/// Searched here and not by SQLite, which folds the case of ASCII only.
fn list(
    connection: &Connection,
    tenant: TenantId,
    filter: &ScheduleFilter,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Schedule>> {
    let search = filter.search.to_lowercase();
    let mut statement = connection
        .prepare_cached(schedules_with!(
            "FROM schedule s WHERE s.tenant_id = ?1 AND s.name > ?2
               AND (?3 IS NULL OR s.application = ?3) ORDER BY s.name"
        ))
        .or_refused()?;
    let mut rows = statement
        .query(params![
            tenant.0,
            after.unwrap_or_default(),
            filter.application
        ])
        .or_refused()?;
    let mut items: Vec<Schedule> = Vec::new();
    while let Some(row) = rows.next().or_refused()? {
        let matches = |column| {
            let text = row.get_ref(column)?.as_str()?;
            Ok(search.is_empty() || text.to_lowercase().contains(&search))
        };
        if !(matches(2).or_refused()? || matches(3).or_refused()?) {
            continue;
        }
        if items.len() == limit {
            let next = items.last().map(|item| item.name.clone());
            return Ok(Page { items, next });
        }
        items.push(schedule(row).or_refused()?);
    }
    Ok(Page { items, next: None })
}

/// The schedule of that name.
pub(crate) fn find(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<Option<Schedule>> {
    tx.first(BY_NAME, params![tenant.0, name], schedule)
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
pub(crate) fn store(tx: &mut Tx<'_>, save: &SaveSchedule) -> Result<Schedule> {
    let found = find(tx, save.tenant, &save.name)?;
    refuse_conflict(&save.name, save.expected, found.as_ref())?;
    tx.execute(
        "INSERT INTO schedule (tenant_id, name, folder, document, enabled, next_due, edited_by,
           edited_at, application, origin, anchor, created_at)
         VALUES (?1, ?2, '', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?7)
         ON CONFLICT (tenant_id, name) DO UPDATE SET document = ?3, enabled = ?4, next_due = ?5,
           edited_by = ?6, edited_at = ?7, application = ?8, origin = ?9, anchor = ?10,
           revision = revision + 1",
        params![
            save.tenant.0,
            save.name,
            save.document,
            save.enabled,
            save.next_due.map(|due| due.0),
            save.by,
            save.at.0,
            save.application,
            save.origin,
            save.anchor.0,
        ],
    )?;
    count_change(tx)?;
    find(tx, save.tenant, &save.name)?
        .ok_or_else(|| Error::Corrupt(format!("the schedule `{}` was not stored", save.name)))
}

fn delete(tx: &mut Tx<'_>, tenant: TenantId, name: &str, expected: Option<i64>) -> Result<bool> {
    let found = find(tx, tenant, name)?;
    refuse_conflict(name, expected, found.as_ref())?;
    let Some(found) = found else {
        return Ok(false);
    };
    tx.execute("DELETE FROM occurrence WHERE schedule_id = ?1", [found.id])?;
    tx.execute("DELETE FROM schedule WHERE id = ?1", [found.id])?;
    count_change(tx)?;
    Ok(true)
}
