//! `GET /readyz`

use axum::{Json, extract::State};

use super::health::Health;
use crate::{problem::Answer, state::Shared};

/// Can the service take work?
///
/// Not while it starts, while it shuts down, without its store, or when others may take
/// over what it executes; a load balancer then sends requests elsewhere. Workers and
/// schedulers answer it too, at `server.health_listen`.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "service",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "Not now (PF-0503, PF-0504, PF-0506)"),
    ),
)]
pub(crate) async fn ready(State(api): State<Shared>) -> Answer<Json<Health>> {
    api.engine.ready().await?;
    Ok(Json(Health { status: "ok" }))
}
