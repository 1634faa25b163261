//! `GET /api/v1/session`

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse as _, Response},
};

use super::SessionDocument;
use crate::{
    audit::Origin,
    auth::{basic, guard, sessions::Token},
    problem::Answer,
    state::Shared,
};

/// Read who is logged in
///
/// With what the role allows. For pages, which ask before they show a form: that nobody is logged
/// in is an answer.
#[utoipa::path(
    get, path = "/api/v1/session", operation_id = "get_session", tag = "session",
    responses(
        (status = 200, description = "Who calls", body = SessionDocument),
        (status = 204, description = "Nobody is logged in"),
        (status = 401, description = "A name and a password were sent, and they are wrong (PF-0401)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    headers: HeaderMap,
    origin: Origin,
) -> Answer<Response> {
    if !matches!(basic::claim(&headers), basic::Claim::Absent) {
        let identity = guard::authenticate(&api, &Method::GET, &headers, &origin).await?;
        return Ok(Json(SessionDocument::new(&identity, None)).into_response());
    }
    let found = match Token::of(&headers) {
        Some(token) => api
            .sessions
            .recognise(&token, api.engine.now())
            .await
            .map_err(engine::Error::from)?
            .map(|(identity, until)| SessionDocument::new(&identity, Some((&token, until)))),
        None => None,
    };
    Ok(match found {
        Some(document) => Json(document).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
