//! The real thing, for tests, benchmarks and the demonstration: the built programs as child
//! processes on free ports and folders of their own, an HTTP client, and built SyncPacks.
//!
//! This crate starts and asks, and leaves judging to them. It links none of the service's crates, so that
//! what it shows is what a user gets, and uses threads and blocking sockets only: a load that it
//! makes costs little beside the service that it loads.

pub mod abuse;
pub mod balancer;
pub mod cluster;
pub mod http;
pub mod packs;
pub mod place;
pub mod process;
pub mod relay;
pub mod servers;
pub mod service;
pub mod simulators;
