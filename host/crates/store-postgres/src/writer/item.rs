//! What callers have written, and what they are told.

use store::{
    Error, Result,
    runs::{Claim, Claimed, Completed, Completion, NewRun, Submitted},
};
use tokio::sync::oneshot::Sender;

use crate::runs::rows::Chunk;

/// A write that waits, with its caller.
pub(crate) enum Item {
    /// A run is accepted.
    Submit(Box<NewRun>, Sender<Result<Submitted>>),
    /// A step is claimed.
    Claim(Claim, Sender<Result<Option<Claimed>>>),
    /// An attempt ends.
    Complete(Box<Completion>, Sender<Result<Completed>>),
    /// Log lines are appended.
    Log(Box<Chunk>, Sender<Result<()>>),
}

/// The answer to an [`Item`] of the same kind.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made for each item and moved to its caller"
)]
pub(crate) enum Answer {
    Submit(Result<Submitted>),
    Claim(Result<Option<Claimed>>),
    Complete(Result<Completed>),
    Log(Result<()>),
}

impl Item {
    /// About how many bytes it sends.
    pub(super) fn size(&self) -> usize {
        let bytes = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, bytes::Bytes::len);
        match self {
            Self::Submit(run, _) => run.input.len(),
            Self::Claim(..) => 0,
            Self::Complete(end, _) => bytes(&end.output) + bytes(&end.error) + bytes(&end.log),
            Self::Log(lines, _) => lines.lines.len(),
        }
    }

    /// Tells the caller. One that has gone needs no answer.
    pub(super) fn answer(self, answer: Answer) {
        match (self, answer) {
            (Self::Submit(_, reply), Answer::Submit(answer)) => drop(reply.send(answer)),
            (Self::Claim(_, reply), Answer::Claim(answer)) => drop(reply.send(answer)),
            (Self::Complete(_, reply), Answer::Complete(answer)) => drop(reply.send(answer)),
            (Self::Log(_, reply), Answer::Log(answer)) => drop(reply.send(answer)),
            (item, _) => item.refuse(&Error::Internal("an answer of another kind".to_owned())),
        }
    }

    /// Tells the caller that nothing was written, or that nobody knows.
    pub(super) fn refuse(self, error: &Error) {
        let error = again(error);
        match self {
            Self::Submit(_, reply) => drop(reply.send(Err(error))),
            Self::Claim(_, reply) => drop(reply.send(Err(error))),
            Self::Complete(_, reply) => drop(reply.send(Err(error))),
            Self::Log(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// The same error once more: one reason for a whole batch.
fn again(error: &Error) -> Error {
    match error {
        Error::Unavailable(why) => Error::Unavailable(why.clone()),
        Error::Unsuitable(why) => Error::Unsuitable(why.clone()),
        Error::Corrupt(why) => Error::Corrupt(why.clone()),
        other => Error::Internal(other.to_string()),
    }
}
