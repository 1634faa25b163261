//! The schedule document: when an application runs, with which parameters, and what is done
//! when runs overlap or were missed.
//!
//! As with applications, the JSON object itself is kept. What the predecessor wrote is one of
//! its forms ([`code`] says what can be wrong with it); ours stands beside it.

use std::fmt;

use serde_json::{Map, Value};

use crate::{application::kind_of, clock::Timestamp};

mod catch_up;
mod check;
mod cron;
mod timing;

pub use catch_up::{GRACE, MAX_MISSED, Missed, Planned, plan};
pub use check::MAX_LIMIT;
pub use timing::Timing;

/// The longest name, in characters.
pub const MAX_NAME: usize = 255;

/// The stable codes of problems.
pub mod code {
    /// No JSON object.
    pub const UNREADABLE: &str = "PF-S001";
    /// The application is missing.
    pub const NO_APPLICATION: &str = "PF-S002";
    /// A known key holds the wrong JSON type.
    pub const WRONG_TYPE: &str = "PF-S003";
    /// The name cannot be one.
    pub const NAME: &str = "PF-S004";
    /// Nothing says when it is due, or several things do.
    pub const NO_TIMING: &str = "PF-S005";
    /// A cron expression or a field of one cannot be read.
    pub const CRON: &str = "PF-S006";
    /// There is no such time zone.
    pub const TIME_ZONE: &str = "PF-S007";
    /// The seconds of a frequency are out of range.
    pub const FREQUENCY: &str = "PF-S008";
    /// A policy is none of its words, or its bound is out of range.
    pub const POLICY: &str = "PF-S009";
    /// The first or the last moment is no time.
    pub const BOUNDS: &str = "PF-S010";
    /// It is never due.
    pub const NEVER: &str = "PF-S011";
    /// A key that means nothing: kept, and probably a slip (warning).
    pub const STRAY_KEY: &str = "PF-S012";
    /// The parameters are none.
    pub const PARAMS: &str = "PF-S013";
    /// A run would be refused as things are (warning).
    pub const WOULD_FAIL: &str = "PF-S014";
}

/// What is done when an occurrence is due while a run of the same schedule has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// The occurrence is left out.
    Skip,
    /// It waits until the run has ended.
    Queue,
    /// The run is cancelled.
    Cancel,
}

impl Overlap {
    /// Every policy with its word.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("allow", Self::Allow),
        ("skip", Self::Skip),
        ("queue", Self::Queue),
        ("cancel", Self::Cancel),
    ];
}

/// What is done with occurrences that nobody started in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CatchUp {
    /// They are left out.
    None,
    /// Only the newest runs.
    #[default]
    Last,
    /// All run, up to the schedule's limit.
    All,
}

impl CatchUp {
    /// Every policy with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("last", Self::Last),
        ("all", Self::All),
    ];
}

/// A policy's word.
macro_rules! display {
    ($policy:ty) => {
        impl fmt::Display for $policy {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let word = Self::WORDS.iter().find(|(_, one)| one == self);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    };
}
display!(Overlap);
display!(CatchUp);

/// A schedule's document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    document: Map<String, Value>,
}

/// What the service understands of a document that has no errors.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its name: the document's, or one made of application and timing.
    pub name: String,
    /// The application's name.
    pub application: String,
    /// The parameters of its runs: the JSON text of an object.
    pub params: String,
    /// When it is due.
    pub timing: Timing,
    /// Whether it runs; a paused one does not.
    pub enabled: bool,
    /// When runs overlap.
    pub overlap: Overlap,
    /// When runs were missed.
    pub catch_up: CatchUp,
    /// How many missed occurrences are caught up at most.
    pub catch_up_limit: usize,
}

/// A text that is no schedule.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No JSON.
    #[error("a schedule is a JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but no object.
    #[error("a schedule is a JSON object, this is {0}")]
    NoObject(&'static str),
}

impl Schedule {
    /// The document in a JSON text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// The document in a JSON value. `total_runs` and `last_run`, which the service counts
    /// itself, are left out.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(mut document) => {
                for counted in check::COUNTED {
                    document.shift_remove(counted);
                }
                Ok(Self { document })
            }
            other => Err(Error::NoObject(kind_of(&other))),
        }
    }

    /// The whole document.
    pub const fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// The document as a value.
    pub fn into_value(self) -> Value {
        Value::Object(self.document)
    }

    /// The JSON text for people: indented, with a line end at its end.
    pub fn to_pretty(&self) -> String {
        // Writing JSON values to memory does not fail.
        let mut text = serde_json::to_string_pretty(&self.document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The name that stands in it.
    pub fn name(&self) -> Option<&str> {
        let name = self.document.get("entry_id")?.as_str()?;
        (!name.trim().is_empty()).then_some(name)
    }

    /// Sets the name.
    pub fn set_name(&mut self, name: &str) {
        self.document.insert("entry_id".to_owned(), name.into());
    }

    /// Says whether it runs.
    pub fn set_enabled(&mut self, enabled: bool) {
        if enabled {
            self.document.shift_remove("enabled");
        } else {
            self.document.insert("enabled".to_owned(), false.into());
        }
    }

    /// The predecessor's form of its timing, whichever form the document has.
    pub fn predecessors_timing(&self) -> Value {
        if let Some(given @ Value::Object(_)) = self.document.get("schedule") {
            return given.clone();
        }
        if let Some(seconds) = self.document.get("frequency").filter(|one| one.is_number()) {
            return serde_json::json!({
                "schedule_type": "frequency", "schedule_info": {"run_every": seconds}});
        }
        let expression = self.document.get("cron").and_then(Value::as_str);
        cron::as_fields(expression.unwrap_or_default())
    }
}

/// A moment as RFC 3339 has it, to the second.
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.seconds()).map_or_else(|_| String::new(), |at| at.to_string())
}
