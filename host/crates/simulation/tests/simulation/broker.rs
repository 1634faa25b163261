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
use model::id::{StepKey, TenantId};
use parking_lot::Mutex;
use queue::{
    DeadLetter, Delivery, Depth, Error, HIGH_PRIORITY, Health, Incarnation, Lane, Limits, Mark,
    Place, Queue, Subscription, canonical, turns::Turns,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::{chance::Chance, net::FIRST_LIFE};

/// How long a delivery may stay unacknowledged, and how often it is made.
pub(crate) const LIMITS: Limits = Limits {
    lease: Duration::from_secs(5),
    max_deliveries: 5,
};

#[derive(Clone)]
struct Entry {
    key: StepKey,
    tenant: TenantId,
    place: u64,
    deliveries: u32,
}

struct Lease {
    lane: Lane,
    entry: Entry,
    ends: Instant,
}

struct State {
    limits: Limits,
    chance: Chance,
    lanes: BTreeMap<Lane, Waiting>,
    /// Whose turn it is: of each subscription, for high entries, the others, and those of
    /// queues of weight 0.
    turns: Vec<(Subscription, [Turns<Lane>; 3])>,
    leases: BTreeMap<u64, Lease>,
    dead: Vec<(Lane, StepKey, TenantId)>,
    last: u64,
}

/// What waits in a lane.
#[derive(Default)]
struct Waiting {
    /// What was delivered before.
    again: VecDeque<Entry>,
    /// What was not, by tenant; the one whose turn it is first.
    fresh: VecDeque<(TenantId, VecDeque<Entry>)>,
}

impl Waiting {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let fresh = self.fresh.iter().flat_map(|(_, entries)| entries);
        self.again.iter().chain(fresh)
    }

    fn push(&mut self, entry: Entry) {
        let of = |(tenant, _): &&mut (TenantId, _)| *tenant == entry.tenant;
        match self.fresh.iter_mut().find(of) {
            Some((_, entries)) => entries.push_back(entry),
            None => self.fresh.push_back((entry.tenant, [entry].into())),
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        if let Some(entry) = self.again.pop_front() {
            return Some(entry);
        }
        let (tenant, mut entries) = self.fresh.pop_front()?;
        let entry = entries.pop_front();
        if !entries.is_empty() {
            self.fresh.push_back((tenant, entries));
        }
        entry
    }
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
            if lease.entry.deliveries >= self.limits.max_deliveries {
                self.dead
                    .push((lease.lane, lease.entry.key, lease.entry.tenant));
            } else {
                self.lanes
                    .entry(lease.lane)
                    .or_default()
                    .again
                    .push_front(lease.entry);
            }
        }
    }

    fn take(&mut self, subscription: &Subscription, max: usize, now: Instant) -> Vec<Delivery> {
        self.expire(now);
        let listens = |lane: &Lane| {
            let mut named = subscription.queues.iter().map(|name| canonical(name));
            subscription.all || named.any(|name| name == &*lane.queue)
        };
        let weight = |lane: &Lane| subscription.weight(&lane.queue);
        let mut taken = Vec::new();
        for high in [true, false] {
            let first = lane(HIGH_PRIORITY, high);
            if listens(&first) {
                self.take_from(&first, max, now, &mut taken);
            }
        }
        let known = self.turns.iter().position(|(one, _)| one == subscription);
        let place = known.unwrap_or_else(|| {
            self.turns.push((subscription.clone(), Default::default()));
            self.turns.len() - 1
        });
        for class in 0..3 {
            let mut turns = std::mem::take(&mut self.turns[place].1[class]);
            let of_class = |lane: &&Lane| match class {
                0 => lane.high,
                1 => !lane.high && weight(lane) > 0,
                _ => !lane.high && weight(lane) == 0,
            };
            let lanes = self.lanes.keys().filter(|lane| listens(lane));
            let lanes: Vec<_> = lanes
                .filter(of_class)
                .map(|lane| (lane.clone(), weight(lane)))
                .collect();
            turns.share(&lanes, max.saturating_sub(taken.len()), |lane, most| {
                let before = taken.len();
                self.take_from(lane, before + most, now, &mut taken);
                taken.len() - before
            });
            self.turns[place].1[class] = turns;
        }
        taken
    }

    fn take_from(&mut self, lane: &Lane, max: usize, now: Instant, taken: &mut Vec<Delivery>) {
        while taken.len() < max
            && let Some(mut entry) = self.lanes.get_mut(lane).and_then(Waiting::pop)
        {
            entry.deliveries += 1;
            let id = self.number();
            taken.push(Delivery {
                key: entry.key,
                queue: lane.queue.clone(),
                id,
                deliveries: entry.deliveries,
            });
            let (lane, ends) = (lane.clone(), now + self.limits.lease);
            self.leases.insert(id, Lease { lane, entry, ends });
        }
    }

    fn holds(&self, key: StepKey) -> bool {
        self.lanes
            .values()
            .flat_map(Waiting::entries)
            .any(|entry| entry.key == key)
            || self.leases.values().any(|lease| lease.entry.key == key)
            || self.dead.iter().any(|(_, dead, _)| *dead == key)
    }
}

impl Broker {
    pub(crate) fn new(limits: Limits, chance: Chance, faults: Arc<AtomicBool>) -> Self {
        Self {
            state: Mutex::new(State {
                limits,
                chance,
                lanes: BTreeMap::new(),
                turns: Vec::new(),
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

    fn push(&self, lane: &Lane, tenant: TenantId, steps: &[StepKey]) {
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
                    tenant,
                    place,
                    deliveries: 0,
                };
                state.lanes.entry(lane.clone()).or_default().push(entry);
            }
        }
        drop(state);
        self.filled.notify_waiters();
    }
}

#[async_trait]
impl Queue for Broker {
    async fn enqueue(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), Error> {
        self.push(&lane(queue, high), tenant, steps);
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
            state
                .dead
                .push((lease.lane, lease.entry.key, lease.entry.tenant));
        }
        Ok(())
    }

    async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        let state = self.state.lock();
        let of_queue = state
            .dead
            .iter()
            .filter(|(lane, ..)| *lane.queue == *canonical(queue));
        Ok(of_queue
            .map(|(lane, key, _)| DeadLetter {
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
            .partition(|(lane, ..)| *lane.queue == *queue);
        self.state.lock().dead.extend(others);
        for (lane, key, tenant) in &mine {
            self.push(lane, *tenant, &[*key]);
        }
        Ok(mine.len())
    }

    async fn depths(&self) -> Result<Vec<Depth>, Error> {
        let state = self.state.lock();
        let mut depths: BTreeMap<Arc<str>, Depth> = BTreeMap::new();
        let dead = state.dead.iter().map(|(lane, ..)| (lane, 0, 0));
        let waiting = state
            .lanes
            .iter()
            .map(|(lane, all)| (lane, all.entries().count() as u64, 0));
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
        lanes.all(|(lane, all)| *lane.queue != *canonical(queue) || all.entries().next().is_none())
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
            ..Mark::default()
        })
    }

    async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Error> {
        if mark.incarnation != self.health.borrow().incarnation {
            return Ok(Some(Vec::new()));
        }
        let lane = lane(queue, high);
        let end = mark.ends.get(&lane).copied().unwrap_or_default();
        let state = self.state.lock();
        let lanes = state.lanes.get(&lane).into_iter();
        let mut waits = lanes
            .flat_map(Waiting::entries)
            .filter(|one| one.tenant == tenant);
        if waits.any(|entry| entry.place <= end.0 && entry.deliveries == 0) {
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

/// What every queue keeps, as far as the simulator needs it: it has its own word for what is
/// lost, and nobody closes what several processes share.
mod contract_of_queues {
    use async_trait::async_trait;
    use queue::contract::Backend;

    use super::{Arc, AtomicBool, Broker, Chance, Limits, Queue};

    struct Simulated;

    #[async_trait]
    impl Backend for Simulated {
        async fn start(limits: Limits) -> (Self, Arc<dyn Queue>) {
            let faults = Arc::new(AtomicBool::new(false));
            let broker = Broker::new(limits, Chance::new(1), faults);
            (Self, Arc::new(broker))
        }
    }

    queue::contract!(
        Simulated:
        entries_come_in_the_order_of_priority,
        entries_of_a_queue_come_first_in_first_out,
        each_entry_goes_to_one_of_several_receivers,
        queues_appear_on_use,
        the_default_queue_has_three_names,
        a_delivery_without_an_answer_comes_again_and_first,
        what_the_queue_holds_is_not_lost,
        filled_queues_are_served_by_weight,
        weights_change_while_entries_wait,
        a_receiver_of_all_queues_serves_them_by_weight,
        what_an_empty_queue_does_not_need_the_others_get,
        a_queue_of_weight_nought_comes_after_all_others,
        the_high_entries_of_several_queues_share_too,
        tenants_come_in_turn,
        a_tenant_does_not_wait_for_the_backlog_of_another,
        what_is_high_comes_first_whoever_its_tenant_is,
        a_receiver_waits_for_any_tenant,
        receivers_share_the_entries_of_several_tenants,
        a_delivery_of_another_tenant_comes_again_and_first,
        what_the_queue_holds_of_another_tenant_is_not_lost,
        thousands_of_tenants_are_served_in_turn,
    );
}
