//! What stands before every route: who calls, and whether the role allows it.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    basic::{Basic, Claim, claim},
    credentials::{Denied, Identity},
    sessions::{self, Token},
};
use crate::{audit::Origin, code, permission::Permission, problem::Problem, state::Shared};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, unknown callers too.
    Public,
    /// Callers whose role includes the permission.
    Needs(Permission),
}

/// The guard of one route.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) api: Shared,
    pub(crate) access: Access,
    pub(crate) timeout: Duration,
}

/// Lets the request through, or answers why not.
pub(crate) async fn check(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Needs(needed) = guard.access {
        let origin = Origin::of(request.extensions(), request.headers());
        match authenticate(&guard.api, request.method(), request.headers(), &origin).await {
            Ok(identity) => {
                if !identity.permission.is_some_and(|has| has.includes(needed)) {
                    guard.api.refusals.access(&origin, &identity.caller.name);
                    return forbidden(&identity, needed).into_response();
                }
                tracing::Span::current().record("user", &*identity.caller.name);
                request.extensions_mut().insert(identity);
            }
            Err(problem) => return problem.into_response(),
        }
    }
    match tokio::time::timeout(guard.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            code::TIMEOUT,
            format!(
                "the request was given up after {} s",
                guard.timeout.as_secs()
            ),
        )
        .retry_after(5)
        .into_response(),
    }
}

pub(crate) async fn authenticate(
    api: &Shared,
    method: &Method,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Arc<Identity>, Problem> {
    match claim(headers) {
        Claim::Basic(basic) => verify(api, basic, headers, origin).await,
        Claim::Absent => match Token::of(headers) {
            Some(token) => session(api, &token, method, headers, origin).await,
            None => Err(challenge(
                api,
                headers,
                "send a name and a password (Basic authentication)",
            )),
        },
        Claim::Malformed => Err(challenge(
            api,
            headers,
            "the Authorization header must be `Basic` with base64 of name:password",
        )),
    }
}

/// Who a session's cookie is of.
async fn session(
    api: &Shared,
    token: &Token,
    method: &Method,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Arc<Identity>, Problem> {
    let found = api
        .sessions
        .recognise(token, api.engine.now())
        .await
        .map_err(engine::Error::from)?;
    let Some((identity, _)) = found else {
        return Err(challenge(
            api,
            headers,
            "the session has ended: log in again",
        ));
    };
    if let Some(why) = sessions::forged(token, method, headers) {
        api.refusals.forged(origin, &identity.caller.name);
        return Err(Problem::new(StatusCode::FORBIDDEN, code::FORGED, why));
    }
    Ok(identity)
}

/// Who a name and a password are of.
pub(crate) async fn verify(
    api: &Shared,
    basic: Basic,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Arc<Identity>, Problem> {
    let name = basic.name.clone();
    api.credentials
        .verify(basic)
        .await
        .map_err(|denied| match denied {
            Denied::Wrong => {
                api.refusals.login(origin, &name);
                challenge(
                    api,
                    headers,
                    "the name or the password is wrong, or the account is disabled",
                )
            }
            Denied::Busy => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                code::BUSY,
                "too many passwords are being verified; try again shortly",
            )
            .retry_after(1),
            Denied::Store(error) => engine::Error::from(error).into(),
        })
}

/// The answer to a caller who is nobody. Our own pages have a login page, and a browser that read
/// the header would put its own dialog before it.
fn challenge(api: &Shared, headers: &HeaderMap, detail: &str) -> Problem {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, detail);
    if sessions::own_page(headers) {
        return problem;
    }
    let realm: String = api
        .credentials
        .settings
        .realm
        .chars()
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || *c == ' ')
        .collect();
    let value = HeaderValue::from_str(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"PowerFlow\""));
    problem.with_header(header::WWW_AUTHENTICATE, value)
}

fn forbidden(identity: &Identity, needed: Permission) -> Problem {
    let has = identity
        .permission
        .map_or("none that exists", Permission::name);
    Problem::new(
        StatusCode::FORBIDDEN,
        code::FORBIDDEN,
        format!(
            "this needs the permission {needed}; the role of `{}` is {has}",
            identity.caller.name
        ),
    )
}
