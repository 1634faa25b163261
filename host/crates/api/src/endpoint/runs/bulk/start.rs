//! `POST /api/v1/runs/bulk`

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use engine::{BulkAction, BulkQuery};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::{
        bulk::{BulkDocument, COLLECTION},
        moment,
    },
};

/// What is done, and to which runs: those that fit everything that is given.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own")]
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"action": "retry", "application": "create_or_update_incident", "from": "2027-01-15T08:00:00Z"}))]
pub(crate) struct BulkBody {
    /// `cancel`: runs that have not ended; `retry` and `replay`: runs that have, but for those that
    /// other runs started.
    #[schema(example = "retry")]
    action: Option<String>,
    /// Runs of this application.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// Runs on this queue.
    #[schema(example = "default")]
    queue: Option<String>,
    /// Runs aligned with this configuration object.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// Runs in these states. Where it is left out: all that have not ended, to cancel; those that
    /// failed, to retry or replay.
    #[schema(example = json!(["failed"]))]
    states: Vec<String>,
    /// Runs accepted at this moment or later.
    #[schema(example = "2027-01-15T08:00:00Z")]
    from: Option<String>,
    /// Runs accepted before this moment.
    #[schema(example = "2027-01-15T09:00:00Z")]
    until: Option<String>,
    /// Only runs with dead letters.
    #[schema(example = false)]
    dead_letters: bool,
    /// Retry with the newest revision of the application instead of the run's own.
    #[schema(example = false)]
    newest: bool,
    /// Runs of every kind: must be said where nothing else narrows them.
    #[schema(example = false)]
    all: bool,
    /// Only count them.
    #[schema(example = true)]
    preview: bool,
}

/// How many runs it would be done to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkPreview {
    /// How many now.
    #[schema(example = 1200)]
    count: u64,
}

fn read(body: BulkBody) -> Answer<BulkQuery> {
    let narrowed = body.application.is_some()
        || body.queue.is_some()
        || body.configuration.is_some()
        || body.from.is_some()
        || body.until.is_some()
        || body.dead_letters;
    let word = body.action.as_deref().unwrap_or_default();
    let Some((_, action)) = BulkAction::WORDS.iter().find(|(known, _)| *known == word) else {
        return Err(Problem::unreadable_at(
            "/action",
            format!("`{word}` is none; give `cancel`, `retry` or `replay`"),
        ));
    };
    if narrowed == body.all {
        return Err(Problem::unreadable_at(
            "/all",
            "say which runs: `application`, `queue`, `configuration`, `from`, `until` or `dead_letters`, or else `all: true`",
        ));
    }
    Ok(BulkQuery {
        action: *action,
        application: body.application,
        queue: body.queue,
        configuration: body.configuration,
        states: body.states,
        from: moment("/from", body.from)?,
        until: moment("/until", body.until)?,
        dead_letters: body.dead_letters,
        newest: body.newest,
    })
}

/// Cancel, retry or replay many runs
///
/// Of the runs that fit when it is asked for, from the newest to the oldest. It is recorded and goes on
/// in the background, over restarts, until it is done or stopped; each run is taken once, and what it
/// starts is started once. A retry starts with the results of what ended well. With `preview` the runs
/// are only counted.
#[utoipa::path(
    post, path = "/api/v1/runs/bulk", operation_id = "start_bulk", tag = "runs",
    request_body = BulkBody,
    responses(
        (status = 200, description = "With `preview`: how many runs", body = BulkPreview),
        (status = 202, description = "It goes on; `Location` has its progress", body = BulkDocument),
        (status = 400, description = "It is not said what, or which runs (PF-0400)"),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 422, description = "It cannot be done to such runs (PF-1001); `errors` lists every reason"),
    ),
)]
pub(crate) async fn start(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    JsonBody(body): JsonBody<BulkBody>,
) -> Answer<Response> {
    let preview = body.preview;
    let query = read(body)?;
    if preview {
        let count = api.engine.preview_bulk(caller.tenant, &query).await?;
        return Ok(Json(BulkPreview { count }).into_response());
    }
    to_its_end(async move {
        let started = api.engine.start_bulk(&caller, query).await?;
        audit.bulk("start", &started);
        let location = format!("{COLLECTION}/{}", started.bulk.id);
        let mut response = (StatusCode::ACCEPTED, Json(BulkDocument::new(started))).into_response();
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    })
    .await
}
