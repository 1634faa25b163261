//! Limits of steps.

pub(crate) mod get;
pub(crate) mod list;
