//! Why the engine refused. Each case has a stable code, documented on a page of
//! its own; none knows of HTTP.

use serde::Serialize;

/// What a call of the engine answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing that is wrong with what the caller sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The stable code of this kind of fault.
    pub code: String,
    /// Where: a JSON pointer into the document, or a parameter's name.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why the engine refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing of that name.
    #[error("there is no {what} `{name}`{hint}")]
    NotFound {
        /// What was looked for: `application`, `run`.
        what: &'static str,
        /// Its name.
        name: String,
        /// A sentence with the nearest name, or empty.
        hint: String,
    },
    /// A document has faults; all of them are listed.
    #[error("the {what} has {}", several(faults))]
    Invalid {
        /// What the document is.
        what: &'static str,
        /// Every fault.
        faults: Vec<Fault>,
    },
    /// A run cannot start: parameters are missing, or its configuration does not fit.
    #[error("`{application}` cannot run: {}", first_of(faults))]
    CannotRun {
        /// The application.
        application: String,
        /// Every reason.
        faults: Vec<Fault>,
    },
    /// An uploaded file is no SyncPack.
    #[error("the file is no SyncPack: {message}")]
    NotASyncPack {
        /// The code of the cause.
        code: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A SyncPack cannot be installed or activated as it stands.
    #[error("{0}")]
    PackState(String),
    /// A grant that the pack does not ask for, or that cannot be given as asked.
    #[error("{0}")]
    Grant(String),
    /// A list was asked to go on from a place that it has not.
    #[error(
        "`{0}` is no place of this list: pass on the `next` of the part before as it was answered, or leave `after` out to begin at the start"
    )]
    Position(String),
    /// The caller's picture is out of date, or the name is taken.
    #[error("{0}")]
    Conflict(String),
    /// Something still uses it.
    #[error("{0}")]
    InUse(String),
    /// An idempotency key came again with another request.
    #[error("the idempotency key `{0}` was used before for another request")]
    KeyReused(String),
    /// The state of the run does not allow it.
    #[error("{0}")]
    RunState(String),
    /// What a webhook received starts no run.
    #[error("{0}")]
    Undeliverable(String),
    /// The webhook takes no deliveries.
    #[error("{0}")]
    WebhookDisabled(String),
    /// As many accepted runs as may be have not ended; try again when some have.
    #[error("{0}")]
    Full(String),
    /// Too much is waiting; try again later.
    #[error("{0}")]
    Busy(String),
    /// The store or the queue does not answer; try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Others may take over what this process executes.
    #[error("the lease of this process has ended; it takes a new one")]
    LeaseLost,
    /// The process is shutting down and accepts nothing more.
    #[error("the service is shutting down and accepts nothing more")]
    Draining,
    /// A defect of ours.
    #[error("{0}")]
    Internal(String),
}

fn first(faults: &[Fault]) -> &str {
    faults.first().map_or("", |fault| &fault.message)
}

/// The first of several; the others stand beside it in the list.
fn first_of(faults: &[Fault]) -> String {
    match faults.len() {
        0 | 1 => first(faults).to_owned(),
        2 => format!("{}; and for another reason", first(faults)),
        more => format!("{}; and for {} other reasons", first(faults), more - 1),
    }
}

fn several(faults: &[Fault]) -> String {
    match faults.len() {
        1 => format!("a fault: {}", first(faults)),
        many => format!("{many} faults, the first: {}", first(faults)),
    }
}

impl Error {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "PF-0404",
            Self::Invalid { .. } => "PF-1001",
            Self::CannotRun { .. } => "PF-1002",
            Self::Position(_) => "PF-1005",
            Self::Undeliverable(_) => "PF-1009",
            Self::WebhookDisabled(_) => "PF-1010",
            Self::NotASyncPack { .. } => "PF-2001",
            Self::PackState(_) => "PF-2002",
            Self::Grant(_) => "PF-2003",
            Self::Conflict(_) => "PF-0409",
            Self::InUse(_) => "PF-0423",
            Self::KeyReused(_) => "PF-1003",
            Self::RunState(_) => "PF-1004",
            Self::Busy(_) => "PF-0429",
            Self::Full(_) => "PF-0430",
            Self::Unavailable(_) => "PF-0503",
            Self::Draining => "PF-0504",
            Self::LeaseLost => "PF-0506",
            Self::Internal(_) => "PF-0500",
        }
    }

    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy(_) | Self::Full(_) | Self::Unavailable(_) | Self::LeaseLost | Self::Draining
        )
    }

    pub(crate) fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound {
            what,
            name: name.into(),
            hint: String::new(),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let text = error.to_string();
        match error {
            store::Error::Busy(_) => Self::Busy(text),
            store::Error::Unavailable(_) => Self::Unavailable(text),
            store::Error::Conflict { .. } => Self::Conflict(text),
            store::Error::InUse { .. } => Self::InUse(text),
            store::Error::KeyReused(key) => Self::KeyReused(key),
            store::Error::Missing(what) => Self::not_found("record", what),
            _ => Self::Internal(text),
        }
    }
}

impl From<queue::Error> for Error {
    fn from(error: queue::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
