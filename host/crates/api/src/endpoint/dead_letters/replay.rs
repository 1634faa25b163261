//! `POST /api/v1/dead-letters/{letter}/replay`

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// The run that executes it again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedLetter {
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
}

/// Replay a dead letter
///
/// Retries its run: what ended well is kept, what did not is executed again. All dead letters of the run
/// are off the list then. Asked twice, it is one run. All that fit are retried with
/// `POST /runs/bulk` and `dead_letters`.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{letter}/replay", operation_id = "replay_dead_letter", tag = "runs",
    params(("letter" = String, Path, description = "Its number", example = "7")),
    responses(
        (status = 202, description = "Accepted", body = ReplayedLetter),
        (status = 404, description = "There is none of that number (PF-0404)"),
        (status = 409, description = "The run has not ended (PF-1004)"),
        (status = 422, description = "It cannot run any more (PF-1002); `errors` lists every reason"),
    ),
)]
pub(crate) async fn replay(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(letter): Name<String>,
) -> Answer<(StatusCode, Json<ReplayedLetter>)> {
    to_its_end(async move {
        let started = api.engine.replay_dead_letter(&caller, &letter).await?;
        audit.dead_letter("replay", &letter);
        let body = ReplayedLetter {
            task_id: started.run.to_string(),
        };
        Ok((StatusCode::ACCEPTED, Json(body)))
    })
    .await
}
