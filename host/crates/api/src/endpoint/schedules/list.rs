//! `GET /api/v1/schedules`

use axum::{extract::State, http::Uri, response::Response};
use engine::SchedulesQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::schedule::Schedule,
};

/// How schedules are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SchedulesArgs {
    /// Only those of this application.
    #[param(example = "create_or_update_incident")]
    application: Option<String>,
    /// Only those whose name or application contains this, in upper or lower case.
    #[serde(default)]
    #[param(example = "incident")]
    search: String,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List schedules
///
/// In the order of their names, without the documents themselves.
#[utoipa::path(
    get, path = "/api/v1/schedules", operation_id = "list_schedules", tag = "schedules",
    params(SchedulesArgs),
    responses((status = 200, description = "A part of the list", body = Listing<Schedule>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<SchedulesArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = SchedulesQuery {
        application: args.application,
        search: args.search,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.schedules(caller.tenant, &query).await?;
    let items = page.items.iter().map(Schedule::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
