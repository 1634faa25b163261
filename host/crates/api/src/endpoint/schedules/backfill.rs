//! `POST /api/v1/schedules/{name}/backfill`

use axum::{Json, extract::State};
use engine::BackfillQuery;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    extract::{JsonBody, Name, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::schedule::{Backfill, moment},
};

/// Which range is to be filled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackfillRequest)]
pub(crate) struct Range {
    /// From this moment (RFC 3339), which must be given,
    #[schema(example = "2027-01-14T00:00:00Z")]
    from: Option<String>,
    /// until this one, both inclusive; not in the future, and now when absent.
    #[schema(example = "2027-01-15T00:00:00Z")]
    until: Option<String>,
    /// Only say what would run.
    #[serde(default)]
    #[schema(example = true)]
    preview: bool,
}

/// Run occurrences of the past
///
/// Those of the range that have started no run are started, one after another unless the
/// schedule allows its runs to overlap. What has run does not run again.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/backfill", operation_id = "backfill_schedule", tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name", example = "weekdays at nine")),
    request_body = Range,
    responses(
        (status = 200, description = "What runs, or would", body = Backfill),
        (status = 404, description = "There is no such schedule (PF-0404)"),
        (status = 422, description = "The range is none, or has more than 1,000 occurrences (PF-1001)"),
    ),
)]
pub(crate) async fn backfill(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    JsonBody(range): JsonBody<Range>,
) -> Answer<Json<Backfill>> {
    // Whether there is such a schedule comes before what is wrong with the range.
    api.engine.schedule(caller.tenant, &name, 0).await?;
    let query = BackfillQuery {
        from: match &range.from {
            Some(text) => moment("/from", text)?,
            None => return Err(Problem::unreadable_at("/from", "`from` is missing")),
        },
        until: match &range.until {
            Some(text) => moment("/until", text)?,
            None => api.engine.now(),
        },
        preview: range.preview,
    };
    let filled = api.engine.backfill_schedule(&caller, &name, query).await?;
    if !range.preview {
        audit.backfilled(&name, filled.run.len());
    }
    Ok(Json(Backfill::new(filled, range.preview)))
}
