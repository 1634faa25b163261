//! The queue on Redis Streams, for several processes: one stream for each priority of
//! each queue, one consumer group, entries of 12 bytes that are deleted when they are
//! acknowledged. It is a crate of its own so that what only needs the trait, the engine
//! first of all, is built without a Redis client.
//!
//! Nothing here is the truth. Redis may lose everything at any moment: streams and groups
//! are made anew on use, and [`queue::Queue::health`] tells the reconciler to enqueue from
//! the store. While Redis is away, every call ends in [`queue::Error::Unavailable`] within
//! [`Settings::timeout`], and `receive` waits until it is back.
//!
//! This crate decides nothing about steps, and no other one speaks to Redis.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

mod acks;
mod address;
mod answers;
mod entry;
mod hints;
mod interest;
mod keys;
mod link;
mod outage;
mod places;
mod probe;
mod queues;
mod reader;
mod scripts;
mod session;
mod settings;
mod shared;
mod state;
mod tls;

use std::{path::PathBuf, sync::Arc};

use queue::hints::Hints;

use self::shared::Shared;
pub use self::{
    address::{Address, AddressError},
    hints::RedisHints,
    settings::Settings,
};

/// Why a queue on Redis cannot be set up. That Redis is away is no reason: it is waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The prefix of the keys would move them to several slots of a cluster.
    #[error("the prefix `{0}` must not be empty or hold braces")]
    Prefix(String),
    /// The file with certificates cannot be used.
    #[error("the certificates in {0} cannot be used: {1}")]
    CaFile(PathBuf, String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The client refused its settings.
    #[error("the Redis client cannot be set up: {0}")]
    Client(String),
    /// The server lacks commands that are needed.
    #[error("Redis {0} is too old: 6.2 or later is needed")]
    TooOld(String),
}

/// A queue on Redis.
pub struct RedisQueue {
    shared: Arc<Shared>,
}

impl RedisQueue {
    /// Sets the queue up and waits for the first contact, but no longer than
    /// [`Settings::timeout`]. Call it within a runtime: its tasks run there.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        if settings.prefix.is_empty() || settings.prefix.contains(['{', '}']) {
            return Err(StartError::Prefix(settings.prefix));
        }
        let queue = Self {
            shared: Shared::new(settings)?,
        };
        probe::start(&queue.shared).await?;
        Ok(queue)
    }

    /// Hints through the same Redis.
    pub fn hints(&self) -> Arc<dyn Hints> {
        Arc::<RedisHints>::clone(&self.shared.hints)
    }
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        queue::Queue::close(self);
    }
}
