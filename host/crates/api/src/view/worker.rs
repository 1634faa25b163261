//! Processes of the service.

use std::collections::BTreeMap;

use engine::Served;
use serde::Serialize;
use utoipa::ToSchema;

use super::time;

/// A process of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Worker {
    /// Its number, new at each start.
    #[schema(example = 2)]
    id: i64,
    /// Where it is.
    #[schema(example = "/api/v1/workers/2")]
    href: String,
    /// What it does: `all`, `api`, `worker` or `scheduler`.
    #[schema(example = "worker")]
    role: String,
    /// Its host's name.
    #[schema(example = "node-1")]
    host: String,
    /// Its process number there.
    #[schema(example = 4711)]
    pid: u32,
    /// Its version of PowerFlow.
    #[schema(example = "0.1.0")]
    version: String,
    /// The queues that it listens on; empty: all.
    #[schema(example = json!(["acme", "default"]))]
    queues: Vec<String>,
    /// The weights of queues by name; 1 where none stands.
    #[schema(example = json!({"default": 3}))]
    weights: BTreeMap<String, u32>,
    /// How many steps it executes at a time; 0: it executes none.
    #[schema(example = 512)]
    slots: u32,
    /// When it started.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    started_at: String,
    /// Until when nobody takes over its steps, even if it is not heard of again. A living
    /// process puts it off all the time.
    #[schema(format = DateTime, example = "2027-01-15T09:00:10.5Z")]
    lease_until: String,
}

/// The processes of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Processes {
    /// All of them.
    pub(crate) items: Vec<Worker>,
    /// The `after` of the next part: `null`, for there is only one.
    #[schema(example = json!(null))]
    pub(crate) next: Option<String>,
    /// The queues that they listen on.
    #[schema(value_type = ServedQueues)]
    pub(crate) served: Served,
}

/// The queues that living workers listen on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the engine serialises")]
pub(crate) struct ServedQueues {
    /// How many workers listen on every queue.
    #[schema(example = 0)]
    by_all: u32,
    /// The queues that workers listen on by name.
    queues: Vec<ServedQueueDocument>,
}

/// A queue that workers listen on by name.
#[derive(ToSchema)]
#[schema(as = ServedQueue)]
#[expect(dead_code, reason = "describes what the engine serialises")]
pub(crate) struct ServedQueueDocument {
    /// Its name.
    #[schema(example = "acme")]
    queue: String,
    /// How many workers name it.
    #[schema(example = 2)]
    workers: u32,
}

impl Worker {
    pub(crate) fn new(worker: store::workers::Worker) -> Self {
        Self {
            id: worker.id.0,
            href: format!("/api/v1/workers/{}", worker.id.0),
            role: worker.role,
            host: worker.host,
            pid: worker.pid,
            version: worker.version,
            queues: worker.queues,
            weights: worker.weights,
            slots: worker.slots,
            started_at: time(worker.started_at),
            lease_until: time(worker.lease_until),
        }
    }
}
