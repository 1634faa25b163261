//! `POST /api/v1/runs/pause`

use axum::{Json, extract::State, http::StatusCode};
use engine::PauseQuery;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::to_its_end;
use crate::{
    audit::Audit,
    extract::{JsonBody, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::pause::Pause,
};

/// Which runs are paused: those that fit everything that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseRuns {
    /// Runs of this application.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// Runs on this queue.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// Runs of every application and queue: must be said where neither is given.
    #[serde(default)]
    #[schema(example = false)]
    all: bool,
    /// Why, in one line: shown with every run that waits for it.
    #[serde(default)]
    #[schema(example = "ServiceNow is being upgraded")]
    reason: String,
}

/// What a request to pause or resume names.
pub(super) fn scope(
    application: Option<String>,
    queue: Option<String>,
    all: bool,
    reason: String,
) -> Answer<PauseQuery> {
    if (application.is_some() || queue.is_some()) == all {
        return Err(Problem::unreadable_at(
            "all",
            "say which runs: `application`, `queue` or both, or else `all: true`",
        ));
    }
    Ok(PauseQuery {
        application,
        queue,
        reason,
    })
}

/// Pause runs
///
/// No step of such a run starts until it is resumed. Steps that execute go on to their end;
/// runs are accepted, schedules fire, and what they start waits, with the reason as `waiting`.
/// Pausing what is paused changes nothing. Pauses survive restarts.
#[utoipa::path(
    post, path = "/api/v1/runs/pause", operation_id = "pause_runs", tag = "runs",
    request_body = PauseRuns,
    responses(
        (status = 201, description = "Paused", body = Pause),
        (status = 200, description = "It was paused before, and stays so as it was", body = Pause),
        (status = 400, description = "It is not said which runs (PF-0400)"),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 422, description = "The queue's name is none, or the reason is no line (PF-1001)"),
    ),
)]
pub(crate) async fn pause(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    JsonBody(asked): JsonBody<PauseRuns>,
) -> Answer<(StatusCode, Json<Pause>)> {
    let query = scope(asked.application, asked.queue, asked.all, asked.reason)?;
    let paused = async move {
        let (pause, new) = api.engine.pause(&caller, query).await?;
        if new {
            audit.paused(
                "pause",
                pause.application_name.as_deref(),
                pause.scope.queue.as_deref(),
                &pause.reason,
            );
        }
        Ok((pause, new))
    };
    let (pause, new) = to_its_end(paused).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(Pause::new(pause))))
}
