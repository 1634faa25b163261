//! An HTTP client for steps: blocking, as a step is, while the host meanwhile does
//! other work.
//!
//! ```
//! use powerflow_sdk::prelude::*;
//! use std::time::Duration;
//! # use powerflow_sdk::testing::{MockHost, MockResponse};
//! # #[derive(Step)] struct Find {}
//! # impl Execute for Find {
//! #     fn execute(&self, cx: &mut Context) -> Result<Output> {
//! #         let (url, user, password) = ("https://dev1.service-now.com", "powerflow", &secret());
//! let client = http::Client::new(url).basic_auth(user, password).timeout(Duration::from_secs(20));
//! let found: Value = client
//!     .get("/api/now/table/incident")
//!     .query("sysparm_query", "correlation_id=eu+router 7")
//!     .query("sysparm_limit", 1)
//!     .send()?   // fails when there is no answer: time-out, refused, denied …
//!     .ok()?     // fails when the answer is no 2xx
//!     .json()?;
//! #         Ok(Output::new(found))
//! #     }
//! # }
//! # fn secret() -> Secret { powerflow_sdk::testing::secret("pf-secret:1") }
//! # let host = MockHost::new().http(|request| {
//! #     assert_eq!(request.url, "https://dev1.service-now.com/api/now/table/incident?sysparm_query=correlation_id%3Deu%2Brouter%207&sysparm_limit=1");
//! #     MockResponse::json(200, &json!({ "result": [] }))
//! # });
//! # assert_eq!(host.run::<Find>()?.data()?, json!({ "result": [] }));
//! # Ok::<(), Error>(())
//! ```
//!
//! Every failure is an [`Error`](crate::Error) that knows whether another attempt may succeed. Codes:
//! `http-refused`, `http-timeout`, `http-dns`, `http-unreachable`, `http-terminated`,
//! `http-busy`, `http-protocol`, `http-failed` (retryable), `http-denied`, `http-tls`,
//! `http-invalid`, `http-too-large` (permanent), and `http-status` of
//! [`Response::ok`], retryable for 408, 425, 429 and 5xx but 501 and 505.

mod failure;
mod request;
mod response;
mod url;

use std::time::Duration;

pub use failure::Failure;
pub use request::Request;
pub use response::Response;
pub use url::{Url, encode};

use crate::Secret;

/// The default for the largest body that an answer may have: 16 MiB.
pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

/// A request as it goes out.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
    pub(crate) timeout: Option<Duration>,
    pub(crate) limit: usize,
}

/// An answer as it comes in.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Starts a GET request.
pub fn get(url: &str) -> Request {
    Request::new("GET", url)
}

/// Starts a POST request.
pub fn post(url: &str) -> Request {
    Request::new("POST", url)
}

/// Starts a PUT request.
pub fn put(url: &str) -> Request {
    Request::new("PUT", url)
}

/// Starts a PATCH request.
pub fn patch(url: &str) -> Request {
    Request::new("PATCH", url)
}

/// Starts a DELETE request.
pub fn delete(url: &str) -> Request {
    Request::new("DELETE", url)
}

/// What several requests to one server have in common.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    common: Request,
}

impl Client {
    /// A client whose paths are appended to `base`, a URL or a host alone, which
    /// means `https`.
    pub fn new(base: &str) -> Self {
        let base = base.trim().trim_end_matches('/').to_owned();
        Self {
            common: Request::new("GET", &base),
            base,
        }
    }

    /// Authenticates each request; see [`Request::basic_auth`].
    pub fn basic_auth(mut self, user: &(impl AsRef<str> + ?Sized), password: &Secret) -> Self {
        self.common = self.common.basic_auth(user, password);
        self
    }

    /// Authenticates each request; see [`Request::bearer_auth`].
    pub fn bearer_auth(mut self, token: &Secret) -> Self {
        self.common = self.common.bearer_auth(token);
        self
    }

    /// Adds a header to each request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.common = self.common.header(name, value);
        self
    }

    /// Sets the time-out of each request; see [`Request::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common = self.common.timeout(timeout);
        self
    }

    /// Starts a request; `path` begins with a slash. Put what comes from outside
    /// through [`encode`] first.
    pub fn request(&self, method: &str, path: &str) -> Request {
        self.common.derived(method, &format!("{}{path}", self.base))
    }

    /// Starts a GET request.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// Starts a POST request.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// Starts a PUT request.
    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    /// Starts a PATCH request.
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }
}
