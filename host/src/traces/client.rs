//! The way to the collector: our own connector, as for every request that leaves the service.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::{Connector, Egress, Grant, Grants, Timeouts};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(10),
    between_bytes: Duration::from_secs(10),
};
/// The most that is read of an answer, in bytes.
const ANSWER: usize = 64 << 10;

/// Sends to one address.
pub(super) struct Client {
    connector: Connector,
    egress: Egress,
}

impl Client {
    /// A client for that URL and no other.
    pub(super) fn new(address: &str) -> anyhow::Result<Self> {
        let grant = Grant::parse("collector", address)
            .context("it is no address of a collector")?
            .with_private_network(true);
        Ok(Self {
            connector: Connector::default(),
            egress: Egress {
                tenant: 0,
                pack: Arc::from("telemetry"),
                grants: Grants::new([grant]),
                tls: None,
            },
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Why spans were not taken. The exporter shows it in its form for programmers.
struct Failed(String);

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failed {}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self
            .connector
            .send(&self.egress, request.map(Full::new), TIMEOUTS)
            .await
            .map_err(|error| Failed(error.to_string()))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(Failed(format!("it answers with the status {}", head.status)).into());
        }
        let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
