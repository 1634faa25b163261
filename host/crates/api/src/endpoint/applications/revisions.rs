//! `GET /api/v1/applications/{name}/revisions`

use axum::{extract::State, http::Uri, response::Response};
use store::definitions::Kind;

use crate::{
    extract::{Args, Name, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::revision::{self, RevisionDocument, RevisionsArgs},
};

/// List the revisions of an application
///
/// The newest first, each with what it changed. A part may hold fewer than `limit` where documents
/// are large.
#[utoipa::path(
    get, path = "/api/v1/applications/{name}/revisions", operation_id = "list_application_revisions", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        RevisionsArgs,
    ),
    responses(
        (status = 200, description = "A part of the list", body = Listing<RevisionDocument>),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn revisions(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<RevisionsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .document_revisions(
            caller.tenant,
            Kind::Application,
            &name,
            after.as_deref(),
            limit,
        )
        .await?;
    Ok(revision::listing(&uri, super::COLLECTION, &name, page))
}
