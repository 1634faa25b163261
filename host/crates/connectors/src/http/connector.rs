//! From a request to its response.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::http::uri::{PathAndQuery, Scheme};
use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
};
use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{Outgoing, Upload, chain};
use super::connect::Destination;
use super::error::{Error, Phase};
use super::pool::{Connection, Key, Pool, Slot, Stats};
use super::{Body, Grant, Grants, Host, Resolve, SystemResolver, Tls};

/// Limits of a connector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections, busy and idle, that one key (tenant, pack, grant, origin, TLS identity) may hold.
    pub max_connections: usize,
    /// Connections, busy and idle, that all keys may hold together.
    pub max_connections_of_all: usize,
    /// Idle connections kept for one key.
    pub max_idle: usize,
    /// How long an idle connection is kept: less than servers commonly keep theirs.
    pub idle_timeout: Duration,
    /// How long a connection is used at all, so that changes in DNS are followed.
    pub max_lifetime: Duration,
    /// Largest head of a response, status line and headers, in bytes.
    pub max_response_head: usize,
    /// The `User-Agent` of requests that have none; absent: none.
    pub user_agent: Option<HeaderValue>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_connections_of_all: 8192,
            max_idle: 512,
            idle_timeout: Duration::from_secs(30),
            max_lifetime: Duration::from_mins(10),
            max_response_head: 64 * 1024,
            user_agent: None,
        }
    }
}

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Waiting for a free connection, looking up the name, connecting, and TLS together.
    pub connect: Duration,
    /// From the start of sending to the head of the response.
    pub first_byte: Duration,
    /// Between two pieces of the response body.
    pub between_bytes: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(1),
            between_bytes: Duration::from_mins(1),
        }
    }
}

/// On whose behalf a request is sent.
#[derive(Debug, Clone)]
pub struct Egress {
    /// Tenant of the run.
    pub tenant: i64,
    /// SyncPack whose step sends it.
    pub pack: Arc<str>,
    /// What the run may reach.
    pub grants: Grants,
    /// TLS identity; absent means the connector's own.
    pub tls: Option<Tls>,
}

/// The HTTP client. Clones share connections.
#[derive(Clone)]
pub struct Connector {
    pool: Arc<Pool>,
    settings: Arc<Settings>,
    resolver: Arc<dyn Resolve>,
    tls: Tls,
}

impl Default for Connector {
    fn default() -> Self {
        Self::new(Settings::default(), SystemResolver, Tls::system())
    }
}

impl Connector {
    /// A client with its own pool.
    pub fn new(settings: Settings, resolver: impl Resolve, tls: Tls) -> Self {
        let settings = Arc::new(settings);
        Self {
            pool: Arc::new(Pool::new(settings.clone())),
            settings,
            resolver: Arc::new(resolver),
            tls,
        }
    }

    /// Sends a request and waits for the head of the response. Must run inside a tokio runtime,
    /// which then also drives the connection. Dropping the future closes the connection.
    pub async fn send<B>(
        &self,
        egress: &Egress,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Response<Body>, Error>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let (body, upload) = Outgoing::new(body);
        let origin = Authority::of(&parts.uri)?;
        let mut head = origin.head(parts, &body)?;
        if let Some(agent) = &self.settings.user_agent {
            let headers = head.headers_mut();
            headers.entry(header::USER_AGENT).or_insert(agent.clone());
        }
        self.exchange(egress, &origin, head.map(|()| body), upload, timeouts)
            .await
    }

    /// Closes the idle connections of a tenant whose pack and grant match, and the busy ones after
    /// their response. To be called when a grant is revoked or its reach changes.
    pub fn evict(&self, tenant: i64, matches: impl Fn(&str, &str) -> bool) {
        self.pool
            .evict(|key| key.tenant == tenant && matches(&key.pack, &key.grant));
    }

    /// What the pool has done and holds.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    async fn exchange(
        &self,
        egress: &Egress,
        origin: &Authority,
        mut request: Request<Outgoing>,
        upload: Upload,
        timeouts: Timeouts,
    ) -> Result<Response<Body>, Error> {
        let grant = egress
            .grants
            .find(request.method(), &origin.host, origin.port)?;
        let tls = egress.tls.as_ref().unwrap_or(&self.tls);
        let deadline = Instant::now() + timeouts.connect;
        let slot = self
            .slot(origin.key(egress, &grant, tls), deadline, timeouts.connect)
            .await?;
        let destination = Destination {
            host: &origin.host,
            port: origin.port,
            tls: origin.https.then_some(tls),
            grant: &grant,
            deadline,
            limit: timeouts.connect,
        };
        let acts = !is_idempotent(request.method());
        let name: Arc<str> = match &origin.host {
            Host::Name(name) => name.clone(),
            Host::Address(_) => origin.host.to_string().into(),
        };

        let mut fresh_only = false;
        loop {
            let mut connection = self.connection(&slot, &destination, fresh_only).await?;
            let spare = (connection.reused && !acts && request.body().is_replayable())
                .then(|| copy(&request));
            let answer = timeout(
                timeouts.first_byte,
                connection.sender.try_send_request(request),
            )
            .await
            .map_err(|_| Error::Timeout {
                host: name.to_string(),
                phase: Phase::FirstByte,
                limit: timeouts.first_byte,
                maybe_received: acts,
            })?;
            let mut failure = match answer {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Error::Protocol {
                        host: name.to_string(),
                        reason: "it changed the protocol unasked".into(),
                    });
                }
                Ok(response) => {
                    let held = (connection, slot);
                    return Ok(response.map(|incoming| {
                        Body::new(incoming, held, upload, timeouts.between_bytes, name, acts)
                    }));
                }
                Err(failure) => failure,
            };
            let unsent = failure.take_message();
            let error = failure.into_error();
            tracing::debug!(host = %name, reused = connection.reused, unsent = unsent.is_some(), %error, "exchange failed");
            // A kept connection may have been closed by the server meanwhile: what was never
            // written goes out again, what can be repeated without harm too, once.
            request = match (unsent, spare) {
                (Some(unsent), _) if connection.reused => unsent,
                (None, Some(spare)) if was_closed(&error) => spare,
                (unsent, _) => return Err(self.failed(&name, &error, acts && unsent.is_none())),
            };
            fresh_only = true;
        }
    }

    /// A kept connection that takes a request now, or a new one.
    async fn connection(
        &self,
        slot: &Slot,
        destination: &Destination<'_>,
        fresh_only: bool,
    ) -> Result<Connection, Error> {
        if !fresh_only && let Some(connection) = ready(slot, destination.deadline).await {
            self.pool.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(connection);
        }
        let Ok(Some(room)) = timeout_at(destination.deadline, self.pool.room()).await else {
            return Err(Error::Busy {
                host: destination.host.to_string(),
                limit: self.settings.max_connections_of_all,
                waited: destination.limit,
            });
        };
        let connection = destination
            .open(&*self.resolver, &self.settings, room)
            .await?;
        self.pool.opened.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

    async fn slot(&self, key: Key, deadline: Instant, waited: Duration) -> Result<Slot, Error> {
        let host = key.host.clone();
        let origin = self.pool.origin(key);
        match timeout_at(deadline, origin.slot()).await {
            Ok(Some(slot)) => Ok(slot),
            _ => Err(Error::Busy {
                host: host.to_string(),
                limit: self.settings.max_connections,
                waited,
            }),
        }
    }

    fn failed(&self, host: &str, error: &hyper::Error, maybe_received: bool) -> Error {
        let host = host.to_owned();
        let reason = chain(error);
        if error.is_parse_too_large() {
            Error::TooLarge {
                host,
                limit: self.settings.max_response_head,
            }
        } else if error.is_user() {
            Error::Body { host, reason }
        } else if error.is_parse() {
            Error::Protocol { host, reason }
        } else {
            Error::Closed {
                host,
                reason,
                maybe_received,
            }
        }
    }
}

/// An idle connection that takes a request now. Nothing has been written to one that does not.
async fn ready(slot: &Slot, deadline: Instant) -> Option<Connection> {
    while let Some(mut connection) = slot.take_idle() {
        // The driver may still have to notice that the last exchange ended: one turn, no more.
        if connection.sender.is_ready()
            || matches!(
                timeout_at(deadline, connection.sender.ready()).await,
                Ok(Ok(()))
            )
        {
            return Some(connection);
        }
    }
    None
}

/// Whether the connection broke, as opposed to a bad answer.
fn was_closed(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

fn copy(request: &Request<Outgoing>) -> Request<Outgoing> {
    let mut copy = Request::new(Outgoing::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The origin that a request names.
struct Authority {
    https: bool,
    host: Host,
    port: u16,
    /// Value of the `Host` header: what the URI says, never an address in place of a name.
    header: HeaderValue,
}

impl Authority {
    fn of(uri: &Uri) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Request {
            reason: reason.into(),
        };
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong("only http and https URLs can be requested")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| wrong("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong(
                "the URL holds credentials: send them in the authorization header instead",
            ));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if https => 443,
            None => 80,
        };
        let header = HeaderValue::from_str(authority.as_str())
            .map_err(|_| wrong("the host is not a header value"))?;
        Ok(Self {
            https,
            host: Host::parse(authority.host())?,
            port,
            header,
        })
    }

    fn key(&self, egress: &Egress, grant: &Grant, tls: &Tls) -> Key {
        Key {
            tenant: egress.tenant,
            pack: egress.pack.clone(),
            grant: grant.id.clone(),
            private: grant.private_network,
            https: self.https,
            host: self.host.clone(),
            port: self.port,
            identity: tls.name().clone(),
        }
    }

    /// The head as it goes over the wire. Headers that belong to the connection are ours to set.
    fn head(&self, parts: ::http::request::Parts, body: &Outgoing) -> Result<Request<()>, Error> {
        if parts.method == Method::CONNECT {
            return Err(Error::Request {
                reason: "CONNECT is not available to steps".into(),
            });
        }
        let mut headers = parts.headers;
        strip_connection_headers(&mut headers);
        check_length(&headers, body)?;
        headers.insert(header::HOST, self.header.clone());
        let path = parts
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut head = Request::new(());
        *head.method_mut() = parts.method;
        *head.uri_mut() = Uri::from(path);
        *head.version_mut() = Version::HTTP_11;
        *head.headers_mut() = headers;
        Ok(head)
    }
}

fn strip_connection_headers(headers: &mut HeaderMap) {
    static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain([
        &header::CONNECTION,
        &header::TRANSFER_ENCODING,
        &header::TE,
        &header::UPGRADE,
        &header::PROXY_AUTHORIZATION,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
    ]) {
        headers.remove(name);
    }
}

/// A length that does not fit the body would let its rest pass for the next request on the
/// connection.
fn check_length(headers: &HeaderMap, body: &Outgoing) -> Result<(), Error> {
    let mut given = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = given.next() else {
        return Ok(());
    };
    let length: Option<u64> = first.to_str().ok().and_then(|text| text.parse().ok());
    let actual = http_body::Body::size_hint(body).exact();
    match length {
        Some(length) if given.next().is_none() && actual.is_none_or(|actual| actual == length) => {
            Ok(())
        }
        _ => Err(Error::Request {
            reason: "the content-length header does not fit the body".into(),
        }),
    }
}
