//! Runs and their steps.

use engine::{RunDetail, Served, StepDetail, TaskDetail};
use model::{
    id::RunRef,
    state::{RunState, StepState},
};
use serde::Serialize;
use serde_json::Value;
use store::runs::{Child, Priority, RunSummary};
use utoipa::ToSchema;

use super::{limit::LimitOfWait, maybe_time, part, time, worker::ServedQueues};
use crate::problem::FaultDocument;

/// Where a task is.
pub(crate) fn href(task: impl std::fmt::Display) -> String {
    format!("/api/v1/tasks/{task}")
}

/// An accepted run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The run's id.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
    /// Where it can be followed.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    href: String,
    /// `queued`: accepted and stored. The task's own answer says how it goes on.
    #[schema(example = "queued")]
    state: &'static str,
    /// What is odd about the request, though it was accepted.
    warnings: Vec<FaultDocument>,
}

impl Accepted {
    pub(crate) fn new(run: RunRef, warnings: Vec<FaultDocument>) -> Self {
        let task_id = run.to_string();
        Self {
            href: href(&task_id),
            task_id,
            state: RunState::Queued.word(),
            warnings,
        }
    }
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    /// The run's id.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
    /// Where it is.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    href: String,
    /// The application's name.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// Where the application is.
    #[schema(example = "/api/v1/applications/create_or_update_incident")]
    application_href: String,
    /// The revision of the application that it runs.
    #[schema(example = 3)]
    application_revision: i64,
    /// The configuration object that it is aligned with.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// The queue of its steps.
    #[schema(example = "default")]
    queue: String,
    /// `normal` or `high`.
    #[schema(example = "normal")]
    priority: &'static str,
    /// The level of log lines that are kept: 10, 20, 30 or 40.
    #[schema(example = 30)]
    log_level: u8,
    /// Who or what started it.
    #[schema(example = "api:isadmin")]
    trigger: String,
    /// `queued`, `running`, `success`, `warning`, `failed` or `cancelled`.
    #[schema(example = "success")]
    state: &'static str,
    /// Whether it has ended.
    #[schema(example = true)]
    ended: bool,
    /// How many steps it has.
    #[schema(example = 3)]
    steps_total: u32,
    /// How many of them have ended, in whatever way: those that were skipped, too.
    #[schema(example = 3)]
    steps_ended: u32,
    /// When it was accepted.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    created_at: String,
    /// When its first step started.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.2Z")]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime, example = "2027-01-15T08:00:01.5Z")]
    finished_at: Option<String>,
    /// Until when it is kept, its results and its log, once it has ended.
    #[schema(format = DateTime, example = "2027-01-22T08:00:00.123456Z")]
    expires_at: String,
    /// The trace that it belongs to, where traces were on when it was accepted.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: Option<String>,
    /// Where its log is.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000/logs")]
    logs: String,
    /// Where its data is.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000/data")]
    data: String,
}

/// A run with its steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunWithSteps {
    #[serde(flatten)]
    run: Run,
    /// Its steps in the order of the plan.
    pub(crate) steps: Vec<Step>,
    /// Why it does not go on, where that is known; `null` while nothing keeps it.
    waiting: Option<Waiting>,
    /// In the answer to the request that started it: what is odd about that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<FaultDocument>>,
}

/// Why a run does not go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    /// The stable code of the reason; `PF-R013`: no worker listens on its queue, `PF-R018`: it
    /// is paused.
    #[schema(example = "PF-R013")]
    code: &'static str,
    /// The reason, and what to do.
    #[schema(
        example = "no worker listens on queue `amce`; did you mean `acme`? Served are `acme` (2 workers). Start a worker with `amce` among worker.queues, or add it to one: pfctl worker set ID --queues …"
    )]
    message: String,
    /// The queue that its ready steps are in.
    #[schema(example = "amce")]
    queue: String,
    /// How many steps are ready and not taken.
    #[schema(example = 1)]
    steps: usize,
    /// The queues that are served instead.
    #[schema(value_type = ServedQueues)]
    served: Served,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// The step's id in this run.
    #[schema(example = "istask-01890a5d-ac96-774b-bcce-b30200000001")]
    task_id: String,
    /// Where it is.
    #[schema(example = "/api/v1/tasks/istask-01890a5d-ac96-774b-bcce-b30200000001")]
    href: String,
    /// Its name in the application.
    #[schema(example = "create incident")]
    name: String,
    /// Its id in the SyncPack.
    #[schema(example = "CreateOrUpdateIncident")]
    file: String,
    /// The SyncPack.
    #[schema(example = "servicenow_example")]
    syncpack: String,
    /// `pending`, `ready`, `running`, `waiting`, `success`, `warning`, `failed`,
    /// `skipped`, `not_taken` (no branch led to it) or `cancelled`.
    #[schema(example = "success")]
    state: &'static str,
    /// Which attempt its newest one is, from 1: those before it failed or lost their workers.
    /// 0 for a step that was not executed; if it ended well all the same, its result is that
    /// of the run that was retried.
    #[schema(example = 1)]
    attempts: i64,
    /// What it waits for, while its state is `waiting`.
    waits_for: Option<WaitsFor>,
    /// How many runs it has started and waits, or waited, for; `null` if none. The step itself
    /// lists them.
    child_runs: Option<ChildCount>,
    /// The process that executes or executed its newest attempt, by its number in the list
    /// of workers.
    #[schema(example = 2)]
    worker: Option<i64>,
    /// When it became ready.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    ready_at: Option<String>,
    /// When its newest attempt started.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.2Z")]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.9Z")]
    finished_at: Option<String>,
    /// When its newest attempt had taken longer than `task_soft_time_limit`; `null` when it
    /// has not.
    #[schema(format = DateTime, example = json!(null))]
    late_at: Option<String>,
    /// After so many seconds an attempt counts as late.
    #[schema(example = 3600.0)]
    task_soft_time_limit: f64,
    /// After so many seconds an attempt is ended.
    #[schema(example = 4200.0)]
    task_time_limit: f64,
    /// What becomes of it when its worker is lost: `retry` (another executes it again) or
    /// `fail`.
    #[schema(example = "retry")]
    on_worker_lost: &'static str,
    /// Why it failed, or its warning: `{kind, code, message, detail}`.
    #[schema(value_type = Option<Object>, example = json!(null))]
    error: Option<Value>,
    /// Where its log is.
    #[schema(example = "/api/v1/tasks/istask-01890a5d-ac96-774b-bcce-b30200000001/logs")]
    logs: String,
    /// Where its data is.
    #[schema(example = "/api/v1/tasks/istask-01890a5d-ac96-774b-bcce-b30200000001/data")]
    data: String,
}

/// How many runs a step has started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChildCount {
    /// How many so far.
    #[schema(example = 3)]
    total: u32,
    /// How many of them have ended, as far as the step has counted them.
    #[schema(example = 3)]
    ended: u32,
}

/// What a step waits for. It holds no worker meanwhile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitsFor {
    /// `retry`: its next attempt; `children`: the end of the applications that it started, or
    /// of the elements of its list; `delay`: its time; `approval`: a decision; `webhook`: a
    /// message; `limit`: a place, or its turn, under a limit.
    #[schema(example = "retry")]
    kind: &'static str,
    /// The same for people.
    #[schema(example = "waiting for the next attempt")]
    message: String,
    /// Since when.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.9Z")]
    since: String,
    /// When it goes on; `null` when something else than the time lets it.
    #[schema(format = DateTime, example = "2027-01-15T08:00:02.9Z")]
    until: Option<String>,
    /// The limit that it waits for, and who holds it.
    limit: Option<LimitOfWait>,
}

/// An attempt that failed and was followed by another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PastAttempt {
    /// Which, from 1.
    #[schema(example = 1)]
    attempt: i64,
    /// How it ended: `failed`.
    #[schema(example = "failed")]
    state: &'static str,
    /// The process that executed it.
    #[schema(example = 2)]
    worker: Option<i64>,
    /// When the step had become ready.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    ready_at: Option<String>,
    /// When it started.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.2Z")]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.9Z")]
    finished_at: String,
    /// Why it failed: `{kind, code, message, detail}`.
    #[schema(value_type = Option<Object>, example = json!(null))]
    error: Option<Value>,
}

/// The applications that a step started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Children {
    /// How many it has started so far.
    #[schema(example = 3)]
    total: u32,
    /// How many of them have ended, as far as the step has counted them.
    #[schema(example = 3)]
    ended: u32,
    /// The first hundred of them, in the order in which they were accepted.
    runs: Vec<ChildRun>,
}

/// A run that a step started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChildRun {
    /// The run's id.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
    /// Where it is.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    href: String,
    /// The application's name.
    #[schema(example = "create_ticket")]
    application: String,
    /// Where it stands.
    #[schema(example = "success")]
    state: &'static str,
}

/// A step with the run that it belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepWithRun {
    #[serde(flatten)]
    step: Step,
    /// The run.
    run: Run,
    /// Its attempts that failed and were followed by others, in their order.
    past_attempts: Vec<PastAttempt>,
    /// The applications that it started; `null` if it started none and waited for them.
    children: Option<Children>,
}

/// What `GET /tasks/{id}` answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made for each answer and written at once"
)]
pub(crate) enum Task {
    /// For `isapp-…`.
    Run(RunWithSteps),
    /// For `istask-…`.
    Step(StepWithRun),
}

impl Run {
    pub(crate) fn new(run: RunSummary) -> Self {
        let task_id = run.reference.to_string();
        let href = href(&task_id);
        Self {
            logs: format!("{href}/logs"),
            data: format!("{href}/data"),
            href,
            task_id,
            application_href: format!("/api/v1/applications/{}", part(&run.application_name)),
            application: run.application_name,
            application_revision: run.application_revision_number,
            expires_at: time(run.expires_at),
            configuration: run.configuration_name,
            queue: run.queue,
            priority: match run.priority {
                Priority::Normal => "normal",
                Priority::High => "high",
            },
            log_level: run.log_level,
            trigger: run.trigger,
            state: run.state.word(),
            ended: run.state.is_final(),
            steps_total: run.steps,
            steps_ended: run.ended,
            created_at: time(run.created_at),
            started_at: maybe_time(run.started_at),
            finished_at: maybe_time(run.finished_at),
            trace_id: run.trace.map(|place| place.trace.to_string()),
        }
    }
}

impl RunWithSteps {
    pub(crate) fn new(detail: RunDetail) -> Self {
        Self {
            run: Run::new(detail.run),
            steps: detail.steps.into_iter().map(Step::new).collect(),
            waiting: detail.waiting.map(|waiting| Waiting {
                code: waiting.code,
                message: waiting.message,
                queue: waiting.queue,
                steps: waiting.steps,
                served: waiting.served,
            }),
            warnings: None,
        }
    }

    /// The same as the answer to the request that started it.
    pub(crate) fn with_warnings(self, warnings: Vec<FaultDocument>) -> Self {
        Self {
            warnings: Some(warnings),
            ..self
        }
    }

    /// Whether the run has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.run.ended
    }
}

impl Step {
    fn new(step: StepDetail) -> Self {
        let task_id = step.task.to_string();
        let href = href(&task_id);
        Self {
            logs: format!("{href}/logs"),
            data: format!("{href}/data"),
            href,
            task_id,
            name: step.name,
            file: step.file,
            syncpack: step.syncpack,
            state: StepState::word(step.state),
            attempts: step.attempts,
            waits_for: step.waits_for.map(|waits| WaitsFor {
                kind: waits.kind.word(),
                message: waits.message,
                since: time(waits.since),
                until: maybe_time(waits.until),
                limit: waits.limit.map(LimitOfWait::new),
            }),
            child_runs: step
                .children
                .map(|(total, ended)| ChildCount { total, ended }),
            worker: step.worker,
            ready_at: maybe_time(step.ready_at),
            started_at: maybe_time(step.started_at),
            finished_at: maybe_time(step.finished_at),
            late_at: maybe_time(step.late_at),
            task_soft_time_limit: step.rules.soft.as_secs_f64(),
            task_time_limit: step.rules.hard.as_secs_f64(),
            on_worker_lost: step.rules.on_worker_lost.word(),
            error: step.error,
        }
    }
}

impl StepWithRun {
    pub(crate) fn new(task: TaskDetail) -> Self {
        let children = task.step.children.map(|(total, ended)| Children {
            total,
            ended,
            runs: task.children.into_iter().map(ChildRun::new).collect(),
        });
        let past = task.past_attempts.into_iter().map(PastAttempt::new);
        Self {
            past_attempts: past.collect(),
            children,
            step: Step::new(task.step),
            run: Run::new(task.run),
        }
    }
}

impl PastAttempt {
    fn new(past: engine::PastAttempt) -> Self {
        Self {
            attempt: past.attempt,
            state: past.state.word(),
            worker: past.worker,
            ready_at: maybe_time(past.ready_at),
            started_at: maybe_time(past.started_at),
            finished_at: time(past.finished_at),
            error: past.error,
        }
    }
}

impl ChildRun {
    fn new(child: Child) -> Self {
        let task_id = child.reference.to_string();
        Self {
            href: href(&task_id),
            task_id,
            application: child.application_name,
            state: child.state.word(),
        }
    }
}
