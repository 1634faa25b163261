//! `GET /api/v1/applications/{app}/logs`

use axum::{extract::State, http::Uri, response::Response};
use engine::RunsQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    endpoint::runs::list::states,
    extract::{Args, Name, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::run::Run,
};

/// How an application's runs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsArgs {
    /// Only runs on this queue.
    #[param(example = "default")]
    queue: Option<String>,
    /// Only runs that are aligned with this configuration object.
    #[param(example = "acme")]
    configuration: Option<String>,
    /// Only runs in these states, separated by commas.
    #[param(example = "failed,warning")]
    state: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// List an application's runs
///
/// The newest first; each leads to its log.
#[utoipa::path(
    get, path = "/api/v1/applications/{app}/logs", operation_id = "list_application_logs", tag = "applications",
    params(
        ("app" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        LogsArgs,
    ),
    responses(
        (status = 200, description = "A part of the list", body = Listing<Run>),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn logs(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(app): Name<String>,
    Args(args): Args<LogsArgs>,
    uri: Uri,
) -> Answer<Response> {
    let query = RunsQuery {
        application: Some(app),
        queue: args.queue,
        configuration: args.configuration,
        states: states(args.state.as_deref())?,
        after: paging::after(&uri, args.after)?,
        limit: paging::limit(args.limit)?,
    };
    let page = api.engine.runs(caller.tenant, &query).await?;
    let items = page.items.into_iter().map(Run::new).collect();
    Ok(paging::answer(&uri, items, page.next))
}
