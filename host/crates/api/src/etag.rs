//! Revisions as entity tags: `ETag`, `If-Match`, `If-None-Match` (RFC 9110).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
};

use store::definitions::Definition;

use crate::{code, problem::Problem, state::Shared};

/// The entity tag of a revision.
pub(crate) fn tag(revision: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// What a caller expects of what it is about to replace or delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Whatever there is.
    Anything,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// There is one (`If-Match: *`).
    Present,
    /// It has this revision (`If-Match: "7"`).
    Revision(i64),
}

impl Expect {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(value) = text(headers, header::IF_MATCH) {
            if value == "*" {
                return Ok(Self::Present);
            }
            return number(&value).map(Self::Revision).ok_or_else(|| {
                Problem::unreadable_at(
                    "If-Match",
                    "give `*` or the ETag of one revision, such as \"7\"",
                )
            });
        }
        match text(headers, header::IF_NONE_MATCH).as_deref() {
            None => Ok(Self::Anything),
            Some("*") => Ok(Self::Absent),
            Some(_) => Err(Problem::unreadable_at(
                "If-None-Match",
                "only `*` (save it if there is none) makes sense here",
            )),
        }
    }

    /// The revision as the engine takes it.
    pub(crate) fn revision(self) -> Option<i64> {
        match self {
            Self::Anything | Self::Present => None,
            Self::Absent => Some(0),
            Self::Revision(number) => Some(number),
        }
    }

    /// Refuses a request that says nothing.
    pub(crate) fn needed(self) -> Result<Self, Problem> {
        if self != Self::Anything {
            return Ok(self);
        }
        Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            code::PRECONDITION_NEEDED,
            "say what you replace: `If-Match` with the ETag that you have read, `If-Match: *` \
             for whatever there is, or `If-None-Match: *` if there should be none",
        ))
    }
}

impl FromRequestParts<Shared> for Expect {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// Refuses when `If-Match: *` meets nothing; `found` is what reading the document gave.
pub(crate) fn present(
    what: &str,
    name: &str,
    found: Result<Definition, engine::Error>,
) -> Result<(), Problem> {
    match found {
        Ok(_) => Ok(()),
        Err(engine::Error::NotFound { .. }) => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            code::PRECONDITION,
            format!("there is no {what} `{name}` to replace"),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Whether the caller of a GET already has this revision.
pub(crate) fn unchanged(headers: &HeaderMap, revision: i64) -> bool {
    text(headers, header::IF_NONE_MATCH).is_some_and(|value| {
        value == "*"
            || value
                .split(',')
                .map(|one| one.trim().trim_start_matches("W/"))
                .any(|one| number(one) == Some(revision))
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or_default().trim().to_owned())
}

fn number(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn expectations() {
        for (pairs, expected) in [
            (&[][..], Some(Expect::Anything)),
            (&[("if-match", "\"7\"")], Some(Expect::Revision(7))),
            (&[("if-match", "*")], Some(Expect::Present)),
            (&[("if-none-match", "*")], Some(Expect::Absent)),
            (&[("if-match", "7")], None),
            (&[("if-match", "W/\"7\"")], None),
            (&[("if-match", "\"1\", \"2\"")], None),
            (&[("if-none-match", "\"7\"")], None),
        ] {
            assert_eq!(Expect::of(&headers(pairs)).ok(), expected, "{pairs:?}");
        }
        assert_eq!(Expect::Anything.needed().unwrap_err().status(), 428);
        assert_eq!(Expect::Absent.revision(), Some(0));
    }

    #[test]
    fn a_known_revision_is_not_sent_again() {
        assert_eq!(tag(7), "\"7\"");
        for (value, known) in [
            ("\"7\"", true),
            ("\"6\", W/\"7\"", true),
            ("*", true),
            ("\"8\"", false),
            ("7", false),
        ] {
            assert_eq!(
                unchanged(&headers(&[("if-none-match", value)]), 7),
                known,
                "{value}"
            );
        }
        assert!(!unchanged(&HeaderMap::new(), 7));
    }
}
