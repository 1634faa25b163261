//! An answer.

use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Incoming, Url};
use crate::{
    error::{Error, Result},
    words,
};

/// How much of a body an error shows, in bytes.
const SHOWN: usize = 2048;

/// An answer, its body read.
#[derive(Clone, Debug)]
pub struct Response {
    method: String,
    url: Url,
    incoming: Incoming,
}

impl Response {
    pub(super) fn new(method: String, url: Url, incoming: Incoming) -> Self {
        Self {
            method,
            url,
            incoming,
        }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.incoming.status
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.incoming.status)
    }

    /// The URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The first header of this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .incoming
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The headers in the order of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.incoming
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.incoming.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.incoming.body).into_owned()
    }

    /// The body, parsed. The error, a permanent one, names the request.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.incoming.body).map_err(|error| {
            self.describe(
                Error::permanent(format!(
                    "{}: the answer does not fit: {}",
                    self.at(),
                    words::plain(&error)
                ))
                .with_code("http-body"),
            )
        })
    }

    /// The response itself if its status is 2xx, otherwise an error: retryable for
    /// 408, 425, 429 and 5xx but 501 and 505. Its detail holds `status`, `body` (the
    /// beginning of it) and `retry_after` where the answer has that header.
    pub fn ok(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        Err(self.error())
    }

    /// The error that [`Response::ok`] returns.
    pub fn error(&self) -> Error {
        let status = self.incoming.status;
        let message = format!(
            "{}: the answer is status {status}{}",
            self.at(),
            reason(status)
        );
        let error = match status {
            408 | 425 | 429 | 500 | 502..=504 | 506..=599 => Error::retryable(message),
            _ => Error::permanent(message),
        };
        self.describe(error.with_code("http-status"))
    }

    fn at(&self) -> String {
        format!("{} {}", self.method, self.url.shown())
    }

    fn describe(&self, error: Error) -> Error {
        let body = &self.incoming.body[..self.incoming.body.len().min(SHOWN)];
        let mut detail =
            json!({ "status": self.incoming.status, "body": String::from_utf8_lossy(body) });
        if let Some(time) = self.header("retry-after") {
            detail["retry_after"] = time.into();
        }
        error.with_detail(detail)
    }
}

/// The phrase for the statuses that people meet.
fn reason(status: u16) -> &'static str {
    match status {
        301 | 302 | 303 | 307 | 308 => " (a redirect; redirects(…) follows it)",
        400 => " (bad request)",
        401 => " (not authenticated: check user and password)",
        403 => " (forbidden: the user lacks a right)",
        404 => " (not found)",
        409 => " (conflict)",
        429 => " (too many requests)",
        500 => " (server error)",
        502 => " (bad gateway)",
        503 => " (not available)",
        504 => " (gateway time-out)",
        _ => "",
    }
}
