//! `POST /api/v1/tasks/{id}/retry`

use axum::{extract::State, response::Response};
use engine::RetryQuery;
use model::id::AnyRef;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    endpoint::runs::start::{Wait, WaitArgs},
    extract::{Args, JsonBody, Task, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::run::{Accepted, RunWithSteps},
};

/// How a run is retried. Everything may be left out, the document as well.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryRun {
    /// The names of the steps to begin with; empty: those that did not succeed. What did not
    /// succeed is executed in any case.
    #[schema(example = json!(["create incident"]))]
    from: Vec<String>,
    /// `original`: the application's revision and the SyncPacks that the run was pinned to.
    /// `newest`: those of now.
    #[schema(example = "original")]
    revision: Option<String>,
    /// Parameters in place of those that the run had, or beside them, as when it is started.
    #[schema(value_type = Object, example = json!({"urgency": 1}))]
    params: Map<String, Value>,
}

/// Retry a run
///
/// A new run that executes what of the old one did not succeed, and what depends on it. Steps
/// that ended well are not executed again: the new run starts with their results. With the id
/// of a step, that step and what depends on it are executed again as well.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/retry", operation_id = "retry_task", tag = "tasks",
    params(
        ("id" = String, Path, description = "The run, `isapp-…`, or a step of it, `istask-…`", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000"),
        WaitArgs,
    ),
    request_body = RetryRun,
    responses(
        (status = 200, description = "With `wait`: the new run has ended", body = RunWithSteps),
        (status = 202, description = "Accepted; with `wait` and a run that has not ended, its state", body = Accepted),
        (status = 404, description = "There is no such run (PF-0404)"),
        (status = 409, description = "It has not ended, or nothing of it would be executed again (PF-1004)"),
        (status = 422, description = "There is no such step (PF-1001), or it cannot run any more (PF-1002); `errors` lists every reason"),
    ),
)]
pub(crate) async fn retry(
    State(api): State<Shared>,
    Who(caller): Who,
    Task(task): Task,
    Args(args): Args<WaitArgs>,
    JsonBody(asked): JsonBody<RetryRun>,
) -> Answer<Response> {
    let wait = Wait::of(&api, &args)?;
    let newest = match asked.revision.as_deref() {
        None | Some("original") => false,
        Some("newest") => true,
        Some(other) => {
            return Err(Problem::unreadable_at(
                "revision",
                format!("it is `original` or `newest`, not `{other}`"),
            ));
        }
    };
    let mut query = RetryQuery {
        from: asked.from,
        newest,
        params: asked.params,
    };
    let run = match task {
        AnyRef::Run(run) => run,
        AnyRef::Task(step) => {
            let detail = api.engine.task_detail(caller.tenant, step).await?;
            query.from.push(detail.step.name);
            detail.run.reference
        }
    };
    let run = api.engine.retry_run(&caller, run, &query).await?;
    wait.answer(&api, &caller, run).await
}
