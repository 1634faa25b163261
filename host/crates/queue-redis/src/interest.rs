//! What a receiver listens on, and in which order it is served.

use std::sync::Arc;

use queue::{HIGH_PRIORITY, Lane, Subscription, canonical};

/// A subscription with canonical names, the queue of high priority first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Interest {
    pub(crate) named: Vec<Arc<str>>,
    pub(crate) all: bool,
}

impl Interest {
    pub(crate) fn of(subscription: &Subscription) -> Self {
        let mut named: Vec<Arc<str>> = Vec::with_capacity(subscription.queues.len() + 1);
        let mut add = |name: &str| {
            if !named.iter().any(|known| &**known == name) {
                named.push(name.into());
            }
        };
        let wanted = || subscription.queues.iter().map(|name| canonical(name));
        if subscription.all || wanted().any(|name| name == HIGH_PRIORITY) {
            add(HIGH_PRIORITY);
        }
        wanted().for_each(add);
        Self {
            named,
            all: subscription.all,
        }
    }

    pub(crate) fn holds(&self, queue: &str) -> bool {
        self.all || self.named.iter().any(|name| &**name == queue)
    }

    /// Smaller is served first.
    pub(crate) fn rank(&self, lane: &Lane) -> (usize, usize) {
        let place = self.named.iter().position(|name| *name == lane.queue);
        let place = place.unwrap_or(usize::MAX);
        if &*lane.queue == HIGH_PRIORITY && place == 0 {
            return (0, usize::from(!lane.high));
        }
        (if lane.high { 1 } else { 2 }, place)
    }

    /// The queues to read, those not named in turn, so that a long one starves no other.
    pub(crate) fn queues(&self, others: &[Arc<str>], turn: usize) -> Vec<Arc<str>> {
        let mut queues = self.named.clone();
        if self.all {
            let unnamed: Vec<_> = others
                .iter()
                .filter(|name| !self.named.contains(name))
                .cloned()
                .collect();
            if !unnamed.is_empty() {
                let (later, first) = unnamed.split_at(turn % unnamed.len());
                queues.extend(first.iter().chain(later).cloned());
            }
        }
        queues
    }
}

/// The lanes of queues in the order of reading: the queue of high priority, then high
/// entries, then the others.
pub(crate) fn lanes(queues: &[Arc<str>]) -> Vec<Lane> {
    let lane = |queue: &Arc<str>, high| Lane {
        queue: Arc::clone(queue),
        high,
    };
    let first = usize::from(
        queues
            .first()
            .is_some_and(|queue| &**queue == HIGH_PRIORITY),
    );
    let (first, rest) = queues.split_at(first);
    let both = first
        .iter()
        .flat_map(|queue| [lane(queue, true), lane(queue, false)]);
    let high = rest.iter().map(|queue| lane(queue, true));
    let normal = rest.iter().map(|queue| lane(queue, false));
    both.chain(high).chain(normal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(queues: &[&str], all: bool) -> Interest {
        Interest::of(&Subscription {
            queues: queues.iter().map(|name| Arc::from(*name)).collect(),
            all,
        })
    }

    #[test]
    fn names_are_canonical_and_high_priority_is_first() {
        let interest = of(&["other", "celery", "", HIGH_PRIORITY], false);
        assert_eq!(
            interest.named,
            [HIGH_PRIORITY.into(), "other".into(), "default".into()]
        );
        assert!(interest.holds("default") && !interest.holds("third"));
        assert_eq!(of(&[], true).named, [HIGH_PRIORITY.into()]);
        assert!(of(&[], true).holds("third"));
    }

    #[test]
    fn lanes_are_read_in_the_order_of_their_ranks() {
        let interest = of(&["other", "default", HIGH_PRIORITY], false);
        let lanes = lanes(&interest.queues(&[], 0));
        assert_eq!(lanes.len(), 6);
        assert!(lanes.is_sorted_by_key(|lane| interest.rank(lane)));
        let names: Vec<_> = lanes.iter().map(|lane| (&*lane.queue, lane.high)).collect();
        assert_eq!(
            names[..4],
            [
                (HIGH_PRIORITY, true),
                (HIGH_PRIORITY, false),
                ("other", true),
                ("default", true)
            ]
        );
    }

    #[test]
    fn queues_that_are_not_named_take_turns() {
        let others: Vec<Arc<str>> = ["a", "b", "c", "default"].map(Arc::from).to_vec();
        let interest = of(&["default"], true);
        let firsts: Vec<_> = (0..3)
            .map(|turn| interest.queues(&others, turn)[2].clone())
            .collect();
        assert_eq!(firsts, ["a".into(), "b".into(), "c".into()]);
        assert_eq!(interest.queues(&others, 1).len(), 5);
    }
}
