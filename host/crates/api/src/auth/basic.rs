//! The `Authorization: Basic` header (RFC 7617).

use axum::http::HeaderMap;
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The longest header that is looked at.
const MAX: usize = 4096;

/// A name and a password as a caller sent them.
#[derive(PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// What a request says about its caller.
#[derive(PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing.
    Absent,
    /// Something that is no Basic authentication.
    Malformed,
    /// A name and a password.
    Basic(Basic),
}

/// What the headers say about the caller.
pub(crate) fn claim(headers: &HeaderMap) -> Claim {
    let Some(value) = headers.get(axum::http::header::AUTHORIZATION) else {
        return Claim::Absent;
    };
    value
        .to_str()
        .ok()
        .filter(|value| value.len() <= MAX)
        .and_then(decode)
        .map_or(Claim::Malformed, Claim::Basic)
}

fn decode(value: &str) -> Option<Basic> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Basic {
        name: name.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(value: &str) -> Claim {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(value).unwrap());
        claim(&headers)
    }

    #[test]
    fn names_and_passwords_of_any_kind() {
        for (name, password) in [("isadmin", "geheim"), ("jürgen", "a:b:ü"), ("", "")] {
            let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
            for scheme in ["Basic", "basic", "BASIC"] {
                let expected = Basic {
                    name: name.to_owned(),
                    password: password.to_owned(),
                };
                assert!(of(&format!("{scheme} {text}")) == Claim::Basic(expected));
            }
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let long = format!("Basic {}", "A".repeat(5000));
        for value in [
            "",
            "Basic",
            "Basic !!",
            "Bearer abc",
            "Basic YWJj",
            "Basic //79Og==",
            &long,
        ] {
            assert!(of(value) == Claim::Malformed, "{value}");
        }
        assert!(claim(&HeaderMap::new()) == Claim::Absent);
    }
}
