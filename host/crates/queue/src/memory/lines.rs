//! The queues by name, what waits in them, and in which order it is taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use model::id::{StepKey, TenantId};
use tokio::time::Instant;

use super::{
    lane::Lane,
    leases::{Lease, Leases},
};
use crate::{
    DeadLetter, Delivery, Depth, HIGH_PRIORITY, Limits, Subscription, canonical, turns::Turns,
};

/// Of how many subscriptions it is remembered whose turn it is.
const REMEMBERED: usize = 16;

/// One queue.
struct Line {
    name: Arc<str>,
    high: Lane,
    normal: Lane,
    delivered: u64,
    dead: VecDeque<(StepKey, TenantId, String)>,
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
#[derive(Clone)]
pub(super) struct Interest {
    named: Arc<[u32]>,
    all: bool,
}

impl Interest {
    pub(super) fn in_line(&self, line: u32) -> bool {
        self.all || self.named.contains(&line)
    }
}

/// What entries are taken after, strictly: all of a class come before those of the next.
#[derive(Clone, Copy)]
enum Class {
    High,
    Usual,
    /// Of queues whose weight is 0.
    Idle,
}

/// Receivers of one subscription: whose turn it is in each class.
struct Listener {
    subscription: Subscription,
    interest: Interest,
    turns: [Turns<u32>; 3],
}

#[derive(Default)]
pub(super) struct Lines {
    by_name: HashMap<Arc<str>, u32>,
    all: Vec<Line>,
    leases: Leases,
    /// The ones used last first.
    listeners: Vec<Listener>,
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

    pub(super) fn push(
        &mut self,
        name: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> u32 {
        let line = self.line(name);
        let filled = self.all[line as usize].lane(high);
        filled.push(tenant, steps);
        line
    }

    /// Moves the listener of a subscription to the front of the list, where it is made when
    /// there is none.
    fn listener(&mut self, subscription: &Subscription) {
        let known = |one: &Listener| one.subscription == *subscription;
        match self.listeners.iter().position(known) {
            Some(0) => {}
            Some(place) => self.listeners[..=place].rotate_right(1),
            None => {
                let mut named: Vec<u32> = Vec::with_capacity(subscription.queues.len());
                for name in &subscription.queues {
                    let line = self.line(name);
                    if !named.contains(&line) {
                        named.push(line);
                    }
                }
                self.listeners.truncate(REMEMBERED - 1);
                let listener = Listener {
                    interest: Interest {
                        named: named.into(),
                        all: subscription.all,
                    },
                    subscription: subscription.clone(),
                    turns: Default::default(),
                };
                self.listeners.insert(0, listener);
            }
        }
    }

    /// Takes up to `max` entries and leases them until `ends`. Answers also what the
    /// receiver waits for when there is none.
    pub(super) fn take(
        &mut self,
        subscription: &Subscription,
        max: usize,
        ends: Instant,
    ) -> (Vec<Delivery>, Interest) {
        self.listener(subscription);
        let mut taken = Vec::new();
        let mut listeners = std::mem::take(&mut self.listeners);
        let Listener {
            interest, turns, ..
        } = &mut listeners[0];
        let first = self.by_name.get(HIGH_PRIORITY).copied();
        if let Some(first) = first.filter(|first| interest.in_line(*first)) {
            for high in [true, false] {
                self.take_from(first, high, max, ends, &mut taken);
            }
        }
        for class in [Class::High, Class::Usual, Class::Idle] {
            if taken.len() < max {
                let filled = self.filled_of(interest, subscription, class);
                let high = matches!(class, Class::High);
                turns[class as usize].share(&filled, max - taken.len(), |line, most| {
                    let before = taken.len();
                    self.take_from(*line, high, before + most, ends, &mut taken);
                    taken.len() - before
                });
            }
        }
        let interest = interest.clone();
        self.listeners = listeners;
        (taken, interest)
    }

    /// The queues that hold something of a class, with their weights, sorted.
    fn filled_of(
        &self,
        interest: &Interest,
        subscription: &Subscription,
        class: Class,
    ) -> Vec<(u32, u32)> {
        let of = |line: u32| {
            let content = &self.all[line as usize];
            let holds = match class {
                Class::High => content.high.len() > 0,
                Class::Usual | Class::Idle => content.normal.len() > 0,
            };
            if !holds {
                return None;
            }
            let weight = match &subscription.weights {
                none if none.is_empty() => 1,
                _ => subscription.weight(&content.name),
            };
            let fits = match class {
                Class::High => true,
                Class::Usual => weight > 0,
                Class::Idle => weight == 0,
            };
            fits.then_some((line, weight))
        };
        if interest.all {
            return (0..self.all.len() as u32).filter_map(of).collect();
        }
        let mut filled: Vec<_> = interest.named.iter().copied().filter_map(of).collect();
        filled.sort_unstable();
        filled
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
            let Some((key, tenant, before)) = content.lane(high).pop() else {
                return;
            };
            let deliveries = before.saturating_add(1);
            content.delivered += 1;
            taken.push(Delivery {
                key,
                queue: Arc::clone(&content.name),
                id: self.leases.grant(Lease {
                    key,
                    tenant,
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
                line.dead.push_back((lease.key, lease.tenant, reason));
            } else {
                again.push(lease);
            }
        }
        // Before those that wait already, the oldest first.
        for lease in again.iter().rev() {
            let entry = (lease.key, lease.tenant, lease.deliveries);
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
        line.dead
            .push_back((lease.key, lease.tenant, reason.to_owned()));
    }

    pub(super) fn dead_letters(&self, name: &str) -> Vec<DeadLetter> {
        let Some(line) = self.known(name) else {
            return Vec::new();
        };
        let letter = |(key, _, reason): &(StepKey, TenantId, String)| DeadLetter {
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
        for (key, tenant, _) in &dead {
            content.normal.push(*tenant, &[*key]);
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
