//! `GET /api/v1/operators/schema`

use axum::{http::header, response::IntoResponse};

/// The JSON Schema of operators, as it stands in the documentation.
pub(crate) const SCHEMA: &str = include_str!("../../../../../docs/operators.schema.json");

/// The JSON Schema of operators
///
/// For editors that check and complete entries of an application's `steps`.
#[utoipa::path(
    get, path = "/api/v1/operators/schema", operation_id = "operators_schema", tag = "operators",
    responses((status = 200, description = "The schema", content_type = "application/schema+json")),
)]
pub(crate) async fn schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], SCHEMA)
}
