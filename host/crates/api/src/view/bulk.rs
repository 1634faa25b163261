//! Work on many runs, and dead letters.

use engine::{BulkDetail, BulkProblem, DeadLetterDetail, SetAside};
use serde::Serialize;
use utoipa::ToSchema;

use super::time;

/// Where work on many runs is.
pub(crate) const COLLECTION: &str = "/api/v1/runs/bulk";

/// Work on many runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkDocument {
    /// Its number.
    #[schema(example = "7")]
    id: String,
    /// `cancel`, `retry` or `replay`.
    #[schema(example = "retry")]
    action: &'static str,
    /// Runs of this application.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// Runs on this queue.
    #[schema(example = json!(null))]
    queue: Option<String>,
    /// Runs aligned with this configuration object.
    #[schema(example = json!(null))]
    configuration: Option<String>,
    /// Runs in these states; empty: as the action takes them.
    #[schema(example = json!(["failed"]))]
    states: Vec<String>,
    /// Runs accepted at this moment or later.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    from: Option<String>,
    /// Runs accepted before this moment.
    #[schema(format = DateTime, example = json!(null))]
    until: Option<String>,
    /// Runs with dead letters only.
    #[schema(example = false)]
    dead_letters: bool,
    /// `running`, `done` or `stopped`.
    #[schema(example = "running")]
    state: &'static str,
    /// How many runs there were at its beginning.
    #[schema(example = 1200)]
    total: u64,
    /// For how many it was done.
    #[schema(example = 400)]
    done: u64,
    /// For how many it could not be.
    #[schema(example = 1)]
    skipped: u64,
    /// Why not, of the first twenty.
    problems: Vec<BulkProblemDocument>,
    /// Who asked for it.
    #[schema(example = "isadmin")]
    by: String,
    /// When.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    created_at: String,
    /// When it came this far.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    changed_at: String,
    /// Where it is.
    #[schema(example = "/api/v1/runs/bulk/7")]
    href: String,
}

/// Why a run was left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkProblemDocument {
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    run: String,
    /// Why.
    #[schema(example = "its application is gone")]
    message: String,
}

impl BulkDocument {
    pub(crate) fn new(one: BulkDetail) -> Self {
        let BulkDetail {
            bulk,
            query,
            problems,
        } = one;
        let problem = |BulkProblem { run, message }| BulkProblemDocument { run, message };
        let action = query.as_ref().map_or("", |query| query.action.word());
        let (from, until) = query
            .as_ref()
            .map_or((None, None), |query| (query.from, query.until));
        Self {
            href: format!("{COLLECTION}/{}", bulk.id),
            id: bulk.id.to_string(),
            action,
            from: from.map(time),
            until: until.map(time),
            dead_letters: query.as_ref().is_some_and(|query| query.dead_letters),
            application: query.as_ref().and_then(|query| query.application.clone()),
            queue: query.as_ref().and_then(|query| query.queue.clone()),
            configuration: query.as_ref().and_then(|query| query.configuration.clone()),
            states: query.map(|query| query.states).unwrap_or_default(),
            state: bulk.state.word(),
            total: bulk.total,
            done: bulk.done,
            skipped: bulk.skipped,
            problems: problems.into_iter().map(problem).collect(),
            by: bulk.by,
            created_at: time(bulk.created_at),
            changed_at: time(bulk.changed_at),
        }
    }
}

/// A step that failed because its workers were lost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterDocument {
    /// Its number.
    #[schema(example = "7")]
    id: String,
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    run: String,
    /// The step as a task.
    #[schema(example = "istask-01890a5d-ac96-774b-bcce-b30200000001")]
    task: String,
    /// The step's name in the application.
    #[schema(example = "create incident")]
    step: String,
    /// The application.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// The queue of the run.
    #[schema(example = "default")]
    queue: String,
    /// How often it was claimed.
    #[schema(example = 5)]
    attempts: i64,
    /// `worker-lost`: it is not executed again after its worker was lost; `dead-letter`: its
    /// worker was lost too often.
    #[schema(example = "dead-letter")]
    code: String,
    /// Why, for people.
    #[schema(example = "the worker was lost during each of 5 attempts")]
    reason: String,
    /// When it failed.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    at: String,
}

impl From<DeadLetterDetail> for DeadLetterDocument {
    fn from(one: DeadLetterDetail) -> Self {
        let DeadLetterDetail { letter, step } = one;
        Self {
            id: letter.id.to_string(),
            run: letter.run.to_string(),
            task: letter.run.task(letter.step).to_string(),
            step,
            application: letter.application,
            queue: letter.queue,
            attempts: letter.attempts,
            code: letter.code,
            reason: letter.reason,
            at: time(letter.at),
        }
    }
}

/// What a queue has set aside: it is delivered anew by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetAsideDocument {
    /// The queue.
    #[schema(example = "default")]
    queue: String,
    /// How many entries.
    #[schema(example = 1)]
    count: usize,
    /// Why, of the oldest.
    #[schema(example = "delivered 5 times and never acknowledged")]
    reason: String,
}

impl From<SetAside> for SetAsideDocument {
    fn from(one: SetAside) -> Self {
        Self {
            queue: one.queue,
            count: one.count,
            reason: one.reason,
        }
    }
}
