//! Runs: starting them, waiting for them, listing them, cancelling many.

pub(crate) mod cancel;
pub(crate) mod list;
pub(crate) mod start;
