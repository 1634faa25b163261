//! What is wrong with the settings, and where.

use std::fmt;

/// A problem with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `powerflow.toml:12`, `POWERFLOW_SERVER_LISTEN`, `--set server.listen`.
    pub place: String,
    /// What is wrong and, where it is known, what to write instead.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            place: place.to_string(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Problem {}
