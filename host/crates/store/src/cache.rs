//! Durable records that all runs of a tenant share.

use async_trait::async_trait;
use model::{clock::Timestamp, id::TenantId};

use crate::{Page, Result};

/// A cache record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: String,
    /// Its value: a JSON text.
    pub value: String,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Option<Timestamp>,
}

/// A cache record as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSummary {
    /// Its key.
    pub key: String,
    /// The length of its value in bytes.
    pub size: u64,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Option<Timestamp>,
}

/// Cache records. One that has expired does not exist for any call.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The record of that key.
    async fn cache_get(
        &self,
        tenant: TenantId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>>;

    /// Saves a record.
    async fn cache_put(&self, tenant: TenantId, record: Record) -> Result<()>;

    /// Deletes a record. Says whether there was one.
    async fn cache_delete(&self, tenant: TenantId, key: &str, now: Timestamp) -> Result<bool>;

    /// Records whose key starts with `prefix`, by key, after the key `after`.
    async fn cache_list(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<RecordSummary>>;

    /// Deletes every record whose key starts with `prefix`. Answers how many.
    async fn cache_clear(&self, tenant: TenantId, prefix: &str) -> Result<u64>;
}
