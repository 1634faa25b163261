//! `POST /api/v1/schedules/{name}/resume`

use axum::{extract::State, response::Response};

use crate::{
    audit::Audit,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::schedule::{self, SavedScheduleDocument},
};

/// Resume a schedule
///
/// It goes on with its next occurrence; what was due in between is not caught up.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/resume", operation_id = "resume_schedule", tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name", example = "weekdays at nine")),
    responses(
        (status = 200, description = "The schedule, running", body = SavedScheduleDocument),
        (status = 404, description = "There is no such schedule (PF-0404)"),
        (status = 409, description = "It was changed at the same moment (PF-0409)"),
    ),
)]
pub(crate) async fn resume(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
) -> Answer<Response> {
    let saved = api
        .engine
        .set_schedule_enabled(&caller, &name, true)
        .await?;
    audit.scheduled("resume", &saved);
    Ok(schedule::saved(saved))
}
