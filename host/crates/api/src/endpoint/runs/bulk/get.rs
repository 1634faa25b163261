//! `GET /api/v1/runs/bulk/{bulk}`

use axum::{Json, extract::State};

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::bulk::BulkDocument,
};

/// See how far work on many runs has come
///
/// How many runs there were, for how many it was done, and for how many it could not be, and why.
#[utoipa::path(
    get, path = "/api/v1/runs/bulk/{bulk}", operation_id = "get_bulk", tag = "runs",
    params(("bulk" = String, Path, description = "Its number", example = "7")),
    responses(
        (status = 200, description = "As it stands", body = BulkDocument),
        (status = 404, description = "There is none of that number (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(bulk): Name<String>,
) -> Answer<Json<BulkDocument>> {
    let found = api.engine.bulk(caller.tenant, &bulk).await?;
    Ok(Json(BulkDocument::new(found)))
}
