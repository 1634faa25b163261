//! Work on many runs, and dead letters.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, TenantId},
    state::StepState,
};
use sqlx::{Row, postgres::PgRow};
use store::{
    Page, Result,
    bulk::{Advance, Bulk, BulkState, Bulks, DeadLetter, DeadLetterFilter, NewBulk, NewDeadLetter},
    runs::RunFilter,
};

use crate::{PostgresStore, error::OrRefused, runs::count_runs, uuid::Name};

/// Columns of work, as [`bulk`] reads them.
macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, tenant_id, request, state, cursor_run, total, done, skipped, problems,
               created_by, created_at, changed_at ",
            $after
        )
    };
}

/// Dead letters of steps that have failed in the attempt that is said.
macro_rules! letters_with {
    ($more:literal) => {
        concat!(
            "SELECT l.id, r.uuid, l.step, r.application_revision, coalesce(d.name, ''), r.queue,
               l.deliveries, l.code, l.reason, l.at
             FROM dead_letter l
             JOIN run r ON r.id = l.run_id
             JOIN step s ON s.run_id = l.run_id AND s.step = l.step
             LEFT JOIN definition d ON d.id = r.application_id
             WHERE r.tenant_id = $1 AND s.state = $2 AND s.token = l.deliveries AND ",
            $more
        )
    };
}

#[async_trait]
impl Bulks for PostgresStore {
    async fn count_runs(&self, tenant: TenantId, filter: &RunFilter, below: RunId) -> Result<u64> {
        count_runs(&self.pool, tenant, filter, below).await
    }

    async fn add_bulk(&self, new: NewBulk) -> Result<Bulk> {
        sqlx::query(columns!(
            "INSERT INTO bulk (tenant_id, request, state, cursor_run, total, created_by,
               created_at, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING",
            ""
        ))
        .bind(new.tenant.0)
        .bind(&new.request)
        .bind(BulkState::Running as i16)
        .bind(new.cursor.0)
        .bind(new.total as i64)
        .bind(&new.by)
        .bind(new.at.0)
        .try_map(|row: PgRow| bulk(&row))
        .fetch_one(&self.pool)
        .await
        .or_refused()
    }

    async fn bulk(&self, tenant: TenantId, id: i64) -> Result<Option<Bulk>> {
        sqlx::query(columns!(
            "SELECT",
            "FROM bulk WHERE tenant_id = $1 AND id = $2"
        ))
        .bind(tenant.0)
        .bind(id)
        .try_map(|row: PgRow| bulk(&row))
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn bulks(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Bulk>> {
        let items = sqlx::query(columns!(
            "SELECT",
            "FROM bulk WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        ))
        .bind(tenant.0)
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit as i64 + 1)
        .try_map(|row: PgRow| bulk(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()?;
        Ok(page(items, limit, |one: &Bulk| one.id))
    }

    async fn open_bulk(&self) -> Result<Option<Bulk>> {
        sqlx::query(columns!(
            "SELECT",
            "FROM bulk WHERE state = 1 ORDER BY id LIMIT 1"
        ))
        .try_map(|row: PgRow| bulk(&row))
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn advance_bulk(&self, advance: Advance) -> Result<bool> {
        let state = if advance.ended {
            BulkState::Done
        } else {
            BulkState::Running
        };
        sqlx::query(
            "UPDATE bulk SET cursor_run = $3, done = done + $4, skipped = skipped + $5,
               problems = $6, state = $7, changed_at = $8
             WHERE id = $1 AND cursor_run = $2 AND state = 1",
        )
        .bind(advance.id)
        .bind(advance.from.0)
        .bind(advance.to.0)
        .bind(advance.done as i64)
        .bind(advance.skipped as i64)
        .bind(&advance.problems)
        .bind(state as i16)
        .bind(advance.at.0)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() == 1)
        .or_refused()
    }

    async fn stop_bulk(&self, tenant: TenantId, id: i64, at: Timestamp) -> Result<bool> {
        sqlx::query(
            "UPDATE bulk SET state = $3, changed_at = $4
             WHERE tenant_id = $1 AND id = $2 AND state = 1",
        )
        .bind(tenant.0)
        .bind(id)
        .bind(BulkState::Stopped as i16)
        .bind(at.0)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() == 1)
        .or_refused()
    }

    async fn forget_bulks(&self, before: Timestamp, limit: usize) -> Result<usize> {
        sqlx::query(
            "DELETE FROM bulk WHERE id IN (
               SELECT id FROM bulk WHERE state <> 1 AND changed_at < $1 LIMIT $2
               FOR UPDATE SKIP LOCKED)",
        )
        .bind(before.0)
        .bind(limit as i64)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() as usize)
        .or_refused()
    }

    async fn add_dead_letter(&self, new: NewDeadLetter) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letter (run_id, step, queue, deliveries, code, reason, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (run_id, step) DO UPDATE SET queue = $3, deliveries = $4, code = $5,
               reason = $6, at = $7",
        )
        .bind(new.run.0)
        .bind(new.step.0 as i32)
        .bind(&new.queue)
        .bind(new.attempt as i32)
        .bind(&new.code)
        .bind(&new.reason)
        .bind(new.at.0)
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }

    async fn dead_letters(
        &self,
        tenant: TenantId,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let items = sqlx::query(letters_with!(
            "l.id < $3 AND ($4::bigint IS NULL OR r.application_id = $4)
               AND ($5::text IS NULL OR r.queue = $5) AND ($6::text IS NULL OR l.code = $6)
             ORDER BY l.id DESC LIMIT $7"
        ))
        .bind(tenant.0)
        .bind(i16::from(StepState::Failed.code()))
        .bind(before.unwrap_or(i64::MAX))
        .bind(filter.application)
        .bind(&filter.queue)
        .bind(&filter.code)
        .bind(limit as i64 + 1)
        .try_map(|row: PgRow| letter(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()?;
        Ok(page(items, limit, |one: &DeadLetter| one.id))
    }

    async fn dead_letter(&self, tenant: TenantId, id: i64) -> Result<Option<DeadLetter>> {
        sqlx::query(letters_with!("l.id = $3"))
            .bind(tenant.0)
            .bind(i16::from(StepState::Failed.code()))
            .bind(id)
            .try_map(|row: PgRow| letter(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn settle_dead_letters(&self, run: RunId) -> Result<usize> {
        sqlx::query("DELETE FROM dead_letter WHERE run_id = $1")
            .bind(run.0)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() as usize)
            .or_refused()
    }

    async fn delete_dead_letter(&self, tenant: TenantId, id: i64) -> Result<bool> {
        sqlx::query(
            "DELETE FROM dead_letter l USING run r
             WHERE l.id = $2 AND r.id = l.run_id AND r.tenant_id = $1",
        )
        .bind(tenant.0)
        .bind(id)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() == 1)
        .or_refused()
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

fn bulk(row: &PgRow) -> sqlx::Result<Bulk> {
    let state: i16 = row.try_get(3)?;
    Ok(Bulk {
        id: row.try_get(0)?,
        tenant: TenantId(row.try_get(1)?),
        request: row.try_get(2)?,
        state: BulkState::from_code(state as u8).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "state".to_owned(),
            source: format!("{state} is no state of work on many runs").into(),
        })?,
        cursor: RunId(row.try_get(4)?),
        total: row.try_get::<i64, _>(5)? as u64,
        done: row.try_get::<i64, _>(6)? as u64,
        skipped: row.try_get::<i64, _>(7)? as u64,
        problems: row.try_get(8)?,
        by: row.try_get(9)?,
        created_at: Timestamp(row.try_get(10)?),
        changed_at: Timestamp(row.try_get(11)?),
    })
}

fn letter(row: &PgRow) -> sqlx::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.try_get(0)?,
        run: row.try_get::<Name, _>(1)?.0,
        step: Ordinal(row.try_get::<i32, _>(2)? as u32),
        application_revision: row.try_get(3)?,
        application: row.try_get(4)?,
        queue: row.try_get(5)?,
        attempts: i64::from(row.try_get::<i32, _>(6)?),
        code: row.try_get(7)?,
        reason: row.try_get(8)?,
        at: Timestamp(row.try_get(9)?),
    })
}
