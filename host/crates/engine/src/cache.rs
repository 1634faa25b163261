//! Cache records: what people see of them, and what the steps of a run may do.

use std::sync::Arc;

use model::{
    clock::{Clock, Timestamp},
    id::TenantId,
};
use store::{
    Page, Store,
    cache::{Record, RecordSummary},
};

use crate::{
    Engine,
    error::{Error, Result},
};

impl Engine {
    /// Records whose key starts with `prefix`, by key.
    pub async fn cache_list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RecordSummary>> {
        Ok(self
            .store
            .cache_list(tenant, prefix, after, limit.clamp(1, 200), self.now())
            .await?)
    }

    /// One record.
    pub async fn cache_get(&self, tenant: TenantId, key: &str) -> Result<Record> {
        self.store
            .cache_get(tenant, key, self.now())
            .await?
            .ok_or_else(|| Error::not_found("cache record", key))
    }

    /// Deletes one record.
    pub async fn cache_delete(&self, tenant: TenantId, key: &str) -> Result<()> {
        if self.store.cache_delete(tenant, key, self.now()).await? {
            Ok(())
        } else {
            Err(Error::not_found("cache record", key))
        }
    }

    /// Deletes every record whose key starts with `prefix`; answers how many.
    pub async fn cache_clear(&self, tenant: TenantId, prefix: &str) -> Result<u64> {
        Ok(self.store.cache_clear(tenant, prefix).await?)
    }
}

/// The cache as the steps of a run reach it.
pub struct RunCache {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl RunCache {
    /// The cache in that store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    fn expiry(&self, seconds: Option<u64>) -> (Timestamp, Option<Timestamp>) {
        let now = self.clock.now();
        let micros = |s: u64| i64::try_from(s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        (now, seconds.map(|s| now.plus_micros(micros(s))))
    }
}

#[async_trait::async_trait]
impl runtime::CachePort for RunCache {
    async fn get(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<String>, runtime::CacheError> {
        let record = self
            .store
            .cache_get(tenant, key, self.clock.now())
            .await
            .map_err(unavailable)?;
        Ok(record.map(|record| record.value))
    }

    async fn put(
        &self,
        tenant: TenantId,
        key: &str,
        value: String,
        ttl_seconds: Option<u64>,
    ) -> Result<(), runtime::CacheError> {
        let (saved_at, expires_at) = self.expiry(ttl_seconds);
        let record = Record {
            key: key.to_owned(),
            value,
            saved_at,
            expires_at,
        };
        self.store
            .cache_put(tenant, record)
            .await
            .map_err(unavailable)
    }

    async fn delete(&self, tenant: TenantId, key: &str) -> Result<bool, runtime::CacheError> {
        self.store
            .cache_delete(tenant, key, self.clock.now())
            .await
            .map_err(unavailable)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn unavailable(error: store::Error) -> runtime::CacheError {
    runtime::CacheError(error.to_string())
}
