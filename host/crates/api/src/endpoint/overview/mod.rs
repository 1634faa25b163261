//! Everything at a glance.

pub(crate) mod get;
pub(crate) mod volume;
