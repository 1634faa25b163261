//! `GET /openapi.json`

use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, header};

/// The text that every request gets.
static TEXT: LazyLock<String> = LazyLock::new(crate::openapi::text);

/// Read the OpenAPI document
///
/// The description of this API that programs read; `/docs/api` shows it to people.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
pub(crate) async fn document() -> ([(HeaderName, HeaderValue); 1], &'static str) {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], TEXT.as_str())
}
