//! `DELETE /api/v1/applications/{name}`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::Expect,
    extract::{Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
};

/// Delete an application
///
/// Its past runs keep the revision that they ran.
#[utoipa::path(
    delete, path = "/api/v1/applications/{name}", operation_id = "delete_application", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("If-Match" = Option<String>, Header, description = "Delete only this revision (its ETag)", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 409, description = "Something still uses it (PF-0423)"),
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
    to_its_end(async move {
        api.engine
            .delete_application(&caller, &name, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect != Expect::Anything))?;
        audit.deleted(Document::Application, &name);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
