//! `GET /api/v1/applications`

use axum::{extract::State, http::Uri, response::Response};

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::definition::{ApplicationSummary, ListArgs},
};

/// List applications
///
/// In the order of their names, each with its newest run, without the documents themselves.
#[utoipa::path(
    get, path = "/api/v1/applications", operation_id = "list_applications", tag = "applications",
    params(ListArgs),
    responses((status = 200, description = "A part of the list", body = Listing<ApplicationSummary>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<ListArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .applications(caller.tenant, &args.search, after.as_deref(), limit)
        .await?;
    let mut last_runs = api.engine.last_runs(caller.tenant, &page.items).await?;
    let items = page
        .items
        .iter()
        .map(|one| ApplicationSummary::new(super::COLLECTION, one, last_runs.remove(&one.id)));
    Ok(paging::answer(&uri, items.collect(), page.next))
}
