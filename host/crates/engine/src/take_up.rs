//! Loading what a claimed step's run is pinned to, and what becomes of a step that cannot be
//! executed.

use std::{collections::HashMap, time::Duration};

use model::{
    id::StepKey,
    mask::Masker,
    plan::{Plan, PlannedStep},
    state::RunState,
};
use store::runs::{Completed, Completion, RunHeader};

use crate::{
    Engine, each,
    error::{Error, Result},
    problem::{Problem, failure},
    worker::{Chain, ClaimedStep},
};

impl Engine {
    /// Loads what the run is pinned to, trying again while the store does not answer: the
    /// step is claimed, and nobody else will take it up.
    pub(crate) async fn take_up_patiently(
        &self,
        mut header: RunHeader,
    ) -> Result<Chain, (RunHeader, Error)> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.take_up(header).await {
                Err((again, error)) if error.is_retryable() => {
                    tracing::warn!(%error, run = %again.reference, "a run cannot be loaded yet");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped.cancelled() => return Err((again, error)),
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                    header = again;
                }
                other => return other,
            }
        }
    }

    /// Loads what the run is pinned to.
    async fn take_up(&self, header: RunHeader) -> Result<Chain, (RunHeader, Error)> {
        let load = async {
            let runnable = self
                .runnable_pinned(header.tenant, header.application_revision, header.pins)
                .await?;
            let configured = match header.configuration_revision {
                Some(revision) => Some(self.configured_revision(revision).await?),
                None => None,
            };
            let input = self.input_of(&header).await?;
            let masker = input.masker(configured.as_deref())?;
            Ok((runnable, configured, input, masker))
        };
        match load.await {
            Ok((runnable, configured, input, masker)) => {
                let mut chain = Chain {
                    trace: self.run_span(&header),
                    again: None,
                    began: self.now(),
                    header,
                    runnable,
                    configured,
                    parameters: input.parameters,
                    secret: input.secret,
                    masker,
                    outputs: HashMap::new(),
                };
                match chain.know_element() {
                    Ok(()) => Ok(chain),
                    Err(error) => Err((chain.header, error)),
                }
            }
            Err(error) => Err((header, error)),
        }
    }

    /// The steps and edges of a plan, asking again while the store does not answer.
    pub(crate) async fn plan_patiently(&self, revision: i64) -> Option<Plan> {
        loop {
            match self.plan_of(revision).await {
                Ok(plan) => return plan,
                Err(error) if error.is_retryable() => tokio::select! {
                    biased;
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                    () = self.stopped.cancelled() => return None,
                },
                Err(_) => return None,
            }
        }
    }

    /// A claimed step that can neither be executed nor left to somebody else: it fails
    /// with the reason. Where not even that can be stored, its run is cancelled rather
    /// than left hanging.
    pub(crate) async fn give_up(
        &self,
        header: &RunHeader,
        attempt: ClaimedStep,
        plan: Option<&Plan>,
        error: &Error,
    ) {
        tracing::error!(%error, run = %header.reference, "a run cannot go on");
        let whole = plan.filter(|_| header.part.is_none());
        let planned = whole.and_then(|plan| plan.step(attempt.step));
        let on_error = planned.map(|planned| planned.on_error).unwrap_or_default();
        let problem = Problem::permanent(error.code(), format!("the run cannot go on: {error}"));
        // What is said about loading a run repeats no values.
        let reason = problem.to_json(&Masker::none());
        let (state, output) = failure(on_error, &reason);
        let failure = Completion {
            key: StepKey {
                run: header.run,
                step: attempt.step,
            },
            token: attempt.token,
            state,
            output,
            error: Some(reason),
            log: None,
            at: self.now(),
            graph: match header.part {
                Some(_) => each::alone(),
                None => plan.map(|plan| plan.graph.clone()).unwrap_or_default(),
            },
            route: planned
                .map(PlannedStep::route_of_failure)
                .unwrap_or_default(),
            claim: None,
            expires_at: header.expires_at,
            parent: header.parent,
            // Of a plan that is not known, it may be.
            limited: planned.is_none_or(|planned| !planned.limits.is_empty()),
        };
        match self.persist(&failure, attempt.under).await {
            Ok(Completed::Fenced) => return,
            Ok(Completed::Stored {
                ended: Some(state), ..
            }) => {
                metrics::get().run_ended(state.word());
                self.trace_run(header, None, state, failure.at);
                self.child_ended(header.parent);
                let place = (header.tenant, &header.queue);
                return self.tell_ended(header.reference, Some(place));
            }
            // Steps of other branches are executed, or fail in the same way.
            Ok(Completed::Stored { ready, .. }) if plan.is_some() => {
                return self.pass_on(header, &ready).await;
            }
            // Nothing follows from an end whose edges are not known.
            Ok(_) | Err(_) => {}
        }
        let stopped = self.stop_run(header.run, header.reference, "the service");
        match stopped.await {
            Ok(true) => self.trace_run(header, None, RunState::Cancelled, self.now()),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, run = %header.reference, "nor can it be cancelled");
            }
        }
    }
}
