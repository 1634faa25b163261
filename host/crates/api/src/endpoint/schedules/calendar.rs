//! `GET /api/v1/schedules/calendar`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    problem::Answer,
    state::Shared,
    view::{moment, schedule::CalendarDocument},
};

/// How far a calendar goes where nobody says so: a week, in microseconds.
const USUAL: i64 = 7 * 86_400 * 1_000_000;

/// What is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CalendarArgs {
    /// Until when, at most 31 days from now; a week from now when absent.
    #[param(example = "2027-01-22T08:00:00Z")]
    until: Option<String>,
}

/// Show what is due
///
/// Of all schedules that run, the soonest first. Of a schedule that is due very often the first
/// occurrences are named.
#[utoipa::path(
    get, path = "/api/v1/schedules/calendar", operation_id = "show_calendar", tag = "schedules",
    params(CalendarArgs),
    responses(
        (status = 200, description = "What is due", body = CalendarDocument),
        (status = 422, description = "`until` is too late (PF-1001)"),
    ),
)]
pub(crate) async fn calendar(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<CalendarArgs>,
) -> Answer<Json<CalendarDocument>> {
    let until = moment("until", args.until)?.unwrap_or_else(|| api.engine.now().plus_micros(USUAL));
    let calendar = api.engine.calendar(caller.tenant, until).await?;
    Ok(Json(CalendarDocument::new(calendar)))
}
