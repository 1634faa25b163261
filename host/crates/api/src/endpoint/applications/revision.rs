//! `GET /api/v1/applications/{name}/revisions/{number}`

use axum::{extract::State, http::HeaderMap, response::Response};
use store::definitions::Kind;

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::{definition::ApplicationDocument, revision},
};

/// Read a revision of an application
///
/// The answer is the document as it was stored.
#[utoipa::path(
    get, path = "/api/v1/applications/{name}/revisions/{number}", operation_id = "get_application_revision", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("number" = i64, Path, description = "The revision's number, from 1", example = 2),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is of this revision, the answer is 304 without a body", example = "\"2\""),
    ),
    responses(
        (status = 200, description = "The document", body = ApplicationDocument),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such application or revision (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name((name, number)): Name<(String, i64)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let found = api
        .engine
        .document_revision(caller.tenant, Kind::Application, &name, number)
        .await?;
    Ok(revision::document(&headers, found))
}
