//! The way of ready steps to workers. The store is the truth, a queue is a hint:
//! it carries ids only, may lose everything and may deliver twice; the claim in the
//! store decides. This crate knows nothing of what a step is.
//!
//! A delivery is leased to its receiver until it is acknowledged, which workers do
//! as soon as the claim is committed or refused, so leases are short. A delivery
//! whose lease ends is given to another receiver; after too many deliveries it
//! becomes a dead letter with a reason.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use model::id::{StepKey, TenantId};
use tokio::sync::watch;

#[cfg(feature = "contract")]
pub mod contract;
pub mod hints;
pub mod memory;
mod standing;
pub mod turns;

pub use self::standing::{Health, Incarnation, Lane, Mark, Place};

/// The queue of what names none. It also answers to the predecessor's `celery`.
pub const DEFAULT: &str = "default";
/// The queue that is served before all others.
pub const HIGH_PRIORITY: &str = "priority.high";

/// The name under which a queue is kept: `celery` and the empty name are [`DEFAULT`].
pub fn canonical(name: &str) -> &str {
    match name.trim() {
        "" | "celery" => DEFAULT,
        name => name,
    }
}

/// Why the queue refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The backend did not answer; the reconciler will enqueue again.
    #[error("the queue did not answer: {0}")]
    Unavailable(String),
    /// The queue is closed: the process is shutting down.
    #[error("the queue is closed")]
    Closed,
}

/// What a worker listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Queue names. Their order means nothing.
    pub queues: Vec<Arc<str>>,
    /// Listen on every queue, those that appear later among them.
    pub all: bool,
    /// The weights of queues by canonical name, 1 where none stands here. Queues in which
    /// something waits are served in proportion to them ([`turns`]); one of weight 0 only
    /// while nothing waits in the others. [`HIGH_PRIORITY`] comes first whatever its weight.
    pub weights: BTreeMap<Arc<str>, u32>,
}

impl Subscription {
    /// The weight of a queue, by its canonical name.
    pub fn weight(&self, queue: &str) -> u32 {
        self.weights.get(queue).copied().unwrap_or(1)
    }
}

/// A received entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The step.
    pub key: StepKey,
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// The backend's name of the entry.
    pub id: u64,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
}

/// An entry that was delivered too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The step.
    pub key: StepKey,
    /// Its queue.
    pub queue: Arc<str>,
    /// Why.
    pub reason: String,
}

/// How full a queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Its name.
    pub queue: Arc<str>,
    /// Entries that wait.
    pub waiting: u64,
    /// Entries that are delivered and not acknowledged.
    pub delivered: u64,
}

/// Limits of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a delivery may stay unacknowledged.
    pub lease: Duration,
    /// After how many deliveries an entry is a dead letter.
    pub max_deliveries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            max_deliveries: 5,
        }
    }
}

/// A queue.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Adds ready steps of a tenant to a queue, which appears on use. `high`: before all that
    /// is not.
    async fn enqueue(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), Error>;

    /// Waits until at least one entry is there and takes at most `max` of them.
    ///
    /// Dropping the future loses nothing. Order: queue [`HIGH_PRIORITY`], then high
    /// entries, then the others, then those of queues whose weight is 0; among each of these
    /// the queues by weight, inside a queue the tenants in turn, one entry each, and for each
    /// tenant first in first out. Entries whose lease has ended come first in their queue.
    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
    ) -> Result<Vec<Delivery>, Error>;

    /// Acknowledges deliveries: they are gone. Unknown ids are ignored.
    async fn acknowledge(&self, deliveries: &[Delivery]) -> Result<(), Error>;

    /// Moves a delivery to the dead letters.
    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<(), Error>;

    /// Dead letters of a queue, the oldest first.
    async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error>;

    /// Takes the dead letters of a queue off the list and enqueues them again. Answers how many.
    async fn revive(&self, queue: &str) -> Result<usize, Error>;

    /// How full the queues are, by name.
    async fn depths(&self) -> Result<Vec<Depth>, Error>;

    /// Whether nothing waits on that queue, as far as this process can tell without asking.
    fn looks_empty(&self, queue: &str) -> bool;

    /// What this process sees of the backend, and each change of it. When the
    /// incarnation is another than before, the first one included, everything may be
    /// lost: the leading reconciler enqueues from the store. When `available` comes back,
    /// what could not be enqueued meanwhile is missing.
    fn health(&self) -> watch::Receiver<Health> {
        standing::undying()
    }

    /// Where all lanes end now, to ask [`Queue::lost`] with later.
    async fn mark(&self) -> Result<Mark, Error> {
        Ok(Mark::default())
    }

    /// Which of these steps of a tenant in a lane the queue does not hold any more, although
    /// they were enqueued before `mark`: the lane has delivered all that it held of the tenant
    /// then, and the step is neither delivered and unacknowledged nor a dead letter. `None`
    /// while the lane has not come that far; empty for a mark of another incarnation.
    ///
    /// The caller reads the ready steps from the store, waits until whoever made them
    /// ready must have enqueued them, takes the mark, and asks some time later about
    /// those that are still ready. What is answered is enqueued again.
    async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Error> {
        let _ = (mark, queue, high, tenant, steps);
        Ok(Some(Vec::new()))
    }

    /// Ends every `receive` with [`Error::Closed`].
    fn close(&self);

    /// Waits after [`Queue::close`] until deliveries that nobody had received yet are
    /// given back, so that others need not wait for the end of their leases.
    async fn closed(&self) {}

    /// The backend and, where it has one and is known, its version: `memory`, `redis 7.0.15`.
    fn description(&self) -> String;
}
