//! Applications and their runs.

pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod put;
pub(crate) mod restore;
pub(crate) mod revision;
pub(crate) mod revisions;
pub(crate) mod run;
pub(crate) mod run_named;
pub(crate) mod save;
pub(crate) mod set;
pub(crate) mod settings;
pub(crate) mod timeline;
pub(crate) mod validate;

const COLLECTION: &str = "/api/v1/applications";
