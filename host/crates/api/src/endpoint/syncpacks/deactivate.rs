//! `POST /api/v1/syncpacks/{name}/deactivate`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// Deactivate a SyncPack
///
/// New runs can no longer use its steps; runs in flight finish.
#[utoipa::path(
    post, path = "/api/v1/syncpacks/{name}/deactivate", operation_id = "deactivate_syncpack", tag = "syncpacks",
    params(("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example")),
    responses(
        (status = 204, description = "No version of it is active"),
        (status = 404, description = "There is no such SyncPack (PF-0404)"),
    ),
)]
pub(crate) async fn deactivate(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
) -> Answer<StatusCode> {
    to_its_end(async move {
        api.engine.deactivate_pack(&caller, &name).await?;
        audit.syncpack("deactivate", &name, "");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
