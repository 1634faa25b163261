//! What becomes of steps whose workers are lost: each is given back to be executed again,
//! or fails, as its policy says. Either is one commit that is fenced by the attempt, so
//! that a worker which ends the attempt after all, or another process that does the same,
//! changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt as _;
use model::{
    id::{StepKey, Token, WorkerId},
    mask::Masker,
    plan::PlannedStep,
    policy::OnWorkerLost,
};
use store::runs::{Completed, Completion, LostStep, ReadyStep};

use crate::{
    Engine,
    error::{Error, Result},
    prepared::Runnable,
    problem::{Problem, failure},
};

/// How many failures are stored at the same time: they share commits.
const TOGETHER: usize = 64;

/// Why a step fails that is not executed again.
pub(crate) fn worker_lost() -> Problem {
    Problem::permanent(
        "worker-lost",
        "the worker was lost while it executed this step, which may or may not have had its effect outside; it is not executed again (on_worker_lost: fail): check what it did, then replay the run",
    )
}

impl Engine {
    /// Decides on attempts of lost workers, at most `limit`, and answers how many there were.
    pub(crate) async fn take_back(&self, limit: usize) -> Result<usize> {
        let now = self.clock.now();
        let lost = self.store.lost(now, limit).await?;
        if lost.is_empty() {
            return Ok(0);
        }
        let count = lost.len();
        let mut again: BTreeMap<WorkerId, Vec<(StepKey, Token)>> = BTreeMap::new();
        let mut failing = Vec::new();
        for step in lost {
            match self.fails_when_lost(&step).await? {
                Some(runnable) => failing.push((step, runnable)),
                None => again
                    .entry(step.worker)
                    .or_default()
                    .push((step.key, step.token)),
            }
        }
        for (worker, attempts) in again {
            let ready = self.store.give_back(worker, &attempts, now).await?;
            if !ready.is_empty() {
                tracing::info!(steps = ready.len(), "took back what a lost worker held");
                metrics::get().steps_reclaimed.inc_by(ready.len() as u64);
            }
            // At its start, a single process queues them with all others.
            if !self.settings.exclusive {
                self.enqueue(ready).await?;
            }
        }
        let failed: Vec<Result<()>> = futures::stream::iter(failing)
            .map(async |(step, runnable)| self.fail_lost(step, &runnable).await)
            .buffer_unordered(TOGETHER)
            .collect()
            .await;
        failed.into_iter().collect::<Result<()>>()?;
        Ok(count)
    }

    /// What the run is pinned to if the step fails now; `None` if it is executed again.
    async fn fails_when_lost(&self, lost: &LostStep) -> Result<Option<Arc<Runnable>>> {
        let runnable = self
            .runnable_pinned(lost.tenant, lost.application_revision, lost.pins)
            .await;
        match runnable {
            Ok(runnable) => {
                let planned = runnable.planned(lost.part, lost.key.step);
                let rules = planned.map(|planned| self.settings.rules(&planned.policy));
                let fails = rules.is_some_and(|one| one.on_worker_lost == OnWorkerLost::Fail);
                Ok(fails.then_some(runnable))
            }
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                // Whoever claims it finds the same, and ends it without executing it.
                tracing::warn!(%error, run = %lost.reference, "the plan of a lost step cannot be read");
                Ok(None)
            }
        }
    }

    /// Ends a lost attempt as failed.
    async fn fail_lost(&self, lost: LostStep, runnable: &Runnable) -> Result<()> {
        let problem = worker_lost();
        self.note_lost(&lost, &problem).await;
        // It repeats no values.
        let error = problem.to_json(&Masker::none());
        let whole = lost.part.is_none().then_some(lost.key.step);
        let planned = whole.and_then(|step| runnable.plan.step(step));
        let on_error = planned.map(|planned| planned.on_error).unwrap_or_default();
        let (state, output) = failure(on_error, &error);
        let completed = self
            .store
            .complete(Completion {
                key: lost.key,
                token: lost.token,
                state,
                output,
                error: Some(error),
                log: None,
                at: self.clock.now(),
                graph: runnable.graph(lost.part),
                route: planned
                    .map(PlannedStep::route_of_failure)
                    .unwrap_or_default(),
                claim: None,
                expires_at: lost.expires_at,
                parent: lost.parent,
                limited: runnable
                    .planned(lost.part, lost.key.step)
                    .is_some_and(|planned| !planned.limits.is_empty()),
            })
            .await
            .map_err(Error::from)?;
        if let Completed::Stored {
            ended,
            ready,
            handed,
            ..
        } = completed
        {
            if handed {
                self.limits_freed();
            }
            tracing::warn!(run = %lost.reference, step = lost.key.step.0, worker = lost.worker.0, "a step failed because its worker was lost");
            if let Some(state) = ended {
                metrics::get().run_ended(state.word());
                self.trace_stopped(lost.tenant, lost.reference).await;
                self.tell_ended(lost.reference, Some((lost.tenant, &lost.queue)));
                self.child_ended(lost.parent);
            }
            // At its start, a single process queues them with all others.
            if !ready.is_empty() && !self.settings.exclusive {
                let ready = ready.into_iter().map(|step| ReadyStep {
                    key: StepKey {
                        run: lost.key.run,
                        step,
                    },
                    queue: lost.queue.clone(),
                    priority: lost.priority,
                    tenant: lost.tenant,
                });
                self.enqueue(ready.collect()).await?;
            }
        }
        Ok(())
    }
}
