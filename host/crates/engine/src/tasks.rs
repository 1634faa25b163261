//! What is seen of runs and of their steps.

use std::sync::Arc;

use model::{
    application::Application,
    id::{AnyRef, Ordinal, RunRef, StepKey, TaskRef, TenantId},
    state::{RunState, StepState, WaitKind},
};
use store::{
    Page,
    definitions::Kind,
    limits::LimitWait,
    runs::{RunFilter, RunSummary, StepSummary, WaitSummary},
};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    inputs,
    limits::{self, WaitsForLimit},
    view::{PastAttempt, RunData, RunDetail, RunsQuery, StepDetail, TaskDetail, WaitsFor},
};

/// How many of its children the answer about a step names.
const CHILDREN: usize = 100;

impl Engine {
    pub(crate) async fn summary(&self, tenant: TenantId, run: RunRef) -> Result<RunSummary> {
        self.store
            .run(tenant, run)
            .await?
            .ok_or_else(|| Error::not_found("run", run.to_string()))
    }

    /// The run, and the step in it if a step is named.
    #[expect(clippy::unused_self, reason = "reads like the other look-ups")]
    pub(crate) fn split(&self, of: AnyRef) -> Result<(RunRef, Option<Ordinal>)> {
        match of {
            AnyRef::Run(run) => Ok((run, None)),
            AnyRef::Task(task) => {
                let (run, step) = task
                    .split()
                    .ok_or_else(|| Error::not_found("task", task.to_string()))?;
                Ok((run, Some(step)))
            }
        }
    }

    /// The application that a run ran.
    pub(crate) async fn application_of(&self, run: &RunSummary) -> Result<Arc<Application>> {
        if let Some(kept) = self.prepared.document(run.application_revision) {
            return Ok(kept);
        }
        let broken = |error: &dyn std::fmt::Display| {
            Error::Internal(format!(
                "the revision of {} cannot be read: {error}",
                run.reference
            ))
        };
        let revision = self
            .store
            .revision(run.application_revision)
            .await?
            .ok_or_else(|| broken(&"it is gone"))?;
        let application = Application::parse(&revision.document).map_err(|error| broken(&error))?;
        let application = Arc::new(application);
        self.prepared
            .keep_document(run.application_revision, application.clone());
        Ok(application)
    }

    /// The names of a run's steps, by ordinal.
    pub(crate) async fn step_names(&self, run: &RunSummary) -> Result<Vec<String>> {
        Ok(self
            .application_of(run)
            .await?
            .steps()
            .enumerate()
            .filter(|(index, _)| is_of(run, *index))
            .map(|(_, step)| step.name().unwrap_or_default().to_owned())
            .collect())
    }

    /// A run's parameters as they are stored: secret ones are sealed.
    pub(crate) async fn input(&self, run: &RunSummary) -> Result<String> {
        let bytes = self.store.input(run.run, run.expires_at).await?;
        Ok(bytes.map_or_else(
            || "{}".to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        ))
    }

    /// A run with every step of its plan.
    pub async fn run_detail(&self, tenant: TenantId, run: RunRef) -> Result<RunDetail> {
        let summary = self.summary(tenant, run).await?;
        self.detail(summary).await
    }

    pub(crate) async fn detail(&self, run: RunSummary) -> Result<RunDetail> {
        let application = self.application_of(&run).await?;
        let rows = self.store.steps(run.run, 0).await?;
        let packs = self.catalogue.active(run.tenant);
        let mut steps: Vec<StepDetail> = application
            .steps()
            .enumerate()
            .filter(|(index, _)| is_of(&run, *index))
            .map(|(_, step)| step)
            .enumerate()
            .map(|(index, step)| StepDetail {
                task: run.reference.task(Ordinal(index as u32)),
                name: step.name().unwrap_or_default().to_owned(),
                file: step.executes().map_or("", |(_, file)| file).to_owned(),
                syncpack: step
                    .executes()
                    .and_then(|one| one.0)
                    .unwrap_or_default()
                    .to_owned(),
                state: unreached(run.state),
                attempts: 0,
                waits_for: None,
                children: None,
                worker: None,
                ready_at: None,
                started_at: None,
                finished_at: None,
                late_at: None,
                rules: self.settings.rules_of(&application, step, &packs),
                error: None,
            })
            .collect();
        for row in rows {
            let error = self.step_error(&run, &row).await?;
            if let Some(step) = steps.get_mut(row.step.index()) {
                step.state = row.state;
                step.attempts = row.attempts;
                step.worker = row.worker.map(|worker| worker.0);
                step.ready_at = row.ready_at;
                step.started_at = row.started_at;
                step.finished_at = row.finished_at;
                step.late_at = row.late_at;
                step.error = error;
            }
        }
        // A step that was claimed once and does not wait has none.
        if steps
            .iter()
            .any(|step| step.attempts > 1 || step.state == StepState::Waiting)
        {
            let waits = self.store.waits(run.run).await?;
            let limited = waits.iter().any(|wait| wait.kind == WaitKind::Limit);
            let limits = if limited {
                self.limit_waits(run.run).await?
            } else {
                Vec::new()
            };
            for wait in waits {
                if let Some(step) = steps.get_mut(wait.key.step.index()) {
                    // What was woken and is not claimed again yet is still at its attempt.
                    let ours = step.attempts - wait.wakes + i64::from(wait.retries);
                    step.attempts = ours.max(1);
                    step.children = (wait.children.0 > 0).then_some(wait.children);
                    let limit = limits.iter().find(|one| one.step == wait.key);
                    step.waits_for =
                        (step.state == StepState::Waiting).then(|| waits_for(&wait, limit));
                    if let Some(waits_for) = &mut step.waits_for
                        && matches!(wait.kind, WaitKind::Approval | WaitKind::Webhook)
                        && let Some(words) = self.asked_in_words(wait.key).await?
                    {
                        waits_for.message = words;
                    }
                }
            }
        }
        let waiting = self.waiting(&run, &steps).await?;
        Ok(RunDetail {
            run,
            steps,
            waiting,
        })
    }

    pub(crate) async fn step_error(
        &self,
        run: &RunSummary,
        row: &StepSummary,
    ) -> Result<Option<serde_json::Value>> {
        if !matches!(row.state, StepState::Failed | StepState::Warning) {
            return Ok(None);
        }
        let bytes = self.store.error(run.run, run.expires_at, row.step).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// One step of a run.
    pub async fn task_detail(&self, tenant: TenantId, task: TaskRef) -> Result<TaskDetail> {
        let missing = || Error::not_found("task", task.to_string());
        let (run, step) = task.split().ok_or_else(missing)?;
        let mut detail = self.run_detail(tenant, run).await?;
        if step.index() >= detail.steps.len() {
            return Err(missing());
        }
        let key = StepKey {
            run: detail.run.run,
            step,
        };
        let step = detail.steps.swap_remove(step.index());
        let past_attempts = if step.attempts > 1 {
            self.past_attempts(key).await?
        } else {
            Vec::new()
        };
        let children = match step.children {
            Some(_) => self.store.children(key, None, CHILDREN).await?,
            None => Vec::new(),
        };
        Ok(TaskDetail {
            run: detail.run,
            step,
            past_attempts,
            children,
        })
    }

    async fn past_attempts(&self, key: StepKey) -> Result<Vec<PastAttempt>> {
        let attempts = self.store.attempts(key).await?;
        Ok((1..)
            .zip(attempts)
            .map(|(attempt, one)| PastAttempt {
                attempt,
                state: one.state,
                worker: one.worker.map(|worker| worker.0),
                ready_at: one.ready_at,
                started_at: one.started_at,
                finished_at: one.finished_at,
                error: one
                    .error
                    .and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            })
            .collect())
    }

    /// Runs, the newest first.
    pub async fn runs(&self, tenant: TenantId, query: &RunsQuery) -> Result<Page<RunSummary>> {
        let application = match &query.application {
            Some(name) => Some(self.find(tenant, Kind::Application, name).await?.id),
            None => None,
        };
        let mut states = Vec::new();
        for word in &query.states {
            states.push(RunState::from_word(word).ok_or_else(|| unknown_state(word))?);
        }
        let after = match &query.after {
            Some(text) => Some(model::id::RunId(
                text.parse().map_err(|_| Error::Position(text.clone()))?,
            )),
            None => None,
        };
        let filter = RunFilter {
            application,
            queue: query
                .queue
                .as_deref()
                .map(|name| queue::canonical(name).to_owned()),
            configuration: query.configuration.clone(),
            states,
            ..RunFilter::default()
        };
        Ok(self
            .store
            .runs(tenant, &filter, after, query.limit.clamp(1, 200))
            .await?)
    }

    /// What a run or one of its steps was given and made.
    pub async fn data(&self, tenant: TenantId, of: AnyRef) -> Result<RunData> {
        let (reference, step) = self.split(of)?;
        let run = self.summary(tenant, reference).await?;
        let names = self.step_names(&run).await?;
        let steps: Vec<Ordinal> = match step {
            Some(step) if step.index() < names.len() => vec![step],
            Some(step) => return Err(Error::not_found("task", reference.task(step).to_string())),
            None => (0..names.len() as u32).map(Ordinal).collect(),
        };
        let outputs = self.store.outputs(run.run, run.expires_at, &steps).await?;
        let input = inputs::shown(self.input(&run).await?);
        Ok(RunData {
            run: reference,
            input,
            outputs: steps
                .iter()
                .zip(outputs)
                .map(|(step, output)| {
                    let text = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    (names[step.index()].clone(), text)
                })
                .collect(),
        })
    }
}

/// Whether a run executes the step at that place of its application.
fn is_of(run: &RunSummary, index: usize) -> bool {
    run.part.is_none_or(|part| part.index() == index)
}

/// What a waiting step waits for, for people.
fn waits_for(wait: &WaitSummary, limit: Option<&LimitWait>) -> WaitsFor {
    let message = match wait.kind {
        WaitKind::Retry => "waiting for the next attempt".to_owned(),
        WaitKind::Delay => "waiting for its time".to_owned(),
        WaitKind::Approval => "waiting for a decision".to_owned(),
        WaitKind::Webhook => "waiting for a message".to_owned(),
        WaitKind::Limit => limit.map_or_else(
            || "waiting for a limit, and about to go on".to_owned(),
            limits::message,
        ),
        WaitKind::Children => {
            let (started, ended) = wait.children;
            let noun = if started == 1 {
                "child application"
            } else {
                "child applications"
            };
            format!(
                "waiting for {} of {started} {noun}",
                started.saturating_sub(ended)
            )
        }
    };
    WaitsFor {
        kind: wait.kind,
        message,
        since: wait.since,
        until: wait.until.or_else(|| limit.and_then(limits::turn)),
        limit: limit.map(WaitsForLimit::from),
    }
}

/// How a step shows that no signal has reached.
const fn unreached(run: RunState) -> StepState {
    match run {
        RunState::Cancelled => StepState::Cancelled,
        RunState::Failed => StepState::Skipped,
        _ => StepState::Pending,
    }
}

pub(crate) fn unknown_state(word: &str) -> Error {
    let words: Vec<&str> = RunState::ALL.iter().map(|state| state.word()).collect();
    Error::Invalid {
        what: "query",
        faults: vec![Fault {
            code: "PF-1005".to_owned(),
            at: "state".to_owned(),
            message: format!(
                "`{word}` is no state of a run; they are {}",
                words.join(", ")
            ),
        }],
    }
}
