//! `POST /api/v1/syncpacks/{name}/deactivate`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// A SyncPack of which no version is active.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeactivatedPack {
    /// Its name.
    #[schema(example = "servicenow_example")]
    name: String,
    /// The applications that have steps of it: new runs of them are refused.
    #[schema(example = json!(["create_or_update_incident"]))]
    used_by: Vec<String>,
}

/// Deactivate a SyncPack
///
/// New runs can no longer use its steps; runs in flight finish. The answer names the applications
/// that cannot run until it is active again.
#[utoipa::path(
    post, path = "/api/v1/syncpacks/{name}/deactivate", operation_id = "deactivate_syncpack", tag = "syncpacks",
    params(("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example")),
    responses(
        (status = 200, description = "No version of it is active", body = DeactivatedPack),
        (status = 404, description = "There is no such SyncPack (PF-0404)"),
    ),
)]
pub(crate) async fn deactivate(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
) -> Answer<Json<DeactivatedPack>> {
    to_its_end(async move {
        let used_by = api.engine.deactivate_pack(&caller, &name).await?;
        audit.syncpack("deactivate", &name, "");
        Ok(Json(DeactivatedPack { name, used_by }))
    })
    .await
}
