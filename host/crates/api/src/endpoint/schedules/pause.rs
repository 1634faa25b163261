//! `POST /api/v1/schedules/{name}/pause`

use axum::{extract::State, response::Response};

use crate::{
    audit::Audit,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::schedule::{self, SavedScheduleDocument},
};

/// Pause a schedule
///
/// Nothing starts until it is resumed; what runs goes on. Pausing a paused schedule changes nothing.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/pause", operation_id = "pause_schedule", tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name", example = "weekdays at nine")),
    responses(
        (status = 200, description = "The schedule, paused", body = SavedScheduleDocument),
        (status = 404, description = "There is no such schedule (PF-0404)"),
        (status = 409, description = "It was changed at the same moment (PF-0409)"),
    ),
)]
pub(crate) async fn pause(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
) -> Answer<Response> {
    let saved = api
        .engine
        .set_schedule_enabled(&caller, &name, false)
        .await?;
    audit.scheduled("pause", &saved);
    Ok(schedule::saved(saved))
}
