//! `GET /api/v1/limits`

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::limit::LimitSummary,
};

/// Which part is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LimitArgs {
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List the limits of steps that are in use
///
/// Keys of `task_concurrency` that steps hold or wait for, then keys of `task_rate` under
/// which steps wait or have just started; each in the order of the keys. One that nobody
/// uses is not listed.
#[utoipa::path(
    get, path = "/api/v1/limits", operation_id = "list_limits", tag = "limits",
    params(LimitArgs),
    responses((status = 200, description = "A part of the list", body = Listing<LimitSummary>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<LimitArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .limits(caller.tenant, after.as_deref(), limit)
        .await?;
    let items = page.items.into_iter().map(LimitSummary::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
