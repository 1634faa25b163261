//! Records that runs share.

use async_trait::async_trait;
use model::{clock::Timestamp, id::TenantId};
use sqlx::{Row, postgres::PgRow};
use store::{
    Page, Result,
    cache::{Cache, Record, RecordSummary},
};

use crate::{PostgresStore, error::OrRefused, runs::sql_limit};

#[async_trait]
impl Cache for PostgresStore {
    async fn cache_get(
        &self,
        tenant: TenantId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>> {
        sqlx::query(
            "SELECT key, value, saved_at, expires_at FROM cache
             WHERE tenant_id = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)",
        )
        .bind(tenant.0)
        .bind(key)
        .bind(now.0)
        .try_map(|row: PgRow| {
            Ok(Record {
                key: row.try_get(0)?,
                value: row.try_get(1)?,
                saved_at: Timestamp(row.try_get(2)?),
                expires_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
            })
        })
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn cache_put(&self, tenant: TenantId, record: Record) -> Result<()> {
        sqlx::query(
            "INSERT INTO cache (tenant_id, key, value, saved_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, key) DO UPDATE SET value = excluded.value,
               saved_at = excluded.saved_at, expires_at = excluded.expires_at",
        )
        .bind(tenant.0)
        .bind(record.key)
        .bind(record.value)
        .bind(record.saved_at.0)
        .bind(record.expires_at.map(|at| at.0))
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }

    async fn cache_delete(&self, tenant: TenantId, key: &str, now: Timestamp) -> Result<bool> {
        let expires_at: Option<Option<i64>> = sqlx::query_scalar(
            "DELETE FROM cache WHERE tenant_id = $1 AND key = $2 RETURNING expires_at",
        )
        .bind(tenant.0)
        .bind(key)
        .fetch_optional(&self.pool)
        .await
        .or_refused()?;
        Ok(expires_at.is_some_and(|at| at.is_none_or(|at| at > now.0)))
    }

    async fn cache_list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<RecordSummary>> {
        let mut items = sqlx::query(
            "SELECT key, octet_length(value)::bigint, saved_at, expires_at FROM cache
             WHERE tenant_id = $1 AND key >= $2 AND starts_with(key, $2)
               AND ($3::text IS NULL OR key > $3) AND (expires_at IS NULL OR expires_at > $4)
             ORDER BY key LIMIT $5",
        )
        .bind(tenant.0)
        .bind(prefix)
        .bind(after)
        .bind(now.0)
        .bind(sql_limit(limit).saturating_add(1))
        .try_map(|row: PgRow| {
            Ok(RecordSummary {
                key: row.try_get(0)?,
                size: row.try_get::<i64, _>(1)? as u64,
                saved_at: Timestamp(row.try_get(2)?),
                expires_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
            })
        })
        .fetch_all(&self.pool)
        .await
        .or_refused()?;
        let mut next = None;
        if items.len() > limit {
            items.truncate(limit);
            next = items.last().map(|record| record.key.clone());
        }
        Ok(Page { items, next })
    }

    async fn cache_clear(&self, tenant: TenantId, prefix: &str) -> Result<u64> {
        sqlx::query("DELETE FROM cache WHERE tenant_id = $1 AND key >= $2 AND starts_with(key, $2)")
            .bind(tenant.0)
            .bind(prefix)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected())
            .or_refused()
    }
}
