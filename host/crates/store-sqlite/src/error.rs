//! What a refusal of SQLite means to the caller.

use rusqlite::{Error as Sqlite, ErrorCode};
use store::Error;

/// Types SQLite's refusal: what may pass by itself, what is broken, what is a defect.
pub(crate) fn from_sqlite(error: Sqlite) -> Error {
    match error {
        Sqlite::SqliteFailure(failure, ref text) => {
            let text = text.clone().unwrap_or_else(|| failure.to_string());
            match failure.code {
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted => Error::Unavailable(text),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
                _ => Error::Internal(text),
            }
        }
        Sqlite::FromSqlConversionFailure(..)
        | Sqlite::IntegralValueOutOfRange(..)
        | Sqlite::InvalidColumnType(..)
        | Sqlite::Utf8Error(..) => Error::Corrupt(error.to_string()),
        other => Error::Internal(other.to_string()),
    }
}

/// Turns SQLite's answers into the store's.
pub(crate) trait OrRefused<T> {
    /// The same answer with the store's error.
    fn or_refused(self) -> store::Result<T>;
}

impl<T> OrRefused<T> for rusqlite::Result<T> {
    #[inline]
    fn or_refused(self) -> store::Result<T> {
        self.map_err(from_sqlite)
    }
}
