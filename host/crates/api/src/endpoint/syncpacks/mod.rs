//! SyncPacks.

pub(crate) mod activate;
pub(crate) mod deactivate;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod upload;

use serde::Deserialize;
use utoipa::IntoParams;

/// Which version is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionArgs {
    /// The version.
    #[param(example = "1.0.0")]
    version: Option<String>,
}
