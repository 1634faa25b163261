//! `DELETE /api/v1/schedules/{name}`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::{Audit, Document},
    etag::Expect,
    extract::{Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
};

/// Delete a schedule
///
/// Its runs stay, and those that have not ended go on.
#[utoipa::path(
    delete, path = "/api/v1/schedules/{name}", operation_id = "delete_schedule", tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule's name", example = "weekdays at nine"),
        ("If-Match" = Option<String>, Header, description = "Delete only this revision (its ETag)", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such schedule (PF-0404)"),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
) -> Answer<StatusCode> {
    api.engine
        .delete_schedule(&caller, &name, expect.revision())
        .await
        .map_err(|error| refusal::conditional(error, expect != Expect::Anything))?;
    audit.deleted(Document::Schedule, &name);
    Ok(StatusCode::NO_CONTENT)
}
