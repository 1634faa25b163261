//! `wasi:http`: requests leave through the connectors crate, with the grants of this execution.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use connectors::http::{Connector, Egress, Error as Refusal, Grants, Host, Phase, Timeouts};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::execute::Call;
use crate::host::outbound::{Outbound, Sending};
use crate::host::secret::HANDLE_PREFIX;
use crate::limits::BODY_CHUNK;
use crate::{Level, Limits, LogBuffer, Ports, SecretHandles, Usage};

/// What an execution may reach over HTTP.
#[derive(Debug, Clone)]
pub struct HttpAccess {
    /// On whose behalf it sends, and the grants that hold.
    pub egress: Egress,
    /// All grants that the manifest requests, resolved for this run, given or not: a refused request
    /// names the one to give.
    pub declared: Grants,
    /// Those of them that are given per configuration object, by their ids, with the name of this
    /// run's object.
    pub named_by: HashMap<Arc<str>, Arc<str>>,
    /// Requested grants whose host is in a configuration variable that this run lacks, and the
    /// variable.
    pub without_host: Arc<[(Arc<str>, Arc<str>)]>,
    /// How long each part of an exchange may take; a step can only ask for less.
    pub timeouts: Timeouts,
}

/// What flowed, shared with bodies that are still on their way.
#[derive(Default)]
struct Traffic {
    open: AtomicUsize,
    requests: AtomicU64,
    denied: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
}

/// The part of an execution that sends requests.
pub(crate) struct Http {
    connector: Connector,
    access: Option<Arc<HttpAccess>>,
    pack: Arc<str>,
    log: Arc<LogBuffer>,
    secrets: SecretHandles,
    limits: Arc<Limits>,
    traffic: Option<Arc<Traffic>>,
    traced: Option<Box<Outbound>>,
}

impl Http {
    pub(crate) fn new(call: &Call, ports: &Ports) -> Self {
        Self {
            connector: ports.connector.clone(),
            access: call.http.as_ref().map(|access| Arc::new(access.clone())),
            pack: call.pack.clone(),
            log: call.log.clone(),
            secrets: call.secrets.clone(),
            limits: call.limits.clone(),
            traffic: None,
            traced: Outbound::new(&ports.tracer, &ports.clock, call.trace.as_ref()).map(Box::new),
        }
    }

    /// Whether anything was sent, or tried to be.
    pub(crate) fn was_used(&self) -> bool {
        self.traffic.is_some()
    }

    pub(crate) fn read(&self, usage: &mut Usage) {
        let Some(traffic) = &self.traffic else { return };
        usage.requests = traffic.requests.load(Ordering::Relaxed);
        usage.denied = traffic.denied.load(Ordering::Relaxed);
        usage.bytes_out = traffic.bytes_out.load(Ordering::Relaxed);
        usage.bytes_in = traffic.bytes_in.load(Ordering::Relaxed);
    }

    /// Everything that is decided before a request leaves.
    fn prepare(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Exchange, Error> {
        let traffic = self.traffic.get_or_insert_default().clone();
        let mut open = Open::new(&traffic, self.limits.open_requests).ok_or_else(|| {
            let limit = self.limits.open_requests;
            self.log.append(
                Level::Warning,
                &format!("more than {limit} requests at the same time: refused"),
            );
            Error::ConnectionLimitReached
        })?;
        let refused = |text: String| {
            traffic.denied.fetch_add(1, Ordering::Relaxed);
            self.log.append(Level::Warning, &text);
        };
        let Some(access) = self.access.clone() else {
            let host = request
                .uri()
                .authority()
                .map_or("no host", |authority| authority.host());
            refused(format!(
                "{} to {host} is not granted: the SyncPack `{}` holds no grant for HTTP",
                request.method(),
                self.pack
            ));
            return Err(Error::HttpRequestDenied);
        };
        if request.uri().to_string().contains(HANDLE_PREFIX) {
            refused("a secret handle stands in a URL: the host replaces handles only in the values of request headers".into());
            return Err(Error::HttpRequestDenied);
        }
        // The secret goes nowhere but to the connector, which sends it only where a grant leads.
        if let Err(wrong) = self.secrets.apply(request.headers_mut()) {
            refused(format!("a request was not sent: {wrong}"));
            return Err(Error::ConfigurationError);
        }
        // Last: what was refused above has not left.
        let traced = self.traced.as_mut();
        open.sending = traced.map(|traced| traced.begin(&mut request));
        let timeouts = shorter(access.timeouts, options);
        Ok(Exchange {
            connector: self.connector.clone(),
            access,
            pack: self.pack.clone(),
            log: self.log.clone(),
            limits: self.limits.clone(),
            traffic,
            open,
            request,
            timeouts,
        })
    }
}

impl WasiHttpHooks for Http {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let exchange = self.prepare(request, options);
        Box::new(async move { exchange?.run().await })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        // Beside the one that is on its way.
        1
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }
}

/// A response, and what remains to be done beside it: nothing, the connector drives connections.
type Sent = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

/// A request that is ready to leave.
struct Exchange {
    connector: Connector,
    access: Arc<HttpAccess>,
    pack: Arc<str>,
    log: Arc<LogBuffer>,
    limits: Arc<Limits>,
    traffic: Arc<Traffic>,
    open: Open,
    request: Request<WasiBody>,
    timeouts: Timeouts,
}

impl Exchange {
    async fn run(mut self) -> Result<Sent, Error> {
        let method = self.request.method().clone();
        let uri = self.request.uri().clone();
        let (out_limit, in_limit) = (self.limits.request_bytes, self.limits.response_bytes);
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let traffic = self.traffic.clone();
        let request = self.request.map(|body| Metered {
            body,
            traffic,
            limit: out_limit,
            upload: true,
            open: None,
        });
        let response = match self
            .connector
            .send(&self.access.egress, request, self.timeouts)
            .await
        {
            Ok(response) => response,
            Err(refusal) => {
                if let Some(sending) = &mut self.open.sending {
                    sending.failed(&refusal);
                }
                let mut text = refusal.to_string();
                if is_denied(&refusal) {
                    self.traffic.requests.fetch_sub(1, Ordering::Relaxed);
                    self.traffic.denied.fetch_add(1, Ordering::Relaxed);
                    if matches!(refusal, Refusal::Denied { .. }) {
                        text.push_str(&advice(&self.access, &self.pack, &method, &uri));
                    }
                }
                self.log.append(Level::Warning, &text);
                return Err(translate(refusal));
            }
        };
        if let Some(sending) = &mut self.open.sending {
            sending.answered(response.status());
        }
        let (traffic, open) = (self.traffic, Some(self.open));
        let response = response.map(|body| {
            let body = body.map_err(translate);
            Metered {
                body,
                traffic,
                limit: in_limit,
                upload: false,
                open,
            }
            .boxed_unsync()
        });
        Ok((response, Box::new(async { Ok(()) })))
    }
}

/// What an administrator can do about a request that no grant covers.
fn advice(access: &HttpAccess, pack: &str, method: &http::Method, uri: &http::Uri) -> String {
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        });
    let grant = uri
        .host()
        .and_then(|host| Host::parse(host).ok())
        .and_then(|host| {
            access
                .declared
                .find(method, &host, port)
                .ok()
                .map(|grant| grant.id.clone())
        });
    let Some(id) = grant else {
        if !access.without_host.is_empty() {
            let lacking: Vec<String> = access
                .without_host
                .iter()
                .map(|(id, variable)| format!("`{id}` to the host in `{variable}`"))
                .collect();
            return format!(
                "; grants of `{pack}` that may be meant lead to hosts of configuration variables that this run lacks ({}): run it with a configuration object that has them (`configuration` among the run's parameters, `--config` of pfctl)",
                lacking.join(", ")
            );
        }
        return format!(
            "; the manifest of `{pack}` does not declare it: add it there, then give it with `pfctl syncpack activate {pack} --add --grant ID`"
        );
    };
    match access.named_by.get(&id) {
        Some(object) => format!(
            "; the SyncPack declares it, but it is not given for this host in the configuration object `{object}`: an administrator can give it with `pfctl syncpack activate {pack} --add --grant {id}={object}`"
        ),
        None => format!(
            "; the SyncPack declares it, and an administrator can give it with `pfctl syncpack activate {pack} --add --grant {id}`"
        ),
    }
}

fn shorter(limits: Timeouts, wanted: Option<RequestOptions>) -> Timeouts {
    let wanted = wanted.unwrap_or_default();
    let shorter = |limit: Duration, wanted: Option<Duration>| {
        wanted.map_or(limit, |wanted| wanted.min(limit))
    };
    Timeouts {
        connect: shorter(limits.connect, wanted.connect_timeout),
        first_byte: shorter(limits.first_byte, wanted.first_byte_timeout),
        between_bytes: shorter(limits.between_bytes, wanted.between_bytes_timeout),
    }
}

fn is_denied(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Denied { .. } | Refusal::PrivateAddress { .. } | Refusal::ForbiddenAddress { .. }
    )
}

/// The connector's errors in the words of WASI. The log line holds the details.
fn translate(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Denied { .. } => Error::HttpRequestDenied,
        Refusal::PrivateAddress { .. } | Refusal::ForbiddenAddress { .. } => {
            Error::DestinationIpProhibited
        }
        Refusal::Dns { reason, .. } => Error::DnsError {
            rcode: Some(reason),
            info_code: None,
        },
        Refusal::Connect { .. } => Error::ConnectionRefused,
        Refusal::Tls { .. } => Error::TlsProtocolError,
        Refusal::Timeout {
            phase: Phase::Resolve,
            ..
        } => Error::DnsTimeout,
        Refusal::Timeout {
            phase: Phase::Connect,
            ..
        } => Error::ConnectionTimeout,
        Refusal::Timeout {
            phase: Phase::FirstByte,
            ..
        } => Error::HttpResponseTimeout,
        Refusal::Timeout {
            phase: Phase::BetweenBytes,
            ..
        } => Error::ConnectionReadTimeout,
        Refusal::Busy { .. } => Error::ConnectionLimitReached,
        Refusal::Closed { .. } => Error::ConnectionTerminated,
        Refusal::Protocol { .. } => Error::HttpProtocolError,
        Refusal::TooLarge { .. } => Error::HttpResponseHeaderSectionSize(None),
        other => Error::InternalError(Some(other.to_string())),
    }
}

/// A request counts as open from its start until its response is read to the end or dropped.
struct Open {
    traffic: Arc<Traffic>,
    sending: Option<Sending>,
}

impl Open {
    fn new(traffic: &Arc<Traffic>, limit: usize) -> Option<Self> {
        let open = Self {
            traffic: traffic.clone(),
            sending: None,
        };
        (traffic.open.fetch_add(1, Ordering::Relaxed) < limit).then_some(open)
    }
}

impl Open {
    /// The response did not come to its end.
    fn broken(&mut self, why: &'static str) {
        if let Some(sending) = &mut self.sending {
            sending.broken(why);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.traffic.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose bytes are counted and limited.
struct Metered<B> {
    body: B,
    traffic: Arc<Traffic>,
    limit: u64,
    upload: bool,
    open: Option<Open>,
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Metered<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        let Some(Ok(content)) = &frame else {
            if let (Some(Err(_)), Some(open)) = (&frame, &mut this.open) {
                open.broken("closed");
            }
            this.open = None;
            return Poll::Ready(frame);
        };
        let bytes = content.data_ref().map_or(0, |data| data.len() as u64);
        let counter = if this.upload {
            &this.traffic.bytes_out
        } else {
            &this.traffic.bytes_in
        };
        if counter.fetch_add(bytes, Ordering::Relaxed) + bytes > this.limit {
            if let Some(open) = &mut this.open {
                open.broken("too-large");
            }
            this.open = None;
            let limit = Some(this.limit);
            let error = if this.upload {
                Error::HttpRequestBodySize(limit)
            } else {
                Error::HttpResponseBodySize(limit)
            };
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use connectors::http::Grant;

    use super::*;

    #[test]
    fn advice_names_the_grant_to_give() {
        let declared =
            Grants::new([Grant::parse("servicenow", "https://dev1.service-now.com/").unwrap()]);
        let mut access = HttpAccess {
            egress: Egress {
                tenant: 1,
                pack: "sn".into(),
                grants: Grants::none(),
                tls: None,
            },
            declared,
            named_by: HashMap::new(),
            without_host: Arc::default(),
            timeouts: Timeouts::default(),
        };
        let advise = |access: &HttpAccess, uri: &'static str| {
            advice(
                access,
                "sn",
                &http::Method::GET,
                &http::Uri::from_static(uri),
            )
        };
        assert!(
            advise(&access, "https://dev1.service-now.com/x")
                .contains("`pfctl syncpack activate sn --add --grant servicenow`")
        );
        assert!(
            advise(&access, "http://dev1.service-now.com/x")
                .contains("the manifest of `sn` does not declare it")
        );
        assert!(advise(&access, "https://example.com/").contains("does not declare"));
        access.named_by.insert("servicenow".into(), "prod".into());
        assert!(
            advise(&access, "https://dev1.service-now.com/x")
                .contains("`pfctl syncpack activate sn --add --grant servicenow=prod`")
        );
        // Without its configuration object, the run cannot know where the grant leads.
        access.declared = Grants::none();
        access.without_host = [("servicenow".into(), "sn_url".into())].into();
        let told = advise(&access, "https://dev1.service-now.com/x");
        assert!(
            told.contains("`servicenow` to the host in `sn_url`") && told.contains("--config"),
            "{told}"
        );
    }

    #[test]
    fn a_step_can_only_shorten_timeouts() {
        let wanted = RequestOptions {
            connect_timeout: Some(Duration::from_secs(1)),
            first_byte_timeout: Some(Duration::from_hours(1)),
            between_bytes_timeout: None,
        };
        let limits = Timeouts::default();
        let result = shorter(limits, Some(wanted));
        assert_eq!(result.connect, Duration::from_secs(1));
        assert_eq!(result.first_byte, limits.first_byte);
        assert_eq!(result.between_bytes, limits.between_bytes);
    }

    #[test]
    fn open_requests_are_counted_until_they_end() {
        let traffic = Arc::new(Traffic::default());
        let first = Open::new(&traffic, 2);
        let second = Open::new(&traffic, 2);
        assert!(first.is_some() && second.is_some() && Open::new(&traffic, 2).is_none());
        drop(first);
        assert!(Open::new(&traffic, 2).is_some());
        drop(second);
        assert_eq!(traffic.open.load(Ordering::Relaxed), 0);
    }
}
