//! `POST /api/v1/schedules/preview`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Document, Who},
    paging,
    problem::Answer,
    state::Shared,
    view::schedule::{ScheduleDocument, SchedulePreview, moment},
};

/// How far a preview goes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PreviewArgs {
    /// Occurrences after this moment (RFC 3339); after now when absent.
    #[param(example = "2027-03-27T00:00:00Z")]
    from: Option<String>,
    /// How many occurrences, 1 to 200; 5 when absent.
    #[param(minimum = 1, maximum = 200, example = 5)]
    limit: Option<usize>,
}

/// Say when a schedule would be due
///
/// Reads the document in the body, saved or not, and stores nothing.
#[utoipa::path(
    post, path = "/api/v1/schedules/preview", operation_id = "preview_schedule", tag = "schedules",
    params(PreviewArgs),
    request_body(content = ScheduleDocument, description = "The schedule", content_type = "application/json"),
    responses(
        (status = 200, description = "Its next occurrences, and when it is due in plain words", body = SchedulePreview),
        (status = 422, description = "The document has faults (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn preview(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<PreviewArgs>,
    Document(document): Document,
) -> Answer<Json<SchedulePreview>> {
    let count = paging::within(args.limit, 5, paging::MAX)?;
    let from = args.from.as_deref().map(|text| moment("from", text));
    let next = api
        .engine
        .preview_schedule(caller.tenant, &document, from.transpose()?, count)
        .await?;
    Ok(Json(SchedulePreview::new(next)))
}
