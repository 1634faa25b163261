//! `GET /api/v1/applications`

use axum::{extract::State, http::Uri, response::Response};

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::{
        application_list::{Applications, ApplicationsArgs},
        definition::ApplicationSummary,
    },
};

/// List applications
///
/// Each with its newest run, without the documents themselves; in the order of their names, or as
/// `sort` says.
#[utoipa::path(
    get, path = "/api/v1/applications", operation_id = "list_applications", tag = "applications",
    params(ApplicationsArgs),
    responses((status = 200, description = "A part of the list", body = Listing<ApplicationSummary>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<ApplicationsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after.clone())?;
    let after = after.as_deref();
    let (all, next) = if args.plain() {
        let page = api
            .engine
            .applications(caller.tenant, &args.search, after, limit);
        let page = page.await?;
        (page.items, page.next)
    } else {
        let all = api.engine.all_applications(caller.tenant, &args.search);
        (all.await?, None)
    };
    let last_runs = api.engine.last_runs(caller.tenant, &all).await?;
    let scheduled = api.engine.scheduled(caller.tenant).await?;
    let applications = Applications {
        all: &all,
        last_runs: &last_runs,
        scheduled: &scheduled,
    };
    if args.plain() {
        let items = applications.shown(super::COLLECTION);
        return Ok(paging::answer(&uri, items, next));
    }
    let page = applications.part(super::COLLECTION, &args, after, limit)?;
    Ok(paging::answer(&uri, page.items, page.next))
}
