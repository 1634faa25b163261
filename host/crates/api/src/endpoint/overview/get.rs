//! `GET /api/v1/overview`

use axum::{Json, extract::State};

use crate::{extract::Who, problem::Answer, state::Shared, view::overview::OverviewDocument};

/// Show everything at a glance
///
/// Applications by the state of their newest runs, queues, processes, what is due next, and what
/// somebody has to look at. It may be some seconds old: however many ask, it is read seldom.
#[utoipa::path(
    get, path = "/api/v1/overview", operation_id = "show_overview", tag = "service",
    responses((status = 200, description = "The overview", body = OverviewDocument)),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
) -> Answer<Json<OverviewDocument>> {
    let overview = api.engine.overview(caller.tenant).await?;
    Ok(Json(OverviewDocument::new(&overview)))
}
