//! `GET /api/v1/applications/{app}/timeline`

use axum::{Json, extract::State};
use engine::{LISTED, TimelineQuery};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    endpoint::runs::list::states,
    extract::{Args, Name, Who},
    problem::Answer,
    state::Shared,
    view::{moment, timeline::TimelineDocument},
};

/// How long a span is of which nobody says so: two hours, in microseconds.
const USUAL: i64 = 2 * 3_600 * 1_000_000;

/// What is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimelineArgs {
    /// Runs accepted at this moment or later; two hours before `until` when absent.
    #[param(example = "2027-01-15T08:00:00Z")]
    from: Option<String>,
    /// Runs accepted before this moment; now when absent. At most 366 days after `from`.
    #[param(example = "2027-01-15T10:00:00Z")]
    until: Option<String>,
    /// Only runs on this queue.
    #[param(example = "default")]
    queue: Option<String>,
    /// Only runs that are aligned with this configuration object.
    #[param(example = "acme")]
    configuration: Option<String>,
    /// Only runs in these states, separated by commas.
    #[param(example = "failed,warning")]
    state: Option<String>,
    /// How many of the newest are listed one by one, 1 to 1,000; 1,000 when absent.
    #[param(minimum = 1, maximum = 1000, example = 200)]
    limit: Option<usize>,
}

/// Show what an application has run in a span of time
///
/// The newest runs one by one, and all of them summed up by parts of the span.
#[utoipa::path(
    get, path = "/api/v1/applications/{app}/timeline", operation_id = "show_application_timeline", tag = "applications",
    params(
        ("app" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        TimelineArgs,
    ),
    responses(
        (status = 200, description = "What ran", body = TimelineDocument),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 422, description = "The span or a state is none (PF-1001); `errors` says which"),
    ),
)]
pub(crate) async fn timeline(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(app): Name<String>,
    Args(args): Args<TimelineArgs>,
) -> Answer<Json<TimelineDocument>> {
    let until = moment("until", args.until)?.unwrap_or_else(|| api.engine.now());
    let from = moment("from", args.from)?.unwrap_or_else(|| until.plus_micros(-USUAL));
    let query = TimelineQuery {
        application: app,
        from,
        until,
        queue: args.queue,
        configuration: args.configuration,
        states: states(args.state.as_deref())?,
        limit: args.limit.unwrap_or(LISTED),
    };
    let found = api.engine.timeline(caller.tenant, &query).await?;
    Ok(Json(TimelineDocument::new(from, until, found)))
}
