//! `GET /api/v1/workers`

use axum::{Json, extract::State};
use engine::Served;

use crate::{
    problem::Answer,
    state::Shared,
    view::worker::{Processes, Worker},
};

/// List the processes of the service
///
/// Those with a running lease, the oldest first: workers, and with them processes that
/// execute nothing, which have no slots. One that ended without giving back its lease is
/// listed until that ends. `served` sums up which queues they listen on.
#[utoipa::path(
    get, path = "/api/v1/workers", operation_id = "list_workers", tag = "workers",
    responses((status = 200, description = "All of them", body = Processes)),
)]
pub(crate) async fn list(State(api): State<Shared>) -> Answer<Json<Processes>> {
    let workers = api.engine.workers().await?;
    Ok(Json(Processes {
        served: Served::of(&workers),
        items: workers.into_iter().map(Worker::new).collect(),
        next: None,
    }))
}
