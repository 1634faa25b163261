//! The error of a step.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use crate::words;

/// The result of a step and of everything that it calls in this SDK.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a second attempt may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The cause may pass: a time-out, a refused connection, status 503. The host
    /// tries again as the application says.
    Retryable,
    /// A second attempt would fail in the same way. The step fails at once.
    Permanent,
}

/// Why a step failed: its kind decides what the host does next, its code is for
/// programs, its message for people.
///
/// ```
/// use powerflow_sdk::{Error, ErrorKind, json};
///
/// let error = Error::retryable("the ticket system is being upgraded; it is back at 14:00")
///     .with_code("maintenance")
///     .with_detail(json!({ "until": "14:00" }));
/// assert_eq!(error.kind(), ErrorKind::Retryable);
/// assert_eq!(error.code(), "maintenance");
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    detail: Option<Value>,
}

impl Error {
    /// An error that may pass. The message is one line: what failed, with what, and
    /// what to do.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Retryable, message.into())
    }

    /// An error that another attempt would meet again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Permanent, message.into())
    }

    fn of(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            code: Cow::Borrowed("step-failed"),
            message,
            detail: None,
        }))
    }

    /// Sets the code: a short stable word that programs may compare, in lower case
    /// with hyphens. Without it the code is `step-failed`.
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code.into();
        self
    }

    /// Sets the detail, an object with more for a program to read.
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Puts `context` and a colon before the message.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Whether a second attempt may succeed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the kind is [`ErrorKind::Retryable`].
    pub fn is_retryable(&self) -> bool {
        self.0.kind == ErrorKind::Retryable
    }

    /// The code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail, if one was set.
    pub fn detail(&self) -> Option<&Value> {
        self.0.detail.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.0.kind, self.0.code, self.0.message)?;
        match &self.0.detail {
            Some(detail) => write!(f, " {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::permanent(format!("JSON: {}", words::plain(&error))).with_code("json")
    }
}

impl From<std::num::ParseIntError> for Error {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::permanent(error.to_string()).with_code("number")
    }
}

impl From<std::num::ParseFloatError> for Error {
    fn from(error: std::num::ParseFloatError) -> Self {
        Self::permanent(error.to_string()).with_code("number")
    }
}

impl From<std::fmt::Error> for Error {
    fn from(error: std::fmt::Error) -> Self {
        Self::permanent(error.to_string())
    }
}
