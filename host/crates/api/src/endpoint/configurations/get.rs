//! `GET /api/v1/configurations/{name}`

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::{
    extract::{Args, Name, Who},
    problem::Answer,
    state::Shared,
    view::definition::{self, DefinitionDetail, ReadArgs},
};

/// Read a configuration object
///
/// The answer is the document as it was stored, its revision in the `ETag` header; encrypted values are shown as ciphertext.
#[utoipa::path(
    get, path = "/api/v1/configurations/{name}", operation_id = "get_configuration", tag = "configurations",
    params(
        ("name" = String, Path, description = "The configuration object's name", example = "acme"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is current, the answer is 304 without a body", example = "\"3\""),
        ReadArgs,
    ),
    responses(
        (status = 200, description = "The document; with `meta=true` what is known about it, the document inside", body = DefinitionDetail),
        (status = 304, description = "The caller has the current revision"),
        (status = 404, description = "There is no such configuration object (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<ReadArgs>,
    headers: HeaderMap,
) -> Answer<Response> {
    let found = api.engine.configuration(caller.tenant, &name).await?;
    if !args.meta {
        return Ok(definition::document(&headers, found));
    }
    let aligned = Some(
        api.engine
            .aligned_applications(caller.tenant, &name)
            .await?,
    );
    definition::detail(super::COLLECTION, found, aligned)
}
