//! What the engine takes and answers: the shapes between it and the API.

use std::collections::BTreeMap;

use model::{
    clock::Timestamp,
    id::{RunRef, TaskRef, TenantId},
    state::{StepState, WaitKind},
    trace::Context,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{
    definitions::Definition,
    packs::PackVersion,
    runs::{Child, RunSummary},
};

use crate::{error::Fault, limits::WaitsForLimit, policy::Rules, served::Waiting};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account's name, for `author`, `by` and the trigger of runs.
    pub name: String,
    /// The tenant that it acts in.
    pub tenant: TenantId,
    /// The place in a trace that it acts from.
    pub trace: Option<Context>,
}

/// A saved document.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The document as stored.
    pub definition: Definition,
    /// Whether there was none of that name before.
    pub created: bool,
    /// Whether it is a new revision; a document that means the same as the newest makes none.
    pub changed: bool,
    /// What needs attention, though it was saved.
    pub found: Found,
}

/// What checking a document finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What keeps an application from running.
    pub faults: Vec<Fault>,
    /// What does not, but needs attention.
    pub warnings: Vec<Fault>,
}

/// A grant that an administrator gives at activation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Give {
    /// The id that the manifest lists.
    pub id: String,
    /// Whether the grant may lead to private, loopback and link-local addresses.
    pub private_network: bool,
    /// The configuration objects that it is given for, where its host is a configuration
    /// variable. `None`: those that belong to the pack.
    pub configurations: Option<Vec<String>>,
}

/// The grants that are given at an activation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The grants.
    pub given: Vec<Give>,
    /// Whether the pack keeps those that it has besides.
    pub add: bool,
}

/// A grant that a pack has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantDecision {
    /// The id that the manifest lists.
    pub id: String,
    /// Whether the grant may lead to private, loopback and link-local addresses.
    #[serde(default)]
    pub private_network: bool,
    /// The configuration objects that it holds for, where its host is a configuration variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configurations: Vec<HoldsFor>,
}

/// A configuration object that a grant holds for, as long as its variable names this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsFor {
    /// The object's number: one that is deleted and made again is another.
    pub id: i64,
    /// The object's name.
    pub name: String,
    /// The host that its variable names, and the port; a digest where the variable is secret.
    pub host: String,
}

/// An activated pack.
#[derive(Clone, Debug)]
pub struct Activated {
    /// The version, now active.
    pub pack: PackVersion,
    /// Documents of the pack that were not written, because a person had changed them.
    pub kept: Vec<String>,
    /// Requested grants that were not given: steps that need them will be refused.
    pub not_granted: Vec<String>,
    /// The version that was active before.
    pub previous: Option<String>,
    /// Grants that it has and the pack had not, or not for private addresses.
    pub newly_granted: Vec<String>,
    /// Grants that the pack had and has no more, or no more for private addresses.
    pub taken_away: Vec<String>,
    /// The pack's documents of which there is a new revision.
    pub brought: Vec<Brought>,
    /// The schedules that it has.
    pub schedules: Vec<String>,
}

/// A document that a pack brought, as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Whether it is an application; else a configuration object.
    pub application: bool,
    /// Its name.
    pub name: String,
    /// Its new revision's number.
    pub revision: i64,
}

/// A step that an active pack offers.
#[derive(Clone, Debug)]
pub struct StepEntry {
    /// Its descriptor, as the manifest has it.
    pub descriptor: Value,
    /// Its name: the `file` of an application's step entry.
    pub name: String,
    /// The pack.
    pub syncpack: String,
    /// The pack's version.
    pub version: String,
    /// The pack's author.
    pub author: String,
}

/// A request to run an application.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// The application's name.
    pub application: String,
    /// The parameters; `loglevel`, `configuration` and `queue` among them are the run's own.
    pub params: Map<String, Value>,
    /// So that the same request sent twice makes one run.
    pub idempotency_key: Option<String>,
}

/// What a process that executes steps shall do from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerChange {
    /// The queues to listen on; empty: all. `None`: as before.
    pub queues: Option<Vec<String>>,
    /// The weights of queues by name; 1 where none stands. `None`: as before.
    pub weights: Option<BTreeMap<String, u32>>,
    /// How many steps to execute at a time. `None`: as before.
    pub slots: Option<u32>,
}

/// A step of a run.
#[derive(Clone, Debug)]
pub struct StepDetail {
    /// Its name outside.
    pub task: TaskRef,
    /// Its name in the application.
    pub name: String,
    /// The step's id in its pack.
    pub file: String,
    /// The pack.
    pub syncpack: String,
    /// Where it stands.
    pub state: StepState,
    /// Which attempt its newest one is: those before it failed, or lost their workers.
    pub attempts: i64,
    /// What it waits for, while it does.
    pub waits_for: Option<WaitsFor>,
    /// How many child applications it has started, and how many of them have ended.
    pub children: Option<(u32, u32)>,
    /// The number of the process that executes or executed its newest attempt.
    pub worker: Option<i64>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// When its newest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its newest attempt had taken longer than it should.
    pub late_at: Option<Timestamp>,
    /// How long an attempt may take, and what becomes of it when its worker is lost.
    pub rules: Rules,
    /// Why it failed, or its warning: `{kind, code, message, detail}`.
    pub error: Option<Value>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitsFor {
    /// `retry`, `children`, `delay` or `limit`.
    pub kind: WaitKind,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When it goes on, if nothing lets it go on before.
    pub until: Option<Timestamp>,
    /// The limit that it waits for, and who holds it.
    pub limit: Option<WaitsForLimit>,
}

/// An attempt that was followed by another.
#[derive(Clone, Debug)]
pub struct PastAttempt {
    /// Which, from 1.
    pub attempt: i64,
    /// How it ended.
    pub state: StepState,
    /// Who executed it.
    pub worker: Option<i64>,
    /// When the step had become ready.
    pub ready_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it failed.
    pub error: Option<Value>,
}

/// A step of a run, with what lies behind it.
#[derive(Clone, Debug)]
pub struct TaskDetail {
    /// Its run.
    pub run: RunSummary,
    /// The step.
    pub step: StepDetail,
    /// Its attempts that were followed by others.
    pub past_attempts: Vec<PastAttempt>,
    /// The first runs that it started.
    pub children: Vec<Child>,
}

/// A run with its steps.
#[derive(Clone, Debug)]
pub struct RunDetail {
    /// The run.
    pub run: RunSummary,
    /// Every step of its plan, in the plan's order.
    pub steps: Vec<StepDetail>,
    /// Why it does not go on, where that is known.
    pub waiting: Option<Waiting>,
}

/// An accepted run.
#[derive(Clone, Debug)]
pub struct Started {
    /// The run.
    pub run: RunRef,
    /// It is the run that the same key started before.
    pub again: bool,
    /// What is odd about the request. `at` is a JSON pointer into it; empty for what it
    /// does not name.
    pub warnings: Vec<Fault>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When.
    pub time: Timestamp,
    /// 10 debug, 20 info, 25 flow, 30 warning, 40 error.
    pub level: u8,
    /// The step's name in the application.
    pub step: String,
    /// The attempt, from 1.
    pub attempt: i64,
    /// The text, secrets masked.
    pub message: String,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// The lines, the oldest first.
    pub lines: Vec<LogLine>,
    /// Where the next part starts.
    pub next: String,
    /// Whether more may come: the run or step has not ended, or the page was full.
    pub more: bool,
}

/// What a run was given, and what its steps made of it.
#[derive(Clone, Debug)]
pub struct RunData {
    /// The run.
    pub run: RunRef,
    /// The run's parameters, references unresolved, secret ones masked: a JSON object.
    pub input: String,
    /// Each step's name with its data as JSON text, if it has any.
    pub outputs: Vec<(String, Option<String>)>,
}

/// What a list of runs is narrowed to, by the names that people use.
#[derive(Clone, Debug, Default)]
pub struct RunsQuery {
    /// Runs of this application.
    pub application: Option<String>,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// Runs aligned with this configuration object.
    pub configuration: Option<String>,
    /// Runs in these states, by their words; empty: any.
    pub states: Vec<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// At most so many, 1 to 200.
    pub limit: usize,
}

/// Which runs are cancelled together: all that have not ended, unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelQuery {
    /// Runs of this application.
    pub application: Option<String>,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// The `until` of the answer before: goes on with what it left.
    pub until: Option<String>,
}

/// What became of runs that were to be cancelled together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelledRuns {
    /// How many were cancelled by this call.
    pub cancelled: u64,
    /// There may be more: give this to the next call. `None`: all have ended.
    pub until: Option<String>,
}
