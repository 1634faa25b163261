//! What every request passes: its id, its span, the limit of requests at a time, the
//! net under panics, and the last touch on every answer.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::{
    address, audit::RequestId, body::Draining, code, problem::Problem, state::Shared,
    traced::Traced,
};

/// The header that carries the request's id, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What pages may load: nothing from elsewhere.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// Passes a request on and finishes its answer.
pub(crate) async fn pass(State(api): State<Shared>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let uri = request.uri().clone();
    let method = request.method().clone();
    let traced = Traced::begin(&api, &mut request);
    let span = tracing::info_span!(
        "request",
        id,
        method = %request.method(),
        path = uri.path(),
        user = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    if let Some(traced) = &traced {
        span.record("trace_id", tracing::field::display(traced.context().trace));
    }
    let started = Instant::now();
    request.extensions_mut().insert(RequestId((&*id).into()));
    let response = async {
        // A client that waits for "100 Continue" is better told no at once.
        let request = if request.headers().contains_key(header::EXPECT) {
            request
        } else {
            request.map(Draining::wrap)
        };
        let response = answer(&api, request, next).await;
        note(&response, started);
        metrics::get().answered(
            method.as_str(),
            response.status().as_u16(),
            started.elapsed(),
        );
        response
    }
    .instrument(span)
    .await;
    if let Some(traced) = traced {
        traced.end(&api, &response);
    }
    finish(response, &uri, &id)
}

async fn answer(api: &Shared, request: Request, next: Next) -> Response {
    let Ok(_permit) = api.requests.try_acquire() else {
        return Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            code::BUSY,
            format!(
                "{} requests are being worked on; try again shortly",
                api.limits.concurrent
            ),
        )
        .retry_after(1)
        .into_response();
    };
    if holds_nul(request.uri()) {
        return Problem::unreadable("the address holds a NUL character (`%00`): no name does")
            .into_response();
    }
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let what = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            Problem::internal(&format!("panic: {}", what.unwrap_or_default())).into_response()
        }
    }
}

/// Whether a name in the address holds what no store keeps in a text.
fn holds_nul(uri: &Uri) -> bool {
    uri.path_and_query()
        .is_some_and(|whole| whole.as_str().contains("%00"))
}

fn note(response: &Response, started: Instant) {
    let status = response.status().as_u16();
    let micros = started.elapsed().as_micros() as u64;
    let code = response.extensions().get::<Problem>().map(Problem::code);
    if status >= 500 {
        tracing::warn!(status, code, micros, "answered");
    } else {
        tracing::debug!(status, code, micros, "answered");
    }
}

/// Writes the body of a refusal and the headers of every answer.
fn finish(mut response: Response, uri: &Uri, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.document(uri.path(), id));
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(CONTENT_POLICY);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's id for the request if it is one, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| {
        let mut random = [0; 4];
        // Without randomness ids of several processes may be equal: a nuisance in logs only.
        let _ = getrandom::fill(&mut random);
        u32::from_le_bytes(random)
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=64).contains(&id.len()))
        .filter(|id| {
            id.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        });
    given.map_or_else(
        || {
            format!(
                "{:08x}-{:x}",
                *PROCESS,
                COUNT.fetch_add(1, Ordering::Relaxed)
            )
        },
        str::to_owned,
    )
}

/// The answer at an address that no route has.
pub(crate) fn no_route(uri: &Uri) -> Problem {
    let path = uri.path();
    let hint = if let Some(meant) = address::meant(path) {
        format!("did you mean {meant}? All are listed at /docs/api")
    } else if path.starts_with("/api/v1") {
        "the addresses are listed at /docs/api".to_owned()
    } else {
        format!(
            "the API's addresses begin with /api/v1, such as /api/v1/applications; `{path}` is none"
        )
    };
    Problem::new(
        StatusCode::NOT_FOUND,
        code::NO_ROUTE,
        format!("there is no such address; {hint}"),
    )
}

/// The same in a process that tells its health only.
pub(crate) async fn only_health() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        code::NO_ROUTE,
        "there is no such address; this process serves /healthz, /readyz and /metrics, and no API",
    )
}

/// The answer to a method that an address does not take; axum adds the `Allow` header.
pub(crate) async fn no_method(method: axum::http::Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        code::METHOD,
        format!(
            "{} does not take {method}; the Allow header lists what it takes",
            uri.path()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_nul_is_told() {
        let holds = |text: &'static str| holds_nul(&Uri::from_static(text));
        assert!(holds("/api/v1/applications/a%00b") && holds("/api/v1/runs?queue=a%00"));
        // A percent sign that is one, with two noughts behind it.
        assert!(!holds("/api/v1/applications/a%2500") && !holds("/healthz"));
    }

    #[test]
    fn a_callers_id_is_kept_if_it_is_one() {
        let id = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(text).unwrap());
            request_id(&headers)
        };
        assert_eq!(id("a-1.b:2"), "a-1.b:2");
        for wrong in ["", "a b", "<x>", &"x".repeat(65)] {
            assert_ne!(id(wrong), wrong);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
