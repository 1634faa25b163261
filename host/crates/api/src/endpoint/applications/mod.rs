//! Applications and their runs.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod put;
pub(crate) mod run;
pub(crate) mod run_named;
pub(crate) mod save;
pub(crate) mod validate;

const COLLECTION: &str = "/api/v1/applications";
