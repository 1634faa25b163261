//! Records that runs share.

use async_trait::async_trait;
use model::{clock::Timestamp, id::TenantId};
use rusqlite::{OptionalExtension, params};
use store::{
    Page, Result,
    cache::{Cache, Record, RecordSummary},
};

use crate::{SqliteStore, error::OrRefused};

#[async_trait]
impl Cache for SqliteStore {
    async fn cache_get(
        &self,
        tenant: TenantId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>> {
        let key = key.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT key, value, saved_at, expires_at FROM cache
                     WHERE tenant_id = ?1 AND key = ?2
                       AND (expires_at IS NULL OR expires_at > ?3)",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row(params![tenant.0, key, now.0], |row| {
                            Ok(Record {
                                key: row.get(0)?,
                                value: row.get(1)?,
                                saved_at: Timestamp(row.get(2)?),
                                expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                            })
                        })
                        .optional()
                })
                .or_refused()
            })
            .await
    }

    async fn cache_put(&self, tenant: TenantId, record: Record) -> Result<()> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT INTO cache (tenant_id, key, value, saved_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (tenant_id, key) DO UPDATE SET value = excluded.value,
                       saved_at = excluded.saved_at, expires_at = excluded.expires_at",
                    params![
                        tenant.0,
                        record.key,
                        record.value,
                        record.saved_at.0,
                        record.expires_at.map(|at| at.0)
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn cache_delete(&self, tenant: TenantId, key: &str, now: Timestamp) -> Result<bool> {
        let key = key.to_owned();
        self.writer
            .call(move |tx| {
                let expires_at = tx.first(
                    "DELETE FROM cache WHERE tenant_id = ?1 AND key = ?2 RETURNING expires_at",
                    params![tenant.0, key],
                    |row| row.get::<_, Option<i64>>(0),
                )?;
                Ok(expires_at.is_some_and(|at| at.is_none_or(|at| at > now.0)))
            })
            .await
    }

    async fn cache_list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<RecordSummary>> {
        let first = prefix.to_owned();
        let end = end_of(prefix);
        let after = after.map(str::to_owned);
        let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut items: Vec<RecordSummary> = self
            .readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT key, octet_length(value), saved_at, expires_at FROM cache
                     WHERE tenant_id = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)
                       AND (?4 IS NULL OR key > ?4)
                       AND (expires_at IS NULL OR expires_at > ?5)
                     ORDER BY key LIMIT ?6",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map(params![tenant.0, first, end, after, now.0, more], |row| {
                            Ok(RecordSummary {
                                key: row.get(0)?,
                                size: row.get::<_, i64>(1)? as u64,
                                saved_at: Timestamp(row.get(2)?),
                                expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                            })
                        })?
                        .collect()
                })
                .or_refused()
            })
            .await?;
        let mut next = None;
        if items.len() > limit {
            items.truncate(limit);
            next = items.last().map(|record| record.key.clone());
        }
        Ok(Page { items, next })
    }

    async fn cache_clear(&self, tenant: TenantId, prefix: &str) -> Result<u64> {
        let first = prefix.to_owned();
        let end = end_of(prefix);
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM cache
                     WHERE tenant_id = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)",
                    params![tenant.0, first, end],
                )
                .map(|count| count as u64)
            })
            .await
    }
}

/// The first key behind all that start with `prefix`; `None` when nothing can be.
/// SQLite compares the bytes of UTF-8, whose order is that of the characters.
fn end_of(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        let next = match last {
            // Surrogates are no characters.
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_lies_behind_all_of_its_keys() {
        for prefix in ["a", "a%_", "ü", "a\u{10ffff}", "\u{d7ff}", "東京/"] {
            let end = end_of(prefix).unwrap();
            assert!(end.as_str() > prefix);
            assert!(end > format!("{prefix}\u{10ffff}\u{10ffff}"));
            assert!(!end.starts_with(prefix));
        }
        assert_eq!(end_of(""), None);
        assert_eq!(end_of("\u{10ffff}"), None);
    }
}
