//! Lists in parts: `limit` and `after`, answered with `items` and `next`.

use axum::{
    Json,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use engine::Error;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Entries of a page when the caller does not say.
pub(crate) const DEFAULT: usize = 50;
/// Entries of a page at most.
pub(crate) const MAX: usize = 200;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The entries.
    pub(crate) items: Vec<T>,
    /// The `after` of the next part, which means something to this list only; `null` at
    /// the end. The `Link` header has the whole address.
    #[schema(example = json!(null))]
    pub(crate) next: Option<String>,
}

impl<T> Listing<T> {
    /// A list that is always whole.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// The page's size.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    within(asked, DEFAULT, MAX)
}

/// A size between 1 and `max`.
pub(crate) fn within(asked: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::unreadable_at(
            "limit",
            format!("{limit} is not between 1 and {max}"),
        )),
    }
}

/// How much of a digest a cursor carries: enough to tell ours from any other text.
const CHECK: usize = 4;

fn check(path: &str, place: &str) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(path.as_bytes())
        .update(b"\0")
        .update(place.as_bytes());
    let mut check = [0; CHECK];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK]);
    check
}

/// A place in the list at `path` as a cursor.
fn cursor(path: &str, place: &str) -> String {
    let mut bytes = check(path, place).to_vec();
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that the `after` of a request stands for; an empty one is the start.
///
/// # Errors
/// PF-1005 for one that no answer of this list has had.
pub(crate) fn after(uri: &Uri, asked: Option<String>) -> Result<Option<String>, Problem> {
    let Some(asked) = asked.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let place = URL_SAFE_NO_PAD.decode(&asked).ok().and_then(|bytes| {
        let (found, place) = bytes.split_at_checked(CHECK)?;
        let place = std::str::from_utf8(place).ok()?;
        (check(uri.path(), place) == found).then(|| place.to_owned())
    });
    place
        .map(Some)
        .ok_or_else(|| Error::Position(asked.chars().take(100).collect()).into())
}

/// The answer with a part of the list that was asked for at `uri`, which goes on behind the
/// place `next`.
pub(crate) fn answer<T: Serialize>(uri: &Uri, items: Vec<T>, next: Option<String>) -> Response {
    let next = next.map(|place| cursor(uri.path(), &place));
    let link = next.as_deref().and_then(|after| {
        HeaderValue::from_str(&format!("<{}>; rel=\"next\"", following(uri, after))).ok()
    });
    let mut response = Json(Listing { items, next }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

fn following(uri: &Uri, after: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "after" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("after", after);
    format!("{}?{}", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_is_asked_for_in_the_same_way() {
        let uri: Uri = "/api/v1/runs?state=failed&after=old&limit=5"
            .parse()
            .unwrap();
        let next = following(&uri, "ä&b");
        assert_eq!(next, "/api/v1/runs?state=failed&limit=5&after=%C3%A4%26b");
        let response = answer(&uri, vec![1], Some("9".to_owned()));
        let next = cursor("/api/v1/runs", "9");
        assert_eq!(
            response.headers()["link"],
            format!("</api/v1/runs?state=failed&limit=5&after={next}>; rel=\"next\"")
        );
        assert!(answer(&uri, vec![1], None).headers().get("link").is_none());
    }

    #[test]
    fn only_a_cursor_of_this_list_is_one() {
        let uri: Uri = "/api/v1/applications?limit=2".parse().unwrap();
        let of = |text: &str| after(&uri, Some(text.to_owned()));
        for place in ["", "a", "größe ${x}", "7"] {
            assert_eq!(of(&cursor(uri.path(), place)).unwrap().unwrap(), place);
        }
        assert_eq!(after(&uri, None).unwrap(), None);
        assert_eq!(of("").unwrap(), None);
        let foreign = cursor("/api/v1/configurations", "a");
        for wrong in ["zzz", "a", "7", "create_or_update_incident", &foreign] {
            let problem = of(wrong).unwrap_err();
            assert_eq!(
                (problem.status().as_u16(), problem.code()),
                (400, "PF-1005"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_page_has_a_size() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
