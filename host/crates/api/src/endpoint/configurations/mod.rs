//! Configuration objects.

pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod restore;
pub(crate) mod revision;
pub(crate) mod revisions;
pub(crate) mod save;

const COLLECTION: &str = "/api/v1/configurations";
