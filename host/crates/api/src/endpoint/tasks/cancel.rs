//! `DELETE /api/v1/tasks/{id}`

use axum::{Json, extract::State};

use super::run_only;
use crate::{
    audit::Audit,
    extract::{Task, Who},
    problem::Answer,
    state::Shared,
    view::run::RunWithSteps,
};

/// Cancel a run
///
/// Its waiting steps end as cancelled at once, its running ones are stopped.
#[utoipa::path(
    delete, path = "/api/v1/tasks/{id}", operation_id = "cancel_task", tag = "tasks",
    params(("id" = String, Path, description = "The run: `isapp-…`", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The run, cancelled", body = RunWithSteps),
        (status = 404, description = "There is no such run (PF-0404)"),
        (status = 409, description = "The run has ended (PF-1004)"),
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Task(task): Task,
) -> Answer<Json<RunWithSteps>> {
    let run = run_only(task, "cancelled")?;
    api.engine.cancel(&caller, run).await?;
    audit.cancelled(&run.to_string());
    let detail = api.engine.run_detail(caller.tenant, run).await?;
    Ok(Json(RunWithSteps::new(detail)))
}
