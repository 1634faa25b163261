//! `POST /api/v1/steps/run`

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    endpoint::{
        runs::start::{Wait, WaitArgs},
        to_its_end,
    },
    extract::{Args, JsonBody, Who},
    problem::Answer,
    state::Shared,
    view::run::{Accepted, RunWithSteps},
};

/// Which step to run, and with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "CreateOrUpdateIncident", "syncpack": "servicenow_example", "params": {"configuration": "acme"}}))]
pub(crate) struct StepRunBody {
    /// The step's name.
    name: String,
    /// The SyncPack, where several have a step of that name.
    #[serde(default)]
    syncpack: Option<String>,
    /// The step's parameters, and those of the run as in `POST /applications/run`.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Option<Map<String, Value>>,
}

/// Run a single step
///
/// As a run of one step, without an application.
#[utoipa::path(
    post, path = "/api/v1/steps/run", operation_id = "run_step", tag = "steps",
    params(WaitArgs),
    request_body(content = StepRunBody, description = "The step and its parameters"),
    responses(
        (status = 200, description = "With `wait`: the run has ended", body = RunWithSteps),
        (status = 202, description = "Accepted; with `wait` and a run that has not ended, its state", body = Accepted),
        (status = 404, description = "No active SyncPack has such a step (PF-0404)"),
        (status = 422, description = "It cannot run (PF-1002); `errors` lists every reason"),
    ),
)]
pub(crate) async fn run(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<WaitArgs>,
    JsonBody(body): JsonBody<StepRunBody>,
) -> Answer<Response> {
    let wait = Wait::of(&api, &args)?;
    let started = {
        let (api, caller) = (api.clone(), caller.clone());
        // It saves a document first.
        to_its_end(async move {
            let params = body.params.unwrap_or_default();
            let syncpack = body.syncpack.as_deref();
            Ok(api
                .engine
                .run_step(&caller, &body.name, syncpack, params)
                .await?)
        })
    };
    wait.answer(&api, &caller, started.await?).await
}
