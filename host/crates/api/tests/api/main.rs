//! The API over a real engine, store and sandbox in a temporary directory.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod access;
mod authentication;
mod documents;
mod gone;
mod problems;
mod service;
mod sessions;
mod workers;
