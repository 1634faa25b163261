//! The network between a process and what all processes share: it takes its time, loses
//! questions and answers, is cut, and ends with the process.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use model::id::{StepKey, TenantId};
use parking_lot::Mutex;
use queue::{Health, Incarnation, Mark, hints};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{chance::Chance, journal::Journal};

/// A process's way to the others.
pub(crate) struct Link {
    /// The process: another one after each start.
    pub(crate) process: u32,
    chance: Mutex<Chance>,
    dead: AtomicBool,
    /// Nothing of this process gets through until then.
    cut_until: Mutex<Instant>,
    /// Whether answers get lost, and not only questions: not those of a store in the same
    /// process.
    answers: bool,
    faults: Arc<AtomicBool>,
    /// Of a thousand calls so many are slow, and three times as many are lost.
    bad: u64,
    journal: Journal,
}

/// What becomes of a call.
#[derive(Debug)]
enum Fate {
    Answered,
    /// It has no effect.
    Refused,
    /// It has, and the caller does not learn it.
    Unanswered,
}

/// Something did not get through.
pub(crate) struct Away;

impl From<Away> for store::Error {
    fn from(_: Away) -> Self {
        Self::Unavailable("the network is simulated".to_owned())
    }
}

impl From<Away> for queue::Error {
    fn from(_: Away) -> Self {
        Self::Unavailable("the network is simulated".to_owned())
    }
}

impl Link {
    pub(crate) fn new(
        process: u32,
        chance: Chance,
        answers: bool,
        (faults, bad): (Arc<AtomicBool>, u64),
        journal: Journal,
    ) -> Self {
        Self {
            process,
            chance: Mutex::new(chance),
            dead: AtomicBool::new(false),
            cut_until: Mutex::new(Instant::now()),
            answers,
            faults,
            bad,
            journal,
        }
    }

    /// The process is no more: nothing that it asked for is answered, nothing has an effect.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Nothing gets through for so long.
    pub(crate) fn cut(&self, length: Duration) {
        *self.cut_until.lock() = Instant::now() + length;
    }

    fn is_cut(&self) -> bool {
        Instant::now() < *self.cut_until.lock()
    }

    fn fate(&self) -> (Duration, Fate, Duration) {
        let mut chance = self.chance.lock();
        if !self.faults.load(Ordering::Relaxed) {
            return (chance.millis(0..2), Fate::Answered, Duration::ZERO);
        }
        let bad = self.bad;
        let mut delay = || match chance.of(0..1000) {
            0..600 => Duration::ZERO,
            600..930 => chance.millis(1..5),
            one if one < 1000 - bad => chance.millis(5..300),
            _ => chance.millis(300..4000),
        };
        let (before, after) = (delay(), delay());
        let fate = match chance.of(0..1000) {
            one if one < 3 * bad => Fate::Refused,
            one if one < 6 * bad && self.answers => Fate::Unanswered,
            _ => Fate::Answered,
        };
        (before, fate, after)
    }

    /// Ends with the process, wherever that is.
    pub(crate) async fn live(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    async fn wait(&self, length: Duration) {
        if !length.is_zero() {
            sleep(length).await;
        }
        self.live().await;
    }

    /// Carries a call there and its answer back.
    pub(crate) async fn carry<T>(
        &self,
        what: &'static str,
        effect: impl Future<Output = T>,
    ) -> Result<T, Away> {
        let (before, fate, after) = self.fate();
        self.journal.tell(self.process, || {
            format!("asks {what}: {before:?} {fate:?} {after:?}")
        });
        self.wait(before).await;
        if self.is_cut() || matches!(fate, Fate::Refused) {
            let length = self.chance.lock().millis(1..1500);
            self.wait(length).await;
            return Err(Away);
        }
        self.journal
            .tell(self.process, || format!("has {what} done"));
        self.journal.speaks(self.process);
        let answer = effect.await;
        self.wait(after).await;
        if self.answers && self.is_cut() || matches!(fate, Fate::Unanswered) {
            let length = self.chance.lock().millis(1..1500);
            self.wait(length).await;
            return Err(Away);
        }
        Ok(answer)
    }

    fn loses_a_hint(&self) -> bool {
        let faults = self.faults.load(Ordering::Relaxed);
        self.is_dead() || self.is_cut() || faults && self.chance.lock().happens(30 * self.bad)
    }
}

/// A queue as a process sees it.
pub(crate) struct QueuePort {
    pub(crate) link: Arc<Link>,
    pub(crate) queue: Arc<dyn queue::Queue>,
    /// It is the process's own, in its memory.
    pub(crate) own: bool,
}

impl QueuePort {
    async fn carry<T>(
        &self,
        what: &'static str,
        effect: impl Future<Output = Result<T, queue::Error>>,
    ) -> Result<T, queue::Error> {
        if self.own {
            self.link.live().await;
            return effect.await;
        }
        self.link.carry(what, effect).await?
    }
}

#[async_trait]
impl queue::Queue for QueuePort {
    async fn enqueue(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), queue::Error> {
        self.carry("enqueue", self.queue.enqueue(queue, high, tenant, steps))
            .await
    }

    async fn receive(
        &self,
        subscription: &queue::Subscription,
        max: usize,
    ) -> Result<Vec<queue::Delivery>, queue::Error> {
        self.carry("receive", self.queue.receive(subscription, max))
            .await
    }

    async fn acknowledge(&self, deliveries: &[queue::Delivery]) -> Result<(), queue::Error> {
        self.carry("acknowledge", self.queue.acknowledge(deliveries))
            .await
    }

    async fn bury(&self, delivery: &queue::Delivery, reason: &str) -> Result<(), queue::Error> {
        self.carry("bury", self.queue.bury(delivery, reason)).await
    }

    async fn dead_letters(&self, queue: &str) -> Result<Vec<queue::DeadLetter>, queue::Error> {
        self.carry("dead_letters", self.queue.dead_letters(queue))
            .await
    }

    async fn revive(&self, queue: &str) -> Result<usize, queue::Error> {
        self.carry("revive", self.queue.revive(queue)).await
    }

    async fn depths(&self) -> Result<Vec<queue::Depth>, queue::Error> {
        self.carry("depths", self.queue.depths()).await
    }

    fn looks_empty(&self, queue: &str) -> bool {
        self.queue.looks_empty(queue)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.queue.health()
    }

    async fn mark(&self) -> Result<Mark, queue::Error> {
        self.carry("mark", self.queue.mark()).await
    }

    async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, queue::Error> {
        self.carry("lost", self.queue.lost(mark, queue, high, tenant, steps))
            .await
    }

    fn close(&self) {
        if self.own && !self.link.is_dead() {
            self.queue.close();
        }
    }

    fn description(&self) -> String {
        self.queue.description()
    }
}

/// Hints as a process tells them: some are lost. Those that it hears come over the same topics.
pub(crate) struct HintsPort {
    pub(crate) link: Arc<Link>,
    pub(crate) hints: Arc<hints::MemoryHints>,
}

impl hints::Hints for HintsPort {
    fn publish(&self, topic: &str, message: &[u8]) {
        if !self.link.loses_a_hint() {
            self.hints.publish(topic, message);
        }
    }

    fn subscribe(&self, topic: &str) -> hints::Receiver {
        self.hints.subscribe(topic)
    }
}

/// The first life of a queue.
pub(crate) const FIRST_LIFE: Incarnation = Incarnation(1);
