//! `GET /api/v1/workers/{worker}`

use axum::{Json, extract::State};

use crate::{extract::Name, problem::Answer, state::Shared, view::worker::Worker};

/// Read a process of the service
///
/// By its number, as long as its lease runs.
#[utoipa::path(
    get, path = "/api/v1/workers/{worker}", operation_id = "get_worker", tag = "workers",
    params(("worker" = String, Path, description = "The process's number", example = "2")),
    responses(
        (status = 200, description = "The process", body = Worker),
        (status = 404, description = "No such process is running (PF-0404)"),
    ),
)]
pub(crate) async fn get(State(api): State<Shared>, Name(id): Name<String>) -> Answer<Json<Worker>> {
    Ok(Json(Worker::new(api.engine.find_worker(&id).await?)))
}
