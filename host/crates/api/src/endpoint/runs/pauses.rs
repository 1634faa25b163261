//! `GET /api/v1/runs/pauses`

use axum::{Json, extract::State};

use crate::{
    extract::Who,
    problem::Answer,
    state::Shared,
    view::pause::{Pause, Pauses},
};

/// List what is paused
///
/// All pauses, the oldest first. A run may be held up by several.
#[utoipa::path(
    get, path = "/api/v1/runs/pauses", operation_id = "list_pauses", tag = "runs",
    responses((status = 200, description = "All of them", body = Pauses)),
)]
pub(crate) async fn pauses(State(api): State<Shared>, Who(caller): Who) -> Answer<Json<Pauses>> {
    let pauses = api.engine.pauses(caller.tenant).await?;
    Ok(Json(Pauses {
        items: pauses.into_iter().map(Pause::new).collect(),
        next: None,
    }))
}
