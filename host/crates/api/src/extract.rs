//! How handlers get at requests. Whatever cannot be read becomes a problem document.

use std::{fmt::Display, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use engine::Caller;
use model::id::AnyRef;
use serde::de::{DeserializeOwned, IgnoredAny};

use utoipa::IntoParams;

use crate::{
    auth::credentials::Identity, body, code, problem::Problem, query, state::Shared, traced::Place,
    words,
};

/// Who calls.
pub(crate) struct Who(pub(crate) Caller);

impl FromRequestParts<Shared> for Who {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        // The guard of every route that is not public has put it there.
        parts
            .extensions
            .get::<Arc<Identity>>()
            .map(|identity| {
                let place = parts.extensions.get::<Place>();
                Self(Caller {
                    trace: place.map(|place| place.0.clone()),
                    ..identity.caller.clone()
                })
            })
            .ok_or_else(|| Problem::internal("a public route asked who calls"))
    }
}

/// The names in the address.
pub(crate) struct Name<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Name<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, api).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Problem::unreadable(format!(
                "a name in the address cannot be read: {}",
                rejection.body_text()
            ))),
        }
    }
}

/// A task's id in the address.
pub(crate) struct Task(pub(crate) AnyRef);

impl FromRequestParts<Shared> for Task {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let Name(id) = Name::<String>::from_request_parts(parts, api).await?;
        id.parse()
            .map(Self)
            .map_err(|error: model::id::ParseError| Problem::unreadable_at("id", error.to_string()))
    }
}

/// The query's parameters. One that the endpoint does not document is refused.
pub(crate) struct Args<T>(pub(crate) T);

impl<T: DeserializeOwned + IntoParams + Send> FromRequestParts<Shared> for Args<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        query::read(&parts.uri).map(Self)
    }
}

/// A JSON body of a known shape. An empty body counts as `{}`.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body, "the body of this request", api.limits.request).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return parse(b"{}").map(Self);
        }
        expect_json(&parts.headers)?;
        // A struct could be read from a list of its fields as well; nobody means that.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::unreadable_at(
                "",
                "the body must be an object, and is a list",
            ));
        }
        parse(&bytes).map(Self)
    }
}

/// A JSON document, taken as the text that it is.
pub(crate) struct Document(pub(crate) String);

impl FromRequest<Shared> for Document {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let bytes = body::read(body, "a document", api.limits.document).await?;
        let text = String::from_utf8(bytes.into()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::unreadable(format!(
                "the document is no UTF-8 text: byte {} is wrong",
                at + 1
            ))
        })?;
        // Some editors put a byte order mark before the text; it is no part of it.
        let text = text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Problem::unreadable(
                "the request has no body; send the document as JSON",
            ));
        }
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(broken("", &error)),
        }
    }
}

/// Refuses a body that says it is something else than JSON.
fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence.to_ascii_lowercase().ends_with("+json"))
    {
        return Ok(());
    }
    Err(media_type(value, "application/json"))
}

/// The refusal of a content type.
pub(crate) fn media_type(found: &str, expected: &str) -> Problem {
    let found: String = found.chars().take(100).collect();
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code::MEDIA_TYPE,
        format!("the body's Content-Type is `{found}`; send {expected}"),
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let at = pointer(error.path());
        broken(&at, error.inner())
    })?;
    reader.end().map_err(|error| broken("", &error))?;
    Ok(value)
}

fn broken(at: &str, error: &serde_json::Error) -> Problem {
    if error.is_data() {
        let refused = words::of(at, error);
        return Problem::unreadable_at(refused.at, refused.message);
    }
    let message = words::without_place(error);
    Problem::unreadable(format!(
        "the body is no JSON: line {}, column {}: {message}",
        error.line(),
        error.column()
    ))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    let mut push = |part: &dyn Display| {
        text.push('/');
        text.push_str(&part.to_string().replace('~', "~0").replace('/', "~1"));
    };
    for segment in path {
        match segment {
            Segment::Seq { index } => push(index),
            Segment::Map { key } => push(key),
            Segment::Enum { variant } => push(variant),
            Segment::Unknown => push(&"?"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn refusal<T: DeserializeOwned>(text: &str) -> String {
        let problem = parse::<T>(text.as_bytes()).err().unwrap();
        assert_eq!(problem.status(), 400);
        String::from_utf8(problem.document("/", "1")).unwrap()
    }

    #[test]
    fn a_refusal_names_the_place() {
        let text = refusal::<HashMap<String, Vec<u8>>>("{\"a\": [1, \"x\"]}");
        assert!(
            text.contains("\"at\":\"/a/1\"") && text.contains("a whole number"),
            "{text}"
        );
        let text = refusal::<HashMap<String, u8>>("{\"a\": 1,\n  \"b\" 2}");
        assert!(text.contains("line 2, column 7"), "{text}");
        let text = refusal::<HashMap<String, u8>>("{} x");
        assert!(text.contains("trailing characters"), "{text}");
        assert!(refusal::<HashMap<String, u8>>("{\"a").contains("EOF"));
    }

    #[test]
    fn only_json_counts_as_json() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", value.parse().unwrap());
            expect_json(&headers).map_err(|problem| problem.status().as_u16())
        };
        for fine in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert_eq!(check(fine), Ok(()));
        }
        for wrong in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "+json",
        ] {
            assert_eq!(check(wrong), Err(415));
        }
        assert!(expect_json(&HeaderMap::new()).is_ok());
    }
}
