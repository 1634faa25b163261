//! What stands before every route: who calls, and whether the role allows it.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    basic::{Claim, claim},
    credentials::{Denied, Identity},
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
        match authenticate(&guard.api, request.headers(), &origin).await {
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

async fn authenticate(
    api: &Shared,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Arc<Identity>, Problem> {
    let basic = match claim(headers) {
        Claim::Basic(basic) => basic,
        Claim::Absent => {
            return Err(challenge(
                api,
                "send a name and a password (Basic authentication)",
            ));
        }
        Claim::Malformed => {
            return Err(challenge(
                api,
                "the Authorization header must be `Basic` with base64 of name:password",
            ));
        }
    };
    let name = basic.name.clone();
    api.credentials
        .verify(basic)
        .await
        .map_err(|denied| match denied {
            Denied::Wrong => {
                api.refusals.login(origin, &name);
                challenge(
                    api,
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

fn challenge(api: &Shared, detail: &str) -> Problem {
    let realm: String = api
        .credentials
        .settings
        .realm
        .chars()
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || *c == ' ')
        .collect();
    let value = HeaderValue::from_str(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"PowerFlow\""));
    Problem::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, detail)
        .with_header(header::WWW_AUTHENTICATE, value)
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
