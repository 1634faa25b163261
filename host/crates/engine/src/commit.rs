//! From the end of an attempt to what the store and the queue know of it.

use std::time::Duration;

use model::{
    id::{Ordinal, StepKey, WorkerId},
    plan::PlannedStep,
};
use store::runs::{Completed, Completion, Priority, RunHeader};

use crate::{
    Engine,
    problem::{Fail as _, Problem},
    worker::Chain,
};

impl Engine {
    /// Stores the log of an attempt that ended in the moment when its run was cancelled.
    pub(crate) async fn keep_log(&self, end: Completion) {
        let Some(log) = end.log else { return };
        let appended = self
            .store
            .append_log(end.key, end.token, end.expires_at, log);
        if let Err(error) = appended.await {
            tracing::warn!(%error, run = end.key.run.0, "log lines of a cancelled step could not be stored");
        }
    }

    /// Stores the end of an attempt, trying again while the store does not answer. A
    /// result that the store refuses for good is stored as a failure; `None` when that
    /// is refused too. `under`: the number of this process that the attempt was claimed for.
    pub(crate) async fn commit(
        &self,
        chain: &Chain,
        completion: &Completion,
        under: WorkerId,
    ) -> Option<Completed> {
        match self.persist(completion, under).await {
            Ok(completed) => Some(completed),
            Err(error) => {
                let message = format!("the result could not be stored: {error}");
                let problem = Problem::permanent("not-stored", message);
                let step = completion.key.step;
                let planned = chain.planned(step);
                let route = planned.map(PlannedStep::route_of_failure);
                let failed =
                    completion.failed(&problem, chain.on_error(step), route.unwrap_or_default());
                self.persist(&failed, under).await.ok()
            }
        }
    }

    /// Tries until the store answers. When the engine stops meanwhile, the attempt is
    /// as if fenced: the next start executes the step again.
    pub(crate) async fn persist(
        &self,
        completion: &Completion,
        under: WorkerId,
    ) -> std::result::Result<Completed, store::Error> {
        let mut pause = Duration::from_millis(20);
        let mut completion = completion.clone();
        loop {
            // Others may have been given the step: as if they had. If nobody was, this process
            // finds that it knows nothing of it.
            if !self.holds_lease(under) {
                self.account.in_doubt();
                return Ok(Completed::Fenced);
            }
            match self.store.complete(completion.clone()).await {
                Ok(completed) => {
                    self.account.answered();
                    if matches!(completed, Completed::Stored { handed: true, .. }) {
                        self.limits_freed();
                    }
                    return Ok(completed);
                }
                Err(error) if error.is_retryable() => {
                    self.account.unanswered();
                    self.account.in_doubt();
                    tracing::warn!(%error, run = completion.key.run.0, "a result could not be stored yet");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped.cancelled() => return Ok(Completed::Fenced),
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                    // Its lease may have ended meanwhile, and it may drain by now.
                    let goes_on = completion.claim.is_some() && !self.draining.is_cancelled();
                    completion.claim = goes_on.then(|| self.worker());
                }
                Err(error) => {
                    self.account.answered();
                    tracing::error!(%error, run = completion.key.run.0, step = completion.key.step.0, "a result cannot be stored");
                    return Err(error);
                }
            }
        }
    }

    /// Stores the failure of a step that could not be stored otherwise. Says whether it is.
    pub(crate) async fn end_unstored(
        &self,
        chain: &Chain,
        failure: Completion,
        under: WorkerId,
    ) -> bool {
        let failure = Completion {
            claim: None,
            ..failure
        };
        match self.persist(&failure, under).await {
            Ok(Completed::Stored { ready, ended, .. }) => {
                self.pass_on(&chain.header, &ready).await;
                if let Some(state) = ended {
                    metrics::get().run_ended(state.word());
                    self.child_ended(chain.header.parent);
                    let place = (chain.header.tenant, &chain.header.queue);
                    self.tell_ended(chain.header.reference, Some(place));
                }
                true
            }
            Ok(Completed::Fenced) | Err(_) => false,
        }
    }

    /// Puts what became ready with the end of a step on the queue.
    pub(crate) async fn pass_on(&self, run: &RunHeader, ready: &[Ordinal]) {
        // One that drains leaves them to the others, or to its next start.
        if ready.is_empty() || (self.settings.exclusive && self.draining.is_cancelled()) {
            return;
        }
        let key = |&step| StepKey { run: run.run, step };
        let keys: Vec<StepKey> = ready.iter().map(key).collect();
        let high = run.priority == Priority::High;
        if let Err(error) = self
            .queue
            .enqueue(&run.queue, high, run.tenant, &keys)
            .await
        {
            // The steps are ready in the store; the next start puts them on the queue.
            tracing::warn!(%error, run = %run.reference, "ready steps could not be queued");
        }
    }
}
