//! The domain: identifiers, application and configuration documents, parameter
//! resolution and the pure run state machine.
//!
//! This crate does no I/O, reads no clock and draws no randomness: what it needs
//! of either is handed to it. Whatever it says holds on every backend.
//!
//! From a document to a call: [`application::Application`] is checked against a
//! [`validate::Registry`] and compiled once into a [`plan::Plan`]; a run is checked
//! as a whole by [`plan::Plan::check`]; each step's parameters are then made by
//! [`plan::PlannedStep::resolve`].
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

pub mod application;
pub mod calls;
pub mod clock;
pub mod configuration;
pub mod descriptor;
pub mod difference;
pub mod flow;
pub mod for_each;
pub mod id;
pub mod limits;
pub mod log;
pub mod mask;
pub mod on_error;
pub mod operator;
pub mod parameters;
pub mod plan;
pub mod policy;
pub mod reference;
pub mod retention;
pub mod retry;
pub mod run_request;
pub mod schedule;
pub mod state;
pub mod suggest;
pub mod trace;
pub mod validate;
pub mod webhook;

mod compile;
mod raw;
