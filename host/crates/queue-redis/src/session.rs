//! A reader's connection and what it knows of the lanes that it reads.

mod blocking;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fred::types::Value;
use queue::Place;

use crate::{
    answers::{self, Taken},
    entry,
    interest::{CLASSES, Class},
    keys::{GROUP, LaneKeys, OPENED},
    link::{Fault, Link, strange},
    reader::Reader,
    scripts,
    shared::Shared,
    state::Entry,
};

/// How many queues are made in one step.
const AT_ONCE: usize = 100;
/// How often stale consumers are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

pub(crate) struct Session {
    pub(crate) link: Link,
    shared: Arc<Shared>,
    reader: Arc<Reader>,
    /// By class and name, with where the search for ended leases goes on.
    lanes: Vec<(Arc<LaneKeys>, Value)>,
    /// For each class the queue that is next, and what is left of its visit.
    turns: [Option<(Arc<str>, u32)>; CLASSES.len()],
    /// A bell has rung since entries were looked for.
    rang: bool,
    /// Tells of new queues, where all are read.
    opened: Option<queue::hints::Receiver>,
    claim_at: Instant,
    sweep_at: Instant,
}

impl Session {
    pub(crate) async fn begin(shared: &Arc<Shared>, reader: &Arc<Reader>) -> Result<Self, Fault> {
        let link = shared.plug.single().await?;
        let opened = reader
            .interest
            .all
            .then(|| queue::hints::Hints::subscribe(&*shared.hints, OPENED));
        let mut session = Self {
            link,
            shared: Arc::clone(shared),
            reader: Arc::clone(reader),
            lanes: Vec::new(),
            turns: Default::default(),
            rang: false,
            opened,
            claim_at: Instant::now(),
            sweep_at: Instant::now() + SWEEP_EVERY,
        };
        session.open_lanes(false).await?;
        Ok(session)
    }

    /// Makes the lanes of this subscription, those of all known queues where it wants all;
    /// where something is `lost`, their streams too, which are otherwise there.
    async fn open_lanes(&mut self, lost: bool) -> Result<(), Fault> {
        let shared = &self.shared;
        let interest = &self.reader.interest;
        let mut others = Vec::new();
        if interest.all {
            others = shared.queues(&self.link).await?;
        }
        let queues = interest.queues(&others);
        let made = if lost { &queues } else { &interest.named };
        for some in made.chunks(AT_ONCE) {
            shared.open(&self.link, some).await?;
        }
        let old = std::mem::take(&mut self.lanes);
        for lane in interest.lanes(&queues) {
            let known = old.iter().find(|(keys, _)| keys.lane == lane);
            let lane = known.cloned().unwrap_or_else(|| {
                let keys = shared.keys.lane(&lane.queue, lane.high);
                (keys, Value::from("0-0"))
            });
            self.lanes.push(lane);
        }
        Ok(())
    }

    /// Reads entries: what is there, or else what comes within the configured time.
    pub(crate) async fn read(&mut self, demand: usize) -> Result<Vec<Entry>, Fault> {
        self.keep_house().await?;
        for attempt in 0..2 {
            let taken = self.take(demand).await?;
            if taken.anew && attempt == 0 {
                self.claim_at = Instant::now();
                self.open_lanes(true).await?;
            }
            if !taken.entries.is_empty() {
                return Ok(taken.entries);
            }
            if !taken.anew {
                break;
            }
        }
        if std::mem::take(&mut self.rang) {
            let bells: Vec<Value> = self.bells().collect();
            let args = [GROUP.into(), self.reader.consumer.to_string().into()];
            self.link.run(&scripts::HUSH, &bells, args).await?;
            // One that rang in between rang for something.
            let taken = self.take(demand).await?;
            if !taken.entries.is_empty() {
                return Ok(taken.entries);
            }
        }
        match self.block(demand).await {
            Err(Fault::Gone(_)) => {
                // What is gone is found, and made anew, where leases are looked at.
                self.claim_at = Instant::now();
                Ok(Vec::new())
            }
            other => other,
        }
    }

    /// New queues, and consumers that are no more.
    async fn keep_house(&mut self) -> Result<(), Fault> {
        if self.reader.interest.all {
            let told = self.opened.as_mut().is_some_and(answers::told);
            if told || Instant::now() >= self.claim_at {
                self.open_lanes(false).await?;
            }
        }
        if Instant::now() >= self.sweep_at {
            self.sweep_at = Instant::now() + SWEEP_EVERY;
            self.shared.state.lock().forget_expired();
            let idle = self.shared.settings.forget_consumers.as_millis() as i64;
            self.sweep(idle, "").await?;
        }
        Ok(())
    }

    async fn sweep(&self, idle: i64, consumer: &str) -> Result<(), Fault> {
        let others = self.lanes.iter().filter_map(|(keys, _)| {
            let others = keys.others.as_ref()?;
            Some(others.stream.clone())
        });
        let keys: Vec<Value> = self.streams().chain(others).chain(self.bells()).collect();
        let args = [GROUP.into(), idle.into(), consumer.into()];
        self.link.run(&scripts::SWEEP, &keys, args).await.map(drop)
    }

    fn streams(&self) -> impl Iterator<Item = Value> {
        self.lanes.iter().map(|(keys, _)| keys.stream.clone())
    }

    /// The bells of the queues, each once.
    fn bells(&self) -> impl Iterator<Item = Value> {
        let high = self.lanes.iter().filter(|(keys, _)| keys.lane.high);
        high.map(|(keys, _)| self.shared.keys.bell(&keys.lane.queue))
    }

    /// How many classes have lanes; for each how many and, where these are several, which is
    /// next, from 1, what is left of its visit, and their weights.
    fn groups(&self) -> Vec<Value> {
        let mut args = vec![Value::Integer(0)];
        let mut groups = 0;
        for (class, lanes) in self.classes() {
            groups += 1;
            args.push(Value::Integer(lanes.len() as i64));
            if lanes.len() == 1 {
                continue;
            }
            let (mut next, mut left) = (0, 0);
            if let Some((queue, visit)) = &self.turns[class as usize] {
                let before = |(keys, _): &(Arc<LaneKeys>, Value)| keys.lane.queue < *queue;
                next = lanes.partition_point(before);
                match lanes.get(next) {
                    Some((keys, _)) if keys.lane.queue == *queue => left = *visit,
                    Some(_) => {}
                    None => next = 0,
                }
            }
            args.push(Value::Integer(next as i64 + 1));
            args.push(Value::Integer(i64::from(left)));
            let weight = |(keys, _): &(Arc<LaneKeys>, Value)| {
                Value::Integer(i64::from(self.reader.interest.weight(&keys.lane)))
            };
            args.extend(lanes.iter().map(weight));
        }
        args[0] = Value::Integer(groups);
        args
    }

    /// The lanes of each class that has any.
    fn classes(&self) -> impl Iterator<Item = (Class, &[(Arc<LaneKeys>, Value)])> {
        let class = |(keys, _): &(Arc<LaneKeys>, Value)| self.reader.interest.class(&keys.lane);
        let groups = self
            .lanes
            .chunk_by(move |one, other| class(one) == class(other));
        groups.filter_map(move |lanes| Some((class(lanes.first()?), lanes)))
    }

    /// Notes which queues are next.
    fn note_turns(&mut self, turns: &[(usize, u32)]) {
        if turns.is_empty() {
            return;
        }
        let several = self.classes().filter(|(_, lanes)| lanes.len() > 1);
        let next = several.zip(turns).filter_map(|((class, lanes), turn)| {
            let (keys, _) = lanes.get(turn.0.checked_sub(1)?)?;
            Some((class, Arc::clone(&keys.lane.queue), turn.1))
        });
        for (class, queue, left) in next.collect::<Vec<_>>() {
            self.turns[class as usize] = Some((queue, left));
        }
    }

    /// What is there without waiting.
    async fn take(&mut self, demand: usize) -> Result<Taken, Fault> {
        let settings = &self.shared.settings;
        let claims = Instant::now() >= self.claim_at;
        let names = &self.shared.keys;
        let mut keys = vec![names.incarnation.clone(), names.turns.clone()];
        keys.extend(self.streams());
        let lease = if claims {
            settings.limits.lease.as_millis().max(1) as i64
        } else {
            0
        };
        let mut args: Vec<Value> = vec![
            GROUP.into(),
            self.reader.consumer.to_string().into(),
            Value::Integer(demand as i64),
            Value::Integer(self.lanes.len() as i64),
            lease.into(),
            i64::from(settings.limits.max_deliveries).into(),
            self.shared.reason().into(),
        ];
        args.extend(self.groups());
        if claims {
            keys.extend(self.lanes.iter().flat_map(|(keys, _)| {
                let queue = &keys.lane.queue;
                [
                    keys.dead.clone(),
                    names.dead_of_others(queue),
                    names.bell(queue),
                ]
            }));
            args.extend(self.lanes.iter().map(|(_, cursor)| cursor.clone()));
        }
        let answer = self.link.run(&scripts::TAKE, &keys, args).await?;
        let mut taken =
            answers::taken(answer, &self.lanes).ok_or_else(|| strange("taken entries"))?;
        if let Some(incarnation) = taken.incarnation {
            self.shared.outage.lives(incarnation);
        }
        if claims {
            let mut goes_on = false;
            for ((_, cursor), next) in self.lanes.iter_mut().zip(taken.cursors.drain(..)) {
                goes_on |= entry::place(&next) != Some(Place(0, 0));
                *cursor = next;
            }
            if !goes_on {
                self.claim_at = Instant::now() + self.shared.settings.claim_period();
            }
        }
        self.note_emptied(&taken.emptied);
        self.note_turns(&taken.turns);
        Ok(taken)
    }

    fn note_emptied(&self, emptied: &[bool]) {
        let mut state = self.shared.state.lock();
        let lanes = || self.lanes.iter().zip(emptied);
        for ((keys, _), empty) in lanes() {
            if keys.lane.high {
                let other = lanes().find(|((other, _), _)| {
                    !other.lane.high && other.lane.queue == keys.lane.queue
                });
                let both = *empty && other.is_some_and(|(_, empty)| *empty);
                state.set_empty(&keys.lane.queue, both);
            }
        }
    }

    /// Leaves nothing behind in Redis that says that this consumer was there, unless it
    /// still holds something.
    pub(crate) async fn leave(&self) {
        let consumer = &self.reader.consumer;
        if let Err(fault) = self.sweep(0, consumer).await {
            tracing::debug!(%fault, %consumer, "the consumer could not be removed");
        }
    }
}
