//! A collector of OpenTelemetry: takes spans as OTLP over HTTP and keeps them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use super::support::until;

/// A span as it arrived, ids in hexadecimal.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: the first of its trace.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) state: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// What names the process that sent it.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) failed: bool,
}

impl Seen {
    /// An attribute; empty where there is none.
    pub(crate) fn is(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Kept {
    spans: Vec<Seen>,
    bodies: Vec<Bytes>,
    headers: Vec<HeaderMap>,
}

/// A running collector. It ends with the test.
pub(crate) struct Collector {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let state = kept.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let router = Router::new()
                    .route("/v1/traces", post(take))
                    .with_state(state);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, kept }
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.kept.lock().unwrap().spans.clone()
    }

    /// The spans of a trace.
    pub(crate) fn trace(&self, trace: &str) -> Vec<Seen> {
        let all = self.spans().into_iter();
        all.filter(|span| span.trace == trace).collect()
    }

    /// The spans of a trace, when so many runs of it have ended and what belongs to them is
    /// there.
    pub(crate) fn whole(&self, trace: &str, count: usize) -> Vec<Seen> {
        until(&format!("{count} spans of trace {trace}"), || {
            let spans = self.trace(trace);
            (spans.len() >= count).then_some(spans)
        })
    }

    /// What it was sent, as it was sent.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.kept.lock().unwrap().bodies.clone()
    }

    /// The headers of what it was sent.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.kept.lock().unwrap().headers.clone()
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut spans = Vec::new();
    for group in request.resource_spans {
        let resource = texts(&group.resource.unwrap_or_default().attributes);
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Seen {
                trace: hexadecimal(&span.trace_id),
                id: hexadecimal(&span.span_id),
                parent: hexadecimal(&span.parent_span_id),
                kind: span.kind(),
                failed: span.status.as_ref().is_some_and(|status| status.code == 2),
                name: span.name,
                state: span.trace_state,
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                attributes: texts(&span.attributes),
                resource: resource.clone(),
            });
        }
    }
    let mut kept = kept.lock().unwrap();
    kept.spans.extend(spans);
    kept.bodies.push(body);
    kept.headers.push(headers);
    StatusCode::OK
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("an attribute that nobody expects: {other:?}"),
    };
    attributes
        .iter()
        .filter_map(|one| Some((one.key.clone(), text(one)?)))
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A trace as people read it: each span below its parent, when it began and how long it took.
pub(crate) fn tree(spans: &[Seen]) -> String {
    let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let mut text = String::new();
    let roots = spans
        .iter()
        .filter(|span| !spans.iter().any(|other| other.id == span.parent));
    for root in roots {
        branch(spans, root, first, 0, &mut text);
    }
    text
}

fn branch(spans: &[Seen], span: &Seen, first: u64, depth: usize, text: &mut String) {
    let millis = |nanos: u64| nanos as f64 / 1e6;
    let indented = format!("{}{}", "  ".repeat(depth), span.name);
    writeln!(
        text,
        "{:7.1} {:7.1} ms  {indented:<66} {:?} {} {:?}",
        millis(span.start - first),
        millis(span.end - span.start),
        span.kind,
        span.id,
        span.attributes
    )
    .unwrap();
    let mut below: Vec<_> = spans.iter().filter(|one| one.parent == span.id).collect();
    below.sort_by_key(|one| one.start);
    for one in below {
        branch(spans, one, first, depth + 1, text);
    }
}
