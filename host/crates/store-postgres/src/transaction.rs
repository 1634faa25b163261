//! Transactions outside the hot path.

use std::time::Duration;

use store::{Error, Result};

use crate::error::{from_sqlx, is_conflict};

/// How often a transaction is tried that others stand in the way of.
const TRIES: u32 = 6;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// PostgreSQL refused.
    Refused(sqlx::Error),
    /// We did: what the caller is told.
    Answer(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => from_sqlx(error),
            Failure::Answer(error) => error,
        }
    }
}

/// What the work of a transaction answers.
pub(crate) type Work<T> = std::result::Result<T, Failure>;

/// Does the work in one transaction and commits it:
/// `transact!(pool, connection => work(connection).await)`. It is done again, a few times,
/// when another transaction stood in its way: a deadlock, or a name that was taken
/// meanwhile.
///
/// A macro, because the compiler cannot say of an async closure over references that its
/// futures may change threads.
macro_rules! transact {
    ($pool:expr, $connection:ident => $work:expr) => {{
        let mut tried = 0;
        loop {
            let attempt = async {
                // A transaction that is dropped is rolled back.
                let mut transaction = $pool.begin().await?;
                let $connection: &mut sqlx::PgConnection = &mut transaction;
                let answer = $work?;
                transaction.commit().await?;
                $crate::transaction::Work::Ok(answer)
            };
            if let Some(answer) = $crate::transaction::settle(attempt.await, &mut tried).await {
                break answer;
            }
        }
    }};
}
pub(crate) use transact;

/// What the caller is told; `None` when the transaction is to be tried again.
pub(crate) async fn settle<T>(answer: Work<T>, tried: &mut u32) -> Option<Result<T>> {
    *tried += 1;
    match answer {
        Err(Failure::Refused(error)) if is_conflict(&error) && *tried < TRIES => {
            tracing::debug!(%error, tried, "a transaction is tried again");
            tokio::time::sleep(pause(*tried)).await;
            None
        }
        answer => Some(answer.map_err(Error::from)),
    }
}

/// How long to wait before another try: 2, 4, 8 … ms.
pub(crate) fn pause(tried: u32) -> Duration {
    Duration::from_millis(1 << tried.min(8))
}
