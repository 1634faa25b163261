//! Clients for the world outside, used on behalf of steps.
//!
//! This crate owns every connection that leaves the service for a SyncPack: it decides whether a
//! grant allows the destination, resolves names, checks each address, and connects to the address
//! that it checked. It must not know WebAssembly, runs, stores or queues; what a grant covers is
//! handed to it, and it neither asks for more nor remembers secrets.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod http;
