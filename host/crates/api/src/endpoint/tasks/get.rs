//! `GET /api/v1/tasks/{id}`

use axum::{Json, extract::State};
use model::id::AnyRef;

use crate::{
    extract::{Task as TaskId, Who},
    problem::Answer,
    state::Shared,
    view::run::{RunWithSteps, StepWithRun, Task},
};

/// Read a run or a step of a run
///
/// A run is answered with all its steps, each with its state and the address of its log.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", operation_id = "get_task", tag = "tasks",
    params(("id" = String, Path, description = "`isapp-…` (run) or `istask-…` (step)", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The run or the step", body = Task),
        (status = 404, description = "There is no such task (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    TaskId(task): TaskId,
) -> Answer<Json<Task>> {
    let task = match task {
        AnyRef::Run(run) => Task::Run(RunWithSteps::new(
            api.engine.run_detail(caller.tenant, run).await?,
        )),
        AnyRef::Task(task) => Task::Step(StepWithRun::new(
            api.engine.task_detail(caller.tenant, task).await?,
        )),
    };
    Ok(Json(task))
}
