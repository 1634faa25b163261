//! `GET /api/v1/schedules/{name}`

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Name, Who},
    paging,
    problem::Answer,
    state::Shared,
    view::schedule::{self, ScheduleDetail},
};

/// How a schedule is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScheduleArgs {
    /// `true` answers what is known about the schedule with the document inside, instead of
    /// the document alone.
    #[serde(default)]
    #[param(example = false)]
    meta: bool,
    /// How many of its next occurrences, 1 to 200; 5 when absent. Only with `meta=true`.
    #[param(minimum = 1, maximum = 200, example = 5)]
    limit: Option<usize>,
}

/// Read a schedule
///
/// The answer is the document as it was stored, its revision in the `ETag` header.
#[utoipa::path(
    get, path = "/api/v1/schedules/{name}", operation_id = "get_schedule", tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule's name", example = "weekdays at nine"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is current, the answer is 304 without a body", example = "\"3\""),
        ScheduleArgs,
    ),
    responses(
        (status = 200, description = "The document; with `meta=true` what is known about it, the document inside", body = ScheduleDetail),
        (status = 304, description = "The caller has the current revision"),
        (status = 404, description = "There is no such schedule (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<ScheduleArgs>,
    headers: HeaderMap,
) -> Answer<Response> {
    let count = paging::within(args.limit, 5, paging::MAX)?;
    let found = api.engine.schedule(caller.tenant, &name, count).await?;
    if args.meta {
        schedule::detail(found)
    } else {
        Ok(schedule::document(&headers, found))
    }
}
