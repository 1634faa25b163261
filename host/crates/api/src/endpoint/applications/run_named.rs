//! `POST /api/v1/applications/{app}/run`

use axum::{extract::State, http::HeaderMap, response::Response};
use engine::RunRequest;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    endpoint::runs::start::{Wait, WaitArgs, idempotency_key},
    extract::{Args, JsonBody, Name, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::run::{Accepted, RunWithSteps},
};

/// What to run the application with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"params": {"configuration": "acme", "event_id": 4711}}))]
pub(crate) struct NamedRunBody {
    /// The application's name; may be left out, for the address has it.
    #[serde(default)]
    name: Option<String>,
    /// The run's own parameters, as in `POST /applications/run`.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Option<Map<String, Value>>,
}

/// Run the application of the address
///
/// As `POST /applications/run`. The body may be left out.
#[utoipa::path(
    post, path = "/api/v1/applications/{app}/run", operation_id = "run_named_application", tag = "applications",
    params(
        ("app" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        WaitArgs,
        ("Idempotency-Key" = Option<String>, Header, description = "The same request sent again with this key is the same run", example = "event-4711"),
    ),
    request_body(content = NamedRunBody, description = "The run's parameters"),
    responses(
        (status = 200, description = "With `wait`: the run has ended", body = RunWithSteps),
        (status = 202, description = "Accepted; with `wait` and a run that has not ended, its state", body = Accepted),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 422, description = "It cannot run (PF-1002); `errors` lists every reason"),
        (status = 429, description = "Too much is waiting (PF-0429), or too many accepted runs of the tenant or on the queue have not ended (PF-0430); try again after `Retry-After`"),
    ),
)]
pub(crate) async fn run_named(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(app): Name<String>,
    Args(args): Args<WaitArgs>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NamedRunBody>,
) -> Answer<Response> {
    let wait = Wait::of(&api, &args)?;
    if let Some(name) = body.name.filter(|name| *name != app) {
        return Err(Problem::unreadable_at(
            "/name",
            format!("the body names `{name}`, the address `{app}`"),
        ));
    }
    let request = RunRequest {
        application: app,
        params: body.params.unwrap_or_default(),
        idempotency_key: idempotency_key(&headers)?,
    };
    let run = api.engine.run(&caller, request).await?;
    wait.answer(&api, &caller, run).await
}
