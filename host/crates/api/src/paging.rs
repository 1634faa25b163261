//! Lists in parts: `limit` and `after`, answered with `items` and `next`.

use axum::{
    Json,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
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
    /// The `after` of the next part; `null` at the end. The `Link` header has the
    /// whole address.
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

/// The answer with a part of the list that was asked for at `uri`.
pub(crate) fn answer<T: Serialize>(uri: &Uri, items: Vec<T>, next: Option<String>) -> Response {
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
        assert_eq!(
            response.headers()["link"],
            "</api/v1/runs?state=failed&limit=5&after=9>; rel=\"next\""
        );
        assert!(answer(&uri, vec![1], None).headers().get("link").is_none());
    }

    #[test]
    fn a_page_has_a_size() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
