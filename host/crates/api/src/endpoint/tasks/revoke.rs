//! `POST /api/v1/tasks/{id}/revoke`

use axum::{Json, extract::State};

use super::cancel::cancel;
use crate::{
    audit::Audit,
    extract::{Task, Who},
    problem::Answer,
    state::Shared,
    view::run::RunWithSteps,
};

/// Revoke a run
///
/// The same as `DELETE /tasks/{id}`, at the address that older clients know.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/revoke", operation_id = "revoke_task", tag = "tasks",
    params(("id" = String, Path, description = "The run: `isapp-…`", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The run, cancelled", body = RunWithSteps),
        (status = 404, description = "There is no such run (PF-0404)"),
        (status = 409, description = "The run has ended (PF-1004)"),
    ),
)]
pub(crate) async fn revoke(
    api: State<Shared>,
    caller: Who,
    audit: Audit,
    task: Task,
) -> Answer<Json<RunWithSteps>> {
    cancel(api, caller, audit, task).await
}
