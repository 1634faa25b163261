//! What this process holds: deliveries that are open, those that no receiver has taken
//! yet, and the receivers that wait.
//!
//! Readers put deliveries down here and receivers take them with no await in between, so
//! a receiver that is dropped loses nothing: what it would have taken is the next one's.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use model::id::TenantId;
use queue::{Delivery, Error, Place};
use tokio::sync::Notify;

use crate::{
    interest::{Class, Interest},
    keys::LaneKeys,
    reader::Reader,
};

/// An entry as a reader got it.
pub(crate) struct Entry {
    pub(crate) lane: Arc<LaneKeys>,
    pub(crate) place: Place,
    pub(crate) key: model::id::StepKey,
    pub(crate) tenant: TenantId,
    pub(crate) deliveries: u32,
}

/// A delivery that is not answered yet.
pub(crate) struct Open {
    pub(crate) lane: Arc<LaneKeys>,
    pub(crate) place: Place,
    pub(crate) tenant: TenantId,
    pub(crate) consumer: Arc<str>,
    ends: Instant,
}

struct Waiter {
    reader: Arc<Reader>,
    max: usize,
    bell: Arc<Notify>,
}

/// A delivery without a receiver.
struct Held {
    lane: Arc<LaneKeys>,
    delivery: Delivery,
    since: Instant,
    ends: Instant,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) closed: bool,
    last_id: u64,
    open: HashMap<u64, Open>,
    held: VecDeque<Held>,
    waiters: VecDeque<Waiter>,
    pub(crate) readers: HashMap<Interest, Arc<Reader>>,
    /// Queues of which a reader knows that nothing waits there.
    empty: HashSet<Arc<str>>,
}

impl State {
    /// Takes what is there for this interest, what comes first by its class first, and
    /// otherwise in the order in which the server shared it out.
    pub(crate) fn take(&mut self, interest: &Interest, max: usize) -> Vec<Delivery> {
        if self.held.is_empty() {
            return Vec::new();
        }
        self.drop_expired();
        let mut places: Vec<(usize, Class)> = self
            .held
            .iter()
            .enumerate()
            .filter(|(_, held)| interest.holds(&held.delivery.queue))
            .map(|(place, held)| (place, interest.class(&held.lane.lane)))
            .collect();
        places.sort_by_key(|(_, rank)| *rank);
        places.truncate(max);
        let mut order: HashMap<usize, usize> = HashMap::with_capacity(places.len());
        for (number, (place, _)) in places.iter().enumerate() {
            order.insert(*place, number);
        }
        let mut taken: Vec<(usize, Delivery)> = Vec::with_capacity(places.len());
        let mut left = VecDeque::new();
        for (place, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            match order.get(&place) {
                Some(number) => taken.push((*number, held.delivery)),
                None => left.push_back(held),
            }
        }
        self.held = left;
        taken.sort_by_key(|(number, _)| *number);
        taken.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// What nobody took before its lease ended is somebody else's now.
    fn drop_expired(&mut self) {
        let now = Instant::now();
        let open = &mut self.open;
        self.held.retain(|held| {
            let keep = held.ends > now;
            if !keep {
                open.remove(&held.delivery.id);
            }
            keep
        });
    }

    /// Puts entries down for whoever takes them.
    pub(crate) fn put(&mut self, entries: Vec<Entry>, consumer: &Arc<str>, ends: Instant) {
        let since = Instant::now();
        for entry in entries {
            self.last_id += 1;
            self.open.insert(
                self.last_id,
                Open {
                    lane: Arc::clone(&entry.lane),
                    place: entry.place,
                    tenant: entry.tenant,
                    consumer: Arc::clone(consumer),
                    ends,
                },
            );
            let delivery = Delivery {
                key: entry.key,
                queue: Arc::clone(&entry.lane.lane.queue),
                id: self.last_id,
                deliveries: entry.deliveries,
            };
            self.held.push_back(Held {
                lane: entry.lane,
                delivery,
                since,
                ends,
            });
        }
        self.wake();
    }

    /// Wakes receivers for what is there. Called wherever one that was woken may have
    /// taken something else or nothing: no delivery lies here while a receiver for it
    /// sleeps.
    pub(crate) fn wake(&mut self) {
        let mut left = self.held.len();
        let mut place = 0;
        while left > 0 && place < self.waiters.len() {
            let interest = &self.waiters[place].reader.interest;
            let fits = self
                .held
                .iter()
                .any(|held| interest.holds(&held.delivery.queue));
            if !fits {
                place += 1;
                continue;
            }
            if let Some(waiter) = self.waiters.remove(place) {
                waiter.bell.notify_one();
                left = left.saturating_sub(waiter.max);
            }
        }
    }

    pub(crate) fn wait(&mut self, reader: &Arc<Reader>, max: usize, bell: &Arc<Notify>) {
        self.waiters.push_back(Waiter {
            reader: Arc::clone(reader),
            max,
            bell: Arc::clone(bell),
        });
    }

    /// Takes a receiver off the list; false when it was woken already.
    pub(crate) fn leave(&mut self, bell: &Arc<Notify>) -> bool {
        let place = self
            .waiters
            .iter()
            .position(|waiter| Arc::ptr_eq(&waiter.bell, bell));
        place.is_some_and(|place| self.waiters.remove(place).is_some())
    }

    /// How many entries the receivers of a reader could take.
    pub(crate) fn demand(&self, reader: &Arc<Reader>) -> usize {
        self.waiters
            .iter()
            .filter(|waiter| Arc::ptr_eq(&waiter.reader, reader))
            .map(|waiter| waiter.max)
            .sum()
    }

    /// Takes back what this reader put down before `before` and nobody took, so that it
    /// can be given back to Redis, with how often each was delivered before.
    pub(crate) fn untaken(&mut self, consumer: &str, before: Instant) -> Vec<(Open, u32)> {
        let mut untaken = Vec::new();
        let open = &mut self.open;
        self.held.retain(|held| {
            let stays = held.since > before
                || open
                    .get(&held.delivery.id)
                    .is_some_and(|open| &*open.consumer != consumer);
            if !stays && let Some(open) = open.remove(&held.delivery.id) {
                untaken.push((open, held.delivery.deliveries - 1));
            }
            stays
        });
        untaken
    }

    /// Since when something that this reader put down lies here.
    pub(crate) fn oldest_untaken(&self, consumer: &str) -> Option<Instant> {
        let own = self.held.iter().filter(|held| {
            self.open
                .get(&held.delivery.id)
                .is_some_and(|open| &*open.consumer == consumer)
        });
        own.map(|held| held.since).min()
    }

    /// Ends a delivery; `None` when it is none, or not ours any more.
    pub(crate) fn end(&mut self, id: u64) -> Option<Open> {
        self.open
            .remove(&id)
            .filter(|open| open.ends > Instant::now())
    }

    /// Forgets deliveries that were never answered.
    pub(crate) fn forget_expired(&mut self) {
        self.drop_expired();
        let now = Instant::now();
        self.open.retain(|_, open| open.ends > now);
    }

    pub(crate) fn set_empty(&mut self, queue: &Arc<str>, empty: bool) {
        if !empty {
            self.empty.remove(queue);
        } else if !self.empty.contains(queue) {
            self.empty.insert(Arc::clone(queue));
        }
    }

    pub(crate) fn filled(&mut self, queue: &str) {
        self.empty.remove(queue);
    }

    pub(crate) fn looks_empty(&self, queue: &str) -> bool {
        self.empty.contains(queue) && !self.held.iter().any(|held| &*held.delivery.queue == queue)
    }

    /// Ends everything that waits.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for waiter in self.waiters.drain(..) {
            waiter.bell.notify_one();
        }
        for reader in self.readers.values() {
            reader.wanted.notify_one();
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }
}
