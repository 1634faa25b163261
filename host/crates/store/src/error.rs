//! Why the store refused.

use model::{flow::Miscount, id::RunId};

/// What a call of the store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store refused. [`Error::is_retryable`] is the type's to say: nobody
/// compares messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The writer's queue is full: the caller should answer "too many requests".
    #[error("the store has {0} writes waiting and takes no more for the moment")]
    Busy(usize),
    /// The backend did not answer, its disk is full, or it is being shut down.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// The backend works, but not as it is set up: an operator has to change that.
    #[error("the database cannot be used: {0}")]
    Unsuitable(String),
    /// The record was changed by somebody else since it was read.
    #[error("{}", conflict(name, *expected, *found))]
    Conflict {
        /// What was to be changed.
        name: String,
        /// The revision that the caller had seen; 0 when it expected none to exist.
        expected: i64,
        /// The revision that there is; 0 when there is none.
        found: i64,
    },
    /// Something else still needs the record.
    #[error("`{name}` is in use: {by}")]
    InUse {
        /// What was to be deleted or changed.
        name: String,
        /// Who needs it.
        by: String,
    },
    /// A name that a record refers to does not exist.
    #[error("{0} does not exist")]
    Missing(String),
    /// An idempotency key came again with another request.
    #[error("the idempotency key `{0}` was used before for another request")]
    KeyReused(String),
    /// What is stored cannot be read, or contradicts itself.
    #[error("the store holds something that it should not: {0}")]
    Corrupt(String),
    /// The backend refused a statement: a defect of ours.
    #[error("the store refused: {0}")]
    Internal(String),
}

fn conflict(name: &str, expected: i64, found: i64) -> String {
    match (expected, found) {
        (0, found) => format!(
            "`{name}` exists already, with revision {found}: take another name, or overwrite it knowingly"
        ),
        (_, 0) => format!("`{name}` is not there any more; expected was revision {expected}"),
        _ => format!(
            "`{name}` was changed in the meantime: expected revision {expected}, found {found}; read it again and repeat the change"
        ),
    }
}

impl Error {
    /// The end of a step could not be counted for its run.
    pub fn miscounted(run: RunId, error: Miscount) -> Self {
        match error {
            Miscount::NoEnd(_) => Self::Internal(error.to_string()),
            Miscount::TooMany => Self::Corrupt(format!("run {}: {error}", run.0)),
        }
    }

    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_))
    }
}
