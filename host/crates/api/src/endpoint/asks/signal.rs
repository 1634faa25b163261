//! `POST /api/v1/signals`

use std::time::Duration;

use axum::{Json, extract::State};
use engine::Signal;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::to_its_end;
use crate::{
    extract::{JsonBody, Who},
    problem::Answer,
    state::Shared,
    view::ask::Sent,
};

/// How long a message is kept where nothing is said.
const KEEP: u64 = 3_600;

/// A message for a step that waits for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendSignal {
    /// Under which key the step waits for it.
    #[schema(example = "CHG0030001")]
    key: String,
    /// Your id of the message: the same one again, within a day, is the same message.
    #[serde(default)]
    #[schema(example = "evt-81")]
    id: Option<String>,
    /// What the step is given, a JSON object.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"state": "implemented"}))]
    body: Map<String, Value>,
    /// For how many seconds it is kept where no step waits for it yet; 3600 when absent, 0: not
    /// at all, at most a week.
    #[serde(default)]
    #[schema(example = 3600)]
    keep: Option<u64>,
}

/// Send a message to a step that waits for it
///
/// Of several steps that wait under the key, that of the oldest run is given it. One that comes
/// before its step waits is kept, and given to the first step that waits under the key.
#[utoipa::path(
    post, path = "/api/v1/signals", operation_id = "send_signal", tag = "tasks",
    request_body = SendSignal,
    responses(
        (status = 200, description = "What became of it", body = Sent),
        (status = 422, description = "The key, the id, the time or the body cannot be so (PF-1001)"),
        (status = 429, description = "Too many messages are kept under this key (PF-0429)"),
    ),
)]
pub(crate) async fn signal(
    State(api): State<Shared>,
    Who(caller): Who,
    JsonBody(asked): JsonBody<SendSignal>,
) -> Answer<Json<Sent>> {
    let keep = Duration::from_secs(asked.keep.unwrap_or(KEEP));
    let signal = Signal {
        key: asked.key,
        id: asked.id,
        body: Value::Object(asked.body),
        keep,
    };
    // Once it is stored, the step must go on.
    let sent = async move { Ok(api.engine.signal(&caller, signal).await?) };
    Ok(Json(Sent::new(to_its_end(sent).await?)))
}
