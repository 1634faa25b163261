//! Schedules and their occurrences.
//!
//! An occurrence is recorded in the transaction that accepts its run and moves the schedule
//! on, and there is one for a schedule and a moment: however many schedulers there are, it
//! starts one run.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, TenantId},
    schedule::Overlap,
};

use crate::{Page, Result, runs::NewRun};

/// A schedule with its newest document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The application that it runs, by name.
    pub application: String,
    /// Its document: a JSON text.
    pub document: String,
    /// How often it was saved, from 1: changed by people only.
    pub revision: i64,
    /// The pack version that brought it: `name@version`; `None` once a person has saved it.
    pub origin: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Where the phase of a frequency begins.
    pub anchor: Timestamp,
    /// Its next occurrence; `None` when there is none, or it does not run.
    pub next_due: Option<Timestamp>,
    /// How many runs it has started.
    pub total_runs: i64,
    /// The run that it started last, and when.
    pub last_run: Option<(RunRef, Timestamp)>,
    /// Who saved it last.
    pub edited_by: String,
    /// When it was saved last.
    pub edited_at: Timestamp,
    /// When it was first saved.
    pub created_at: Timestamp,
}

/// A schedule to be saved.
#[derive(Clone, Debug)]
pub struct SaveSchedule {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The application that it runs.
    pub application: String,
    /// Its document.
    pub document: String,
    /// The pack version that brings it; `None` for a person's save.
    pub origin: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Where the phase of its frequency begins.
    pub anchor: Timestamp,
    /// Its next occurrence.
    pub next_due: Option<Timestamp>,
    /// Who saves it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The revision that the caller has seen: `Some(0)` when it expects none to exist,
    /// `None` when it overwrites whatever there is.
    pub expected: Option<i64>,
}

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It started a run.
    Started = 1,
    /// It was left out, because a run of the schedule had not ended.
    Skipped = 2,
    /// Its run was refused.
    Failed = 3,
    /// It was left out, because nobody started it in time.
    Missed = 4,
    /// It waits to be started: for a run to end, or because somebody asked for it.
    Waiting = 5,
}

impl Outcome {
    /// Every outcome with its word.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("started", Self::Started),
        ("skipped", Self::Skipped),
        ("failed", Self::Failed),
        ("missed", Self::Missed),
        ("waiting", Self::Waiting),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// The outcome of a column.
    pub fn from_code(code: u8) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, one)| *one as u8 == code);
        found.map(|(_, one)| *one)
    }
}

/// A recorded occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it was due.
    pub due: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The run that it started.
    pub run: Option<RunRef>,
    /// Why there is none.
    pub reason: Option<String>,
    /// When that was decided.
    pub at: Timestamp,
}

/// An occurrence that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its schedule.
    pub schedule: Schedule,
    /// When it was due.
    pub due: Timestamp,
}

/// Which occurrence something is to happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The schedule's next one, which `next` follows.
    Due {
        /// The occurrence that follows.
        next: Option<Timestamp>,
    },
    /// One that waits.
    Waiting,
}

/// What is to happen to an occurrence.
#[derive(Clone, Debug)]
pub enum Act {
    /// Start this run, unless the policy says otherwise.
    Start(Box<NewRun>, Overlap),
    /// Record that there is none, with the reason.
    Record(Outcome, String),
}

/// What is to happen to one occurrence of a schedule.
#[derive(Clone, Debug)]
pub struct Fire {
    /// The schedule.
    pub schedule: i64,
    /// The revision that the caller has read.
    pub revision: i64,
    /// The occurrence.
    pub due: Timestamp,
    /// Which one that is.
    pub source: Source,
    /// What is to happen.
    pub act: Act,
    /// Now.
    pub at: Timestamp,
}

/// What became of a [`Fire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fired {
    /// It started the run.
    Started {
        /// Its number.
        run: RunId,
        /// Ready steps that the caller must put on the queue.
        ready: Vec<Ordinal>,
    },
    /// It was recorded that there is no run, or none yet.
    Recorded(Outcome),
    /// Another scheduler was first. The schedule has moved on.
    Already,
    /// The schedule is not as the caller has read it, or does not run: read it again.
    /// Nothing was done.
    Changed,
}

/// What a backend knows of a schedule when it decides on a [`Fire`].
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// How often it was saved.
    pub revision: i64,
    /// Whether it runs.
    pub enabled: bool,
    /// Its next occurrence.
    pub next_due: Option<Timestamp>,
    /// What is recorded of the occurrence.
    pub recorded: Option<Outcome>,
    /// Whether a run of the schedule has not ended, where the policy asks.
    pub unfinished: bool,
    /// How many of its occurrences wait, where the policy asks, without those that somebody
    /// asked for; counted up to [`MAX_WAITING`].
    pub waiting: usize,
}

/// What a backend does about a [`Fire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Accept the run and record it.
    Start,
    /// Record this, and no run.
    Record(Outcome),
    /// Move the schedule on; the occurrence is recorded already.
    MoveOn,
    /// Leave an occurrence waiting that waits.
    Wait,
    /// Nothing.
    Nothing,
}

/// How many occurrences of a schedule may wait for its runs to end; more are left out.
/// Those that somebody asked for do not count against it.
pub const MAX_WAITING: usize = 100;

impl Fire {
    /// What is to be done, with the schedule's row locked.
    pub fn decide(&self, standing: Option<Standing>) -> Decision {
        let Some(now) = standing.filter(|now| now.enabled && now.revision == self.revision) else {
            return Decision::Nothing;
        };
        match self.source {
            Source::Due { .. } if now.next_due != Some(self.due) => return Decision::Nothing,
            Source::Due { .. } if now.recorded.is_some() => return Decision::MoveOn,
            Source::Waiting if now.recorded != Some(Outcome::Waiting) => return Decision::Nothing,
            Source::Due { .. } | Source::Waiting => {}
        }
        let overlap = match &self.act {
            Act::Start(_, overlap) => *overlap,
            Act::Record(outcome, _) => return Decision::Record(*outcome),
        };
        match (overlap, self.source) {
            (Overlap::Skip, _) if now.unfinished => Decision::Record(Outcome::Skipped),
            (Overlap::Queue, Source::Waiting) if now.unfinished => Decision::Wait,
            (Overlap::Queue, Source::Due { .. }) if now.waiting >= MAX_WAITING => {
                Decision::Record(Outcome::Skipped)
            }
            // Not before those that wait already.
            (Overlap::Queue, Source::Due { .. }) if now.unfinished || now.waiting > 0 => {
                Decision::Record(Outcome::Waiting)
            }
            _ => Decision::Start,
        }
    }

    /// Whether the decision needs to know if a run of the schedule has not ended.
    pub const fn asks_for_runs(&self) -> bool {
        matches!(self.act, Act::Start(_, Overlap::Skip | Overlap::Queue))
    }

    /// The occurrence that follows, where this is the schedule's next one.
    pub const fn next(&self) -> Option<Option<Timestamp>> {
        match self.source {
            Source::Due { next } => Some(next),
            Source::Waiting => None,
        }
    }

    /// The reason to be recorded with an outcome.
    pub fn reason(&self) -> &str {
        match &self.act {
            Act::Record(_, reason) => reason,
            Act::Start(_, Overlap::Queue) => {
                "a run of this schedule had not ended, or earlier occurrences were waiting"
            }
            Act::Start(..) => "a run of this schedule had not ended",
        }
    }
}

/// Which schedules a list has.
#[derive(Clone, Debug, Default)]
pub struct ScheduleFilter {
    /// Those of this application.
    pub application: Option<String>,
    /// Those whose name or application contains this, whatever the case; empty: all.
    pub search: String,
}

/// Schedules and what became of their occurrences.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Saves a schedule. What it has counted, and its occurrences, stay.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn save_schedule(&self, save: SaveSchedule) -> Result<Schedule>;

    /// The schedule of that name.
    async fn schedule(&self, tenant: TenantId, name: &str) -> Result<Option<Schedule>>;

    /// Schedules by name, after the name `after`.
    async fn schedules(
        &self,
        tenant: TenantId,
        filter: &ScheduleFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Schedule>>;

    /// The names of the applications that a schedule which runs starts.
    async fn scheduled(&self, tenant: TenantId) -> Result<Vec<String>>;

    /// Deletes a schedule and its occurrences; its runs stay. Says whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn delete_schedule(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool>;

    /// When the next occurrence of any schedule is due, and whether one waits.
    async fn next_due(&self) -> Result<(Option<Timestamp>, bool)>;

    /// Schedules that are due by `now`, the longest due first, at most `limit`; of a tenant, or of all.
    async fn due(
        &self,
        tenant: Option<TenantId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Schedule>>;

    /// Occurrences that wait, of schedules that run, the oldest first of each schedule, at
    /// most `each` of one and `limit` together.
    async fn waiting(&self, each: usize, limit: usize) -> Result<Vec<Waiting>>;

    /// Does what is to happen to occurrences, in their order and in one commit, at most
    /// [`BATCH`]; answers one by one. None of it is done when the call fails.
    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>>;

    /// Has occurrences wait to be started: those of `dues` that are not recorded, or that
    /// have started no run. Answers how many.
    async fn backfill(&self, schedule: i64, dues: Vec<Timestamp>, at: Timestamp) -> Result<usize>;

    /// Recorded occurrences of a schedule, the newest first, those before `before`.
    async fn occurrences(
        &self,
        schedule: i64,
        outcome: Option<Outcome>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Page<Occurrence>>;

    /// Recorded occurrences that were due from `from` to `until`, both inclusive.
    async fn occurrences_between(
        &self,
        schedule: i64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Occurrence>>;

    /// The runs of a schedule that have not ended, of occurrences that were due before
    /// `before`, at most 100.
    async fn unfinished_of(&self, schedule: i64, before: Timestamp) -> Result<Vec<RunRef>>;

    /// Forgets occurrences that were decided before `before`, at most `limit`; answers how
    /// many.
    async fn forget_occurrences(&self, before: Timestamp, limit: usize) -> Result<usize>;
}

/// How many occurrences one call of [`Schedules::fire`] takes at most.
pub const BATCH: usize = 256;
