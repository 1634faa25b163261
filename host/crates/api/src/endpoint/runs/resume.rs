//! `POST /api/v1/runs/resume`

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{super::to_its_end, pause::scope};
use crate::{
    audit::Audit,
    extract::{JsonBody, Who},
    problem::Answer,
    state::Shared,
};

/// Which pause ends: the one that was made for just this.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeRuns {
    /// The application that it names.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// The queue that it names.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// The pause of every application and queue: must be said where neither is given.
    #[serde(default)]
    #[schema(example = false)]
    all: bool,
}

/// End a pause
///
/// What it held up goes on, in the order of acceptance, unless another pause holds it up too:
/// `GET /runs/pauses` lists them.
#[utoipa::path(
    post, path = "/api/v1/runs/resume", operation_id = "resume_runs", tag = "runs",
    request_body = ResumeRuns,
    responses(
        (status = 204, description = "The pause has ended"),
        (status = 400, description = "It is not said which runs (PF-0400)"),
        (status = 404, description = "There is no such application, or no such pause (PF-0404)"),
    ),
)]
pub(crate) async fn resume(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    JsonBody(asked): JsonBody<ResumeRuns>,
) -> Answer<StatusCode> {
    let query = scope(asked.application, asked.queue, asked.all, String::new())?;
    // Once it is stored, what waited must be queued.
    let resumed = async move {
        api.engine.resume(&caller, &query).await?;
        let (application, queue) = (query.application.as_deref(), query.queue.as_deref());
        audit.paused("resume", application, queue, "");
        Ok(())
    };
    to_its_end(resumed).await?;
    Ok(StatusCode::NO_CONTENT)
}
