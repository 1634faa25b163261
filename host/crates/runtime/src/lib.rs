//! Executes SyncPack components in a sandbox.
//!
//! This crate owns everything about WebAssembly: the engine and its pool, compiled artefacts, the
//! limits of an execution, and the interfaces that a step may import. It must not know runs, stores,
//! queues or manifests; what it needs from above comes in as [`Ports`] and with each [`Call`], and a
//! step reaches nothing that the call does not hand in.
//!
//! [`Runtime::execute`] polls guests on the caller's task. Guests take CPU time: callers run their
//! step loops on a tokio runtime of their own with two threads or more, so that nothing else waits
//! for a guest. Guests that compute for long take turns among themselves and leave one thread to
//! those that do not.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests"))]

mod artefact;
mod bindings;
mod engine;
mod epoch;
mod error;
mod execute;
mod failure;
mod host;
mod idle;
mod json;
mod limits;
mod outcome;
mod program;
mod runtime;
mod settings;
mod state;
mod turn;

pub use error::{Error, InstallError};
pub use execute::Call;
pub use host::cache::{CacheError, CachePort};
pub use host::http::HttpAccess;
pub use host::log::{Level, Line, LogBuffer, LogLimits};
pub use host::secret::{HANDLE_PREFIX, SecretHandles};
pub use limits::Limits;
pub use outcome::{Execution, Failure, Kind, Outcome, Usage, code};
pub use program::Program;
pub use runtime::{Installed, Ports, Runtime, Stats};
pub use settings::{Allocation, Baseline, Pool, Settings};
pub use trace::Tracer;
