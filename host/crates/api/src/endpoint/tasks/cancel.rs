//! `DELETE /api/v1/tasks/{id}`

use axum::{Json, extract::State};
use model::id::AnyRef;

use super::super::to_its_end;
use crate::{
    audit::Audit,
    extract::{Task as Id, Who},
    problem::Answer,
    state::Shared,
    view::run::{RunWithSteps, StepWithRun, Task},
};

/// Cancel a run, or revoke a step of a run
///
/// Of a run, the waiting steps end as cancelled at once and the running ones are stopped.
/// A step can be revoked while it waits in the queue or executes: it ends as cancelled,
/// steps that depend on it are skipped as after a failure, others go on, and the run ends
/// as cancelled. What was cancelled before stays so: the answer is the same.
#[utoipa::path(
    delete, path = "/api/v1/tasks/{id}", operation_id = "cancel_task", tag = "tasks",
    params(("id" = String, Path, description = "The run, `isapp-…`, or the step, `istask-…`", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The run or the step, cancelled", body = Task),
        (status = 404, description = "There is no such run or step (PF-0404)"),
        (status = 409, description = "It has ended otherwise, or nothing has reached the step yet (PF-1004)"),
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Id(task): Id,
) -> Answer<Json<Task>> {
    // Once it is stored, whoever executes it must be told.
    let stopped = async move {
        Ok(match task {
            AnyRef::Run(run) => {
                api.engine.cancel(&caller, run).await?;
                audit.cancelled("run", &run.to_string());
                let detail = api.engine.run_detail(caller.tenant, run).await?;
                Task::Run(RunWithSteps::new(detail))
            }
            AnyRef::Task(task) => {
                api.engine.revoke(&caller, task).await?;
                audit.cancelled("step", &task.to_string());
                Task::Step(StepWithRun::new(
                    api.engine.task_detail(caller.tenant, task).await?,
                ))
            }
        })
    };
    Ok(Json(to_its_end(stopped).await?))
}
