//! The cache: durable records that all runs of a tenant share.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    document::{Json, parse_as},
    error::{Error, Result},
    host,
};

/// Access to the cache; each call is one round trip to the host's store.
///
/// Its errors are permanent where the SyncPack holds no grant (`cache-denied`) or a
/// key or value is too long (`cache-too-large`), and retryable where the store did
/// not answer (`cache-unavailable`).
#[derive(Clone, Copy, Debug)]
pub struct Cache(());

/// Why the host refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Denied(String),
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(dead_code, reason = "the mock has no limits")
    )]
    TooLarge(String),
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(dead_code, reason = "the mock's store always answers")
    )]
    Unavailable(String),
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// The value saved under `key`, if there is one that has not expired.
    pub fn get<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>> {
        match host::cache_get(key)? {
            Some(text) => {
                parse_as(&format!("the cached value of \"{key}\""), Json(&text)).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Saves `value` under `key` until it is deleted.
    pub fn put(self, key: &str, value: &impl Serialize) -> Result<()> {
        Ok(host::cache_put(key, &serde_json::to_string(value)?, None)?)
    }

    /// Saves `value` under `key` for a time, counted in whole seconds, at least one.
    pub fn put_for(self, key: &str, value: &impl Serialize, time: Duration) -> Result<()> {
        Ok(host::cache_put(
            key,
            &serde_json::to_string(value)?,
            Some(time.as_secs().max(1)),
        )?)
    }

    /// Deletes the record; says whether there was one.
    pub fn delete(self, key: &str) -> Result<bool> {
        Ok(host::cache_delete(key)?)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(text) => Self::permanent(text).with_code("cache-denied"),
            Refusal::TooLarge(text) => Self::permanent(text).with_code("cache-too-large"),
            Refusal::Unavailable(text) => Self::retryable(text).with_code("cache-unavailable"),
        }
    }
}
