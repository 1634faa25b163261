//! `GET /`

use axum::response::Html;

/// Say what this is
///
/// A page for people with the addresses that matter.
#[utoipa::path(
    get, path = "/", operation_id = "home", tag = "service",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(crate) async fn home() -> Html<&'static str> {
    Html(include_str!("home.html"))
}
