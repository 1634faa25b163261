//! The trait, in terms of the parts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fred::types::Value;
use model::id::{StepKey, TenantId};
use queue::{DeadLetter, Delivery, Depth, Error, Health, Mark, Queue, Subscription, canonical};
use tokio::sync::{Notify, watch};

use crate::{
    RedisQueue, entry,
    interest::Interest,
    keys::{GROUP, LaneKeys},
    link::{Fault, strange},
    scripts,
    shared::Shared,
};

/// Most entries that one receiver takes at a time.
const MOST: usize = 1_000;
/// Most entries that the server adds or revives in one step: about a millisecond.
const AT_ONCE: usize = 1_000;

/// A receiver that waits; dropped in its sleep, it hands its turn on.
struct Waiting<'queue> {
    shared: &'queue Shared,
    interest: &'queue Interest,
    bell: &'queue Arc<Notify>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.leave(self.interest, self.bell);
    }
}

impl Shared {
    /// Adds entries to a lane, which is made when it does not exist.
    async fn add(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), Fault> {
        let queue: Arc<str> = queue.into();
        let lane = self.keys.lane(&queue, high);
        for steps in steps.chunks(AT_ONCE) {
            loop {
                let added = if tenant == TenantId::DEFAULT {
                    self.add_some(&lane.stream, steps).await?
                } else {
                    self.add_of_other(&lane, tenant, steps).await?
                };
                if added {
                    break;
                }
                self.open(&self.main, std::slice::from_ref(&queue)).await?;
            }
        }
        Ok(())
    }

    /// The same for a tenant that is not the first.
    async fn add_of_other(
        &self,
        lane: &LaneKeys,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<bool, Fault> {
        let keys = [
            lane.stream.clone(),
            self.keys.turns.clone(),
            self.keys.bell(&lane.lane.queue),
        ];
        let value = |step: &StepKey| Value::Bytes(Bytes::copy_from_slice(&entry::encode(*step)));
        let args = [self.keys.tag(), tenant.0.to_string().into(), GROUP.into()];
        let args = args.into_iter().chain(steps.iter().map(value));
        let added = self.main.run(&scripts::ADD_OTHER, &keys, args).await?;
        let added = added.as_u64().ok_or_else(|| strange("added entries"))?;
        Ok(added > 0)
    }

    /// Answers false, having added nothing, when the lane does not exist.
    async fn add_some(&self, stream: &Value, steps: &[StepKey]) -> Result<bool, Fault> {
        let value = |step: &StepKey| Value::Bytes(Bytes::copy_from_slice(&entry::encode(*step)));
        if let [step] = steps {
            let args = vec![
                stream.clone(),
                Value::from_static_str("NOMKSTREAM"),
                Value::from_static_str("*"),
                Value::from_static_str(entry::FIELD),
                value(step),
            ];
            return Ok(!self.main.call("XADD", args).await?.is_null());
        }
        let field = std::iter::once(Value::from_static_str(entry::FIELD));
        let args = field.chain(steps.iter().map(value));
        let keys = std::slice::from_ref(stream);
        let added = self.main.run(&scripts::ADD, keys, args).await?;
        let added = added.as_u64().ok_or_else(|| strange("added entries"))?;
        Ok(added > 0)
    }

    async fn revive(&self, queue: &str) -> Result<usize, Fault> {
        let queue: Arc<str> = queue.into();
        let lane = self.keys.lane(&queue, false);
        self.open(&self.main, std::slice::from_ref(&queue)).await?;
        let keys = [lane.dead.clone(), lane.stream.clone()];
        let mut revived = 0;
        loop {
            let args = [
                entry::FIELD.into(),
                Value::Integer(entry::SIZE as i64),
                Value::Integer(AT_ONCE as i64),
            ];
            let answer = self.main.run(&scripts::REVIVE, &keys, args).await?;
            match answer.as_u64().ok_or_else(|| strange("revived entries"))? {
                0 => break,
                some => revived += some as usize,
            }
        }
        // What is taken off and not enqueued again, because Redis goes away in between, is
        // found to be lost.
        let dead = self.keys.dead_of_others(&queue);
        loop {
            let args = vec![dead.clone(), Value::Integer(AT_ONCE as i64)];
            let letters = self.main.call("LPOP", args).await?;
            if letters.is_null() {
                return Ok(revived);
            }
            let letters = letters.into_array();
            for letter in &letters {
                let letter = letter.as_bytes().and_then(entry::letter_of);
                if let Some((key, tenant, _)) = letter {
                    self.add(&queue, false, tenant, &[key]).await?;
                    revived += 1;
                }
            }
        }
    }

    async fn depths(&self) -> Result<Vec<Depth>, Fault> {
        let queues = self.queues(&self.main).await?;
        let mut commands = Vec::with_capacity(8 * queues.len());
        for queue in &queues {
            for high in [true, false] {
                let lane = self.keys.lane(queue, high);
                let stream = lane.stream.clone();
                commands.push(("XLEN", vec![stream.clone()]));
                commands.push(("XPENDING", vec![stream, GROUP.into()]));
                let waits = vec![self.keys.waits(&lane), "waiting".into()];
                commands.push(("HGET", waits));
                let others = lane.others.as_ref().map(|others| others.stream.clone());
                let others = others.unwrap_or(Value::Null);
                commands.push(("XPENDING", vec![others, GROUP.into()]));
            }
        }
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.main.calls(commands).await?;
        if answers.len() != 8 * queues.len() {
            return Err(strange("depths"));
        }
        let depth = |(queue, answers): (&Arc<str>, &[Option<Value>])| {
            let (mut waiting, mut delivered) = (0, 0);
            for lane in answers.chunks_exact(4) {
                let [length, pending, others, taken] = lane else {
                    return None;
                };
                // A lane that Redis has lost holds nothing.
                if let (Some(length), Some(pending)) = (length, pending) {
                    let pending = open(pending)?;
                    waiting += length.as_u64()?.saturating_sub(pending);
                    delivered += pending;
                }
                let others = others.as_ref().filter(|value| !value.is_null());
                waiting += others.map_or(Some(0), Value::as_u64)?;
                delivered += taken.as_ref().map_or(Some(0), open)?;
            }
            Some(Depth {
                queue: Arc::clone(queue),
                waiting,
                delivered,
            })
        };
        let depths: Option<Vec<Depth>> = queues.iter().zip(answers.chunks(8)).map(depth).collect();
        depths.ok_or_else(|| strange("depths"))
    }
}

/// How many deliveries are open, of what `XPENDING` answers.
fn open(pending: &Value) -> Option<u64> {
    let Value::Array(pending) = pending else {
        return None;
    };
    pending.first()?.as_u64()
}

#[async_trait]
impl Queue for RedisQueue {
    async fn enqueue(
        &self,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<(), Error> {
        let queue = canonical(queue);
        {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            if steps.is_empty() {
                return Ok(());
            }
            state.filled(queue);
        }
        let added = self.shared.add(queue, high, tenant, steps).await;
        self.shared.seen(added)
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let max = max.clamp(1, MOST);
        let interest = Interest::of(subscription);
        if interest.named.is_empty() {
            // Of nothing, nothing comes.
            self.shared.closed.cancelled().await;
            return Err(Error::Closed);
        }
        let bell = Arc::new(Notify::new());
        loop {
            let taken = self.shared.take_or_wait(&interest, max, &bell)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            let waiting = Waiting {
                shared: &self.shared,
                interest: &interest,
                bell: &bell,
            };
            bell.notified().await;
            // Woken: it takes at once, with no point in between at which it may be dropped.
            std::mem::forget(waiting);
        }
    }

    async fn acknowledge(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let open = {
            let mut state = self.shared.state.lock();
            let open = deliveries
                .iter()
                .filter_map(|delivery| state.end(delivery.id));
            open.collect()
        };
        self.shared.acks.acknowledge(open).await
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        let Some(open) = self.shared.state.lock().end(delivery.id) else {
            return Ok(());
        };
        let keys = [open.lane.stream.clone(), open.lane.dead.clone()];
        let letter = entry::letter(delivery.key, open.tenant, reason);
        let args = [
            GROUP.into(),
            entry::id(open.place),
            Value::Bytes(letter.into()),
        ];
        let buried = self.shared.main.run(&scripts::BURY, &keys, args).await;
        self.shared.seen(buried.map(drop))
    }

    async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        let queue: Arc<str> = canonical(queue).into();
        let letters = self.shared.seen(self.shared.letters(&queue).await)?;
        let letter = |(key, reason)| DeadLetter {
            key,
            queue: Arc::clone(&queue),
            reason,
        };
        Ok(letters.into_iter().map(letter).collect())
    }

    async fn revive(&self, queue: &str) -> Result<usize, Error> {
        self.shared.state.lock().check_open()?;
        self.shared.seen(self.shared.revive(canonical(queue)).await)
    }

    async fn depths(&self) -> Result<Vec<Depth>, Error> {
        self.shared.seen(self.shared.depths().await)
    }

    fn looks_empty(&self, queue: &str) -> bool {
        self.shared.state.lock().looks_empty(canonical(queue))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.watch();
        self.shared.outage.health.subscribe()
    }

    async fn mark(&self) -> Result<Mark, Error> {
        self.shared.seen(self.shared.mark().await)
    }

    async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Error> {
        let lost = self.shared.lost(mark, queue, high, tenant, steps).await;
        self.shared.seen(lost)
    }

    fn close(&self) {
        self.shared.state.lock().close();
        self.shared.closed.cancel();
        self.shared.reading.close();
    }

    async fn closed(&self) {
        self.shared.reading.wait().await;
    }

    fn description(&self) -> String {
        match &*self.shared.version.lock() {
            Some(version) => format!("redis {version}"),
            None => "redis".to_owned(),
        }
    }
}
