//! What the leading reconciler asks a queue: whether it still holds what it was given.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use tokio::sync::watch;

/// One life of what a backend holds. Another one says that everything may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u128);

/// What this process sees of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The life that was seen last; `None` before the first contact.
    pub incarnation: Option<Incarnation>,
    /// Whether the backend answered when it was asked last.
    pub available: bool,
}

/// One priority of one queue: a tenant's entries in a lane are delivered in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The queue, by its canonical name.
    pub queue: Arc<str>,
    /// Whether it is the lane of high priority.
    pub high: bool,
}

/// A place in a lane: what is added later has a larger one. It is no time, so that no
/// clock needs to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64, pub u64);

/// The ends of all lanes at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The life that it belongs to.
    pub incarnation: Option<Incarnation>,
    /// Where each lane ended. A lane that is missing was empty.
    pub ends: HashMap<Lane, Place>,
    /// The same for the entries of tenants other than the first, where a backend keeps these
    /// apart.
    pub others: HashMap<Lane, Place>,
}

/// The health of a queue that cannot lose anything while the process lives.
pub(crate) fn undying() -> watch::Receiver<Health> {
    static HEALTH: LazyLock<watch::Sender<Health>> = LazyLock::new(|| {
        watch::Sender::new(Health {
            incarnation: Some(Incarnation(0)),
            available: true,
        })
    });
    HEALTH.subscribe()
}
