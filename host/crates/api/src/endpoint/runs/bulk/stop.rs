//! `DELETE /api/v1/runs/bulk/{bulk}`

use axum::{Json, extract::State};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::bulk::BulkDocument,
};

/// Stop work on many runs
///
/// What was done stays done; a part that is under way goes to its end.
#[utoipa::path(
    delete, path = "/api/v1/runs/bulk/{bulk}", operation_id = "stop_bulk", tag = "runs",
    params(("bulk" = String, Path, description = "Its number", example = "7")),
    responses(
        (status = 200, description = "Stopped", body = BulkDocument),
        (status = 404, description = "There is none of that number (PF-0404)"),
        (status = 409, description = "It has ended (PF-1004)"),
    ),
)]
pub(crate) async fn stop(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(bulk): Name<String>,
) -> Answer<Json<BulkDocument>> {
    to_its_end(async move {
        let stopped = api.engine.stop_bulk(&caller, &bulk).await?;
        audit.bulk("stop", &stopped);
        Ok(Json(BulkDocument::new(stopped)))
    })
    .await
}
