//! The engine as it is, in a world that is simulated: clock, store, queue, network, workers
//! and the sandbox. One seed decides everything, so that what it finds can be looked at again.
//!
//! This crate knows the engine's outside only. It must not be needed by the product.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod acts;
mod applications;
mod broker;
mod chance;
mod check;
mod contract;
mod explore;
mod journal;
mod memory;
#[cfg(debug_assertions)]
mod mutations;
mod net;
mod seeds;
mod standin;
mod store_port;
mod world;
