//! Processes that claim steps, and their leases.

use async_trait::async_trait;
use model::{clock::Timestamp, id::WorkerId};

use crate::Result;

/// A process that claims steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number, new at each start.
    pub id: WorkerId,
    /// The host's name.
    pub host: String,
    /// The process's number there.
    pub pid: u32,
    /// Its version of PowerFlow.
    pub version: String,
    /// The queues that it listens on.
    pub queues: Vec<String>,
    /// How many steps it executes at a time.
    pub slots: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When its lease ends, unless it is renewed.
    pub lease_until: Timestamp,
}

/// The worker registry.
#[async_trait]
pub trait Workers: Send + Sync + 'static {
    /// Registers a process and gives it its number; the `id` of `worker` is ignored.
    async fn register(&self, worker: Worker) -> Result<WorkerId>;

    /// Renews a lease. `false`: it had ended, and its steps may have been given away.
    async fn renew(&self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool>;

    /// Ends a lease at once, so that what the worker still holds can be given away.
    async fn release(&self, id: WorkerId) -> Result<()>;

    /// Ends the leases of all other workers: for a backend that only one process can
    /// open at a time, called at its start.
    async fn release_others(&self, id: WorkerId) -> Result<()>;

    /// All workers with a running lease.
    async fn workers(&self, now: Timestamp) -> Result<Vec<Worker>>;
}
