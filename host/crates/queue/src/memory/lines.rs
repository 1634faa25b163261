//! The queues by name, what waits in them, and in which order it is taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use model::id::StepKey;
use tokio::time::Instant;

use super::{
    chain::Chain,
    leases::{Lease, Leases},
};
use crate::{DeadLetter, Delivery, Depth, HIGH_PRIORITY, Limits, Subscription, canonical};

/// Entries of one priority.
#[derive(Default)]
struct Lane {
    /// Entries whose lease has ended, with how often they were delivered.
    again: VecDeque<(StepKey, u32)>,
    fresh: Chain,
}

impl Lane {
    fn len(&self) -> usize {
        self.again.len() + self.fresh.len()
    }

    fn pop(&mut self) -> Option<(StepKey, u32)> {
        match self.again.pop_front() {
            Some(entry) => {
                if self.again.is_empty() {
                    self.again.shrink_to(64);
                }
                Some(entry)
            }
            None => Some((self.fresh.pop()?, 0)),
        }
    }
}

/// One queue.
struct Line {
    name: Arc<str>,
    high: Lane,
    normal: Lane,
    delivered: u64,
    dead: VecDeque<(StepKey, String)>,
}

impl Line {
    fn lane(&mut self, high: bool) -> &mut Lane {
        if high {
            &mut self.high
        } else {
            &mut self.normal
        }
    }

    fn waiting(&self) -> usize {
        self.high.len() + self.normal.len()
    }
}

/// Which queues a receiver takes from, as indices.
pub(super) struct Interest {
    named: Vec<u32>,
    all: bool,
}

impl Interest {
    pub(super) fn in_line(&self, line: u32) -> bool {
        self.all || self.named.contains(&line)
    }
}

#[derive(Default)]
pub(super) struct Lines {
    by_name: HashMap<Arc<str>, u32>,
    all: Vec<Line>,
    leases: Leases,
    /// Where the next receiver on all queues starts among those that it did not name.
    turn: usize,
}

impl Lines {
    /// The index of a queue, which appears on use.
    fn line(&mut self, name: &str) -> u32 {
        let name = canonical(name);
        if let Some(line) = self.by_name.get(name) {
            return *line;
        }
        let line = self.all.len() as u32;
        let name: Arc<str> = name.into();
        self.by_name.insert(Arc::clone(&name), line);
        self.all.push(Line {
            name,
            high: Lane::default(),
            normal: Lane::default(),
            delivered: 0,
            dead: VecDeque::new(),
        });
        line
    }

    fn known(&self, name: &str) -> Option<&Line> {
        let line = *self.by_name.get(canonical(name))?;
        self.all.get(line as usize)
    }

    pub(super) fn waiting(&self, name: &str) -> usize {
        self.known(name).map_or(0, Line::waiting)
    }

    /// Queues in which something waits, with how much.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u32, usize)> {
        (0..)
            .zip(&self.all)
            .map(|(line, content)| (line, content.waiting()))
            .filter(|(_, waiting)| *waiting > 0)
    }

    pub(super) fn push(&mut self, name: &str, high: bool, steps: &[StepKey]) -> u32 {
        let line = self.line(name);
        let fresh = &mut self.all[line as usize].lane(high).fresh;
        for key in steps {
            fresh.push(*key);
        }
        line
    }

    pub(super) fn interest(&mut self, subscription: &Subscription) -> Interest {
        let mut named: Vec<u32> = Vec::with_capacity(subscription.queues.len() + 1);
        let first = subscription.all
            || subscription
                .queues
                .iter()
                .any(|name| canonical(name) == HIGH_PRIORITY);
        if first {
            named.push(self.line(HIGH_PRIORITY));
        }
        for name in &subscription.queues {
            let line = self.line(name);
            if !named.contains(&line) {
                named.push(line);
            }
        }
        Interest {
            named,
            all: subscription.all,
        }
    }

    /// Takes up to `max` entries and leases them until `ends`.
    pub(super) fn take(&mut self, interest: &Interest, max: usize, ends: Instant) -> Vec<Delivery> {
        let mut order = interest.named.clone();
        if interest.all {
            let others = self.all.len();
            self.turn = (self.turn + 1) % others.max(1);
            order.extend(
                (0..others)
                    .map(|place| ((self.turn + place) % others) as u32)
                    .filter(|line| !interest.named.contains(line)),
            );
        }
        let priority = order
            .first()
            .is_some_and(|line| &*self.all[*line as usize].name == HIGH_PRIORITY);
        let (first, _) = order.split_at(usize::from(priority));

        let waiting: usize = order
            .iter()
            .map(|line| self.all[*line as usize].waiting())
            .sum();
        let mut taken = Vec::with_capacity(waiting.min(max));
        for line in first {
            self.take_from(*line, true, max, ends, &mut taken);
            self.take_from(*line, false, max, ends, &mut taken);
        }
        for high in [true, false] {
            for line in &order {
                self.take_from(*line, high, max, ends, &mut taken);
            }
        }
        taken
    }

    fn take_from(
        &mut self,
        line: u32,
        high: bool,
        max: usize,
        ends: Instant,
        taken: &mut Vec<Delivery>,
    ) {
        let Some(content) = self.all.get_mut(line as usize) else {
            return;
        };
        while taken.len() < max {
            let Some((key, before)) = content.lane(high).pop() else {
                return;
            };
            let deliveries = before.saturating_add(1);
            content.delivered += 1;
            taken.push(Delivery {
                key,
                queue: Arc::clone(&content.name),
                id: self.leases.grant(Lease {
                    key,
                    line,
                    high,
                    deliveries,
                    ends,
                }),
                deliveries,
            });
        }
    }

    /// Ends a delivery; `None` when it is not open any more.
    pub(super) fn end(&mut self, id: u64) -> Option<Lease> {
        let lease = self.leases.end(id)?;
        self.all[lease.line as usize].delivered -= 1;
        Some(lease)
    }

    /// Puts what its receiver did not acknowledge in time back, or among the dead
    /// letters. Answers whether an entry waits again.
    pub(super) fn expire(&mut self, now: Instant, limits: Limits) -> bool {
        let mut again = Vec::new();
        while let Some(lease) = self.leases.end_expired(now) {
            let line = &mut self.all[lease.line as usize];
            line.delivered -= 1;
            if lease.deliveries >= limits.max_deliveries {
                let reason = format!(
                    "delivered {} times, each time without an answer within {:?}",
                    lease.deliveries, limits.lease
                );
                line.dead.push_back((lease.key, reason));
            } else {
                again.push(lease);
            }
        }
        // Before those that wait already, the oldest first.
        for lease in again.iter().rev() {
            let entry = (lease.key, lease.deliveries);
            let line = &mut self.all[lease.line as usize];
            line.lane(lease.high).again.push_front(entry);
        }
        !again.is_empty()
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.leases.next_end()
    }

    pub(super) fn bury(&mut self, lease: Lease, reason: &str) {
        let line = &mut self.all[lease.line as usize];
        line.dead.push_back((lease.key, reason.to_owned()));
    }

    pub(super) fn dead_letters(&self, name: &str) -> Vec<DeadLetter> {
        let Some(line) = self.known(name) else {
            return Vec::new();
        };
        let letter = |(key, reason): &(StepKey, String)| DeadLetter {
            key: *key,
            queue: Arc::clone(&line.name),
            reason: reason.clone(),
        };
        line.dead.iter().map(letter).collect()
    }

    /// Answers the queue and how many entries came back.
    pub(super) fn revive(&mut self, name: &str) -> Option<(u32, usize)> {
        let line = *self.by_name.get(canonical(name))?;
        let content = self.all.get_mut(line as usize)?;
        let dead = std::mem::take(&mut content.dead);
        for (key, _) in &dead {
            content.normal.fresh.push(*key);
        }
        Some((line, dead.len()))
    }

    pub(super) fn depths(&self) -> Vec<Depth> {
        let mut depths: Vec<Depth> = self
            .all
            .iter()
            .map(|line| Depth {
                queue: Arc::clone(&line.name),
                waiting: line.waiting() as u64,
                delivered: line.delivered,
            })
            .collect();
        depths.sort_by(|one, other| one.queue.cmp(&other.queue));
        depths
    }
}
