//! Work on many runs together, and the steps that nobody executes any more.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, TenantId},
};

use crate::{Page, Result, runs::RunFilter};

/// Where such work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BulkState {
    /// It goes on.
    Running = 1,
    /// It has come to its end.
    Done = 2,
    /// Somebody stopped it.
    Stopped = 3,
}

impl BulkState {
    /// Every state with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("running", Self::Running),
        ("done", Self::Done),
        ("stopped", Self::Stopped),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// The state of a column.
    pub fn from_code(code: u8) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, one)| *one as u8 == code);
        found.map(|(_, one)| *one)
    }
}

/// Work on many runs. It goes from the newest run to the oldest, so that runs which it starts
/// are none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Its number.
    pub id: i64,
    /// Whose runs.
    pub tenant: TenantId,
    /// What is done, and to which runs: a JSON text.
    pub request: String,
    /// Where it stands.
    pub state: BulkState,
    /// Runs below this number are left.
    pub cursor: RunId,
    /// How many runs there were at its beginning.
    pub total: u64,
    /// For how many it was done.
    pub done: u64,
    /// For how many it could not be.
    pub skipped: u64,
    /// Why not, of the first: a JSON text.
    pub problems: String,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it came this far.
    pub changed_at: Timestamp,
}

/// Work that is asked for.
#[derive(Clone, Debug)]
pub struct NewBulk {
    /// Whose runs.
    pub tenant: TenantId,
    /// What is done, and to which runs.
    pub request: String,
    /// Runs below this number.
    pub cursor: RunId,
    /// How many there are.
    pub total: u64,
    /// Who asks for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A part of the work was done.
#[derive(Clone, Debug)]
pub struct Advance {
    /// Which work.
    pub id: i64,
    /// Where it stood.
    pub from: RunId,
    /// Where it stands.
    pub to: RunId,
    /// For how many runs between it was done.
    pub done: u64,
    /// For how many it could not be.
    pub skipped: u64,
    /// Why not, those before included.
    pub problems: String,
    /// Nothing is left.
    pub ended: bool,
    /// When.
    pub at: Timestamp,
}

/// A step that failed because nobody executes it any more: its workers were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// Its run.
    pub run: RunRef,
    /// Its place in the plan.
    pub step: Ordinal,
    /// The revision that the run is pinned to.
    pub application_revision: i64,
    /// The application, by name.
    pub application: String,
    /// The queue of the run.
    pub queue: String,
    /// How often it was claimed.
    pub attempts: i64,
    /// The code of why: `worker-lost`, `dead-letter`.
    pub code: String,
    /// Why, for people.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A dead letter to be recorded.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: Ordinal,
    /// The attempt that is the last one.
    pub attempt: i64,
    /// The queue of the run.
    pub queue: String,
    /// The code of why.
    pub code: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What a list of dead letters is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Those of runs of this application's definition.
    pub application: Option<i64>,
    /// Those of runs on this queue.
    pub queue: Option<String>,
    /// Those with this code.
    pub code: Option<String>,
}

/// Work on many runs, and dead letters.
#[async_trait]
pub trait Bulks: Send + Sync + 'static {
    /// How many runs fit, below that number.
    async fn count_runs(&self, tenant: TenantId, filter: &RunFilter, below: RunId) -> Result<u64>;

    /// Records work that is asked for.
    async fn add_bulk(&self, new: NewBulk) -> Result<Bulk>;

    /// The work of that number.
    async fn bulk(&self, tenant: TenantId, id: i64) -> Result<Option<Bulk>>;

    /// Work, the newest first, of numbers below `before`.
    async fn bulks(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Bulk>>;

    /// The oldest work that goes on.
    async fn open_bulk(&self) -> Result<Option<Bulk>>;

    /// Records progress. `false`: it does not stand there, or goes on no more; nothing changed.
    async fn advance_bulk(&self, advance: Advance) -> Result<bool>;

    /// Stops work. `false`: there is none of that number that goes on.
    async fn stop_bulk(&self, tenant: TenantId, id: i64, at: Timestamp) -> Result<bool>;

    /// Forgets work that ended before that moment, at most so many. Says how many.
    async fn forget_bulks(&self, before: Timestamp, limit: usize) -> Result<usize>;

    /// Records a dead letter, in place of an earlier one of the step. It counts once the step has
    /// failed in that attempt, and as long as its run is kept.
    async fn add_dead_letter(&self, new: NewDeadLetter) -> Result<()>;

    /// Dead letters, the newest first, of numbers below `before`.
    async fn dead_letters(
        &self,
        tenant: TenantId,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeadLetter>>;

    /// The dead letter of that number.
    async fn dead_letter(&self, tenant: TenantId, id: i64) -> Result<Option<DeadLetter>>;

    /// Takes the dead letters of a run off the list. Says how many.
    async fn settle_dead_letters(&self, run: RunId) -> Result<usize>;

    /// Takes one off the list. Says whether it was there.
    async fn delete_dead_letter(&self, tenant: TenantId, id: i64) -> Result<bool>;
}
