//! `/api/v1/schedule`: the addresses and shapes of the predecessor.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use engine::SchedulesQuery;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    audit::{Audit, Document},
    etag::Expect,
    extract::{Args, Document as Text, JsonBody, Who},
    problem::{Answer, Problem},
    refusal,
    state::Shared,
    view::schedule::{self, SavedScheduleDocument, ScheduleDocument},
};

/// List all schedules in the predecessor's shape
///
/// A bare list, whole: each with its document, `total_runs` and `last_run`.
#[utoipa::path(
    get, path = "/api/v1/schedule", operation_id = "list_schedules_whole", tag = "schedules",
    responses((status = 200, description = "The list", body = Vec<ScheduleDocument>)),
)]
pub(crate) async fn list(State(api): State<Shared>, Who(caller): Who) -> Answer<Json<Vec<Value>>> {
    let mut all = Vec::new();
    let mut query = SchedulesQuery {
        limit: 200,
        ..SchedulesQuery::default()
    };
    loop {
        let page = api.engine.schedules(caller.tenant, &query).await?;
        all.extend(page.items.iter().map(schedule::predecessors));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(Json(all)),
        }
    }
}

/// Create or update a schedule
///
/// `entry_id` is its name; one without gets a name made of what it runs and when. A schedule
/// of that name and the same application is replaced.
#[utoipa::path(
    post, path = "/api/v1/schedule", operation_id = "save_schedule", tag = "schedules",
    params(
        ("If-Match" = Option<String>, Header, description = "Overwrite only this revision (its ETag)", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "`*`: save only if there is none of that name", example = "*"),
    ),
    request_body(content = ScheduleDocument, description = "The document", content_type = "application/json"),
    responses(
        (status = 200, description = "Saved", body = SavedScheduleDocument),
        (status = 201, description = "Saved; there was none of that name before", body = SavedScheduleDocument),
        (status = 409, description = "A schedule of another application has this name (PF-0409)"),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "The document has faults (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn save(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    expect: Expect,
    Text(document): Text,
) -> Answer<Response> {
    let saved = api
        .engine
        .save_schedule(&caller, None, &document, expect.revision(), false)
        .await
        .map_err(|error| refusal::conditional(error, expect != Expect::Anything))?;
    audit.scheduled("save", &saved);
    Ok(schedule::saved(saved))
}

/// Which schedule is deleted, in the address.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteArgs {
    /// The schedule's name; or send it in the body.
    #[param(example = "weekdays at nine")]
    entry_id: Option<String>,
}

/// Which schedule is deleted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleToDelete)]
pub(crate) struct Delete {
    /// The schedule's name.
    #[schema(example = "weekdays at nine")]
    entry_id: Option<String>,
}

/// Delete a schedule by its id
///
/// The name stands in the address (`?entry_id=`) or in the body.
#[utoipa::path(
    delete, path = "/api/v1/schedule", operation_id = "delete_schedule_by_id", tag = "schedules",
    params(DeleteArgs),
    request_body(content = Delete, description = "The schedule, or nothing"),
    responses(
        (status = 204, description = "Deleted"),
        (status = 400, description = "The request does not say which (PF-0400)"),
        (status = 404, description = "There is no such schedule (PF-0404)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Args(args): Args<DeleteArgs>,
    JsonBody(body): JsonBody<Delete>,
) -> Answer<StatusCode> {
    let name = match (args.entry_id, body.entry_id) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("the address says `{one}`, the body `{other}`");
            return Err(Problem::unreadable_at("entry_id", message));
        }
        (one, other) => one.or(other).filter(|name| !name.is_empty()),
    };
    let name = name.ok_or_else(|| {
        Problem::unreadable_at(
            "entry_id",
            "say which schedule: ?entry_id=… or a body with `entry_id`",
        )
    })?;
    api.engine.delete_schedule(&caller, &name, None).await?;
    audit.deleted(Document::Schedule, &name);
    Ok(StatusCode::NO_CONTENT)
}
