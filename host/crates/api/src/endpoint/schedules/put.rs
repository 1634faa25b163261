//! `PUT /api/v1/schedules/{name}`

use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    audit::Audit,
    code,
    etag::Expect,
    extract::{Document as Text, Name, Who},
    problem::{Answer, Problem},
    refusal,
    state::Shared,
    view::schedule::{self, SavedScheduleDocument, ScheduleDocument},
};

/// Create or replace a schedule knowingly
///
/// The caller must say what is replaced, so that nobody's work is overwritten unseen:
/// `If-Match` with the ETag that was read, `If-Match: *` for whatever there is, or
/// `If-None-Match: *` if there should be none. What the schedule has counted stays; a
/// frequency keeps its phase unless its timing is changed.
#[utoipa::path(
    put, path = "/api/v1/schedules/{name}", operation_id = "put_schedule", tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule's name", example = "weekdays at nine"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the revision that is replaced, or `*`", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "`*`: save only if there is none of that name", example = "*"),
    ),
    request_body(content = ScheduleDocument, description = "The document", content_type = "application/json"),
    responses(
        (status = 200, description = "Saved", body = SavedScheduleDocument),
        (status = 201, description = "Saved; there was none of that name before", body = SavedScheduleDocument),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "The document has faults (PF-1001); `errors` lists all"),
        (status = 428, description = "Neither `If-Match` nor `If-None-Match` was sent (PF-0428)"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
    Text(document): Text,
) -> Answer<Response> {
    let expect = expect.needed()?;
    if expect == Expect::Present {
        match api.engine.schedule(caller.tenant, &name, 0).await {
            Ok(_) => {}
            Err(engine::Error::NotFound { .. }) => {
                let detail = format!("there is no schedule `{name}` to replace");
                return Err(Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    code::PRECONDITION,
                    detail,
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let saved = api
        .engine
        .save_schedule(&caller, Some(&name), &document, expect.revision(), true)
        .await
        .map_err(|error| refusal::conditional(error, true))?;
    audit.scheduled("save", &saved);
    Ok(schedule::saved(saved))
}
