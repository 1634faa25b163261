//! What waiting steps ask of the outside, and the answers.

pub(crate) mod approvals;
pub(crate) mod decide;
pub(crate) mod signal;
