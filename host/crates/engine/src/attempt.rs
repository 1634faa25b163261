//! One attempt of one step: from its claim to the completion that the store will be given.

use std::{borrow::Cow, ops::ControlFlow, time::Duration};

use bytes::Bytes;
use model::{
    flow::Route,
    for_each::ForEach,
    id::{Ordinal, Token},
    plan::{NoHandles, PlannedStep, Scope},
    policy::OnWorkerLost,
    state::{StepState, WaitKind},
};
use store::runs::{Completion, Suspension};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, asks,
    attend::{Limits, stored_lines},
    call::Handles,
    children, delay, each,
    error::Result,
    lost::worker_lost,
    problem::{Problem, failure, masked_output},
    sandbox::Program,
    worker::{Chain, ClaimedStep},
};

/// The code of a failure after too many lost workers.
pub(crate) const DEAD_LETTER: &str = "dead-letter";

/// How an attempt ended.
pub(crate) enum End {
    /// For good.
    Done(Completion),
    /// For now: its step waits.
    Waits(Suspension),
    /// Before it began: its step waits for a limit, and the store knows it.
    Limited,
}

/// What an attempt is called with.
pub(crate) struct Prepared {
    pub(crate) call: runtime::Call,
    pub(crate) program: Program,
}

/// What an attempt does.
#[expect(
    clippy::large_enum_variant,
    reason = "one is made for each attempt and moved to its call"
)]
pub(crate) enum Ready {
    /// It calls its step.
    Call(Prepared),
    /// It starts a run for each element of a list: the request.
    Elements(String),
}

/// The request to start a run for each element of a step's list.
fn items(chain: &Chain, planned: &PlannedStep, each: &ForEach) -> Result<String, Refused> {
    let elements = planned
        .items(&Scope {
            run: &chain.parameters,
            configuration: chain.configured.as_deref().map(|one| &one.resolved),
            outputs: chain,
            secret: &chain.secret,
            secrets: &NoHandles,
            limit: Scope::LIMIT,
        })
        .map_err(|error| Refused::failed(Problem::permanent(error.code(), error.to_string())))?
        .unwrap_or_default();
    if elements.len() > each::MOST {
        return Err(Refused::failed(Problem::permanent(
            "too-many-elements",
            format!(
                "the list of `{}` has {} elements; it may have {}",
                planned.name,
                elements.len(),
                each::MOST
            ),
        )));
    }
    Ok(children::request_for(&chain.runnable.name, &elements, each))
}

impl Engine {
    /// Executes a claimed step. `None`: the attempt was stopped from outside and there is
    /// nothing to store; whoever stopped it has seen to the store.
    pub(crate) async fn attempt(&self, chain: &mut Chain, claimed: ClaimedStep) -> Option<End> {
        let ClaimedStep { step, token, under } = claimed;
        let entry = self.running.begin(chain.key(step), token);
        // Between its claim and this moment others may have been given it. In this order: whoever
        // stops or fences this process says so first, and then stops what has begun.
        if self.stopped.is_cancelled() || !self.holds_lease(under) {
            return None;
        }
        chain.began = self.clock.now();
        if chain.waited_for(WaitKind::Children) {
            let planned = chain.planned(step);
            let lost = chain.lost(token);
            let refused = planned.and_then(|planned| self.check_attempt(planned, lost).err());
            if let Some(problem) = refused {
                self.note_dead_letter(chain, step, token, &problem).await;
                return Some(self.end(chain, step, token, Err(*problem), Vec::new()));
            }
            return self.resume_parent(chain, step, token, &entry.cancel).await;
        }
        let limits = Limits::new(chain, step, &self.settings);
        let prepared = tokio::select! {
            biased;
            prepared = self.prepare_patiently(chain, step, token, &entry.cancel) => prepared,
            () = tokio::time::sleep_until(limits.end()) => Some(Err(Box::new(limits.exceeded()))),
        };
        let mut prepared = match prepared {
            Some(Ok(Ready::Call(prepared))) => prepared,
            Some(Ok(Ready::Elements(request))) => {
                return self
                    .start_children(chain, step, token, &request, Vec::new(), &entry.cancel)
                    .await;
            }
            Some(Err(problem)) => {
                return Some(self.end(chain, step, token, Err(*problem), Vec::new()));
            }
            None => {
                if entry.cancel.is_cancelled() {
                    self.stop_attempt(chain, step, token, Vec::new()).await;
                }
                return None;
            }
        };
        if chain.planned(step).is_some_and(delay::is_one) {
            return Some(self.delay(chain, step, token, &prepared.call.parameters));
        }
        if let Some(kind) = chain.planned(step).and_then(asks::asks_for) {
            return Some(self.ask_outside(chain, (step, token), kind, &prepared.call.parameters));
        }
        let places = self.take_places(chain, step, token, &entry.cancel);
        if let ControlFlow::Break(end) = places.await {
            return end;
        }
        prepared.call.deadline = limits.left();
        let ((execution, ended_at), lines) =
            self.execute(chain, step, token, prepared, &limits).await;
        if entry.cancel.is_cancelled() {
            self.stop_attempt(chain, step, token, lines).await;
            return None;
        }
        let result = execution.result.map_err(|mut failure| {
            if failure.code == runtime::code::TIMEOUT && !failure.by_guest {
                failure.message = format!(
                    "the step did not finish within {} s (task_time_limit)",
                    limits.rules.hard.as_secs_f64()
                );
            }
            Problem::from(failure)
        });
        if let Ok(runtime::Outcome::StartChildren(request)) = result {
            return self
                .start_children(chain, step, token, &request, lines, &entry.cancel)
                .await;
        }
        Some(match self.end(chain, step, token, result, lines) {
            End::Done(completion) => End::Done(Completion {
                at: ended_at,
                ..completion
            }),
            waits => waits,
        })
    }

    /// The end of an attempt: for good, or until the next one where its policy has one.
    pub(crate) fn end(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        result: Result<runtime::Outcome, Problem>,
        mut lines: Vec<runtime::Line>,
    ) -> End {
        if let Err(problem) = &result
            && let Some(suspension) = self.retry(chain, step, token, problem, &mut lines)
        {
            return End::Waits(suspension);
        }
        End::Done(self.completion(chain, step, token, result, &lines))
    }

    /// Prepares an attempt, trying again while something does not answer. `None`: it is
    /// stopped from outside.
    async fn prepare_patiently(
        &self,
        chain: &mut Chain,
        step: Ordinal,
        token: Token,
        cancel: &CancellationToken,
    ) -> Option<std::result::Result<Ready, Box<Problem>>> {
        let mut pause = Duration::from_millis(50);
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            let prepared = tokio::select! {
                biased;
                prepared = self.prepare(chain, step, token, cancel.clone()) => prepared,
                () = cancel.cancelled() => return None,
            };
            match prepared {
                Ok(prepared) => return Some(Ok(prepared)),
                Err(Refused::Failed(problem)) => return Some(Err(problem)),
                Err(Refused::Later(error)) => {
                    tracing::warn!(%error, run = %chain.header.reference, "a step cannot be prepared yet");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = cancel.cancelled() => {}
                        () = self.stopped.cancelled() => return None,
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Stores what a stopped attempt had logged, and why it was stopped. Its step has
    /// ended, or is executed again by whoever takes it up.
    pub(crate) async fn stop_attempt(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        mut lines: Vec<runtime::Line>,
    ) {
        let revoked_by = self.running.revoked_by(chain.key(step));
        let message = match self.running.cancelled_by(chain.header.run) {
            Some(who) => format!("the step was stopped: {who} cancelled the run"),
            None if let Some(who) = revoked_by => {
                format!("the step was stopped: {who} revoked it")
            }
            None if self.stopped.is_cancelled() => {
                "the step was stopped: the service shuts down".to_owned()
            }
            None => "the step was stopped: it was cancelled, or given to another worker".to_owned(),
        };
        lines.push(runtime::Line {
            at: self.clock.now(),
            level: runtime::Level::Warning,
            message,
        });
        self.append_log(chain, step, token, &lines).await;
    }

    async fn prepare(
        &self,
        chain: &mut Chain,
        step: Ordinal,
        token: Token,
        cancel: CancellationToken,
    ) -> Result<Ready, Refused> {
        let runnable = chain.runnable.clone();
        let at = each::place(chain.header.part, step);
        let (Some(planned), Some(pack)) = (
            runnable.planned(chain.header.part, step),
            runnable.packs.get(at.index()),
        ) else {
            return Err(Refused::failed(Problem::permanent(
                "no-such-step",
                "the plan has no such step",
            )));
        };
        if let Err(problem) = self.check_attempt(planned, chain.lost(token)) {
            self.note_dead_letter(chain, step, token, &problem).await;
            return Err(Refused::failed(*problem));
        }
        self.load_outputs(chain, planned).await?;
        if let Some(each) = chain.for_each(step).cloned() {
            return items(chain, planned, &each).map(Ready::Elements);
        }
        let program = self.executable(pack).await.map_err(Refused::from)?;
        let handles = Handles::new(crate::random().map_err(Refused::from)?);
        let parameters = planned
            .resolve(&Scope {
                run: &chain.parameters,
                configuration: chain.configured.as_deref().map(|one| &one.resolved),
                outputs: chain,
                secret: &chain.secret,
                secrets: &handles,
                limit: Scope::LIMIT,
            })
            .map_err(|error| {
                Refused::failed(Problem::permanent(error.code(), error.to_string()))
            })?;
        let call = self.call(
            chain,
            planned,
            pack,
            token,
            parameters.json,
            handles,
            cancel,
        );
        for reference in &parameters.missing {
            let message = format!("{reference} leads to no value and counts as null");
            call.log.append(runtime::Level::Warning, &message);
        }
        Ok(Ready::Call(Prepared { call, program }))
    }

    /// Refuses an attempt too many: after lost workers, or where a second is not allowed.
    fn check_attempt(
        &self,
        planned: &PlannedStep,
        lost: i64,
    ) -> std::result::Result<(), Box<Problem>> {
        let rules = self.settings.rules(&planned.policy);
        // Given back by a process that does not know the policy.
        if lost > 0 && rules.on_worker_lost == OnWorkerLost::Fail {
            return Err(Box::new(worker_lost()));
        }
        if lost >= self.settings.max_attempts {
            return Err(Box::new(Problem::permanent(
                DEAD_LETTER,
                format!(
                    "the worker was lost during each of {lost} attempts; the step may bring it down: check the worker's log, then replay the run"
                ),
            )));
        }
        Ok(())
    }

    /// Loads the data of earlier steps that this worker does not hold.
    async fn load_outputs(&self, chain: &mut Chain, planned: &PlannedStep) -> Result<(), Refused> {
        let missing: Vec<Ordinal> = planned
            .data_from
            .iter()
            .copied()
            .filter(|step| !chain.outputs.contains_key(step))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let outputs = self
            .store
            .outputs(chain.data_run(), chain.header.expires_at, &missing)
            .await
            .map_err(|error| Refused::from(crate::Error::from(error)))?;
        chain.outputs.extend(missing.into_iter().zip(outputs));
        Ok(())
    }

    pub(crate) fn completion(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        result: Result<runtime::Outcome, Problem>,
        lines: &[runtime::Line],
    ) -> Completion {
        let masker = &chain.masker;
        let (result, route) = match chain.planned(step) {
            Some(planned) => routed(planned, result),
            None => (result, Route::All),
        };
        let (state, output, error) = match result {
            Ok(runtime::Outcome::Output { data, warning, .. }) => {
                let hidden = match masker.mask_json(&data) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(hidden) => Some(hidden),
                };
                let problem = match &hidden {
                    None => warning.map(|text| Problem::warning("warning", text)),
                    Some(_) => Some(masked_output(&masker.found_in_json(&data), warning)),
                };
                let output = Some(Bytes::from(hidden.unwrap_or(data)));
                match problem {
                    None => (StepState::Success, output, None),
                    Some(problem) => (StepState::Warning, output, Some(problem.to_json(masker))),
                }
            }
            Ok(runtime::Outcome::StartChildren(_)) => {
                let problem = Problem::permanent(
                    "invalid-outcome",
                    "the step asks for child applications where it cannot",
                );
                (StepState::Failed, None, Some(problem.to_json(masker)))
            }
            Err(problem) => {
                let error = problem.to_json(masker);
                let (state, output) = failure(chain.on_error(step), &error);
                (state, output, Some(error))
            }
        };
        Completion {
            key: chain.key(step),
            token,
            state,
            output,
            error,
            log: stored_lines(lines, masker),
            at: self.clock.now(),
            graph: chain.graph(),
            route,
            claim: (!self.draining.is_cancelled()).then(|| self.worker()),
            expires_at: chain.header.expires_at,
            parent: chain.header.parent,
            limited: chain.limited(step),
        }
    }
}

/// The successors that go on: all but behind a condition that has chosen.
fn routed(
    planned: &PlannedStep,
    result: Result<runtime::Outcome, Problem>,
) -> (Result<runtime::Outcome, Problem>, Route) {
    let routing = planned
        .operator
        .as_ref()
        .and_then(|one| one.routing.as_ref());
    let Some(routing) = routing else {
        return (result, Route::All);
    };
    let route = match &result {
        Ok(runtime::Outcome::Output { data, .. }) => routing.route_of(data),
        Ok(_) => None,
        Err(_) => return (result, planned.route_of_failure()),
    };
    if let Some(route) = route {
        return (result, route);
    }
    let problem = Problem::permanent(
        "condition",
        "the built-in SyncPack answered no branch of this condition",
    );
    (Err(problem), planned.route_of_failure())
}

/// Why an attempt does not execute.
pub(crate) enum Refused {
    /// The step fails.
    Failed(Box<Problem>),
    /// Something that may pass.
    Later(crate::Error),
}

impl Refused {
    fn failed(problem: Problem) -> Self {
        Self::Failed(Box::new(problem))
    }
}

impl From<crate::Error> for Refused {
    fn from(error: crate::Error) -> Self {
        if error.is_retryable() {
            Self::Later(error)
        } else {
            Self::failed(Problem::permanent(error.code(), error.to_string()))
        }
    }
}
