//! The domain: identifiers, application and configuration documents, parameter
//! resolution and the pure run state machine.
//!
//! This crate does no I/O, reads no clock and draws no randomness: what it needs
//! of either is handed to it. Whatever it says holds on every backend.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

pub mod clock;
pub mod flow;
pub mod id;
pub mod state;
