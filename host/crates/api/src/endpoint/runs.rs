//! Runs: starting them, waiting for them, listing them, cancelling and pausing many.

pub(crate) mod bulk;
pub(crate) mod cancel;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod pauses;
pub(crate) mod resume;
pub(crate) mod start;
