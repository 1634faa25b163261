//! `GET /api/v1/syncpacks/{name}`

use axum::{Json, extract::State};

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::syncpack::SyncPackDetail,
};

/// Read a SyncPack
///
/// With all its stored versions, their steps, and the grants that they ask for.
#[utoipa::path(
    get, path = "/api/v1/syncpacks/{name}", operation_id = "get_syncpack", tag = "syncpacks",
    params(("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example")),
    responses(
        (status = 200, description = "The SyncPack", body = SyncPackDetail),
        (status = 404, description = "There is no such SyncPack (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
) -> Answer<Json<SyncPackDetail>> {
    let versions = api.engine.pack(caller.tenant, &name).await?;
    SyncPackDetail::new(name, versions).map(Json)
}
