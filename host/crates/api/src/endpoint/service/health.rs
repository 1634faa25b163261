//! `GET /healthz`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    #[schema(example = "ok")]
    pub(super) status: &'static str,
}

/// Is the process alive?
///
/// Answers as long as the process can answer at all; a supervisor restarts it otherwise.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "service",
    responses((status = 200, description = "It is", body = Health)),
)]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}
