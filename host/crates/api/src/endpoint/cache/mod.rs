//! Cache records.

pub(crate) mod clear;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
