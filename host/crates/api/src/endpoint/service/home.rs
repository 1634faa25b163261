//! `GET /`

use axum::{
    http::HeaderMap,
    response::{Html, IntoResponse as _, Response},
};

use super::pages;

/// Open the browser UI
///
/// For people. `/docs/api` describes the API.
#[utoipa::path(
    get, path = "/", operation_id = "home", tag = "service",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn home(headers: HeaderMap) -> Response {
    pages::answer(ui::INDEX, &headers)
        .unwrap_or_else(|| Html("PowerFlow: see /docs/api").into_response())
}
