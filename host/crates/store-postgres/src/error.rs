//! What a refusal of PostgreSQL means to the caller.

use sqlx::postgres::PgDatabaseError;
use store::Error;

/// Types a refusal: what may pass by itself, what is broken, what is a defect.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    use sqlx::Error as Sqlx;
    match error {
        Sqlx::Database(error) => {
            let state = error.code().unwrap_or_default();
            from_state(&state, error.message())
        }
        Sqlx::Configuration(error) => Error::Unsuitable(error.to_string()),
        // A message that is cut off in the middle shows as one that cannot be read.
        Sqlx::Io(_)
        | Sqlx::Tls(_)
        | Sqlx::Protocol(_)
        | Sqlx::BeginFailed
        | Sqlx::PoolTimedOut
        | Sqlx::PoolClosed
        | Sqlx::WorkerCrashed => Error::Unavailable(format!("PostgreSQL: {error}")),
        Sqlx::ColumnDecode { .. } | Sqlx::Decode(_) | Sqlx::RowNotFound => {
            Error::Corrupt(error.to_string())
        }
        other => Error::Internal(other.to_string()),
    }
}

/// Classes and codes: appendix A of PostgreSQL's manual.
fn from_state(state: &str, message: &str) -> Error {
    let text = format!("PostgreSQL: {message} ({state})");
    let class = state.get(..2).unwrap_or_default();
    match (class, state) {
        // Who or what is asked for does not exist, or the role may not.
        ("28" | "3D" | "3F", _) | (_, "42501") => Error::Unsuitable(text),
        // Connection, resources, operator, system; conflicts that did not settle; a
        // statement that took too long; a server that only reads while another takes over.
        ("08" | "40" | "53" | "57" | "58" | "55", _) | (_, "25006" | "25P03") => {
            Error::Unavailable(text)
        }
        ("XX", "XX001" | "XX002") => Error::Corrupt(text),
        _ => Error::Internal(text),
    }
}

/// PostgreSQL's code of a refusal; empty when it did not come from there.
pub(crate) fn state(error: &sqlx::Error) -> &str {
    database(error).map_or("", PgDatabaseError::code)
}

/// Whether the same transaction would succeed against the state that there is now.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    // Serialisation, deadlock; another process was first with a unique name or took
    // away what a row refers to.
    matches!(state(error), "40001" | "40P01" | "23505" | "23503")
}

/// Whether the row has no partition.
pub(crate) fn is_without_partition(error: &sqlx::Error) -> bool {
    // A check of ours would be named.
    database(error).is_some_and(|error| error.code() == "23514" && error.constraint().is_none())
}

/// Whether a lock was not to be had in time.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    state(error) == "55P03"
}

/// Whether a statement names a table that does not exist.
pub(crate) fn is_without_table(error: &sqlx::Error) -> bool {
    state(error) == "42P01"
}

fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref())
}

/// Turns PostgreSQL's answers into the store's.
pub(crate) trait OrRefused<T> {
    /// The same answer with the store's error.
    fn or_refused(self) -> store::Result<T>;
}

impl<T> OrRefused<T> for sqlx::Result<T> {
    #[inline]
    fn or_refused(self) -> store::Result<T> {
        self.map_err(from_sqlx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_retryable_and_a_defect_is_not() {
        for state in [
            "53100", "53300", "57P01", "57P03", "57014", "08006", "40001", "55P03", "25006",
        ] {
            assert!(from_state(state, "no").is_retryable(), "{state}");
        }
        for state in ["23505", "42601", "22021", "28P01", "3D000", "XX001", ""] {
            assert!(!from_state(state, "no").is_retryable(), "{state}");
        }
    }

    #[test]
    fn the_text_names_the_cause() {
        let error = from_state("53100", "could not extend file");
        assert_eq!(
            error.to_string(),
            "the store did not answer: PostgreSQL: could not extend file (53100)"
        );
    }
}
