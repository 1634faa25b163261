//! `POST /api/v1/tasks/{id}/replay`

use axum::{extract::State, response::Response};

use super::run_only;
use crate::{
    endpoint::runs::start::{Wait, WaitArgs},
    extract::{Args, Task, Who},
    problem::Answer,
    state::Shared,
    view::run::{Accepted, RunWithSteps},
};

/// Replay a run
///
/// A new run with the same application, parameters, configuration object and queue as
/// the one of the address.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/replay", operation_id = "replay_task", tag = "tasks",
    params(
        ("id" = String, Path, description = "The run: `isapp-…`", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000"),
        WaitArgs,
    ),
    responses(
        (status = 200, description = "With `wait`: the new run has ended", body = RunWithSteps),
        (status = 202, description = "Accepted; with `wait` and a run that has not ended, its state", body = Accepted),
        (status = 404, description = "There is no such run (PF-0404)"),
        (status = 422, description = "It cannot run any more (PF-1002); `errors` lists every reason"),
    ),
)]
pub(crate) async fn replay(
    State(api): State<Shared>,
    Who(caller): Who,
    Task(task): Task,
    Args(args): Args<WaitArgs>,
) -> Answer<Response> {
    let run = run_only(task, "replayed")?;
    let wait = Wait::of(&api, &args)?;
    let run = api.engine.replay(&caller, run).await?;
    wait.answer(&api, &caller, run).await
}
