//! `GET /api/v1/approvals`

use axum::{extract::State, http::Uri, response::Response};
use engine::ApprovalsQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::ask::Approval,
};

/// How approvals are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalsArgs {
    /// Only those of runs of this application.
    #[param(example = "create_or_update_incident")]
    application: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List the steps that wait for a decision
///
/// In the order in which their runs were accepted.
#[utoipa::path(
    get, path = "/api/v1/approvals", operation_id = "list_approvals", tag = "tasks",
    params(ApprovalsArgs),
    responses(
        (status = 200, description = "A part of the list", body = Listing<Approval>),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn approvals(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<ApprovalsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = ApprovalsQuery {
        application: args.application,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.approvals(caller.tenant, &query).await?;
    let items = page.items.iter().map(Approval::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
