//! `GET /api/v1/about`

use axum::{Json, extract::State};
use engine::About;

use crate::{problem::Answer, state::Shared};

/// Read versions
///
/// Of the service and what it is made of: store, queue, contract, processes.
#[utoipa::path(
    get, path = "/api/v1/about", operation_id = "about", tag = "service",
    responses((status = 200, description = "The versions", body = Object,
        example = json!({"name": "PowerFlow", "version": "0.1.0", "wit": "powerflow:syncpack@1.0.0", "store": "postgresql 16.4",
            "queue": "redis 7.0.15", "role": "api", "key_id": "0123456789abcdef", "started_at": "2027-01-15T08:00:00Z",
            "workers": [{"id": 2, "host": "node-1", "pid": 4711, "version": "0.1.0", "role": "worker", "queues": [], "slots": 512}],
            "served": {"by_all": 1, "queues": []}}))),
)]
pub(crate) async fn about(State(api): State<Shared>) -> Answer<Json<About>> {
    Ok(Json(api.engine.about().await?))
}
