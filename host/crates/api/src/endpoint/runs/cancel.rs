//! `POST /api/v1/runs/cancel`

use axum::{Json, extract::State};
use engine::CancelQuery;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::to_its_end;
use crate::{
    audit::Audit,
    extract::{JsonBody, Who},
    problem::{Answer, Problem},
    state::Shared,
};

/// Which runs are cancelled: those that have not ended and fit everything that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRuns {
    /// Runs of this application.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// Runs on this queue.
    #[schema(example = "default")]
    queue: Option<String>,
    /// Runs of every application and queue: must be said where neither is given.
    #[serde(default)]
    #[schema(example = false)]
    all: bool,
    /// The `until` of the answer before, to go on with what it left.
    #[schema(example = json!(null))]
    until: Option<String>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunsCancelled {
    /// How many runs this request cancelled.
    #[schema(example = 2000)]
    cancelled: u64,
    /// Whether runs may be left: ask again, with `until`.
    #[schema(example = false)]
    more: bool,
    /// What to give to the next request, so that runs which were accepted after the first
    /// one are not cancelled.
    #[schema(example = json!(null))]
    until: Option<String>,
}

/// Cancel many runs
///
/// Cancels runs that have not ended, the oldest first, as `DELETE /tasks/{id}` does each of
/// them. Runs that are accepted after the request are not touched. A request that would
/// take too long answers what it has done, with `more`; asking again is safe at any time.
#[utoipa::path(
    post, path = "/api/v1/runs/cancel", operation_id = "cancel_runs", tag = "runs",
    request_body = CancelRuns,
    responses(
        (status = 200, description = "How many were cancelled", body = RunsCancelled),
        (status = 400, description = "It is not said which runs (PF-0400)"),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    JsonBody(asked): JsonBody<CancelRuns>,
) -> Answer<Json<RunsCancelled>> {
    let narrowed = asked.application.is_some() || asked.queue.is_some();
    if narrowed == asked.all {
        return Err(Problem::unreadable_at(
            "all",
            "say which runs: `application`, `queue` or both, or else `all: true`",
        ));
    }
    let query = CancelQuery {
        application: asked.application,
        queue: asked.queue,
        until: asked.until,
    };
    // Once they are stored, whoever executes them must be told.
    let cancelled = async move {
        let done = api.engine.cancel_all(&caller, &query).await?;
        let of = |name: Option<String>| name.unwrap_or_default();
        audit.cancelled_many(&of(query.application), &of(query.queue), done.cancelled);
        Ok(done)
    };
    let done = to_its_end(cancelled).await?;
    Ok(Json(RunsCancelled {
        cancelled: done.cancelled,
        more: done.until.is_some(),
        until: done.until,
    }))
}
