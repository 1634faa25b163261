//! Limits of steps: an attempt asks for its places before it executes, and what is seen of
//! them.
//!
//! Who has a place, and who waits for one, is the store's. A step that does not get what it
//! asks for waits there and holds nothing here; it is woken like every step that waits.

use std::{ops::ControlFlow, time::Duration};

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, TaskRef, TenantId, Token},
    limits::Limit,
    plan::{NoHandles, PlannedStep, Scope},
    state::StepState,
};
use store::{
    Page,
    limits::{Acquire, Acquired, LimitDetail, LimitPlace, LimitSummary, LimitWait, position},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine,
    attempt::End,
    error::{Error, Result},
    problem::Problem,
    worker::Chain,
};

/// How many holders the answer about a waiting step names.
const NAMED: usize = 5;
/// How many holders and waiters the answer about a key names.
const SHOWN: usize = 100;
/// Up to how many that wait before a step are counted.
const COUNTED: u64 = 1_000;
/// How many keys a page has at most.
const PAGE: usize = 200;
/// How many places that were left behind are given back by one call of the store.
const SWEPT: usize = 1_000;

/// What became of an attempt that asked.
enum Asked {
    /// It may execute.
    Taken,
    /// Its step waits, and the store knows it.
    Waits,
    /// It cannot ask.
    Failed(Box<Problem>),
    /// It was stopped from outside.
    Stopped,
}

/// The limit that a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitsForLimit {
    /// The key.
    pub key: String,
    /// The step's own limit.
    pub limit: Limit,
    /// How many hold a place of it.
    pub held: u64,
    /// How many wait before it, counted up to a thousand.
    pub before: u64,
    /// The runs of the first holders, each with the step.
    pub holders: Vec<TaskRef>,
}

/// A key as a person sees it.
#[derive(Clone, Debug)]
pub struct LimitView {
    /// Where it stands.
    pub summary: LimitSummary,
    /// The first holders, the longest first.
    pub holders: Vec<PlaceView>,
    /// The first that wait, the next first.
    pub line: Vec<PlaceView>,
}

/// A step that holds a place, or waits for one.
#[derive(Clone, Debug)]
pub struct PlaceView {
    /// Its run.
    pub run: RunRef,
    /// The step.
    pub task: TaskRef,
    /// The application's name.
    pub application: String,
    /// Where the step stands.
    pub state: StepState,
    /// Since when it holds, or waits.
    pub since: Timestamp,
    /// Its own limit.
    pub limit: u32,
}

impl From<LimitPlace> for PlaceView {
    fn from(place: LimitPlace) -> Self {
        Self {
            run: place.reference,
            task: place.reference.task(place.step.step),
            application: place.application_name,
            state: place.state,
            since: place.since,
            limit: place.limit,
        }
    }
}

impl From<LimitDetail> for LimitView {
    fn from(detail: LimitDetail) -> Self {
        Self {
            summary: detail.summary,
            holders: detail.holders.into_iter().map(PlaceView::from).collect(),
            line: detail.line.into_iter().map(PlaceView::from).collect(),
        }
    }
}

impl Engine {
    /// Takes the places that the limits of a step want, if it has any; else says how the
    /// attempt ends, `None` as of [`Engine::attempt`].
    pub(crate) async fn take_places(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        cancel: &CancellationToken,
    ) -> ControlFlow<Option<End>> {
        let planned = chain.planned(step);
        let Some(planned) = planned.filter(|planned| !planned.limits.is_empty()) else {
            return ControlFlow::Continue(());
        };
        match self.ask_for(chain, (step, token), planned, cancel).await {
            Asked::Taken => ControlFlow::Continue(()),
            Asked::Waits => ControlFlow::Break(Some(End::Limited)),
            Asked::Failed(problem) => {
                let end = self.end(chain, step, token, Err(*problem), Vec::new());
                ControlFlow::Break(Some(end))
            }
            Asked::Stopped => {
                if cancel.is_cancelled() {
                    self.stop_attempt(chain, step, token, Vec::new()).await;
                }
                ControlFlow::Break(None)
            }
        }
    }

    /// Asks for what the limits of a step want, trying again while the store does not answer.
    async fn ask_for(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        planned: &PlannedStep,
        cancel: &CancellationToken,
    ) -> Asked {
        let wanted = planned.wanted(&Scope {
            run: &chain.parameters,
            configuration: chain.configured.as_deref().map(|one| &one.resolved),
            outputs: chain,
            secret: &chain.secret,
            secrets: &NoHandles,
            limit: Scope::LIMIT,
        });
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(error) => {
                let problem = Problem::permanent(error.code(), error.to_string());
                return Asked::Failed(Box::new(problem));
            }
        };
        let mut pause = Duration::from_millis(20);
        loop {
            let acquire = Acquire {
                key: chain.key(step),
                token,
                tenant: chain.header.tenant,
                wanted: wanted.clone(),
                at: self.clock.now(),
                expires_at: chain.header.expires_at,
            };
            let acquired = tokio::select! {
                biased;
                acquired = self.store.acquire(acquire) => acquired,
                () = cancel.cancelled() => return Asked::Stopped,
            };
            match acquired {
                Ok(Acquired::Taken) => return Asked::Taken,
                #[cfg(feature = "simulation")]
                Ok(Acquired::Waits(_))
                    if crate::simulation::has(crate::simulation::Mutation::OvertakesLimits) =>
                {
                    return Asked::Taken;
                }
                Ok(Acquired::Waits(turn)) => {
                    if let Some(turn) = turn {
                        self.waiting.remember(turn);
                    }
                    return Asked::Waits;
                }
                Ok(Acquired::Fenced) => return Asked::Stopped,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, run = %chain.header.reference, "the limits of a step could not be asked for yet");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = cancel.cancelled() => return Asked::Stopped,
                        () = self.stopped.cancelled() => return Asked::Stopped,
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    let error = Error::from(error);
                    let problem = Problem::permanent(error.code(), error.to_string());
                    return Asked::Failed(Box::new(problem));
                }
            }
        }
    }

    /// Places may have been given back: whoever was handed one is woken.
    pub(crate) fn limits_freed(&self) {
        self.waiting.remember(self.clock.now());
    }

    /// Gives back what was left behind, and forgets keys that nobody uses.
    pub(crate) async fn sweep_limits(&self) -> Result<()> {
        loop {
            let given = self.store.sweep_limits(self.clock.now(), SWEPT).await?;
            if given > 0 {
                tracing::warn!(places = given, "gave back places of steps that had ended");
                self.limits_freed();
            }
            if given < SWEPT {
                return Ok(());
            }
        }
    }

    /// Keys of limits that are in use, by kind and key; after the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Position`] when `after` is none of ours.
    pub async fn limits(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<LimitSummary>> {
        let after = match after {
            Some(text) => Some(position(text).ok_or_else(|| Error::Position(text.to_owned()))?),
            None => None,
        };
        let limit = limit.clamp(1, PAGE);
        let now = self.now();
        let mut page = self.store.limits(tenant, now, after, limit).await?;
        for summary in &mut page.items {
            forget_past(summary, now);
        }
        Ok(page)
    }

    /// The limits of a key: a concurrency, a rate, or both.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nobody uses it.
    pub async fn limit(&self, tenant: TenantId, key: &str) -> Result<Vec<LimitView>> {
        let mut found = self.store.limit(tenant, key, SHOWN).await?;
        if found.is_empty() {
            return Err(Error::not_found("limit", key));
        }
        let now = self.now();
        for one in &mut found {
            forget_past(&mut one.summary, now);
        }
        Ok(found.into_iter().map(LimitView::from).collect())
    }

    /// What the steps of a run wait for, where it is a limit.
    pub(crate) async fn limit_waits(&self, run: RunId) -> Result<Vec<LimitWait>> {
        Ok(self.store.limit_waits(run, NAMED).await?)
    }
}

/// Who may start since a while may start now.
fn forget_past(summary: &mut LimitSummary, now: Timestamp) {
    summary.next = summary.next.filter(|next| *next > now);
}

impl From<&LimitWait> for WaitsForLimit {
    fn from(wait: &LimitWait) -> Self {
        let holders = wait.of.holders.iter();
        Self {
            key: wait.of.summary.key.clone(),
            limit: wait.of.summary.limit,
            held: wait.of.summary.held,
            before: wait.before,
            holders: holders
                .map(|one| one.reference.task(one.step.step))
                .collect(),
        }
    }
}

/// When the turn of a step comes, of a rate, if all before it take theirs.
pub(crate) fn turn(wait: &LimitWait) -> Option<Timestamp> {
    let Limit::Rate(rate) = wait.of.summary.limit else {
        return None;
    };
    let before = i64::try_from(wait.before).unwrap_or(i64::MAX);
    let next = wait.of.summary.next?;
    Some(next.plus_micros(rate.interval().saturating_mul(before)))
}

/// What a step waits for, for people.
pub(crate) fn message(wait: &LimitWait) -> String {
    let summary = &wait.of.summary;
    let key = &summary.key;
    let behind = match wait.before {
        0 => String::new(),
        1 => ", behind 1 other".to_owned(),
        before if before >= COUNTED => format!(", behind {COUNTED} others or more"),
        before => format!(", behind {before} others"),
    };
    match summary.limit {
        Limit::Rate(rate) => {
            let (most, per) = (rate.limit, rate.per.as_secs_f64());
            format!("waiting under limit `{key}` ({most} in {per} s){behind}, for its turn")
        }
        Limit::Concurrency(_) => {
            let most = wait.limit;
            let held = held_by(wait);
            format!("waiting for limit `{key}` ({most} at a time){held}{behind}")
        }
    }
}

/// Who holds it, for people.
fn held_by(wait: &LimitWait) -> String {
    let holders = wait.of.holders.iter();
    let named: Vec<String> = holders
        .map(|one| format!("{} ({})", one.reference, one.application_name))
        .collect();
    if named.is_empty() {
        return String::new();
    }
    let more = match wait.of.summary.held.saturating_sub(named.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(", held by {}{more}", named.join(", "))
}
