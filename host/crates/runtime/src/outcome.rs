//! How an execution ended.

use std::time::Duration;

/// Codes of failures that the host finds. A guest's own codes are its own affair; its code never
/// decides anything here.
pub mod code {
    /// The deadline passed.
    pub const TIMEOUT: &str = "timeout";
    /// The execution was cancelled.
    pub const CANCELLED: &str = "cancelled";
    /// The memory limit was reached.
    pub const OUT_OF_MEMORY: &str = "out-of-memory";
    /// The table limit was reached.
    pub const TABLE_LIMIT: &str = "table-limit";
    /// The stack is exhausted.
    pub const STACK_OVERFLOW: &str = "stack-overflow";
    /// The guest panicked or did something impossible.
    pub const TRAP: &str = "trap";
    /// The guest left by `exit`.
    pub const EXIT: &str = "exit";
    /// The output, or another value handed to the host, is too large.
    pub const OUTPUT_TOO_LARGE: &str = "output-too-large";
    /// The output is not UTF-8, not JSON, nested too deeply, or of the wrong type.
    pub const INVALID_OUTPUT: &str = "invalid-output";
    /// The guest called the host too often.
    pub const HOST_CALL_LIMIT: &str = "host-call-limit";
    /// The guest holds too many handles.
    pub const RESOURCE_LIMIT: &str = "resource-limit";
    /// A value for the cache is not JSON.
    pub const INVALID_CACHE_VALUE: &str = "invalid-cache-value";
    /// No instance was free; nothing was executed.
    pub const BUSY: &str = "busy";
}

/// The end of an execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The step's outcome, or why there is none.
    pub result: Result<Outcome, Failure>,
    /// What it used, also when it failed.
    pub usage: Usage,
}

/// How a step that did not fail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has finished.
    Output {
        /// The step's data: valid JSON within the limits.
        data: String,
        /// Set when the step ends with a warning.
        warning: Option<String>,
        /// More about the result: a JSON object.
        attributes: Option<String>,
    },
    /// It asks for child applications: a JSON object.
    StartChildren(String),
}

/// Whether a second attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The cause may pass.
    Retryable,
    /// A second attempt would fail in the same way.
    Permanent,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether a second attempt may succeed.
    pub kind: Kind,
    /// A short stable word: one of [`code`], or the guest's own.
    pub code: String,
    /// One line for a person.
    pub message: String,
    /// More for a program: a JSON object.
    pub detail: Option<String>,
    /// Whether the step itself reported the failure, as opposed to the host.
    pub by_guest: bool,
}

impl Failure {
    pub(crate) fn host(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            detail: None,
            by_guest: false,
        }
    }
}

/// What an execution used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time from call to end, waiting included.
    pub wall: Duration,
    /// Time that the guest and the host calls it made kept a thread.
    pub busy: Duration,
    /// Most memory at a time, in bytes.
    pub peak_memory: usize,
    /// Calls into the host.
    pub host_calls: u64,
    /// Outgoing requests that were sent.
    pub requests: u64,
    /// Outgoing requests that were refused: no grant, a private address, a wrong secret.
    pub denied: u64,
    /// Bytes of request bodies.
    pub bytes_out: u64,
    /// Bytes of response bodies.
    pub bytes_in: u64,
}
