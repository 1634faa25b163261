//! Identifiers. Inside, runs are 64-bit numbers and steps are ordinals within
//! their run; outside, both are UUIDs shown with a prefix.
//!
//! The UUID of a task (a step of a run) is the run's own with the step's ordinal
//! in its last three bytes, which are zero in the run's. Neither needs an index or
//! a column beyond the run's: a task's name leads to its run by clearing them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A tenant. Everything that a person owns belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i64);

impl TenantId {
    /// The tenant that exists from the first start.
    pub const DEFAULT: Self = Self(1);
}

/// A run, inside the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// The place of a step in its application's plan, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ordinal(pub u32);

impl Ordinal {
    /// The largest ordinal that a task's name can carry.
    pub const MAX: u32 = (1 << 24) - 2;

    /// This ordinal as an index of a vector.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The run.
    pub run: RunId,
    /// The step's place in the run's plan.
    pub step: Ordinal,
}

/// What fences an attempt of a step: the number of its claim, from 1. A completion
/// counts only while its token is the step's newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub i64);

/// A process that claims steps, new at each of its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub i64);

const TASK_MASK: u128 = 0xff_ffff;

/// A run's name outside: `isapp-` and a UUID of version 7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef(Uuid);

impl RunRef {
    /// A new name from the time and 74 random bits, of which 50 are used.
    pub fn new(now: Timestamp, random: u128) -> Self {
        let millis = (now.millis().max(0) as u128) & 0xffff_ffff_ffff;
        let random_a = (random >> 62) & 0xfff;
        let random_b = random & 0x3fff_ffff_ffff_ffff & !TASK_MASK;
        Self(Uuid::from_u128(
            millis << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b,
        ))
    }

    /// The name that the store holds.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID without its prefix.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The name of the task that executes `step` in this run.
    pub fn task(self, step: Ordinal) -> TaskRef {
        TaskRef(Uuid::from_u128(self.0.as_u128() | (u128::from(step.0) + 1)))
    }
}

/// A task's name outside: `istask-` and a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRef(Uuid);

impl TaskRef {
    /// The UUID without its prefix.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The run and the place in it; `None` when the UUID names no step.
    pub fn split(self) -> Option<(RunRef, Ordinal)> {
        let step = (self.0.as_u128() & TASK_MASK) as u32;
        let run = Uuid::from_u128(self.0.as_u128() & !TASK_MASK);
        Some((RunRef(run), Ordinal(step.checked_sub(1)?)))
    }
}

/// Either name, as `/tasks/{id}` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyRef {
    /// `isapp-…`
    Run(RunRef),
    /// `istask-…`
    Task(TaskRef),
}

/// A text that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no task id; a run's is written isapp-<uuid>, a step's istask-<uuid>")]
pub struct ParseError(pub String);

fn parse(text: &str, prefix: &str) -> Result<Uuid, ParseError> {
    text.strip_prefix(prefix)
        .and_then(|rest| Uuid::try_parse(rest).ok())
        .ok_or_else(|| ParseError(text.chars().take(80).collect()))
}

macro_rules! external {
    ($name:ident, $prefix:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                parse(text, $prefix).map(Self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
external!(RunRef, "isapp-");
external!(TaskRef, "istask-");

impl FromStr for AnyRef {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.starts_with("istask-") {
            text.parse().map(Self::Task)
        } else {
            text.parse().map(Self::Run)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_leads_to_its_run() {
        let run = RunRef::new(Timestamp::from_seconds(1_800_000_000), u128::MAX);
        assert_eq!(run.uuid().get_version_num(), 7);
        for step in [0, 1, 255, Ordinal::MAX] {
            let task: TaskRef = run.task(Ordinal(step)).to_string().parse().unwrap();
            assert_eq!(task.split(), Some((run, Ordinal(step))));
            assert_ne!(task.uuid(), run.uuid());
        }
    }

    #[test]
    fn a_wrong_name_is_refused_with_its_text() {
        for text in [
            "",
            "isapp-",
            "isapp-1234",
            "istask-zz",
            "018f",
            "isapp_018f",
        ] {
            assert_eq!(text.parse::<AnyRef>(), Err(ParseError(text.to_owned())));
        }
    }
}
