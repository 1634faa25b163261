//! Configuration objects.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod save;

const COLLECTION: &str = "/api/v1/configurations";
