//! What happened, in its order, and whether it may happen.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, LazyLock},
};

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState, WaitKind},
};
use parking_lot::Mutex;
use store::{pauses::PauseScope, runs::NewRun, schedules::Outcome};
use tokio::time::Instant;

use crate::check::Check;

/// How many of the last lines are told, where `POWERFLOW_LINES` asks for no other number.
const TOLD: usize = 80;

/// How many lines are told; more than usual: each call is told too.
static LINES: LazyLock<Option<usize>> =
    LazyLock::new(|| std::env::var("POWERFLOW_LINES").ok()?.parse().ok());

/// What the store has committed.
#[derive(Clone, Debug)]
pub(crate) enum Commit {
    /// A run was accepted.
    Accepted(RunId, Box<NewRun>),
    /// An attempt of a step began.
    Claimed(StepKey, Token, WorkerId),
    /// An attempt has ended for good.
    Ended(StepKey, Token, StepState),
    /// An attempt has ended for now.
    Suspended(StepKey, Token, WaitKind),
    /// A waiting step is ready.
    Woken(StepKey),
    /// An attempt of a lost worker was taken back.
    GivenBack(StepKey, Token),
    /// A step was stopped.
    Revoked(StepKey),
    /// A run was stopped.
    Cancelled(RunId),
    /// All steps of a run have ended.
    RunEnded(RunId, RunState),
    /// It was decided what becomes of an occurrence.
    Fired(i64, Timestamp, Outcome, Option<RunId>),
    /// A step starts under the rate of that key.
    Starts(String, Timestamp),
    /// Something starts no steps from now on.
    Paused(PauseScope),
    /// It does again.
    Resumed(PauseScope),
}

/// What happened. A clone is the same journal.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    began: Option<Instant>,
    /// The process whose call is being answered; 0: nobody's.
    speaker: u32,
    lines: VecDeque<String>,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
    check: Check,
    violation: Option<String>,
}

impl Written {
    fn line(&mut self, what: &str) {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let line = format!(
            "{:>9} p{} {what}",
            now.duration_since(began).as_millis(),
            self.speaker
        );
        line.hash(&mut self.digest);
        if self.lines.len() == LINES.unwrap_or(TOLD) {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn judge(&mut self, verdict: Result<(), String>) {
        if let Err(violation) = verdict
            && self.violation.is_none()
        {
            self.line(&format!("VIOLATION {violation}"));
            let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
            self.violation = Some(format!("{violation}\n{}", lines.join("\n")));
        }
    }
}

impl Journal {
    /// The next commits are of that process's call.
    pub(crate) fn speaks(&self, process: u32) {
        self.0.lock().speaker = process;
    }

    /// The store has committed that.
    pub(crate) fn commit(&self, commit: Commit) {
        let mut written = self.0.lock();
        let (line, count) = match &commit {
            Commit::Accepted(run, new) => (
                format!(
                    "Accepted({}, {} steps, {})",
                    run.0,
                    new.graph.len(),
                    new.trigger
                ),
                "runs",
            ),
            Commit::Claimed(..) => (format!("{commit:?}"), "attempts"),
            Commit::Suspended(..) => (format!("{commit:?}"), "waits"),
            Commit::GivenBack(..) => (format!("{commit:?}"), "attempts taken back"),
            Commit::Revoked(..) => (format!("{commit:?}"), "steps revoked"),
            Commit::Cancelled(..) => (format!("{commit:?}"), "runs cancelled"),
            Commit::Fired(..) => (format!("{commit:?}"), "occurrences"),
            Commit::Starts(..) => (format!("{commit:?}"), "starts under a rate"),
            Commit::Paused(..) => (format!("{commit:?}"), "pauses"),
            _ => (format!("{commit:?}"), "other commits"),
        };
        written.line(&line);
        *written.counts.entry(count).or_default() += 1;
        let speaker = written.speaker;
        let verdict = written.check.commit(speaker, commit);
        written.judge(verdict);
    }

    /// Something else happened, which is counted.
    pub(crate) fn note(&self, what: &'static str, detail: &dyn Debug) {
        let mut written = self.0.lock();
        let speaker = std::mem::take(&mut written.speaker);
        written.line(&format!("{what}: {detail:?}"));
        written.speaker = speaker;
        *written.counts.entry(what).or_default() += 1;
    }

    /// So much more of something.
    pub(crate) fn add(&self, what: &'static str, count: u64) {
        *self.0.lock().counts.entry(what).or_default() += count;
    }

    /// A line for those who look at one seed.
    pub(crate) fn tell(&self, process: u32, line: impl FnOnce() -> String) {
        if LINES.is_some() {
            let mut written = self.0.lock();
            written.speaker = process;
            written.line(&line());
        }
    }

    /// Looks at what is known so far, and may change it.
    pub(crate) fn check(&self, what: impl FnOnce(&mut Check) -> Result<(), String>) {
        let mut written = self.0.lock();
        let verdict = what(&mut written.check);
        written.judge(verdict);
    }

    /// What may not have happened, with the lines before it.
    pub(crate) fn violation(&self) -> Option<String> {
        self.0.lock().violation.clone()
    }

    /// Other words for every line that was written.
    pub(crate) fn digest(&self) -> u64 {
        self.0.lock().digest.finish()
    }

    /// How often that happened.
    pub(crate) fn count(&self, what: &str) -> u64 {
        self.0.lock().counts.get(what).copied().unwrap_or_default()
    }

    /// How often what happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().counts.clone()
    }
}
