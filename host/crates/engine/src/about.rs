//! What this service is.

use serde::Serialize;
use store::workers::Worker;

use crate::{Engine, error::Result};

/// What `/about` answers.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The product.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The WIT contract that packs are built against.
    pub wit: &'static str,
    /// The store's backend.
    pub store: String,
    /// The queue's backend.
    pub queue: &'static str,
    /// The id of the key that secrets are encrypted with.
    pub key_id: String,
    /// When this process started: RFC 3339.
    pub started_at: String,
    /// The workers with a running lease.
    pub workers: Vec<AboutWorker>,
}

/// A worker in [`About`].
#[derive(Clone, Debug, Serialize)]
pub struct AboutWorker {
    /// Its host.
    pub host: String,
    /// Its process number.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The queues that it listens on; empty: all.
    pub queues: Vec<String>,
    /// How many steps it executes at a time.
    pub slots: u32,
}

impl From<Worker> for AboutWorker {
    fn from(worker: Worker) -> Self {
        Self {
            host: worker.host,
            pid: worker.pid,
            version: worker.version,
            queues: worker.queues,
            slots: worker.slots,
        }
    }
}

impl Engine {
    /// What this service is, and which workers there are.
    pub async fn about(&self) -> Result<About> {
        let workers = self.store.workers(self.now()).await?;
        Ok(About {
            name: "PowerFlow",
            version: env!("CARGO_PKG_VERSION"),
            wit: "powerflow:syncpack@1.0.0",
            store: self.store.description(),
            queue: "memory",
            key_id: self.vault.key_id().to_owned(),
            started_at: jiff::Timestamp::from_microsecond(self.started_at.0)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .to_string(),
            workers: workers.into_iter().map(AboutWorker::from).collect(),
        })
    }
}
