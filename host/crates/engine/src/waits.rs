//! Steps that wait: how they come to it, and who wakes them.
//!
//! A waiting step is a row of the store and nothing else: it holds no slot and no instance.
//! The process that suspended it wakes it when its time has come; one that ended meanwhile
//! is stood in for by the leading process, or by its own next start.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, StepKey, Token, WorkerId},
    retry::Retry,
    state::{StepState, WaitKind},
};
use parking_lot::Mutex;
use store::runs::{Again, ReadyStep, Suspended, Suspension};
use tokio::sync::Notify;

use crate::{
    Engine, attempt::DEAD_LETTER, attend::stored_lines, error::Result, problem::Problem,
    worker::Chain,
};

/// How many steps are woken by one call of the store.
const PAGE: usize = 1_024;
/// How long to sleep at most while something waits: the clock may be set.
const LOOK: Duration = Duration::from_secs(1);
/// How long to sleep at least between two calls.
const PAUSE: Duration = Duration::from_millis(2);
/// How long to wait for whoever is at a run that is to be woken.
const AGAIN: Duration = Duration::from_millis(20);
/// How many moments a process remembers by itself. Steps beyond wait for the leading
/// process, which looks once a second.
const REMEMBERED: usize = 10_000;

/// What this process wakes.
#[derive(Default)]
pub(crate) struct Waiting {
    /// When steps are due that it suspended.
    due: Mutex<BTreeSet<Timestamp>>,
    earlier: Notify,
    /// Steps whose children have ended.
    parents: Mutex<BTreeSet<StepKey>>,
    /// Runs have ended whose parents are not known here.
    unknown: AtomicBool,
    ended: Notify,
}

impl Waiting {
    /// Something is due then.
    pub(crate) fn remember(&self, at: Timestamp) {
        let mut due = self.due.lock();
        let first = due.first().copied();
        due.insert(at);
        if due.len() > REMEMBERED {
            due.pop_last();
        }
        if first.is_none_or(|first| at < first) {
            self.earlier.notify_one();
        }
    }
}

impl Chain {
    /// Whether the attempt goes on after such a wait.
    pub(crate) fn waited_for(&self, kind: WaitKind) -> bool {
        self.again.as_ref().is_some_and(|again| again.kind == kind)
    }

    /// How many attempts before this one were lost with their workers.
    pub(crate) fn lost(&self, token: Token) -> i64 {
        let woken = self.again.as_ref().map_or(0, |again| again.wakes);
        (token.0 - 1 - woken).max(0)
    }

    /// Which attempt this is, from 1: those that failed and those whose workers were lost
    /// came before it.
    pub(crate) fn attempt_number(&self, token: Token) -> i64 {
        let failed = self.again.as_ref().map_or(0, |again| again.retries);
        1 + i64::from(failed) + self.lost(token)
    }
}

/// A number from 0 up to 1 that nobody can foresee.
fn chance() -> f64 {
    let bits = crate::random().map_or(0, |bits| bits as u64 >> 11);
    bits as f64 / (1_u64 << 53) as f64
}

impl Engine {
    /// The wait for the next attempt, if there is to be one after this failure.
    pub(crate) fn retry(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        problem: &Problem,
        lines: &mut Vec<runtime::Line>,
    ) -> Option<Suspension> {
        if chain.for_each(step).is_some() {
            // Each element has had its attempts.
            return None;
        }
        let retry = chain.planned(step)?.retry.as_deref()?;
        if problem.code == DEAD_LETTER {
            return None;
        }
        let now = self.clock.now();
        let failed = 1 + chain.again.as_ref().map_or(0, |again| again.retries);
        #[cfg(feature = "simulation")]
        let failed = crate::simulation::counted(failed, problem);
        let again = chain.again.as_ref();
        // A wait for a limit came before the first attempt.
        let began = again.filter(|again| again.kind != WaitKind::Limit || again.retries > 0);
        let first = began.map_or(chain.began, |again| again.first_at);
        let error = (problem.code.as_str(), problem.is_retryable());
        let until = retry.next(failed, (first, now), error, chance())?;
        lines.push(runtime::Line {
            at: now,
            level: runtime::Level::Warning,
            message: retry_line(retry, failed, (now, until), problem),
        });
        Some(Suspension {
            key: chain.key(step),
            token,
            kind: WaitKind::Retry,
            until: Some(until),
            children: (0, 0),
            detail: None,
            ask: None,
            ended: Some(StepState::Failed),
            error: Some(problem.to_json(&chain.masker)),
            log: stored_lines(lines, &chain.masker),
            at: now,
            expires_at: chain.header.expires_at,
        })
    }

    /// Stores that a step waits, trying again while the store does not answer. Says whether
    /// it does; else somebody else has the step.
    pub(crate) async fn suspend(
        &self,
        chain: &Chain,
        suspension: Suspension,
        under: WorkerId,
    ) -> bool {
        let mut pause = Duration::from_millis(20);
        loop {
            if !self.holds_lease(under) {
                self.account.in_doubt();
                return false;
            }
            match self.store.suspend(suspension.clone()).await {
                Ok(Suspended::Waiting) => {
                    self.account.answered();
                    if let Some(until) = suspension.until {
                        self.waiting.remember(until);
                    }
                    if suspension.ended.is_some() && chain.limited(suspension.key.step) {
                        self.limits_freed();
                    }
                    return true;
                }
                Ok(Suspended::Ready(ready)) => {
                    self.account.answered();
                    self.queue_woken(vec![ready]).await;
                    return true;
                }
                Ok(Suspended::Fenced) => {
                    self.account.answered();
                    return false;
                }
                Err(error) if error.is_retryable() => {
                    self.account.unanswered();
                    tracing::warn!(%error, run = %chain.header.reference, "that a step waits could not be stored yet");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped.cancelled() => return false,
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    self.account.answered();
                    tracing::error!(%error, run = %chain.header.reference, "that a step waits cannot be stored");
                    let message = format!("the step cannot wait: {error}");
                    let problem = Problem::permanent("not-stored", message);
                    let failed = self.completion(
                        chain,
                        suspension.key.step,
                        suspension.token,
                        Err(problem),
                        &[],
                    );
                    return self.end_unstored(chain, failed, under).await;
                }
            }
        }
    }

    /// Puts steps that were woken on the queue. What fails is found by the leading process,
    /// or by the next start.
    pub(crate) async fn queue_woken(&self, ready: Vec<ReadyStep>) {
        if ready.is_empty() || (self.settings.exclusive && self.draining.is_cancelled()) {
            return;
        }
        if let Err(error) = self.enqueue(ready).await {
            tracing::warn!(%error, "steps that were woken could not be queued");
        }
    }

    /// Wakes what is due; answers when the next one is.
    pub(crate) async fn wake_due(&self) -> Result<Option<Timestamp>> {
        loop {
            let now = self.clock.now();
            let woken = self.store.wake_due(now, PAGE).await?;
            let full = woken.ready.len() == PAGE;
            self.queue_woken(woken.ready).await;
            if !full {
                return Ok(woken.next);
            }
        }
    }

    /// Wakes the steps that this process suspended when their time has come; a process that
    /// is alone, also those that it found.
    pub(crate) async fn keep_time(&self) {
        if self.settings.exclusive {
            self.waiting.remember(self.clock.now());
        }
        loop {
            let next = self.waiting.due.lock().first().copied();
            let now = self.clock.now();
            let sleep = match next {
                None => None,
                Some(next) => {
                    let micros = u64::try_from(next.0 - now.0).unwrap_or(0);
                    Some(Duration::from_micros(micros).min(LOOK))
                }
            };
            if sleep != Some(Duration::ZERO) {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(sleep.unwrap_or(Duration::MAX)) => {}
                    () = self.waiting.earlier.notified() => {}
                    () = self.draining.cancelled() => return,
                }
                continue;
            }
            {
                let mut due = self.waiting.due.lock();
                while due.first().is_some_and(|first| *first <= now) {
                    due.pop_first();
                }
            }
            match self.wake_due().await {
                Ok(Some(next)) if self.settings.exclusive => self.waiting.remember(next),
                // What is due now somebody else was at.
                Ok(Some(next)) if next <= now || self.scheduler.is_leading() => {
                    let later = self.clock.now().plus_micros(AGAIN.as_micros() as i64);
                    self.waiting.remember(next.max(later));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "waiting steps could not be woken; trying again");
                    self.waiting.remember(self.clock.now().plus_micros(500_000));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A run has ended: the step that started it counts it.
    pub(crate) fn child_ended(&self, parent: Option<StepKey>) {
        let Some(parent) = parent else { return };
        if self.waiting.parents.lock().insert(parent) {
            self.waiting.ended.notify_one();
        }
    }

    /// Runs have ended whose parents are not known here.
    pub(crate) fn settle_ended(&self) {
        self.waiting.unknown.store(true, Ordering::Release);
        self.waiting.ended.notify_one();
    }

    /// Tells parents of the ends of their children, many with one call.
    pub(crate) async fn settle_parents(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.waiting.ended.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let parents = std::mem::take(&mut *self.waiting.parents.lock());
            let mut settled = self.settle_all(parents.into_iter().collect()).await;
            if settled.is_ok() && self.waiting.unknown.swap(false, Ordering::AcqRel) {
                settled = self.settle_unsettled().await;
            }
            if let Err(error) = settled {
                tracing::warn!(%error, "parents could not be told that their children ended; trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
                self.settle_ended();
            }
        }
    }

    /// Tells the parents that nobody told: whoever ended the children did not come to it.
    pub(crate) async fn settle_unsettled(&self) -> Result<()> {
        let (mut after, mut settled) = (None, Ok(()));
        loop {
            let parents = self.store.unsettled(after, PAGE).await?;
            after = parents.last().copied();
            let full = parents.len() == PAGE;
            // One that is refused keeps nobody behind it from going on.
            settled = settled.and(self.settle_all(parents).await);
            if !full {
                return settled;
            }
        }
    }

    async fn settle_all(&self, parents: Vec<StepKey>) -> Result<()> {
        let at = self.clock.now();
        let mut together = Vec::with_capacity(parents.len());
        for parent in parents {
            together.push(self.store.settle(parent, at));
        }
        let (mut ready, mut refused) = (Vec::new(), None);
        for settled in futures::future::join_all(together).await {
            match settled {
                Ok(woken) => ready.extend(woken),
                Err(error) => refused = Some(error),
            }
        }
        // Those that were woken wait for nobody else's error.
        self.queue_woken(ready).await;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What the log says of an attempt that is followed by another.
fn retry_line(
    retry: &Retry,
    failed: u32,
    (now, until): (Timestamp, Timestamp),
    problem: &Problem,
) -> String {
    format!(
        "attempt {failed} of {} failed ({}): {}; the next one begins in {:.1} s",
        retry.max_attempts,
        problem.code,
        problem.message,
        (until.0 - now.0) as f64 / 1e6
    )
}

/// The detail of an attempt that goes on.
pub(crate) fn detail(again: Option<&Again>) -> Option<&Bytes> {
    again?.detail.as_ref()
}
