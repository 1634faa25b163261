//! The server of the mock host.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;

use crate::http::{Failure, Incoming, Outgoing};

/// A request as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockRequest {
    /// The method in capitals.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Path and query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time-out that the step asked for.
    pub timeout: Option<Duration>,
}

impl MockRequest {
    pub(super) fn new(request: &Outgoing<'_>, secrets: &BTreeMap<String, String>) -> Self {
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), reveal(value, secrets)))
            .collect();
        Self {
            method: request.method.to_owned(),
            url: request.url.to_string(),
            path: request.url.path_with_query().to_owned(),
            headers,
            body: request.body.to_vec(),
            timeout: request.timeout,
        }
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer of the server, or the failure to get one.
#[derive(Clone, Debug)]
pub struct MockResponse(Result<Incoming, Failure>);

impl MockResponse {
    /// An answer with a JSON body.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    #[expect(
        clippy::expect_used,
        reason = "a mistake in a test should stop the test"
    )]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("a value that serde can write as JSON");
        Self::bytes(status, body).header("content-type", "application/json")
    }

    /// An answer with a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self::bytes(status, body.as_bytes().to_vec())
            .header("content-type", "text/plain; charset=utf-8")
    }

    /// An answer with any body.
    pub fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self(Ok(Incoming {
            status,
            headers: Vec::new(),
            body,
        }))
    }

    /// No answer.
    pub fn failure(failure: Failure) -> Self {
        Self(Err(failure))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(incoming) = &mut self.0 {
            incoming
                .headers
                .push((name.to_owned(), value.as_bytes().to_vec()));
        }
        self
    }

    pub(super) fn into_incoming(self) -> Result<Incoming, Failure> {
        self.0
    }
}

/// Puts secrets in the place of their handles, as the host does.
fn reveal(value: &str, secrets: &BTreeMap<String, String>) -> String {
    let plain = |text: &str| {
        let mut text = text.to_owned();
        // The longest handle first: mock-1 is the beginning of mock-10.
        let mut handles: Vec<_> = secrets.iter().collect();
        handles.sort_by_key(|(handle, _)| std::cmp::Reverse(handle.len()));
        for (handle, secret) in handles {
            text = text.replace(handle.as_str(), secret);
        }
        text
    };
    match value
        .strip_prefix("pf-basic ")
        .and_then(|rest| rest.split_once(' '))
    {
        Some((user, password)) => {
            let pair = format!("{}:{}", plain(&decode(user)), plain(password));
            format!("Basic {}", STANDARD.encode(pair))
        }
        None => plain(value),
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = (bytes[index] == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten();
        if let Some(byte) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(byte);
            index += 3;
        } else {
            decoded.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
