//! Levels of log lines, and which of them a run keeps.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much a log line matters. The numbers are those of requests and of the store.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// Each resolved parameter and the data handed on.
    Debug = 10,
    /// What a step tells about its work.
    Info = 20,
    /// Start and stop of a step: kept at every log level.
    Flow = 25,
    /// Something is odd, the step goes on.
    #[default]
    Warning = 30,
    /// The step failed, or part of its work did.
    Error = 40,
}

/// A text or number that is no log level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no log level; levels are 10 (debug), 20 (info), 30 (warning) and 40 (error)")]
pub struct ParseError(pub String);

impl Level {
    /// Every level, from the least to the most important.
    pub const ALL: [Self; 5] = [
        Self::Debug,
        Self::Info,
        Self::Flow,
        Self::Warning,
        Self::Error,
    ];

    /// The number that requests and the store use.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The level of exactly this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            10 => Some(Self::Debug),
            20 => Some(Self::Info),
            25 => Some(Self::Flow),
            30 => Some(Self::Warning),
            40 => Some(Self::Error),
            _ => None,
        }
    }

    /// The word in log files: `DEBUG`, `INFO`, `FLOW`, `WARNING`, `ERROR`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Flow => "FLOW",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }

    /// Whether a run at this level keeps a line of level `line`.
    pub fn keeps(self, line: Self) -> bool {
        line == Self::Flow || line >= self
    }

    /// The level that a request asks for with `loglevel`: a number, the same as a
    /// text, or a word. 1 is what older clients send for the default, as is `null`.
    pub fn from_request(value: &Value) -> Result<Self, ParseError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            other => Err(ParseError(other.to_string().chars().take(40).collect())),
        }
    }
}

impl FromStr for Level {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError(text.chars().take(40).collect());
        let text = text.trim();
        if text == "1" {
            return Ok(Self::default());
        }
        if let Ok(code) = text.parse() {
            return Self::from_code(code).ok_or_else(wrong);
        }
        Self::ALL
            .into_iter()
            .find(|level| level.word().eq_ignore_ascii_case(text))
            .or_else(|| text.eq_ignore_ascii_case("warn").then_some(Self::Warning))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_of_old_and_new_clients() {
        for (value, level) in [
            (json!(10), Level::Debug),
            (json!(20), Level::Info),
            (json!(30), Level::Warning),
            (json!(40), Level::Error),
            (json!(1), Level::Warning),
            (json!(null), Level::Warning),
            (json!("10"), Level::Debug),
            (json!("info"), Level::Info),
            (json!("WARN"), Level::Warning),
        ] {
            assert_eq!(Level::from_request(&value), Ok(level), "{value}");
        }
        for wrong in [
            json!(11),
            json!(-1),
            json!(300),
            json!("loud"),
            json!([10]),
            json!(10.5),
        ] {
            assert!(Level::from_request(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flow_is_kept_at_every_level() {
        for level in Level::ALL {
            assert!(level.keeps(Level::Flow));
            assert!(level.keeps(Level::Error));
            assert_eq!(Level::from_code(level.code()), Some(level));
        }
        assert!(!Level::Warning.keeps(Level::Info));
        assert!(Level::Debug.keeps(Level::Debug));
    }
}
