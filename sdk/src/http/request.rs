//! A request under construction.

use std::{fmt::Display, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{DEFAULT_LIMIT, Failure, Incoming, Outgoing, Response, Url, encode};
use crate::{
    Secret,
    error::{Error, Result},
    host,
    secret::HANDLE,
};

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        self.in_header()
    }
}

/// A request under construction. A mistake in one of its parts is reported by
/// [`Request::send`].
#[derive(Clone, Debug)]
#[must_use = "a request goes out with send()"]
pub struct Request {
    method: String,
    url: Result<Url>,
    headers: Vec<(String, String)>,
    body: Result<Vec<u8>>,
    timeout: Option<Duration>,
    limit: usize,
    redirects: u8,
}

impl Request {
    /// Starts a request; `url` may be a host alone, which means `https`.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            url: parse(url),
            headers: Vec::new(),
            body: Ok(Vec::new()),
            timeout: None,
            limit: DEFAULT_LIMIT,
            redirects: 0,
        }
    }

    /// The same settings for another method and URL.
    pub(super) fn derived(&self, method: &str, url: &str) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            url: parse(url),
            ..self.clone()
        }
    }

    /// Adds a header. Headers of the same name add up.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Adds a header whose value is a secret.
    pub fn secret_header(self, name: &str, value: &Secret) -> Self {
        self.header(name, value.in_header())
    }

    /// Authenticates with user name, text or a [`Secret`], and password (RFC 7617). The host joins the two
    /// where the password, or the name, is a secret.
    pub fn basic_auth(mut self, user: &(impl AsRef<str> + ?Sized), password: &Secret) -> Self {
        let (user, password) = (user.as_ref(), password.in_header());
        let user_is_handle = user.starts_with(HANDLE);
        let value = if user_is_handle || password.starts_with(HANDLE) {
            let user = if user_is_handle {
                user.to_owned()
            } else {
                encode(user)
            };
            format!("pf-basic {user} {password}")
        } else {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        self.set("authorization", value);
        self
    }

    /// Authenticates with a token (RFC 6750).
    pub fn bearer_auth(mut self, token: &Secret) -> Self {
        self.set("authorization", format!("Bearer {}", token.in_header()));
        self
    }

    /// Appends `name=value` to the query, percent-encoded.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        if let Ok(url) = &mut self.url {
            url.add_query(name, &value.to_string());
        }
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.set("content-type", "application/json".to_owned());
        self.body = serde_json::to_vec(body)
            .map_err(|error| Error::from(error).context("the body of a request"));
        self
    }

    /// Sets a body of form fields and its content type.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.set(
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        );
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.body = Ok(fields.join("&").into_bytes());
        self
    }

    /// Sets the body as it is.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(body.into());
        self
    }

    /// Limits each of connecting, waiting for the answer, and waiting for more of
    /// it. Without it the host's own limits hold.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the largest body that the answer may have, in bytes; the default is
    /// [`DEFAULT_LIMIT`].
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Follows up to `count` redirects; by default a redirect is an answer like any
    /// other. To another origin go neither authorization nor cookies nor secrets.
    pub fn redirects(mut self, count: u8) -> Self {
        self.redirects = count;
        self
    }

    /// Sends the request and waits for the answer, whatever its status.
    pub fn send(mut self) -> Result<Response> {
        let mut url = self.url?;
        let mut body = self.body?;
        check_headers(&self.headers).map_err(|failure| failure.into_error(&self.method, &url))?;
        if !self.headers.iter().any(|(name, _)| name == "accept") {
            self.headers.push((
                "accept".to_owned(),
                "application/json, */*;q=0.8".to_owned(),
            ));
        }
        let mut left = self.redirects;
        loop {
            let outgoing = Outgoing {
                method: &self.method,
                url: &url,
                headers: &self.headers,
                body: &body,
                timeout: self.timeout,
                limit: self.limit,
            };
            let incoming =
                host::send(&outgoing).map_err(|failure| failure.into_error(&self.method, &url))?;
            let Some(next) = redirect(&incoming, &url, left) else {
                return Ok(Response::new(self.method, url, incoming));
            };
            let next = next.map_err(|reason| {
                Error::permanent(format!(
                    "{} {}: redirected to a URL that is none: {reason}",
                    self.method,
                    url.shown()
                ))
                .with_code("http-invalid")
            })?;
            left -= 1;
            if incoming.status == 303
                || (self.method == "POST" && matches!(incoming.status, 301 | 302))
            {
                if self.method != "HEAD" {
                    "GET".clone_into(&mut self.method);
                }
                body.clear();
                self.headers
                    .retain(|(name, _)| !name.starts_with("content-"));
            }
            if !next.same_origin(&url) {
                self.headers.retain(|(name, value)| !private(name, value));
            }
            url = next;
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(existing, _)| existing != name);
        self.headers.push((name.to_owned(), value));
    }
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|reason| {
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        // What stands before an @ may be a password.
        let shown = shown.rsplit('@').next().unwrap_or_default();
        Error::permanent(format!("\"{shown}\" is no URL for a request: {reason}"))
            .with_code("http-invalid")
    })
}

/// Where to go on, if the answer is a redirect and one may be followed.
fn redirect(incoming: &Incoming, url: &Url, left: u8) -> Option<Result<Url, &'static str>> {
    if left == 0 || !matches!(incoming.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (_, location) = incoming
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("location"))?;
    Some(
        std::str::from_utf8(location)
            .map_err(|_| "it is not UTF-8")
            .and_then(|location| url.join(location)),
    )
}

/// Whether a header must not reach another origin.
fn private(name: &str, value: &str) -> bool {
    matches!(name, "authorization" | "proxy-authorization" | "cookie") || value.contains(HANDLE)
}

fn check_headers(headers: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in headers {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(Failure::Invalid(format!(
                "\"{}\" is no header name",
                name.escape_debug()
            )));
        }
        if value
            .bytes()
            .any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
        {
            return Err(Failure::Invalid(format!(
                "the value of header {name} has a control character, such as a line break"
            )));
        }
    }
    Ok(())
}
