//! One attempt of one step: from its claim to the completion that the store will be given.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use model::{
    flow::Route,
    id::{Ordinal, TenantId, Token},
    plan::{PlannedStep, Scope, SecretHandles},
    policy::OnWorkerLost,
    state::StepState,
};
use serde::Serialize;
use store::runs::Completion;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine,
    attend::{Limits, stored_lines},
    catalogue::Pack,
    error::Result,
    lost::worker_lost,
    problem::{Problem, masked_output},
    worker::Chain,
};

/// Hands out handles for the secrets of one execution.
struct Handles {
    /// Value to id.
    given: Mutex<HashMap<String, String>>,
    seed: u128,
}

impl SecretHandles for Handles {
    fn handle(&self, value: &str) -> String {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let next = given.len() as u128;
        let id = given
            .entry(value.to_owned())
            .or_insert_with(|| format!("{:032x}", self.seed.wrapping_add(next)));
        format!("{}{id}", runtime::HANDLE_PREFIX)
    }
}

impl Handles {
    fn into_runtime(self) -> runtime::SecretHandles {
        let given = self
            .given
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if given.is_empty() {
            return runtime::SecretHandles::default();
        }
        runtime::SecretHandles::new(given.into_iter().map(|(value, id)| (id, value)))
    }
}

/// What the guest learns about its run.
#[derive(Serialize)]
struct Context<'a> {
    run_id: String,
    task_id: &'a str,
    application: &'a str,
    step: &'a str,
    configuration: Option<&'a str>,
    attempt: i64,
    idempotency_key: &'a str,
    log_level: u8,
    /// Its name.
    tenant: Cow<'static, str>,
}

/// The contract hands over a name; only the first tenant has one so far.
fn tenant_name(tenant: TenantId) -> Cow<'static, str> {
    if tenant == TenantId::DEFAULT {
        Cow::Borrowed("default")
    } else {
        Cow::Owned(tenant.0.to_string())
    }
}

/// What an attempt is called with.
pub(crate) struct Prepared {
    pub(crate) call: runtime::Call,
    pub(crate) program: Arc<runtime::Program>,
}

impl Engine {
    /// Executes a claimed step. `None`: the attempt was stopped from outside and there is
    /// nothing to store; whoever stopped it has seen to the store.
    pub(crate) async fn attempt(
        &self,
        chain: &mut Chain,
        step: Ordinal,
        token: Token,
    ) -> Option<Completion> {
        let entry = self.running.begin(chain.key(step));
        let limits = Limits::new(chain, step, &self.settings);
        let prepared = tokio::select! {
            biased;
            prepared = self.prepare_patiently(chain, step, token, &entry.cancel) => prepared,
            () = tokio::time::sleep_until(limits.end()) => Some(Err(Box::new(limits.exceeded()))),
        };
        let mut prepared = match prepared {
            Some(Ok(prepared)) => prepared,
            Some(Err(problem)) => {
                return Some(self.completion(chain, step, token, Err(*problem), &[]));
            }
            None => {
                if entry.cancel.is_cancelled() {
                    self.stop_attempt(chain, step, token, Vec::new()).await;
                }
                return None;
            }
        };
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
        let completion = self.completion(chain, step, token, result, &lines);
        Some(Completion {
            at: ended_at,
            ..completion
        })
    }

    /// Prepares an attempt, trying again while something does not answer. `None`: it is
    /// stopped from outside.
    async fn prepare_patiently(
        &self,
        chain: &mut Chain,
        step: Ordinal,
        token: Token,
        cancel: &CancellationToken,
    ) -> Option<std::result::Result<Prepared, Box<Problem>>> {
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
    async fn stop_attempt(
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
            None => "the step was stopped: its worker lost the lease".to_owned(),
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
    ) -> Result<Prepared, Refused> {
        let runnable = chain.runnable.clone();
        let (Some(planned), Some(pack)) =
            (runnable.plan.step(step), runnable.packs.get(step.index()))
        else {
            return Err(Refused::failed(Problem::permanent(
                "no-such-step",
                "the plan has no such step",
            )));
        };
        self.check_attempt(planned, token)?;
        self.load_outputs(chain, planned).await?;
        let program = self.program(pack).await.map_err(Refused::from)?;
        let handles = Handles {
            given: Mutex::default(),
            seed: crate::random().map_err(Refused::from)?,
        };
        let parameters = planned
            .resolve(&Scope {
                run: &chain.parameters,
                configuration: chain.configured.as_deref().map(|one| &one.resolved),
                outputs: chain,
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
        Ok(Prepared { call, program })
    }

    /// Refuses an attempt too many: after lost workers, or where a second is not allowed.
    fn check_attempt(&self, planned: &PlannedStep, token: Token) -> Result<(), Refused> {
        let lost = token.0 - 1;
        let rules = self.settings.rules(&planned.policy);
        // Given back by a process that does not know the policy.
        if lost > 0 && rules.on_worker_lost == OnWorkerLost::Fail {
            return Err(Refused::failed(worker_lost()));
        }
        if lost >= self.settings.max_attempts {
            return Err(Refused::failed(Problem::permanent(
                "dead-letter",
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
            .outputs(chain.header.run, chain.header.expires_at, &missing)
            .await
            .map_err(|error| Refused::from(crate::Error::from(error)))?;
        chain.outputs.extend(missing.into_iter().zip(outputs));
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "all that a call is made of")]
    fn call(
        &self,
        chain: &Chain,
        planned: &PlannedStep,
        pack: &Pack,
        token: Token,
        parameters: String,
        handles: Handles,
        cancel: CancellationToken,
    ) -> runtime::Call {
        let header = &chain.header;
        let task = header.reference.task(planned.ordinal).to_string();
        let context = Context {
            run_id: header.reference.to_string(),
            task_id: &task,
            application: &chain.runnable.name,
            step: &planned.name,
            configuration: chain.configured.as_deref().map(|one| &*one.name),
            attempt: token.0,
            idempotency_key: &task,
            log_level: header.log_level,
            tenant: tenant_name(header.tenant),
        };
        let log = Arc::new(runtime::LogBuffer::new(
            self.clock.clone(),
            runtime::Level::at_least(header.log_level),
            self.settings.log_limits,
        ));
        if log.keeps(runtime::Level::Debug) {
            log.append(runtime::Level::Debug, &format!("parameters {parameters}"));
        }
        runtime::Call {
            step: planned.file.as_str().into(),
            pack: pack.name.as_str().into(),
            data: chain.data_of(planned),
            context: serde_json::to_string(&context).unwrap_or_default(),
            parameters,
            tenant: header.tenant,
            log,
            http: Some(pack.access(
                header.tenant.0,
                chain.configured.as_deref(),
                self.settings.timeouts,
            )),
            cache: pack.may_cache(),
            masker: chain.masker.clone(),
            secrets: handles.into_runtime(),
            limits: self.limits.clone(),
            trace: chain.attempt_span(planned.ordinal, token),
            // What is left of it when it begins is set then.
            deadline: self.settings.rules(&planned.policy).hard,
            cancel,
        }
    }

    fn completion(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        result: Result<runtime::Outcome, Problem>,
        lines: &[runtime::Line],
    ) -> Completion {
        let masker = &chain.masker;
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
                    "children-not-supported",
                    "the step asks for child applications, which this version of PowerFlow cannot start",
                );
                (StepState::Failed, None, Some(problem.to_json(masker)))
            }
            Err(problem) => (StepState::Failed, None, Some(problem.to_json(masker))),
        };
        Completion {
            key: chain.key(step),
            token,
            state,
            output,
            error,
            log: stored_lines(lines, masker),
            at: self.clock.now(),
            graph: chain.runnable.plan.graph.clone(),
            route: Route::All,
            claim: (!self.draining.is_cancelled()).then(|| self.worker()),
            expires_at: chain.header.expires_at,
        }
    }
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

impl Chain {
    /// The data of the connected earlier steps by step name: a JSON object, put together
    /// without reading what the steps made.
    fn data_of(&self, planned: &PlannedStep) -> String {
        let connected = planned.data_from.iter().take(planned.connected);
        let mut data = String::from("{");
        for &step in connected {
            let (Some(earlier), Some(Some(output))) =
                (self.runnable.plan.step(step), self.outputs.get(&step))
            else {
                continue;
            };
            let Ok(output) = std::str::from_utf8(output) else {
                continue;
            };
            if data.len() > 1 {
                data.push(',');
            }
            let name = serde_json::Value::from(earlier.name.as_str());
            // Writing to a String does not fail.
            let _ = write!(data, "{name}:{output}");
        }
        data.push('}');
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::without_handles;

    #[test]
    fn a_log_line_holds_no_handle() {
        let handles = Handles {
            given: Mutex::default(),
            seed: 7,
        };
        let handle = handles.handle("secret");
        let line = format!(r#"parameters {{"a":"{handle}","b":"Bearer {handle}"}}"#);
        assert_eq!(
            without_handles(line.into()),
            r#"parameters {"a":"********","b":"Bearer ********"}"#
        );
        assert_eq!(without_handles("plain".into()), "plain");
    }
}
