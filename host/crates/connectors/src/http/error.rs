//! What can go wrong with an outgoing request, in words that say what to do.

use std::net::IpAddr;
use std::time::Duration;

use super::Class;

/// The part of an exchange that ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Opening the TCP connection and the TLS session.
    Connect,
    /// Waiting for the head of the response.
    FirstByte,
    /// Waiting for the next piece of the response body.
    BetweenBytes,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the name",
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the response",
            Self::BetweenBytes => "waiting for more of the response body",
        })
    }
}

/// Why a request was not sent, or got no complete answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself cannot be sent: no host, a scheme other than http and https, CONNECT, …
    #[error("the request cannot be sent: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// No grant covers the request.
    #[error("{method} to {host}:{port} is not granted: {reason}; the grant to request is {grant}")]
    Denied {
        /// Method of the request.
        method: String,
        /// Normalised host.
        host: String,
        /// Port.
        port: u16,
        /// Which part of the grants does not match.
        reason: &'static str,
        /// The grant that would allow it, as the JSON that a manifest carries.
        grant: String,
    },
    /// The name leads to an address that grants do not cover by default.
    #[error(
        "{host} leads to {address}, a {class} address: an administrator can allow it with `--private {grant}` when activating the SyncPack"
    )]
    PrivateAddress {
        /// Normalised host.
        host: String,
        /// The refused address.
        address: IpAddr,
        /// The kind of address.
        class: Class,
        /// The grant that matched.
        grant: String,
    },
    /// The name leads to an address that no grant can allow.
    #[error("{host} leads to {address}, a {class} address, which no request may go to")]
    ForbiddenAddress {
        /// Normalised host.
        host: String,
        /// The refused address.
        address: IpAddr,
        /// The kind of address.
        class: Class,
    },
    /// The name could not be resolved.
    #[error(
        "the name {host} cannot be resolved: {reason}; check the name and the DNS of this server"
    )]
    Dns {
        /// Normalised host.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address of the host accepted a connection.
    #[error(
        "cannot connect to {host}:{port} at {address}: {source}; check that the server runs and is reachable from here"
    )]
    Connect {
        /// Normalised host.
        host: String,
        /// Port.
        port: u16,
        /// The address that was tried last.
        address: IpAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The TLS session could not be set up.
    #[error(
        "TLS with {host}:{port} failed: {reason}; check the certificate of the server and the authorities trusted here"
    )]
    Tls {
        /// Normalised host.
        host: String,
        /// Port.
        port: u16,
        /// What the TLS library said.
        reason: String,
    },
    /// A time limit passed.
    #[error("{host}: gave up after {} ms {phase}{}", limit.as_millis(), received(*maybe_received))]
    Timeout {
        /// Normalised host.
        host: String,
        /// What it waited for.
        phase: Phase,
        /// The limit.
        limit: Duration,
        /// The request may have reached the server, and sending it again may act twice.
        maybe_received: bool,
    },
    /// All connections that one grant may hold to the host, or all together, are in use.
    #[error("{host}: all {limit} connections are in use, and none became free within {} ms", waited.as_millis())]
    Busy {
        /// Normalised host.
        host: String,
        /// The connection limit.
        limit: usize,
        /// How long the request waited.
        waited: Duration,
    },
    /// The connection ended before the response was complete.
    #[error("{host} closed the connection before the response was complete ({reason}){}", received(*maybe_received))]
    Closed {
        /// Normalised host.
        host: String,
        /// What was seen on the connection.
        reason: String,
        /// The request may have reached the server, and sending it again may act twice.
        maybe_received: bool,
    },
    /// The server answered something that is not HTTP/1.1.
    #[error("{host} answered something that is not HTTP/1.1: {reason}")]
    Protocol {
        /// Normalised host.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// The head of the response is larger than allowed.
    #[error("{host} answered with headers larger than {limit} bytes")]
    TooLarge {
        /// Normalised host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body of the request ended with an error before all of it was sent.
    #[error("the body of the request to {host} broke off: {reason}")]
    Body {
        /// Normalised host.
        host: String,
        /// What the body reported.
        reason: String,
    },
}

fn received(maybe: bool) -> &'static str {
    if maybe {
        "; the request may have been received, so it was not sent again"
    } else {
        ""
    }
}

impl Error {
    /// A stable word for logs, metrics and error documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Denied { .. } => "denied",
            Self::PrivateAddress { .. } | Self::ForbiddenAddress { .. } => "private-address",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Busy { .. } => "busy",
            Self::Closed { .. } => "closed",
            Self::Protocol { .. } => "protocol",
            Self::TooLarge { .. } => "too-large",
            Self::Body { .. } => "body",
        }
    }

    /// Whether the same request may succeed later and can be repeated without acting twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Dns { .. } | Self::Connect { .. } | Self::Busy { .. } => true,
            Self::Timeout { maybe_received, .. } | Self::Closed { maybe_received, .. } => {
                !maybe_received
            }
            _ => false,
        }
    }

    /// Whether the server may have acted on a request that must not be repeated blindly.
    pub fn may_have_been_received(&self) -> bool {
        match self {
            Self::Timeout { maybe_received, .. } | Self::Closed { maybe_received, .. } => {
                *maybe_received
            }
            _ => false,
        }
    }
}
