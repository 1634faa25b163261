//! The steps that this process executes, so that they can be cancelled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::id::{RunId, StepKey, Token};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SHARDS: usize = 16;

/// How long a cancelled run is remembered: longer than any time between the claim of a
/// step and its begin.
const REMEMBERED: Duration = Duration::from_mins(2);

/// The steps in execution, and those that are on their way there or from there.
#[derive(Default)]
pub(crate) struct Running {
    /// Steps that this process has claimed, or asks for: how often.
    held: Mutex<HashMap<StepKey, usize>>,
    /// Runs of which the end of a step is being stored, which may claim the next one.
    moving: Mutex<HashMap<RunId, usize>>,
    /// Runs that were cancelled a moment ago, and by whom: a step of theirs may be claimed
    /// and not have begun.
    cancelled: Mutex<HashMap<RunId, (Instant, Arc<str>)>>,
    /// The same of single steps.
    revoked: Mutex<HashMap<StepKey, (Instant, Arc<str>)>>,
    /// Whether there ever was one, so that a step's begin needs no lock before.
    any_cancelled: AtomicBool,
    /// How many have begun.
    begun: AtomicU64,
    shards: [Mutex<BTreeMap<StepKey, Execution>>; SHARDS],
}

/// A step in execution, as those who may stop it find it.
struct Execution {
    number: u64,
    token: Token,
    cancel: CancellationToken,
}

/// A step in execution; dropping it says that it has ended.
pub(crate) struct Entry<'a> {
    running: &'a Running,
    key: StepKey,
    number: u64,
    /// Cancelled when the step must stop.
    pub(crate) cancel: CancellationToken,
}

/// A step that this process carries on; dropping it says that it does so no more.
pub(crate) struct Hold<'a> {
    running: &'a Running,
    key: StepKey,
}

/// A run of which the end of a step is being stored.
pub(crate) struct Move<'a> {
    running: &'a Running,
    run: RunId,
}

impl Running {
    /// Says that this process carries on a step, or asks for it.
    pub(crate) fn hold(&self, key: StepKey) -> Hold<'_> {
        *self.held.lock().entry(key).or_default() += 1;
        Hold { running: self, key }
    }

    /// Says that the end of a step of this run is being stored.
    pub(crate) fn moves(&self, run: RunId) -> Move<'_> {
        *self.moving.lock().entry(run).or_default() += 1;
        Move { running: self, run }
    }

    /// Whether this process knows of the step, or may learn of it in a moment.
    pub(crate) fn knows(&self, key: StepKey) -> bool {
        self.moving.lock().contains_key(&key.run) || self.held.lock().contains_key(&key)
    }

    fn shard(&self, run: RunId) -> &Mutex<BTreeMap<StepKey, Execution>> {
        &self.shards[run.0 as usize % SHARDS]
    }

    /// A step begins.
    pub(crate) fn begin(&self, key: StepKey, token: Token) -> Entry<'_> {
        let cancel = CancellationToken::new();
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let execution = Execution {
            number,
            token,
            cancel: cancel.clone(),
        };
        // One that executes still has been fenced, and nobody finds it here any more.
        if let Some(older) = self.shard(key.run).lock().insert(key, execution) {
            older.cancel.cancel();
        }
        // In this order: whoever cancels remembers it first and looks here afterwards.
        if self.any_cancelled.load(Ordering::SeqCst)
            && (self.cancelled.lock().contains_key(&key.run)
                || self.revoked.lock().contains_key(&key))
        {
            cancel.cancel();
        }
        Entry {
            running: self,
            key,
            number,
            cancel,
        }
    }

    /// Stops the steps of this run that execute here, and lets none that is claimed begin.
    /// `who` is told to those that have.
    pub(crate) fn cancel_run(&self, run: RunId, who: &str) {
        #[cfg(feature = "simulation")]
        if crate::simulation::has(crate::simulation::Mutation::IgnoresCancel) {
            return;
        }
        remember(&self.cancelled, run, who);
        self.any_cancelled.store(true, Ordering::SeqCst);
        for (key, execution) in &*self.shard(run).lock() {
            if key.run == run {
                execution.cancel.cancel();
            }
        }
    }

    /// Stops a step if it executes here, and does not let it begin. `who` is told to it.
    pub(crate) fn cancel_step(&self, key: StepKey, who: &str) {
        remember(&self.revoked, key, who);
        self.any_cancelled.store(true, Ordering::SeqCst);
        if let Some(execution) = self.shard(key.run).lock().get(&key) {
            execution.cancel.cancel();
        }
    }

    /// Who revoked the step a moment ago, if somebody did.
    pub(crate) fn revoked_by(&self, key: StepKey) -> Option<Arc<str>> {
        let revoked = self.revoked.lock();
        revoked.get(&key).map(|(_, who)| who.clone())
    }

    /// Who cancelled the run a moment ago, if somebody did.
    pub(crate) fn cancelled_by(&self, run: RunId) -> Option<Arc<str>> {
        let cancelled = self.cancelled.lock();
        cancelled.get(&run).map(|(_, who)| who.clone())
    }

    /// Whether the step executes here.
    pub(crate) fn executes(&self, key: StepKey) -> bool {
        self.shard(key.run).lock().contains_key(&key)
    }

    /// Stops everything.
    pub(crate) fn cancel_all(&self) {
        for shard in &self.shards {
            for execution in shard.lock().values() {
                execution.cancel.cancel();
            }
        }
    }

    /// The attempts that execute.
    pub(crate) fn attempts(&self) -> Vec<(StepKey, Token)> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| {
                let shard = shard.lock();
                let attempts = shard.iter().map(|(key, one)| (*key, one.token));
                attempts.collect::<Vec<_>>()
            })
            .collect()
    }

    /// Stops an attempt if it executes here.
    pub(crate) fn cancel_attempt(&self, key: StepKey, token: Token) {
        let shard = self.shard(key.run).lock();
        if let Some(execution) = shard.get(&key).filter(|one| one.token == token) {
            execution.cancel.cancel();
        }
    }

    /// How many steps execute.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// Notes who stopped something; forgets what was stopped long ago.
fn remember<K: std::hash::Hash + Eq>(
    stopped: &Mutex<HashMap<K, (Instant, Arc<str>)>>,
    what: K,
    who: &str,
) {
    let now = Instant::now();
    let mut stopped = stopped.lock();
    stopped.retain(|_, (since, _)| now.duration_since(*since) < REMEMBERED);
    // Who it was may be known already.
    stopped.entry(what).or_insert_with(|| (now, who.into()));
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut shard = self.running.shard(self.key.run).lock();
        // The same process may have claimed the step anew while this attempt was ending.
        if shard
            .get(&self.key)
            .is_some_and(|execution| execution.number == self.number)
        {
            shard.remove(&self.key);
        }
    }
}

impl Hold<'_> {
    /// It is carried on with another step.
    pub(crate) fn move_to(&mut self, key: StepKey) {
        *self = self.running.hold(key);
    }
}

fn count_down<K: std::hash::Hash + Eq>(counts: &Mutex<HashMap<K, usize>>, key: &K) {
    let mut counts = counts.lock();
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        count_down(&self.running.held, &self.key);
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        count_down(&self.running.moving, &self.run);
    }
}

#[cfg(test)]
mod tests {
    use model::id::Ordinal;

    use super::*;

    #[test]
    fn a_step_is_known_while_it_is_held_or_its_run_moves() {
        let running = Running::default();
        let key = |step| StepKey {
            run: RunId(1),
            step: Ordinal(step),
        };
        let first = running.hold(key(0));
        let again = running.hold(key(0));
        assert!(running.knows(key(0)) && !running.knows(key(1)));
        drop(first);
        let moving = running.moves(RunId(1));
        assert!(running.knows(key(1)));
        let next = running.hold(key(1));
        drop((moving, again));
        assert!(!running.knows(key(0)) && running.knows(key(1)));
        drop(next);
        assert!(running.held.lock().is_empty() && running.moving.lock().is_empty());
    }
    #[test]
    fn an_attempt_that_ends_late_does_not_hide_the_next() {
        let running = Running::default();
        let key = StepKey {
            run: RunId(1),
            step: Ordinal(0),
        };
        let old = running.begin(key, Token(1));
        let new = running.begin(key, Token(2));
        assert!(old.cancel.is_cancelled() && !new.cancel.is_cancelled());
        drop(old);
        assert!(running.executes(key));
        running.cancel_step(key, "somebody");
        assert!(new.cancel.is_cancelled());
        drop(new);
        assert!(!running.executes(key));
        assert!(running.begin(key, Token(1)).cancel.is_cancelled());
    }
}
