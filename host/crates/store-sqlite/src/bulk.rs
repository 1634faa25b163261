//! Work on many runs, and dead letters.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, TenantId},
    state::StepState,
};
use rusqlite::{OptionalExtension, Row, params, types::Type};
use store::{
    Error, Page, Result,
    bulk::{Advance, Bulk, BulkState, Bulks, DeadLetter, DeadLetterFilter, NewBulk, NewDeadLetter},
    runs::RunFilter,
};

use crate::{
    SqliteStore,
    error::OrRefused,
    runs::{count_runs, reference},
    transaction::{Tx, pack},
};

/// Columns of work, as [`bulk`] reads them.
macro_rules! bulks_with {
    ($more:literal) => {
        concat!(
            "SELECT id, tenant_id, request, state, cursor_run, total, done, skipped, problems,
               created_by, created_at, changed_at FROM bulk WHERE ",
            $more
        )
    };
}

/// Dead letters of steps that have failed in the attempt that is said; their rows' ids are those
/// of `transaction::pack`.
macro_rules! letters_with {
    ($more:literal) => {
        concat!(
            "SELECT l.id, r.uuid, l.step, r.application_revision, coalesce(d.name, ''), r.queue,
               l.deliveries, l.code, l.reason, l.at
             FROM dead_letter l
             JOIN run r ON r.id = l.run_id
             JOIN step s ON s.id = (l.run_id << 24 | (l.step + 1))
             LEFT JOIN definition d ON d.id = r.application_id
             WHERE r.tenant_id = ?1 AND s.state = ?2 AND s.token = l.deliveries AND ",
            $more
        )
    };
}

#[async_trait]
impl Bulks for SqliteStore {
    async fn count_runs(&self, tenant: TenantId, filter: &RunFilter, below: RunId) -> Result<u64> {
        let filter = filter.clone();
        self.readers
            .call(move |c| count_runs(c, tenant, &filter, below))
            .await
    }

    async fn add_bulk(&self, new: NewBulk) -> Result<Bulk> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT INTO bulk (tenant_id, request, state, cursor_run, total, created_by,
                       created_at, changed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                    params![
                        new.tenant.0,
                        new.request,
                        BulkState::Running as u8,
                        new.cursor.0,
                        new.total as i64,
                        new.by,
                        new.at.0,
                    ],
                )?;
                let id = tx.inserted();
                tx.first(
                    bulks_with!("tenant_id = ?1 AND id = ?2"),
                    params![new.tenant.0, id],
                    bulk,
                )?
                .ok_or_else(|| {
                    Error::Corrupt("a request about many runs was not stored".to_owned())
                })
            })
            .await
    }

    async fn bulk(&self, tenant: TenantId, id: i64) -> Result<Option<Bulk>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(bulks_with!("tenant_id = ?1 AND id = ?2"))
                    .and_then(|mut statement| {
                        statement.query_row(params![tenant.0, id], bulk).optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn bulks(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Bulk>> {
        let before = before.unwrap_or(i64::MAX);
        self.readers
            .call(move |c| {
                let items = c
                    .prepare_cached(bulks_with!(
                        "tenant_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
                    ))
                    .and_then(|mut statement| {
                        statement
                            .query_map(params![tenant.0, before, limit as i64 + 1], bulk)?
                            .collect()
                    })
                    .or_refused()?;
                Ok(page(items, limit, |one: &Bulk| one.id))
            })
            .await
    }

    async fn open_bulk(&self) -> Result<Option<Bulk>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(bulks_with!("state = 1 ORDER BY id LIMIT 1"))
                    .and_then(|mut statement| statement.query_row([], bulk).optional())
                    .or_refused()
            })
            .await
    }

    async fn advance_bulk(&self, advance: Advance) -> Result<bool> {
        self.writer
            .call(move |tx| {
                let state = if advance.ended {
                    BulkState::Done
                } else {
                    BulkState::Running
                };
                let changed = tx.execute(
                    "UPDATE bulk SET cursor_run = ?3, done = done + ?4, skipped = skipped + ?5,
                       problems = ?6, state = ?7, changed_at = ?8
                     WHERE id = ?1 AND cursor_run = ?2 AND state = 1",
                    params![
                        advance.id,
                        advance.from.0,
                        advance.to.0,
                        advance.done as i64,
                        advance.skipped as i64,
                        advance.problems,
                        state as u8,
                        advance.at.0,
                    ],
                )?;
                Ok(changed == 1)
            })
            .await
    }

    async fn stop_bulk(&self, tenant: TenantId, id: i64, at: Timestamp) -> Result<bool> {
        self.writer
            .call(move |tx| {
                let changed = tx.execute(
                    "UPDATE bulk SET state = ?3, changed_at = ?4
                     WHERE tenant_id = ?1 AND id = ?2 AND state = 1",
                    params![tenant.0, id, BulkState::Stopped as u8, at.0],
                )?;
                Ok(changed == 1)
            })
            .await
    }

    async fn forget_bulks(&self, before: Timestamp, limit: usize) -> Result<usize> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM bulk WHERE id IN (
                       SELECT id FROM bulk WHERE state <> 1 AND changed_at < ?1 LIMIT ?2)",
                    params![before.0, limit as i64],
                )
            })
            .await
    }

    async fn add_dead_letter(&self, new: NewDeadLetter) -> Result<()> {
        self.writer.call(move |tx| record(tx, &new)).await
    }

    async fn dead_letters(
        &self,
        tenant: TenantId,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let filter = filter.clone();
        let before = before.unwrap_or(i64::MAX);
        self.readers
            .call(move |c| {
                let items = c
                    .prepare_cached(letters_with!(
                        "l.id < ?3 AND (?4 IS NULL OR r.application_id = ?4)
                           AND (?5 IS NULL OR r.queue = ?5) AND (?6 IS NULL OR l.code = ?6)
                         ORDER BY l.id DESC LIMIT ?7"
                    ))
                    .and_then(|mut statement| {
                        statement
                            .query_map(
                                params![
                                    tenant.0,
                                    StepState::Failed.code(),
                                    before,
                                    filter.application,
                                    filter.queue,
                                    filter.code,
                                    limit as i64 + 1
                                ],
                                letter,
                            )?
                            .collect()
                    })
                    .or_refused()?;
                Ok(page(items, limit, |one: &DeadLetter| one.id))
            })
            .await
    }

    async fn dead_letter(&self, tenant: TenantId, id: i64) -> Result<Option<DeadLetter>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(letters_with!("l.id = ?3"))
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![tenant.0, StepState::Failed.code(), id], letter)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn settle_dead_letters(&self, run: RunId) -> Result<usize> {
        self.writer
            .call(move |tx| tx.execute("DELETE FROM dead_letter WHERE run_id = ?1", [run.0]))
            .await
    }

    async fn delete_dead_letter(&self, tenant: TenantId, id: i64) -> Result<bool> {
        self.writer
            .call(move |tx| {
                let deleted = tx.execute(
                    "DELETE FROM dead_letter WHERE id = ?2 AND run_id IN (
                       SELECT id FROM run WHERE tenant_id = ?1
                         AND id = (SELECT run_id FROM dead_letter WHERE id = ?2))",
                    params![tenant.0, id],
                )?;
                Ok(deleted == 1)
            })
            .await
    }
}

/// One more than the limit was asked for.
fn page<T>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> i64) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().map(|one| id(one).to_string());
    Page {
        items,
        next: last.filter(|_| more),
    }
}

fn bulk(row: &Row<'_>) -> rusqlite::Result<Bulk> {
    let state: u8 = row.get(3)?;
    Ok(Bulk {
        id: row.get(0)?,
        tenant: TenantId(row.get(1)?),
        request: row.get(2)?,
        state: BulkState::from_code(state).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(
                3,
                Type::Integer,
                format!("{state} is no state of work on many runs").into(),
            )
        })?,
        cursor: RunId(row.get(4)?),
        total: row.get::<_, i64>(5)? as u64,
        done: row.get::<_, i64>(6)? as u64,
        skipped: row.get::<_, i64>(7)? as u64,
        problems: row.get(8)?,
        by: row.get(9)?,
        created_at: Timestamp(row.get(10)?),
        changed_at: Timestamp(row.get(11)?),
    })
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get(0)?,
        run: reference(row, 1)?,
        step: Ordinal(row.get(2)?),
        application_revision: row.get(3)?,
        application: row.get(4)?,
        queue: row.get(5)?,
        attempts: row.get(6)?,
        code: row.get(7)?,
        reason: row.get(8)?,
        at: Timestamp(row.get(9)?),
    })
}

fn record(tx: &mut Tx<'_>, new: &NewDeadLetter) -> Result<()> {
    // Of a step that can be none, nothing is recorded.
    pack(StepKey {
        run: new.run,
        step: new.step,
    })?;
    tx.execute(
        "INSERT INTO dead_letter (run_id, step, queue, deliveries, code, reason, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (run_id, step) DO UPDATE SET queue = ?3, deliveries = ?4, code = ?5,
           reason = ?6, at = ?7",
        params![
            new.run.0,
            new.step.0,
            new.queue,
            new.attempt,
            new.code,
            new.reason,
            new.at.0,
        ],
    )
    .map(drop)
}
