//! What this service is.

use serde::Serialize;
use store::workers::Worker;

use crate::{Engine, Served, error::Result};

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
    pub queue: String,
    /// What the process that answers does: `all`, `api`.
    pub role: &'static str,
    /// The id of the key that secrets are encrypted with.
    pub key_id: String,
    /// When this process started: RFC 3339.
    pub started_at: String,
    /// The processes with a running lease.
    pub workers: Vec<AboutWorker>,
    /// The queues that they listen on.
    pub served: Served,
}

/// A process in [`About`].
#[derive(Clone, Debug, Serialize)]
pub struct AboutWorker {
    /// Its number, by which it can be set.
    pub id: i64,
    /// Its host.
    pub host: String,
    /// Its process number.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// What it does.
    pub role: String,
    /// The queues that it listens on; empty: all.
    pub queues: Vec<String>,
    /// How many steps it executes at a time.
    pub slots: u32,
}

impl From<Worker> for AboutWorker {
    fn from(worker: Worker) -> Self {
        Self {
            id: worker.id.0,
            host: worker.host,
            pid: worker.pid,
            version: worker.version,
            role: worker.role,
            queues: worker.queues,
            slots: worker.slots,
        }
    }
}

impl Engine {
    /// What this process counts and measures of itself, and how full the queues are, as
    /// Prometheus reads it. A queue that does not answer is left out.
    pub async fn metrics(&self) -> String {
        let metrics = metrics::get();
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.steps_running.set(number(self.running.len()));
        metrics.slots.set(i64::from(
            self.size.load(std::sync::atomic::Ordering::Relaxed),
        ));
        let sandbox = self.runtime.stats();
        metrics
            .instances
            .set(i64::try_from(sandbox.instances).unwrap_or(i64::MAX));
        metrics.programs.set(number(sandbox.programs));
        metrics.set_backlog(self.backlog.by_queue());
        match self.queue.depths().await {
            Ok(depths) => metrics.set_queues(
                depths
                    .into_iter()
                    .map(|depth| (depth.queue.to_string(), depth.waiting, depth.delivered)),
            ),
            Err(error) => {
                tracing::debug!(%error, "the queues cannot be measured");
                metrics.set_queues([]);
            }
        }
        metrics.text()
    }

    /// What this service is, and which processes there are.
    pub async fn about(&self) -> Result<About> {
        let workers = self.store.workers(self.now()).await?;
        Ok(About {
            name: "PowerFlow",
            version: env!("CARGO_PKG_VERSION"),
            wit: "powerflow:syncpack@1.0.0",
            store: self.store.description(),
            queue: self.queue.description(),
            role: self.settings.role.word(),
            key_id: self.vault.key_id().to_owned(),
            started_at: jiff::Timestamp::from_microsecond(self.started_at.0)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .to_string(),
            served: Served::of(&workers),
            workers: workers.into_iter().map(AboutWorker::from).collect(),
        })
    }
}
