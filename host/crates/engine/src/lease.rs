//! This process among the others: its lease, and what it learns when it renews it.
//!
//! Without a lease, the steps that a process executes may be given to another, so one
//! that cannot renew stops what it executes. The answer to a renewal tells what was
//! cancelled, what changed, and how much to execute: all of that works with nothing but
//! the store.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use model::{
    clock::Timestamp,
    id::{TenantId, WorkerId},
};
use store::{
    Store,
    workers::{Renewed, Worker},
};
use tokio::time::Instant;

use crate::{Engine, Settings, error::Result};

/// The longest pause between two renewals where several processes share the store.
const PERIOD: Duration = Duration::from_millis(500);
/// The pause after a renewal that failed: a connection that was cut costs one of them.
const AGAIN: Duration = Duration::from_millis(100);
/// A process that has not renewed stops this long before its lease ends.
const MARGIN: Duration = Duration::from_millis(200);

/// Until when the lease holds, by this machine's monotonic clock: a process that was stopped
/// for a while knows so at once, before it has asked anybody.
pub(crate) struct Held {
    began: Instant,
    /// Microseconds since `began`.
    until: AtomicU64,
}

impl Held {
    /// A lease that was asked for then.
    pub(crate) fn new(asked: Instant, lease: Duration) -> Self {
        let held = Self {
            began: asked,
            until: AtomicU64::new(0),
        };
        held.extend(asked + lease);
        held
    }

    fn until(&self) -> Instant {
        self.began + Duration::from_micros(self.until.load(Ordering::Acquire))
    }

    fn extend(&self, until: Instant) {
        let micros = until.saturating_duration_since(self.began).as_micros();
        self.until.store(micros as u64, Ordering::Release);
    }

    /// It holds no more, whatever was known of it.
    fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    fn holds(&self) -> bool {
        self.began.elapsed().as_micros() < u128::from(self.until.load(Ordering::Acquire))
    }
}

/// How long to wait before the next renewal: less than usual where the last answer took so long that
/// only `spare` is left to wait, but only then. A store that refuses is not asked again at once.
fn rest(pause: Duration, answered: bool, spare: Duration) -> Duration {
    if answered { pause.min(spare) } else { pause }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// Registers this process and, where it is alone, ends the leases of those before it.
pub(crate) async fn register(
    store: &dyn Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<WorkerId> {
    let id = store
        .register(Worker {
            id: WorkerId(0),
            host: host_name(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: settings.role.word().to_owned(),
            queues: settings.queues.clone(),
            weights: settings.weights.clone(),
            slots: if settings.role.executes() {
                settings.slots
            } else {
                0
            },
            started_at: now,
            lease_until: now.plus_micros(settings.lease.as_micros() as i64),
        })
        .await?;
    if settings.exclusive {
        store.release_others(id).await?;
    }
    Ok(id)
}

impl Engine {
    /// This process's number.
    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Acquire))
    }

    /// Whether nobody else can have been given what was claimed for this number of this
    /// process. Where it is alone, nobody ever is.
    pub(crate) fn holds_lease(&self, under: WorkerId) -> bool {
        #[cfg(feature = "simulation")]
        if crate::simulation::has(crate::simulation::Mutation::IgnoresLease) {
            return true;
        }
        // In this order: a new number comes before its lease.
        self.settings.exclusive || (self.held.holds() && self.worker() == under)
    }

    /// Renews the lease until the engine stops.
    pub(crate) async fn keep_lease(&self) {
        let lease = self.settings.lease;
        let period = if self.settings.exclusive {
            lease / 3
        } else {
            PERIOD.min(lease / 3)
        };
        let mut held_until = self.held.until();
        // What was executed is stopped: others have to be given it, whatever the lease says.
        let mut fenced = false;
        // What was read at the start is as old as the first answer may tell.
        let mut generation = None;
        let mut pause = period;
        let mut answered = true;
        loop {
            // However long the last answer took: before the lease ends there is time to ask again.
            let fence_at = held_until.checked_sub(MARGIN).unwrap_or(held_until);
            let spare = fence_at.saturating_duration_since(Instant::now() + period);
            let shortens = std::mem::replace(&mut answered, false) && !self.settings.exclusive;
            tokio::select! {
                biased;
                () = tokio::time::sleep(rest(pause, shortens, spare)) => {}
                () = self.renew_now.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let asked = Instant::now();
            let at_most = if fenced || self.settings.exclusive {
                let left = fence_at.saturating_duration_since(asked);
                asked + left.max(period)
            } else {
                fence_at.max(asked)
            };
            match tokio::time::timeout_at(at_most, self.renew()).await {
                Ok(Ok(Some(renewed))) if !fenced => {
                    self.account.answered();
                    (pause, answered) = (period, true);
                    held_until = asked + lease;
                    self.held.extend(held_until);
                    if let (Some(shared), Some(now)) = (&self.shared_clock, renewed.now) {
                        shared.follow(now, asked);
                    }
                    let until = held_until.checked_sub(MARGIN + period);
                    self.heed(renewed, &mut generation, until.unwrap_or(asked))
                        .await;
                    continue;
                }
                Ok(Ok(_)) => {
                    let asked = self.begin_anew("the lease of this process has ended").await;
                    self.account.answered();
                    held_until = asked + lease;
                    self.held.extend(held_until);
                    fenced = false;
                    (pause, answered) = (period, true);
                    continue;
                }
                // Said once for all that follow until one succeeds.
                Ok(Err(error)) if pause == period => {
                    tracing::warn!(%error, "the lease could not be renewed; trying again");
                }
                Err(_) if pause == period => {
                    tracing::warn!("the lease could not be renewed in time; trying again");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            if self.settings.exclusive {
                continue;
            }
            // What it would have told is told once: what was stopped is found out otherwise.
            self.account.in_doubt();
            pause = AGAIN;
            self.account.unanswered();
            if !fenced && fence_at.saturating_duration_since(Instant::now()) <= AGAIN {
                self.fence("the lease could not be renewed before its end");
                fenced = true;
            }
        }
    }

    async fn renew(&self) -> Result<Option<Renewed>> {
        let now = self.clock.now();
        let until = now.plus_micros(self.settings.lease.as_micros() as i64);
        Ok(self.store.renew(self.worker(), now, until).await?)
    }

    /// Does what the store tells this process, until then at the latest: nobody else would notice
    /// that the lease ends.
    async fn heed(&self, renewed: Renewed, generation: &mut Option<i64>, until: Instant) {
        for run in renewed.cancelled {
            self.running.cancel_run(run, "a user");
        }
        for step in renewed.revoked {
            self.running.cancel_step(step, "a user");
        }
        if self.settings.role.executes() {
            self.resize(&renewed.queues, &renewed.weights, renewed.slots);
        }
        let until = until.min(Instant::now() + self.settings.lease / 3);
        if !self.settings.exclusive {
            match tokio::time::timeout_at(until, self.know_pauses()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "what is paused could not be read"),
                Err(_) => tracing::debug!("what is paused could not be read in time"),
            }
        }
        if generation.replace(renewed.generation) != Some(renewed.generation)
            && !self.settings.exclusive
        {
            self.prepared.forget_current();
            let read = self.reload_packs(TenantId::DEFAULT);
            match tokio::time::timeout_at(until, read).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the active packs could not be read again");
                    *generation = None;
                    return;
                }
                Err(_) => {
                    tracing::warn!("the active packs could not be read again in time");
                    *generation = None;
                    return;
                }
            }
            if self.settings.role.executes() {
                let engine = self.clone();
                self.guests
                    .spawn(async move { engine.load_programs(TenantId::DEFAULT).await });
            }
        }
    }

    /// Goes on as another process would: what was executed under the ended lease is left
    /// to those who take it over. Answers from when on the new lease counts.
    async fn begin_anew(&self, why: &str) -> Instant {
        if self.settings.exclusive {
            // Nobody else can have taken over: the clock was moved.
            tracing::warn!(
                "the lease had ended although nobody else opens the store; was the clock moved?"
            );
        } else {
            self.fence(why);
        }
        let mut pause = Duration::from_millis(100);
        let before = self.worker();
        loop {
            if !self.settings.exclusive
                && let Err(error) = self.store.release(before).await
            {
                tracing::debug!(%error, "the lease before could not be given back");
            }
            let asked = Instant::now();
            match register(&*self.store, &self.as_set(), self.clock.now()).await {
                Ok(id) => {
                    self.worker.store(id.0, Ordering::Release);
                    return asked;
                }
                Err(error) => tracing::warn!(%error, "this process could not be registered again"),
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = self.stopped.cancelled() => return asked,
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Stops what executes, and lets nothing begin until there is a new lease.
    fn fence(&self, why: &str) {
        #[cfg(feature = "simulation")]
        if crate::simulation::has(crate::simulation::Mutation::IgnoresLease) {
            return;
        }
        metrics::get().leases_lost.inc();
        // In this order: what begins looks at the lease afterwards.
        self.held.end();
        if !self.settings.role.executes() {
            return tracing::warn!(why, "this process counts as lost until it registers again");
        }
        tracing::error!(
            steps = self.running.len(),
            why,
            "this process stops what it executes"
        );
        self.running.cancel_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_late_answer_shortens_the_pause() {
        let (second, none) = (Duration::from_secs(1), Duration::ZERO);
        assert_eq!(rest(PERIOD, true, second), PERIOD);
        assert_eq!(rest(PERIOD, true, AGAIN), AGAIN);
        assert_eq!(rest(PERIOD, true, none), none);
        // A store that refuses, or one that nobody else opens, is never asked without a pause.
        assert_eq!(rest(AGAIN, false, none), AGAIN);
        assert_eq!(rest(second, false, none), second);
    }
}
