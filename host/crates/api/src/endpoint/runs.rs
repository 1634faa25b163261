//! Runs: starting them, waiting for them, listing them.

pub(crate) mod list;
pub(crate) mod start;
