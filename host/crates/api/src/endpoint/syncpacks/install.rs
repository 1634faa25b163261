//! `POST /api/v1/syncpacks/{name}/install`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Name, Who},
    problem::Answer,
    state::Shared,
    view::syncpack::SyncPack,
};

/// Which version to install.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"version": "1.0.0"}))]
pub(crate) struct InstallBody {
    /// The version; the newest stored one when absent.
    #[serde(default)]
    version: Option<String>,
}

/// Install a SyncPack
///
/// Compiles it for this host, which takes seconds; the answer comes when that is done.
/// The body may be left out.
#[utoipa::path(
    post, path = "/api/v1/syncpacks/{name}/install", operation_id = "install_syncpack", tag = "syncpacks",
    params(("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example")),
    request_body(content = InstallBody, description = "The version"),
    responses(
        (status = 200, description = "The version; its `state` says whether it is installed", body = SyncPack),
        (status = 404, description = "There is no such SyncPack or version (PF-0404)"),
        (status = 409, description = "Its state does not allow it (PF-2002)"),
    ),
)]
pub(crate) async fn install(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    JsonBody(body): JsonBody<InstallBody>,
) -> Answer<Json<SyncPack>> {
    to_its_end(async move {
        let pack = api
            .engine
            .install_pack(caller.tenant, &name, body.version.as_deref())
            .await?;
        audit.syncpack("install", &name, &pack.version);
        Ok(Json(SyncPack::new(&pack)))
    })
    .await
}
