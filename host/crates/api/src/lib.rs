//! The HTTP API: which routes there are, who may call them, how requests are read and
//! how answers and refusals look.
//!
//! Every route stands in [`mod@router`] with its permission; every endpoint has a file of
//! its own under `endpoint`. Handlers parse, call the engine and map its answer: work
//! of several steps belongs to the engine. This crate holds no SQL, knows no sandbox
//! and opens no socket: the caller serves the [`router()`].
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

mod address;
mod audit;
mod auth;
mod body;
mod code;
mod edge;
mod endpoint;
mod etag;
mod extract;
mod openapi;
#[cfg(test)]
mod openapi_tests;
mod paging;
mod permission;
mod problem;
mod query;
mod refusal;
mod router;
mod state;
mod traced;
mod view;
mod words;

pub use auth::{
    bootstrap::{Bootstrap, Error as BootstrapError, ensure_admin},
    password::hash_password,
};
pub use code::{CODES, Code};
pub use openapi::openapi;
pub use permission::Permission;
pub use router::{health_router, router};
pub use state::{AuthSettings, Limits, State};
