//! The processes of the service, their leases, and what they learn when they renew them.
//!
//! A lease is renewed often, by every process, whatever else is up: so the answer carries
//! what each has to know soon. Cancelling and settings work with nothing but the store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, StepKey, WorkerId},
};

use crate::Result;

/// A process of the service. One that executes no steps has no slots.
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
    /// What it does: `all`, `api`, `worker`, `scheduler`.
    pub role: String,
    /// The queues that it listens on.
    pub queues: Vec<String>,
    /// The weights of queues by name; 1 where none stands.
    pub weights: BTreeMap<String, u32>,
    /// How many steps it executes at a time.
    pub slots: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When its lease ends, unless it is renewed.
    pub lease_until: Timestamp,
}

/// What a process learns when it renews its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The store's time, where it has one that several processes share.
    pub now: Option<Timestamp>,
    /// Counts changes of documents and of active packs: another number than before says
    /// that what was read of them may be old.
    pub generation: i64,
    /// Runs that were cancelled while this process had claimed steps of theirs; each is
    /// told once.
    pub cancelled: Vec<RunId>,
    /// Steps that were revoked while this process executed them; each is told once.
    pub revoked: Vec<StepKey>,
    /// The queues that it shall listen on; empty: all.
    pub queues: Vec<String>,
    /// The weights of queues by name; 1 where none stands.
    pub weights: BTreeMap<String, u32>,
    /// How many steps it shall execute at a time.
    pub slots: u32,
}

/// The registry of processes.
#[async_trait]
pub trait Workers: Send + Sync + 'static {
    /// The time of the backend that several processes share, which they go by; `None`
    /// where there is only one process, which goes by its own.
    async fn time(&self) -> Result<Option<Timestamp>>;

    /// Registers a process and gives it its number; the `id` of `worker` is ignored.
    async fn register(&self, worker: Worker) -> Result<WorkerId>;

    /// Renews a lease. `None`: it had ended, and its steps may have been given away.
    async fn renew(
        &self,
        id: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Renewed>>;

    /// Ends a lease at once, so that what the worker still holds can be given away.
    async fn release(&self, id: WorkerId) -> Result<()>;

    /// Ends the leases of all other workers: for a backend that only one process can
    /// open at a time, called at its start.
    async fn release_others(&self, id: WorkerId) -> Result<()>;

    /// All processes with a running lease.
    async fn workers(&self, now: Timestamp) -> Result<Vec<Worker>>;

    /// Processes that did not end in order: their leases ran out after `since` and by `now`,
    /// the latest first.
    async fn lost_workers(&self, since: Timestamp, now: Timestamp) -> Result<Vec<Worker>>;

    /// Changes what a process listens on, the weights of queues, and how many steps it executes
    /// at a time; it learns it with its next renewal. Says whether there is such a process.
    async fn set_worker(
        &self,
        id: WorkerId,
        queues: Option<&[String]>,
        weights: Option<&BTreeMap<String, u32>>,
        slots: Option<u32>,
    ) -> Result<bool>;

    /// Takes or keeps the lead of the processes until then. `false`: another has it.
    async fn lead(&self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool>;
}
