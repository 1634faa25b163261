//! `DELETE /api/v1/session`

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};

use crate::{
    audit::Audit,
    auth::sessions::{FORGET, Token},
    problem::Answer,
    state::Shared,
};

/// Log out
///
/// The session's cookie is good for nothing any more, wherever it is.
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "log_out", tag = "session",
    responses((status = 204, description = "Logged out")),
)]
pub(crate) async fn end(
    State(api): State<Shared>,
    audit: Audit,
    headers: HeaderMap,
) -> Answer<(StatusCode, [(HeaderName, HeaderValue); 1])> {
    if let Some(token) = Token::of(&headers) {
        api.sessions
            .end(&token)
            .await
            .map_err(engine::Error::from)?;
        audit.logged_out();
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, FORGET)]))
}
