//! What ran in a span of time, summed up.

use model::{clock::Timestamp, state::RunState};

use super::RunFilter;

/// What is summed up, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whose runs.
    pub application: i64,
    /// Runs accepted at this moment or later.
    pub from: Timestamp,
    /// Runs accepted before this moment.
    pub until: Timestamp,
    /// The length of a part, in microseconds; at least 1.
    pub part: i64,
    /// Narrows it further; its application and times are those above.
    pub filter: RunFilter,
}

impl Span {
    /// The filter of the runs that are summed up.
    pub fn runs(&self) -> RunFilter {
        RunFilter {
            application: Some(self.application),
            from: Some(self.from),
            until: Some(self.until),
            ..self.filter.clone()
        }
    }
}

/// The runs of all applications of a tenant in a span of time, and how finely they are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Runs accepted at this moment or later.
    pub from: Timestamp,
    /// Runs accepted before this moment.
    pub until: Timestamp,
    /// The length of a part, in microseconds; at least 1.
    pub part: i64,
}

/// The accepted runs of a queue that have not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStanding {
    /// The queue.
    pub queue: String,
    /// How many of them no step has been started of.
    pub queued: u64,
    /// How many are under way.
    pub running: u64,
    /// When the oldest was accepted of those that nothing has been started of.
    pub oldest: Option<Timestamp>,
}

/// The runs of one state in one part of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Which part, from 0.
    pub part: u32,
    /// Their state.
    pub state: RunState,
    /// How many.
    pub count: u64,
    /// Of those that have ended, how long the longest took from acceptance to end, in microseconds.
    pub longest: Option<i64>,
    /// The same of all together.
    pub total: i64,
}
