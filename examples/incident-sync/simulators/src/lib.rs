//! Stand-ins for the two systems that the incident-sync example connects: the ServiceNow Table API
//! for incidents, and the SL1 API for events; and a generator of events.
//!
//! They speak enough of both APIs for real clients, keep everything in memory and answer with the
//! latency and error rate that a test sets. They must not know PowerFlow: only HTTP joins them.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod admission;
mod control;
pub mod events;
mod random;
mod server;
pub mod servicenow;
pub mod sl1;

pub use control::{Control, Settings};
