//! `GET /api/v1/about`

use axum::{Json, extract::State};
use engine::About;

use crate::{problem::Answer, state::Shared};

/// Read versions
///
/// Of the service and what it is made of: store, queue, sandbox.
#[utoipa::path(
    get, path = "/api/v1/about", operation_id = "about", tag = "service",
    responses((status = 200, description = "The versions", body = Object,
        example = json!({"version": "0.1.0", "store": "sqlite 3.51", "queue": "memory", "wasmtime": "48.0.0", "wit": "1.0.0"}))),
)]
pub(crate) async fn about(State(api): State<Shared>) -> Answer<Json<About>> {
    Ok(Json(api.engine.about().await?))
}
