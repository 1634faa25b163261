//! The pages of the browser UI: every address that a browser asks for and that is no other's.
//!
//! They are for everybody, for they hold nothing; what they show they ask the API for.

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{edge, state::Shared};

/// What the pages may load and where they may send: this service alone. Styles of elements are
/// set by scripts of ours; nothing is evaluated.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);
/// Files whose name holds a digest of their content never change.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");
/// Below these, what is not found is not found: they are for programs.
const PROGRAMS: [&str; 5] = ["/api/", "/docs/", "/hooks/", "/flower/", "/openapi"];

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/assets/{*path}", get(asset))
        .route("/integrations/{name}", get(integration))
}

/// The predecessor's address of a run.
async fn integration(Path(name): Path<String>, RawQuery(query): RawQuery) -> Redirect {
    let mut to = url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20");
    if let Some(query) = query {
        to = format!("{to}?{query}");
    }
    Redirect::to(&format!("/applications/{to}"))
}

async fn asset(Path(path): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    match answer(&format!("assets/{path}"), &headers) {
        Some(answer) => answer,
        None => edge::no_route(&uri).into_response(),
    }
}

/// The page for whatever address it shows, or the refusal of one that there is not.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let browses = matches!(method, Method::GET | Method::HEAD)
        && headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/html"));
    let programs = PROGRAMS.iter().any(|path| uri.path().starts_with(path));
    let answered = (browses && !programs)
        .then(|| answer(ui::INDEX, &headers))
        .flatten();
    match answered {
        Some(answer) => answer,
        None => edge::no_route(&uri).into_response(),
    }
}

/// The answer with a file; without its content where the browser has it already.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    let brotli = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| {
            let mut parts = one.trim().split(';').map(str::trim);
            let refused = |part: &str| {
                part.strip_prefix("q=")
                    .is_some_and(|q| q.parse() == Ok(0.0_f32))
            };
            parts.next() == Some("br") && !parts.any(refused)
        });
    let file = ui::file(path, brotli)?;
    let short = BASE64_URL_SAFE_NO_PAD.encode(&file.digest[..12]);
    let etag = HeaderValue::from_str(&format!("W/\"{short}\"")).ok()?;
    let known = headers.get(header::IF_NONE_MATCH) == Some(&etag);
    // The names of the built files hold a digest: `index-BngE9mlQ.js`.
    let stable = path.contains('-') && path != ui::INDEX;
    let mut answer = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.bytes.into_owned()).into_response()
    };
    let told = answer.headers_mut();
    told.insert(header::ETAG, etag);
    told.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&file.kind).ok()?,
    );
    told.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    told.insert(
        header::CACHE_CONTROL,
        if stable { FOREVER } else { ASK_EACH_TIME },
    );
    told.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    if file.brotli && !known {
        told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    Some(answer)
}
