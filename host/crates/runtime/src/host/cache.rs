//! `powerflow:syncpack/cache`: durable records of a tenant.

use async_trait::async_trait;
use model::id::TenantId;

use crate::bindings::powerflow::syncpack::cache as wit;
use crate::json;
use crate::limits::Exceeded;
use crate::state::State;

/// The store of cache records, as a step needs it.
#[async_trait]
pub trait CachePort: Send + Sync + 'static {
    /// The JSON text saved under a key, unless it has expired.
    async fn get(&self, tenant: TenantId, key: &str) -> Result<Option<String>, CacheError>;

    /// Saves a JSON text for so many seconds, or until it is deleted.
    async fn put(
        &self,
        tenant: TenantId,
        key: &str,
        value: String,
        ttl_seconds: Option<u64>,
    ) -> Result<(), CacheError>;

    /// Deletes a record; says whether there was one.
    async fn delete(&self, tenant: TenantId, key: &str) -> Result<bool, CacheError>;
}

/// The store did not answer; the text says why, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CacheError(pub String);

impl From<CacheError> for wit::Error {
    fn from(error: CacheError) -> Self {
        Self::Unavailable(error.0)
    }
}

impl State {
    /// Refuses what the step may not do before the store hears of it.
    fn admit(&mut self, key: &str) -> wasmtime::Result<Result<(), wit::Error>> {
        self.count_call()?;
        if !self.cache_granted {
            let text = format!(
                "the SyncPack holds no grant for the cache: an administrator can give it with `pfctl syncpack activate {} --add --grant cache`, if the manifest declares it",
                self.pack
            );
            self.log.append(crate::Level::Warning, &text);
            return Ok(Err(wit::Error::Denied(text)));
        }
        let limit = self.limits.cache_key_bytes;
        if key.len() > limit {
            return Ok(Err(wit::Error::TooLarge(format!(
                "the key has {} bytes; {limit} are allowed",
                key.len()
            ))));
        }
        Ok(Ok(()))
    }
}

impl State {
    /// Refuses to store a secret of the run: a record outlives it and is shown to people,
    /// and one with a masked value would mislead whoever reads it later.
    fn refuse_secrets(&self, key: &str, value: &str) -> Result<(), wit::Error> {
        let (place, names) = match self.masker.found(key) {
            names if names.is_empty() => ("value", self.masker.found_in_json(value)),
            names => ("key", names),
        };
        if names.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the {place} of the cache record holds the value of {}, which is secret, so the record is not stored: cache what the step obtained with it, not the secret",
            names.join(" and of ")
        );
        self.log.append(crate::Level::Warning, &text);
        Err(wit::Error::Denied(text))
    }
}

impl wit::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, wit::Error>> {
        if let Err(refused) = self.admit(&key)? {
            return Ok(Err(refused));
        }
        Ok(self.cache.get(self.tenant, &key).await.map_err(Into::into))
    }

    async fn put(
        &mut self,
        key: String,
        value: String,
        ttl: Option<u64>,
    ) -> wasmtime::Result<Result<(), wit::Error>> {
        if let Err(refused) = self.admit(&key)? {
            return Ok(Err(refused));
        }
        let limit = self.limits.cache_value_bytes;
        if value.len() > limit {
            let text = format!("the value has {} bytes; {limit} are allowed", value.len());
            return Ok(Err(wit::Error::TooLarge(text)));
        }
        if json::check(&value, self.limits.output_depth).is_err() {
            return Err(wasmtime::Error::from(Exceeded::CacheValue));
        }
        if let Err(refused) = self.refuse_secrets(&key, &value) {
            return Ok(Err(refused));
        }
        Ok(self
            .cache
            .put(self.tenant, &key, value, ttl)
            .await
            .map_err(Into::into))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, wit::Error>> {
        if let Err(refused) = self.admit(&key)? {
            return Ok(Err(refused));
        }
        Ok(self
            .cache
            .delete(self.tenant, &key)
            .await
            .map_err(Into::into))
    }
}
