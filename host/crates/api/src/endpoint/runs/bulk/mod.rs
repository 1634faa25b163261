//! Work on many runs.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod start;
pub(crate) mod stop;
