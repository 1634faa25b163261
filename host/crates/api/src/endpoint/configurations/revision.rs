//! `GET /api/v1/configurations/{name}/revisions/{number}`

use axum::{extract::State, http::HeaderMap, response::Response};
use store::definitions::Kind;

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::{definition::ConfigurationDocument, revision},
};

/// Read a revision of a configuration object
///
/// The answer is the document as it was stored. Encrypted values are ciphertext, as in the document itself.
#[utoipa::path(
    get, path = "/api/v1/configurations/{name}/revisions/{number}", operation_id = "get_configuration_revision", tag = "configurations",
    params(
        ("name" = String, Path, description = "The configuration object's name", example = "acme"),
        ("number" = i64, Path, description = "The revision's number, from 1", example = 2),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is of this revision, the answer is 304 without a body", example = "\"2\""),
    ),
    responses(
        (status = 200, description = "The document", body = ConfigurationDocument),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such configuration object or revision (PF-0404)"),
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
        .document_revision(caller.tenant, Kind::Configuration, &name, number)
        .await?;
    Ok(revision::document(&headers, found))
}
