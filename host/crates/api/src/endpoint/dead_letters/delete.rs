//! `DELETE /api/v1/dead-letters/{letter}`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// Take a dead letter off the list
///
/// Somebody has seen to it. Its run stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/dead-letters/{letter}", operation_id = "delete_dead_letter", tag = "runs",
    params(("letter" = String, Path, description = "Its number", example = "7")),
    responses(
        (status = 204, description = "It is off the list"),
        (status = 404, description = "There is none of that number (PF-0404)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(letter): Name<String>,
) -> Answer<StatusCode> {
    to_its_end(async move {
        api.engine
            .delete_dead_letter(caller.tenant, &letter)
            .await?;
        audit.dead_letter("delete", &letter);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
