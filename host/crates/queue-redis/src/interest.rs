//! What a receiver listens on, and in which order it is served.

use std::{collections::BTreeMap, sync::Arc};

use queue::{HIGH_PRIORITY, Lane, Subscription, canonical};

/// A subscription with canonical names, the queue of high priority first and the others sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Interest {
    pub(crate) named: Vec<Arc<str>>,
    pub(crate) all: bool,
    weights: BTreeMap<Arc<str>, u32>,
}

/// What comes before what: all of a class before those of the next. Inside a class lanes
/// are served by weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The high entries of the queue of high priority.
    FirstHigh,
    /// The other entries of the queue of high priority.
    First,
    /// High entries of the other queues.
    High,
    /// Their other entries.
    Usual,
    /// Entries of queues whose weight is 0.
    Idle,
}

/// In the order of service.
pub(crate) const CLASSES: [Class; 5] = [
    Class::FirstHigh,
    Class::First,
    Class::High,
    Class::Usual,
    Class::Idle,
];

impl Interest {
    pub(crate) fn of(subscription: &Subscription) -> Self {
        let wanted = subscription.queues.iter().map(|name| canonical(name));
        let mut named: Vec<Arc<str>> = wanted.map(Arc::from).collect();
        if subscription.all {
            named.push(HIGH_PRIORITY.into());
        }
        named.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        named.dedup();
        Self {
            named,
            all: subscription.all,
            weights: subscription.weights.clone(),
        }
    }

    pub(crate) fn holds(&self, queue: &str) -> bool {
        self.all || self.named.iter().any(|name| &**name == queue)
    }

    /// The weight of a lane among those of its class.
    pub(crate) fn weight(&self, lane: &Lane) -> u32 {
        self.weights.get(&lane.queue).map_or(1, |one| *one.max(&1))
    }

    pub(crate) fn class(&self, lane: &Lane) -> Class {
        match (&*lane.queue == HIGH_PRIORITY, lane.high) {
            (true, true) => Class::FirstHigh,
            (true, false) => Class::First,
            (false, true) => Class::High,
            (false, false) if self.weights.get(&lane.queue) == Some(&0) => Class::Idle,
            (false, false) => Class::Usual,
        }
    }

    /// The queues to read, sorted.
    pub(crate) fn queues(&self, others: &[Arc<str>]) -> Vec<Arc<str>> {
        let mut queues = self.named.clone();
        if self.all {
            queues.extend(others.iter().cloned());
            queues.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
            queues.dedup();
        }
        queues
    }

    /// The lanes of queues by class, and by name in each.
    pub(crate) fn lanes(&self, queues: &[Arc<str>]) -> Vec<Lane> {
        let lanes = |high| {
            queues.iter().map(move |queue| Lane {
                queue: Arc::clone(queue),
                high,
            })
        };
        let mut lanes: Vec<Lane> = lanes(true).chain(lanes(false)).collect();
        lanes.sort_by_key(|lane| self.class(lane));
        lanes
    }
}

fn order(name: &str) -> (bool, &str) {
    (name != HIGH_PRIORITY, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(queues: &[&str], all: bool) -> Interest {
        Interest::of(&Subscription {
            queues: queues.iter().map(|name| Arc::from(*name)).collect(),
            all,
            weights: [("idle".into(), 0), ("other".into(), 7)].into(),
        })
    }

    #[test]
    fn names_are_canonical_and_high_priority_is_first() {
        let interest = of(&["other", "celery", "", HIGH_PRIORITY], false);
        assert_eq!(
            interest.named,
            [HIGH_PRIORITY.into(), "default".into(), "other".into()]
        );
        assert!(interest.holds("default") && !interest.holds("third"));
        assert_eq!(of(&[], true).named, [HIGH_PRIORITY.into()]);
        assert!(of(&[], true).holds("third"));
    }

    #[test]
    fn lanes_are_read_by_class_and_name() {
        let interest = of(&["other", "idle", "default", HIGH_PRIORITY], false);
        let lanes = interest.lanes(&interest.queues(&[]));
        let names: Vec<_> = lanes.iter().map(|lane| (&*lane.queue, lane.high)).collect();
        assert_eq!(
            names,
            [
                (HIGH_PRIORITY, true),
                (HIGH_PRIORITY, false),
                ("default", true),
                ("idle", true),
                ("other", true),
                ("default", false),
                ("other", false),
                ("idle", false)
            ]
        );
        let weights: Vec<_> = lanes.iter().map(|lane| interest.weight(lane)).collect();
        assert_eq!(weights, [1, 1, 1, 1, 7, 1, 7, 1]);
    }

    #[test]
    fn queues_that_are_not_named_are_read_where_all_are() {
        let others: Vec<Arc<str>> = ["a", "default", "z"].map(Arc::from).to_vec();
        let queues = |all| of(&["default"], all).queues(&others);
        assert_eq!(queues(false), ["default".into()]);
        let all = [HIGH_PRIORITY, "a", "default", "z"].map(Arc::from);
        assert_eq!(queues(true), all);
    }
}
