//! Stopping: a run, one step of a run, all runs of a scope. What is stopped is committed
//! first; the workers that execute it learn of it by a hint, and when they renew their
//! leases in any case.

use std::time::Duration;

use model::{
    id::{RunId, RunRef, StepKey, TaskRef, TenantId},
    log::Level,
    plan::Plan,
    state::{RunState, StepState},
};
use store::runs::{CancelScope, CancelledRun, RunFilter, RunSummary};

use crate::{
    Engine, each,
    error::{Error, Result},
    log::Stored,
    view::{Caller, CancelQuery, CancelledRuns},
    worker::AnyStep,
};

/// How long whoever stops something waits for steps to stop and to store their logs.
const STOPPING: Duration = Duration::from_secs(1);
/// How many runs are cancelled in one commit.
const PART: usize = 200;
/// How long one request cancels runs before it says that there may be more.
const AT_MOST: Duration = Duration::from_secs(10);

impl Engine {
    /// Stops a run: what waits never starts, what executes is stopped and fenced. One that
    /// was cancelled before stays so.
    ///
    /// # Errors
    /// [`Error::RunState`] when it has ended otherwise.
    pub async fn cancel(&self, caller: &Caller, run: RunRef) -> Result<()> {
        let summary = self.summary(caller.tenant, run).await?;
        if self.stop_run(summary.run, run, &caller.name).await? {
            self.trace_stopped(caller.tenant, run).await;
            return Ok(());
        }
        match self.summary(caller.tenant, run).await?.state {
            RunState::Cancelled => Ok(()),
            state => Err(Error::RunState(format!(
                "{run} has ended already, as {}",
                state.word()
            ))),
        }
    }

    /// Cancels a run and those that it started, in the store and what executes of them here;
    /// says whether there was something to cancel.
    pub(crate) async fn stop_run(&self, id: RunId, run: RunRef, who: &str) -> Result<bool> {
        let cancelled = self.store.cancel(id, self.now()).await?;
        let executing = self.stop_executing(&cancelled, who);
        self.wait_stopped(executing.into_iter()).await;
        for one in &cancelled {
            if one.run != id {
                tracing::info!(run = %one.reference, parent = %run, "cancelled with the run that started it");
            }
            self.tell_ended(one.reference, None);
        }
        self.settle_ended();
        self.limits_freed();
        Ok(!cancelled.is_empty())
    }

    /// Stops what executes of cancelled runs, here and on other processes. Answers the steps.
    fn stop_executing(&self, cancelled: &[CancelledRun], who: &str) -> Vec<StepKey> {
        let mut executing = Vec::new();
        for run in cancelled {
            if !run.running.is_empty() {
                self.running.cancel_run(run.run, who);
                if let Some(outbox) = &self.outbox {
                    outbox.cancelled(run.run, who);
                }
            }
            executing.extend(run.running.iter().map(|&(key, _)| key));
            metrics::get().run_ended(RunState::Cancelled.word());
        }
        executing
    }

    /// Whoever is answered finds the whole log, except when a step does not stop.
    async fn wait_stopped(&self, steps: impl Iterator<Item = StepKey> + Clone) {
        let until = tokio::time::Instant::now() + STOPPING;
        while steps.clone().any(|key| self.running.executes(key))
            && tokio::time::Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops one step of a run that waits in the queue or executes: it ends as cancelled,
    /// and what depends on it is skipped, as after a failure. One that was cancelled before
    /// stays so.
    ///
    /// # Errors
    /// [`Error::RunState`] when nothing has reached it yet, or it has ended otherwise.
    pub async fn revoke(&self, caller: &Caller, task: TaskRef) -> Result<()> {
        let missing = || Error::not_found("task", task.to_string());
        let (reference, step) = task.split().ok_or_else(missing)?;
        let run = self.summary(caller.tenant, reference).await?;
        if step.0 >= run.steps {
            return Err(missing());
        }
        let graph = match run.part {
            Some(_) => each::alone(),
            None => self
                .plan_of(run.application_revision)
                .await?
                .map(|plan| plan.graph)
                .ok_or_else(|| {
                    Error::Internal(format!("the plan of {reference} cannot be read"))
                })?,
        };
        let key = StepKey { run: run.run, step };
        let Some(revoked) = self.store.revoke(key, graph, self.now()).await? else {
            return self.already_stopped(&run, key, task).await;
        };
        self.limits_freed();
        self.running.cancel_step(key, &caller.name);
        match revoked.worker {
            Some(_) => {
                if let Some(outbox) = &self.outbox {
                    outbox.revoked(key, &caller.name);
                }
                self.wait_stopped(std::iter::once(key)).await;
            }
            // Nobody else says so in its log.
            None => {
                self.say_revoked(&run, key, revoked.token, &caller.name)
                    .await;
            }
        }
        if let Some(state) = revoked.ended {
            metrics::get().run_ended(state.word());
            self.trace_stopped(caller.tenant, reference).await;
            self.tell_ended(reference, None);
            self.settle_ended();
        }
        Ok(())
    }

    /// Whether a step that cannot be revoked was revoked before.
    async fn already_stopped(&self, run: &RunSummary, key: StepKey, task: TaskRef) -> Result<()> {
        let steps = self.store.steps(run.run, 0).await?;
        let state = steps
            .iter()
            .find(|one| one.step == key.step)
            .map_or(StepState::Pending, |one| one.state);
        let message = match state {
            StepState::Cancelled => return Ok(()),
            state if state.is_final() || run.state.is_final() => {
                format!("{task} has ended already, as {}", state.word())
            }
            _ => format!(
                "{task} is {}: a step can be revoked from the moment that it waits in the queue; the whole run can be cancelled at any time",
                state.word()
            ),
        };
        Err(Error::RunState(message))
    }

    async fn say_revoked(
        &self,
        run: &RunSummary,
        key: StepKey,
        token: model::id::Token,
        who: &str,
    ) {
        let line = [Stored {
            time: self.now(),
            level: Level::Warning.code(),
            message: format!("{who} revoked the step before it was executed").into(),
        }];
        let Ok(lines) = serde_json::to_vec(&line) else {
            return;
        };
        let stored = self
            .store
            .append_log(key, token, run.expires_at, lines.into())
            .await;
        if let Err(error) = stored {
            tracing::warn!(%error, run = %run.reference, "who revoked a step could not be logged");
        }
    }

    /// A revision's plan as far as the revision tells it, its steps and edges: what else a run
    /// is pinned to may be gone. `None`: it cannot be read, and never will be.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn plan_of(&self, revision: i64) -> Result<Option<Plan>> {
        let Some(stored) = self.store.revision(revision).await? else {
            return Ok(None);
        };
        let application = model::application::Application::parse(&stored.document).ok();
        Ok(application.and_then(|one| Plan::compile(&one, &AnyStep).ok()))
    }

    /// Cancels the runs of a scope that have not ended, the oldest first, in commits of
    /// bounded size. What one call does not finish the next does, with the first one's
    /// `until`: runs that are accepted meanwhile are not touched.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such application, or the position is none of
    /// ours; what the store answers, if nothing was cancelled before.
    pub async fn cancel_all(&self, caller: &Caller, query: &CancelQuery) -> Result<CancelledRuns> {
        let Some(scope) = self.scope(caller.tenant, query).await? else {
            return Ok(CancelledRuns::default());
        };
        let began = tokio::time::Instant::now();
        let (mut cancelled, mut executing) = (0, Vec::new());
        let more = loop {
            let part = match self.store.cancel_all(&scope, self.now(), PART).await {
                Ok(part) => part,
                Err(error) if cancelled > 0 && error.is_retryable() => {
                    tracing::warn!(%error, cancelled, "not all runs could be cancelled yet");
                    break true;
                }
                Err(error) => return Err(error.into()),
            };
            if part.is_empty() {
                break false;
            }
            cancelled += part.len() as u64;
            executing.extend(self.stop_executing(&part, &caller.name));
            for run in part {
                self.trace_stopped(caller.tenant, run.reference).await;
                self.tell_ended(run.reference, None);
            }
            if began.elapsed() >= AT_MOST {
                break true;
            }
        };
        self.wait_stopped(executing.into_iter()).await;
        self.settle_ended();
        self.limits_freed();
        tracing::info!(cancelled, by = %caller.name, application = query.application, queue = query.queue, "cancelled runs");
        Ok(CancelledRuns {
            cancelled,
            until: more.then(|| scope.until.0.to_string()),
        })
    }

    /// Which runs are meant; `None`: there is none at all.
    async fn scope(&self, tenant: TenantId, query: &CancelQuery) -> Result<Option<CancelScope>> {
        let application = match &query.application {
            Some(name) => {
                let kind = store::definitions::Kind::Application;
                Some(self.find(tenant, kind, name).await?.id)
            }
            None => None,
        };
        let until = if let Some(text) = &query.until {
            text.parse()
                .map_err(|_| Error::not_found("list position", text.as_str()))?
        } else {
            let any = RunFilter::default();
            let newest = self.store.runs(tenant, &any, None, 1).await?;
            let Some(newest) = newest.items.first() else {
                return Ok(None);
            };
            newest.run.0
        };
        Ok(Some(CancelScope {
            tenant,
            application,
            queue: query
                .queue
                .as_deref()
                .map(|name| queue::canonical(name).to_owned()),
            until: RunId(until),
        }))
    }
}
