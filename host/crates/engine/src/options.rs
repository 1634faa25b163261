//! How an engine behaves.

use std::{collections::BTreeMap, time::Duration};

use model::policy::OnWorkerLost;

use crate::Role;

/// How an engine behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this process does.
    pub role: Role,
    /// How many steps this process executes at a time.
    pub slots: u32,
    /// The queues that it listens on; empty: all.
    pub queues: Vec<String>,
    /// The weights of queues by name; 1 where none stands.
    pub weights: BTreeMap<String, u32>,
    /// How long a run that has ended is kept.
    pub result_expires: Duration,
    /// How long an attempt of a step may take until it counts as late, where no document
    /// says so.
    pub step_soft_timeout: Duration,
    /// How long an attempt of a step may take until it is ended, where no document says so.
    pub step_timeout: Duration,
    /// The longest that a document can ask for.
    pub step_timeout_max: Duration,
    /// What becomes of a step whose worker is lost, where no document says so.
    pub on_worker_lost: OnWorkerLost,
    /// After how many attempts whose worker was lost a step fails.
    pub max_attempts: i64,
    /// How many accepted runs of a tenant may wait for their end; more are refused.
    pub backlog: u64,
    /// How many on a queue.
    pub backlog_of_queue: u64,
    /// How much one attempt may write to its log.
    pub log_limits: runtime::LogLimits,
    /// How long each part of an outgoing request may take.
    pub timeouts: connectors::http::Timeouts,
    /// What one execution of a step may use.
    pub limits: runtime::Limits,
    /// How long the lease of a worker lasts without renewal. Where nobody else can take
    /// over, a long one keeps an idle service from writing.
    pub lease: Duration,
    /// No other process opens the store: leases of earlier workers end at the start.
    pub exclusive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            role: Role::All,
            slots: 512,
            queues: Vec::new(),
            weights: BTreeMap::new(),
            result_expires: Duration::from_hours(7 * 24),
            step_soft_timeout: Duration::from_hours(1),
            step_timeout: Duration::from_mins(70),
            step_timeout_max: Duration::from_hours(24),
            on_worker_lost: OnWorkerLost::Retry,
            max_attempts: 5,
            backlog: 1_000_000,
            backlog_of_queue: 1_000_000,
            log_limits: runtime::LogLimits::default(),
            timeouts: connectors::http::Timeouts::default(),
            limits: runtime::Limits::default(),
            lease: Duration::from_hours(24),
            exclusive: true,
        }
    }
}
