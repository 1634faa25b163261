//! `DELETE /api/v1/syncpacks/{name}`

use axum::{extract::State, http::StatusCode};

use super::VersionArgs;
use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Args, Name, Who},
    problem::Answer,
    state::Shared,
};

/// Delete a SyncPack
///
/// Deletes the version of the query, or all versions without one. An active version, or
/// one that a running run is pinned to, is refused.
#[utoipa::path(
    delete, path = "/api/v1/syncpacks/{name}", operation_id = "delete_syncpack", tag = "syncpacks",
    params(
        ("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example"),
        VersionArgs,
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such SyncPack or version (PF-0404)"),
        (status = 409, description = "It is active or in use (PF-0423)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    Args(args): Args<VersionArgs>,
) -> Answer<StatusCode> {
    to_its_end(async move {
        api.engine
            .delete_pack(&caller, &name, args.version.as_deref())
            .await?;
        let version = args.version.as_deref();
        audit.syncpack("delete", &name, version.unwrap_or("all"));
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
