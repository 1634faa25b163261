//! `POST /api/v1/session`

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::SessionDocument;
use crate::{
    audit::Origin,
    auth::{basic::Basic, guard, sessions},
    code,
    extract::JsonBody,
    problem::{Answer, Problem},
    state::Shared,
};

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// The account's name.
    #[schema(example = "isadmin")]
    user: String,
    /// Its password.
    #[schema(example = "correct horse battery staple", format = Password)]
    password: String,
}

/// Log in
///
/// For pages in a browser: the answer sets a cookie. Programs send name and password with each request
/// (Basic authentication) and need no session.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "log_in", tag = "session",
    request_body = LogIn,
    responses(
        (status = 200, description = "Logged in; the cookie `powerflow_session` is set", body = SessionDocument),
        (status = 401, description = "The name or the password is wrong, or the account is disabled (PF-0401)"),
        (status = 403, description = "It comes from a page of another site (PF-0419)"),
        (status = 429, description = "Too many passwords are being verified (PF-0429)"),
    ),
)]
pub(crate) async fn begin(
    State(api): State<Shared>,
    headers: HeaderMap,
    origin: Origin,
    JsonBody(asked): JsonBody<LogIn>,
) -> Answer<([(HeaderName, HeaderValue); 1], Json<SessionDocument>)> {
    if sessions::from_elsewhere(&headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            code::FORGED,
            "only a page of this host may log in (the Origin is another one)",
        ));
    }
    let basic = Basic {
        name: asked.user,
        password: asked.password,
    };
    let identity = guard::verify(&api, basic, &headers, &origin).await?;
    let (token, until) = api
        .sessions
        .begin(&identity, api.engine.now())
        .await
        .map_err(engine::Error::from)?
        .ok_or_else(|| Problem::internal("no session could be made"))?;
    origin.logged_in(&identity.caller.name);
    let cookie = token.cookie(sessions::came_over_https(&headers));
    let document = SessionDocument::new(&identity, Some((&token, until)));
    Ok(([(header::SET_COOKIE, cookie)], Json(document)))
}
