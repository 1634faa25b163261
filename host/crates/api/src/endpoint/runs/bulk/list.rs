//! `GET /api/v1/runs/bulk`

use axum::{extract::State, http::Uri, response::Response};

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::{bulk::BulkDocument, revision::RevisionsArgs},
};

/// List work on many runs
///
/// The newest first. What has ended is kept as long as runs are.
#[utoipa::path(
    get, path = "/api/v1/runs/bulk", operation_id = "list_bulks", tag = "runs",
    params(RevisionsArgs),
    responses((status = 200, description = "A part of the list", body = Listing<BulkDocument>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<RevisionsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .bulks(caller.tenant, after.as_deref(), limit)
        .await?;
    let items = page.items.into_iter().map(BulkDocument::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
