//! `GET /metrics`

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
};

use crate::state::Shared;

/// Read the metrics
///
/// What this process counts and measures of itself, and how full the queues are, in the text format
/// of OpenMetrics, which Prometheus reads. Workers and schedulers answer it at
/// `server.health_listen`, without authentication.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "service",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text")),
)]
pub(crate) async fn metrics(State(api): State<Shared>) -> ([(HeaderName, HeaderValue); 1], String) {
    let text = HeaderValue::from_static(metrics::CONTENT_TYPE);
    ([(header::CONTENT_TYPE, text)], api.engine.metrics().await)
}
