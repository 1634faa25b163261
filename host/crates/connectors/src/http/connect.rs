//! New connections: resolve once, check every address, connect to one of those.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::body::{Outgoing, chain};
use super::connector::Settings;
use super::error::{Error, Phase};
use super::pool::Connection;
use super::{Class, Grant, Host, Resolve, Tls};

/// Where a connection goes, and for whom.
pub(super) struct Destination<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    /// Set for https.
    pub(super) tls: Option<&'a Tls>,
    pub(super) grant: &'a Grant,
    /// When to give up, and the limit that this came from.
    pub(super) deadline: Instant,
    pub(super) limit: Duration,
}

impl Destination<'_> {
    fn timeout(&self, phase: Phase) -> Error {
        Error::Timeout {
            host: self.host.to_string(),
            phase,
            limit: self.limit,
            maybe_received: false,
        }
    }

    /// Opens a connection.
    pub(super) async fn open(
        &self,
        resolver: &dyn Resolve,
        settings: &Settings,
        room: OwnedSemaphorePermit,
    ) -> Result<Connection, Error> {
        let addresses = self.checked_addresses(resolver).await?;
        let stream = self.connect(&addresses).await?;
        let Some(tls) = self.tls else {
            return self.handshake(stream, settings, room).await;
        };
        let failed = |reason| Error::Tls {
            host: self.host.to_string(),
            port: self.port,
            reason,
        };
        let config = tls.config().await.map_err(failed)?;
        let name = match self.host {
            Host::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(|error| failed(error.to_string()))?
            }
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let session = timeout_at(
            self.deadline,
            TlsConnector::from(config).connect(name, stream),
        )
        .await
        .map_err(|_| self.timeout(Phase::Connect))?
        .map_err(|error| failed(chain(&error)))?;
        self.handshake(session, settings, room).await
    }

    /// Every address of the host; one refused address refuses the host.
    async fn checked_addresses(&self, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, Error> {
        let addresses = match self.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => timeout_at(self.deadline, resolver.resolve(name))
                .await
                .map_err(|_| self.timeout(Phase::Resolve))?
                .map_err(|error| Error::Dns {
                    host: name.to_string(),
                    reason: error.to_string(),
                })?,
        };
        if addresses.is_empty() {
            return Err(Error::Dns {
                host: self.host.to_string(),
                reason: "it has no addresses".into(),
            });
        }
        for &address in &addresses {
            let class = Class::of(address);
            let host = self.host.to_string();
            if class.is_forbidden() {
                return Err(Error::ForbiddenAddress {
                    host,
                    address,
                    class,
                });
            }
            if class != Class::Public && !self.grant.private_network {
                return Err(Error::PrivateAddress {
                    host,
                    address,
                    class,
                    grant: self.grant.id.to_string(),
                });
            }
        }
        Ok(addresses)
    }

    /// Tries the addresses in turn; each gets its share of the time that is left.
    async fn connect(&self, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
        let mut failed = None;
        for (tried, &address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = self.deadline.saturating_duration_since(now);
            if left.is_zero() {
                break;
            }
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let attempt = TcpStream::connect(SocketAddr::new(address, self.port));
            match timeout_at(now + share, attempt).await {
                Ok(Ok(stream)) => {
                    // Requests are written in one piece: waiting for more would only delay them.
                    stream
                        .set_nodelay(true)
                        .map_err(|source| self.refused(address, source))?;
                    return Ok(stream);
                }
                Ok(Err(source)) => failed = Some(self.refused(address, source)),
                Err(_) => {
                    tracing::debug!(host = %self.host, %address, "no connection in time, trying the next address");
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.timeout(Phase::Connect)))
    }

    fn refused(&self, address: IpAddr, source: std::io::Error) -> Error {
        Error::Connect {
            host: self.host.to_string(),
            port: self.port,
            address,
            source,
        }
    }

    /// Starts HTTP/1.1 on a stream; one task drives the connection until it closes.
    async fn handshake<S>(
        &self,
        stream: S,
        settings: &Settings,
        room: OwnedSemaphorePermit,
    ) -> Result<Connection, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_header_size(settings.max_response_head)
            .max_buf_size(settings.max_response_head.max(MINIMUM_BUFFER))
            .handshake::<_, Outgoing>(TokioIo::new(stream))
            .await
            .map_err(|error| Error::Protocol {
                host: self.host.to_string(),
                reason: chain(&error),
            })?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "outgoing connection ended");
            }
        });
        Ok(Connection::new(sender, driver.abort_handle(), room))
    }
}

/// hyper panics on a smaller buffer.
const MINIMUM_BUFFER: usize = 64 * 1024;
