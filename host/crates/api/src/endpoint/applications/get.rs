//! `GET /api/v1/applications/{name}`

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::{
    extract::{Args, Name, Who},
    problem::Answer,
    state::Shared,
    view::definition::{self, DefinitionDetail, ReadArgs},
};

/// Read an application
///
/// The answer is the document as it was stored, its revision in the `ETag` header.
#[utoipa::path(
    get, path = "/api/v1/applications/{name}", operation_id = "get_application", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is current, the answer is 304 without a body", example = "\"3\""),
        ReadArgs,
    ),
    responses(
        (status = 200, description = "The document; with `meta=true` what is known about it, the document inside", body = DefinitionDetail),
        (status = 304, description = "The caller has the current revision"),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<ReadArgs>,
    headers: HeaderMap,
) -> Answer<Response> {
    let found = api.engine.application(caller.tenant, &name).await?;
    if !args.meta {
        return Ok(definition::document(&headers, found));
    }
    definition::detail(super::COLLECTION, found, None)
}
