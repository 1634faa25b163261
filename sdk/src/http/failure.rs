//! Why there was no answer.

use super::Url;
use crate::error::Error;

/// Why a request brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server refused the connection.
    Refused,
    /// Connecting, sending or waiting took too long.
    Timeout,
    /// The name was not found; the text is the resolver's answer.
    Dns(String),
    /// There is no way to the address.
    Unreachable,
    /// The connection broke before the answer was complete.
    Terminated,
    /// The host keeps no more connections open.
    Busy,
    /// The answer is no HTTP.
    Protocol(String),
    /// The TLS handshake failed.
    Tls(String),
    /// No grant covers the request.
    Denied(String),
    /// The request itself is wrong.
    Invalid(String),
    /// The answer's body is longer than the request's limit.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Anything else.
    Other(String),
}

impl Failure {
    pub(crate) fn into_error(self, method: &str, url: &Url) -> Error {
        let at = format!("{method} {}", url.shown());
        let host = url.authority();
        match self {
            Self::Refused => Error::retryable(format!("{at}: {host} refused the connection"))
                .with_code("http-refused"),
            Self::Timeout => {
                Error::retryable(format!("{at}: no answer in time")).with_code("http-timeout")
            }
            Self::Dns(text) => {
                let text = if text.is_empty() {
                    text
                } else {
                    format!(" ({text})")
                };
                Error::retryable(format!("{at}: the name {host} was not found{text}"))
                    .with_code("http-dns")
            }
            Self::Unreachable => Error::retryable(format!("{at}: {host} cannot be reached"))
                .with_code("http-unreachable"),
            Self::Terminated => Error::retryable(format!(
                "{at}: the connection broke before the answer was complete"
            ))
            .with_code("http-terminated"),
            Self::Busy => Error::retryable(format!("{at}: too many connections are open"))
                .with_code("http-busy"),
            Self::Protocol(text) => {
                Error::retryable(format!("{at}: the answer is no HTTP: {text}"))
                    .with_code("http-protocol")
            }
            Self::Tls(text) => Error::permanent(format!("{at}: {text}")).with_code("http-tls"),
            Self::Denied(text) => {
                Error::permanent(format!("{at}: {text}")).with_code("http-denied")
            }
            Self::Invalid(text) => {
                Error::permanent(format!("{at}: {text}")).with_code("http-invalid")
            }
            Self::TooLarge { limit } => Error::permanent(format!(
                "{at}: the answer is longer than {limit} bytes; raise it with limit(…)"
            ))
            .with_code("http-too-large"),
            Self::Other(text) => Error::retryable(format!("{at}: {text}")).with_code("http-failed"),
        }
    }
}
