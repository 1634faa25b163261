//! `POST /api/v1/applications/run`

use axum::{extract::State, http::HeaderMap, response::Response};
use engine::RunRequest;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    endpoint::runs::start::{Wait, WaitArgs, idempotency_key},
    extract::{Args, JsonBody, Who},
    problem::Answer,
    state::Shared,
    view::run::{Accepted, RunWithSteps},
};

/// Which application to run, and with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "create_or_update_incident", "params": {"configuration": "acme", "loglevel": 10, "event_id": 4711}}))]
pub(crate) struct RunBody {
    /// The application's name.
    name: String,
    /// The run's own parameters. `configuration` names the configuration object to use
    /// instead of the aligned one (`none`: none), `queue` the queue, `loglevel` (10 debug,
    /// 20 info, 30 warning, 40 error) what its log keeps. One that nothing takes is accepted
    /// with a warning.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Option<Map<String, Value>>,
}

/// Run an application
///
/// The answer comes when the run is stored: from then on it runs to its end, whatever
/// happens to the service. Missing parameters are all named at once, before anything
/// executes.
#[utoipa::path(
    post, path = "/api/v1/applications/run", operation_id = "run_application", tag = "applications",
    params(
        WaitArgs,
        ("Idempotency-Key" = Option<String>, Header, description = "The same request sent again with this key is the same run", example = "event-4711"),
    ),
    request_body(content = RunBody, description = "The application and the run's parameters"),
    responses(
        (status = 200, description = "With `wait`: the run has ended", body = RunWithSteps),
        (status = 202, description = "Accepted; with `wait` and a run that has not ended, its state", body = Accepted),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 422, description = "It cannot run (PF-1002); `errors` lists every reason"),
        (status = 429, description = "Too much is waiting (PF-0429), or too many accepted runs of the tenant or on the queue have not ended (PF-0430); try again after `Retry-After`"),
    ),
)]
pub(crate) async fn run(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<WaitArgs>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<RunBody>,
) -> Answer<Response> {
    let wait = Wait::of(&api, &args)?;
    let request = RunRequest {
        application: body.name,
        params: body.params.unwrap_or_default(),
        idempotency_key: idempotency_key(&headers)?,
    };
    let run = api.engine.run(&caller, request).await?;
    wait.answer(&api, &caller, run).await
}
