//! A queue between processes, as Redis is one: it may deliver twice, forget a part of what it
//! holds, and lose everything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use model::id::StepKey;
use parking_lot::Mutex;
use queue::{
    DeadLetter, Delivery, Depth, Error, HIGH_PRIORITY, Health, Incarnation, Lane, Mark, Place,
    Queue, Subscription, canonical,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::{chance::Chance, net::FIRST_LIFE};

/// How long a delivery may stay unacknowledged, and how often it is made.
const LEASE: Duration = Duration::from_secs(5);
const MOST_DELIVERIES: u32 = 5;

#[derive(Clone)]
struct Entry {
    key: StepKey,
    place: u64,
    deliveries: u32,
}

struct Lease {
    lane: Lane,
    entry: Entry,
    ends: Instant,
}

struct State {
    chance: Chance,
    lanes: BTreeMap<Lane, VecDeque<Entry>>,
    leases: BTreeMap<u64, Lease>,
    dead: Vec<(Lane, StepKey)>,
    last: u64,
}

/// The queue.
pub(crate) struct Broker {
    state: Mutex<State>,
    faults: Arc<AtomicBool>,
    health: watch::Sender<Health>,
    filled: Notify,
}

fn lane(queue: &str, high: bool) -> Lane {
    Lane {
        queue: canonical(queue).into(),
        high,
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Puts back what was not acknowledged in time.
    fn expire(&mut self, now: Instant) {
        let over = |lease: &Lease| lease.ends <= now;
        let ended: Vec<u64> = self
            .leases
            .iter()
            .filter(|(_, one)| over(one))
            .map(|(id, _)| *id)
            .collect();
        for lease in ended
            .into_iter()
            .rev()
            .filter_map(|id| self.leases.remove(&id))
        {
            if lease.entry.deliveries >= MOST_DELIVERIES {
                self.dead.push((lease.lane, lease.entry.key));
            } else {
                self.lanes
                    .entry(lease.lane)
                    .or_default()
                    .push_front(lease.entry);
            }
        }
    }

    fn take(&mut self, subscription: &Subscription, max: usize, now: Instant) -> Vec<Delivery> {
        self.expire(now);
        let listens = |lane: &Lane| {
            let named = subscription.queues.contains(&lane.queue);
            subscription.all || named
        };
        let mut order: Vec<Lane> = self
            .lanes
            .keys()
            .filter(|lane| listens(lane))
            .cloned()
            .collect();
        order.sort_by_key(|lane| (&*lane.queue != HIGH_PRIORITY, !lane.high));
        let mut taken = Vec::new();
        for lane in order {
            while taken.len() < max
                && let Some(mut entry) = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front)
            {
                entry.deliveries += 1;
                let id = self.number();
                taken.push(Delivery {
                    key: entry.key,
                    queue: lane.queue.clone(),
                    id,
                    deliveries: entry.deliveries,
                });
                let (lane, ends) = (lane.clone(), now + LEASE);
                self.leases.insert(id, Lease { lane, entry, ends });
            }
        }
        taken
    }

    fn holds(&self, key: StepKey) -> bool {
        self.lanes.values().flatten().any(|entry| entry.key == key)
            || self.leases.values().any(|lease| lease.entry.key == key)
            || self.dead.iter().any(|(_, dead)| *dead == key)
    }
}

impl Broker {
    pub(crate) fn new(chance: Chance, faults: Arc<AtomicBool>) -> Self {
        Self {
            state: Mutex::new(State {
                chance,
                lanes: BTreeMap::new(),
                leases: BTreeMap::new(),
                dead: Vec::new(),
                last: 0,
            }),
            faults,
            health: watch::Sender::new(Health {
                incarnation: Some(FIRST_LIFE),
                available: true,
            }),
            filled: Notify::new(),
        }
    }

    /// Loses everything.
    pub(crate) fn lose(&self) {
        let mut state = self.state.lock();
        state.lanes.clear();
        state.leases.clear();
        state.dead.clear();
        self.health.send_modify(|health| {
            let before = health.incarnation.map_or(0, |one| one.0);
            health.incarnation = Some(Incarnation(before + 1));
        });
    }

    fn push(&self, lane: &Lane, steps: &[StepKey]) {
        let mut state = self.state.lock();
        for &key in steps {
            let faults = self.faults.load(Ordering::Relaxed);
            let copies = match state.chance.of(0..1000) {
                0..15 if faults => 0,
                15..40 if faults => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let place = state.number();
                let entry = Entry {
                    key,
                    place,
                    deliveries: 0,
                };
                state
                    .lanes
                    .entry(lane.clone())
                    .or_default()
                    .push_back(entry);
            }
        }
        drop(state);
        self.filled.notify_waiters();
    }
}

#[async_trait]
impl Queue for Broker {
    async fn enqueue(&self, queue: &str, high: bool, steps: &[StepKey]) -> Result<(), Error> {
        self.push(&lane(queue, high), steps);
        Ok(())
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
    ) -> Result<Vec<Delivery>, Error> {
        loop {
            let filled = self.filled.notified();
            let next = {
                let mut state = self.state.lock();
                let taken = state.take(subscription, max.max(1), Instant::now());
                if !taken.is_empty() {
                    return Ok(taken);
                }
                state.leases.values().map(|lease| lease.ends).min()
            };
            match next {
                Some(ends) => tokio::select! {
                    biased;
                    () = filled => {}
                    () = sleep_until(ends) => {}
                },
                None => filled.await,
            }
        }
    }

    async fn acknowledge(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let mut state = self.state.lock();
        for delivery in deliveries {
            state.leases.remove(&delivery.id);
        }
        Ok(())
    }

    async fn bury(&self, delivery: &Delivery, _reason: &str) -> Result<(), Error> {
        let mut state = self.state.lock();
        if let Some(lease) = state.leases.remove(&delivery.id) {
            state.dead.push((lease.lane, lease.entry.key));
        }
        Ok(())
    }

    async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        let state = self.state.lock();
        let of_queue = state
            .dead
            .iter()
            .filter(|(lane, _)| *lane.queue == *canonical(queue));
        Ok(of_queue
            .map(|(lane, key)| DeadLetter {
                key: *key,
                queue: lane.queue.clone(),
                reason: "delivered too often".to_owned(),
            })
            .collect())
    }

    async fn revive(&self, queue: &str) -> Result<usize, Error> {
        let queue = canonical(queue);
        let dead = std::mem::take(&mut self.state.lock().dead);
        let (mine, others): (Vec<_>, Vec<_>) = dead
            .into_iter()
            .partition(|(lane, _)| *lane.queue == *queue);
        self.state.lock().dead.extend(others);
        for (lane, key) in &mine {
            self.push(lane, &[*key]);
        }
        Ok(mine.len())
    }

    async fn depths(&self) -> Result<Vec<Depth>, Error> {
        let state = self.state.lock();
        let mut depths: BTreeMap<Arc<str>, Depth> = BTreeMap::new();
        let dead = state.dead.iter().map(|(lane, _)| (lane, 0, 0));
        let waiting = state
            .lanes
            .iter()
            .map(|(lane, all)| (lane, all.len() as u64, 0));
        let delivered = state.leases.values().map(|lease| (&lease.lane, 0, 1));
        for (lane, waiting, delivered) in waiting.chain(delivered).chain(dead) {
            let depth = depths.entry(lane.queue.clone()).or_insert_with(|| Depth {
                queue: lane.queue.clone(),
                waiting: 0,
                delivered: 0,
            });
            depth.waiting += waiting;
            depth.delivered += delivered;
        }
        Ok(depths.into_values().collect())
    }

    fn looks_empty(&self, queue: &str) -> bool {
        let state = self.state.lock();
        let mut lanes = state.lanes.iter();
        lanes.all(|(lane, all)| *lane.queue != *canonical(queue) || all.is_empty())
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn mark(&self) -> Result<Mark, Error> {
        let state = self.state.lock();
        let ends = state
            .lanes
            .keys()
            .map(|lane| (lane.clone(), Place(state.last, 0)));
        Ok(Mark {
            incarnation: self.health.borrow().incarnation,
            ends: ends.collect(),
        })
    }

    async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Error> {
        if mark.incarnation != self.health.borrow().incarnation {
            return Ok(Some(Vec::new()));
        }
        let lane = lane(queue, high);
        let end = mark.ends.get(&lane).copied().unwrap_or_default();
        let state = self.state.lock();
        let waits = state.lanes.get(&lane).into_iter().flatten();
        if waits
            .clone()
            .any(|entry| entry.place <= end.0 && entry.deliveries == 0)
        {
            return Ok(None);
        }
        let lost = steps.iter().filter(|key| !state.holds(**key));
        Ok(Some(lost.copied().collect()))
    }

    fn close(&self) {}

    fn description(&self) -> String {
        "simulated".to_owned()
    }
}
