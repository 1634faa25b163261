//! The spans of requests that steps send, and the headers by which the far side joins the trace.

use std::sync::Arc;

use connectors::http::{Error as Refusal, Phase};
use http::{HeaderName, HeaderValue, Request, header::Entry};
use model::clock::Clock;
use trace::{Context, Kind, Span, Tracer};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// What an execution tells of its requests.
pub(crate) struct Outbound {
    tracer: Tracer,
    clock: Arc<dyn Clock>,
    step: Context,
    sent: u64,
}

impl Outbound {
    /// `None` where nobody wants to know.
    pub(crate) fn new(
        tracer: &Tracer,
        clock: &Arc<dyn Clock>,
        step: Option<&Context>,
    ) -> Option<Self> {
        Some(Self {
            step: tracer.known(step)?,
            tracer: tracer.clone(),
            clock: clock.clone(),
            sent: 0,
        })
    }

    /// Begins the span of a request and tells the far side, unless the step has told it
    /// something itself. Of the address only the origin is kept: paths and queries may hold
    /// what nobody else is to know.
    pub(crate) fn begin<B>(&mut self, request: &mut Request<B>) -> Sending {
        self.sent += 1;
        let context = self.step.at(self.step.span.below(self.sent));
        if self.tracer.propagates() {
            tell(request, &context);
        }
        let method = known_method(request.method());
        let uri = request.uri();
        let https = uri.scheme_str() != Some("http");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let parent = Some(self.step.span);
        let span = Span::new(method, Kind::Client, context, parent, self.clock.now())
            .with("http.request.method", method)
            .with("server.address", uri.host().unwrap_or_default().to_owned())
            .with("server.port", i64::from(port))
            .with("url.scheme", if https { "https" } else { "http" });
        Sending {
            tracer: self.tracer.clone(),
            clock: self.clock.clone(),
            span: Some(Box::new(span)),
        }
    }
}

fn tell<B>(request: &mut Request<B>, context: &Context) {
    let headers = request.headers_mut();
    let Ok(parent) = HeaderValue::from_str(&context.parent()) else {
        return;
    };
    let Entry::Vacant(vacant) = headers.entry(PARENT) else {
        return;
    };
    vacant.insert(parent);
    // The state belongs to the parent beside it.
    headers.remove(STATE);
    if let Some(state) = context.state()
        && let Ok(state) = HeaderValue::from_str(state)
    {
        headers.insert(STATE, state);
    }
}

/// The conventions' word for other methods: theirs are the step's to choose.
fn known_method(method: &http::Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("_OTHER")
}

/// A request under way. Its span ends when the response has been read, or given up.
pub(crate) struct Sending {
    tracer: Tracer,
    clock: Arc<dyn Clock>,
    span: Option<Box<Span>>,
}

impl Sending {
    /// The head of the response is there.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        let Some(span) = &mut self.span else { return };
        let attribute = (
            "http.response.status_code",
            i64::from(status.as_u16()).into(),
        );
        span.attributes.push(attribute);
        if status.is_client_error() || status.is_server_error() {
            span.error = Some(status.as_str().to_owned().into());
        }
    }

    /// There is no response.
    pub(crate) fn failed(&mut self, refusal: &Refusal) {
        self.broken(word(refusal));
    }

    /// The response did not come to its end.
    pub(crate) fn broken(&mut self, why: &'static str) {
        if let Some(span) = &mut self.span {
            span.error = Some(why.into());
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.end = self.clock.now();
            self.tracer.end(*span);
        }
    }
}

fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Denied { .. }
        | Refusal::PrivateAddress { .. }
        | Refusal::ForbiddenAddress { .. } => "not-granted",
        Refusal::Dns { .. } => "dns",
        Refusal::Connect { .. } => "connect",
        Refusal::Tls { .. } => "tls",
        Refusal::Timeout { phase, .. } => match phase {
            Phase::Resolve => "timeout-dns",
            Phase::Connect => "timeout-connect",
            Phase::FirstByte => "timeout-first-byte",
            Phase::BetweenBytes => "timeout-between-bytes",
        },
        Refusal::Busy { .. } => "busy",
        Refusal::Closed { .. } => "closed",
        Refusal::Protocol { .. } => "protocol",
        Refusal::TooLarge { .. } => "too-large",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use model::clock::Timestamp;
    use trace::{Settings, Sink};

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Span>>>);

    impl Sink for Kept {
        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn outbound(propagate: bool) -> (Outbound, Kept) {
        let kept = Kept::default();
        let settings = Settings {
            sampling: 1.0,
            propagate,
        };
        let tracer = Tracer::new(kept.clone(), settings);
        let step = Context::parse(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some("a=1"),
        );
        let clock: Arc<dyn Clock> = Arc::new(Noon);
        let outbound = Outbound::new(&tracer, &clock, step.as_ref()).unwrap();
        (outbound, kept)
    }

    fn request(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[test]
    fn the_far_side_is_told_the_span_of_its_request() {
        let (mut outbound, kept) = outbound(true);
        let mut request = request("https://h.example/secret-path?token=secret");
        let mut sending = outbound.begin(&mut request);
        sending.answered(http::StatusCode::NOT_FOUND);
        drop(sending);
        let spans = kept.0.lock().unwrap();
        let [span] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(request.headers()[PARENT], *span.context.parent());
        assert_eq!(request.headers()[STATE], "a=1");
        assert_eq!(span.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_eq!(span.error.as_deref(), Some("404"));
        assert!(!format!("{span:?}").contains("secret"));
    }

    #[test]
    fn what_the_step_says_itself_stays() {
        let (mut outbound, _) = outbound(true);
        let mut own = request("http://h.example/");
        own.headers_mut()
            .insert(PARENT, HeaderValue::from_static("mine"));
        outbound.begin(&mut own);
        assert_eq!(own.headers()[PARENT], "mine");
        assert!(!own.headers().contains_key(STATE));
    }

    #[test]
    fn nothing_is_told_where_that_is_switched_off() {
        let (mut outbound, kept) = outbound(false);
        let mut request = request("http://h.example/");
        outbound.begin(&mut request);
        assert!(request.headers().is_empty());
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn without_a_trace_there_is_nothing() {
        let clock: Arc<dyn Clock> = Arc::new(Noon);
        let step = Context::parse(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            None,
        );
        assert!(Outbound::new(&Tracer::off(), &clock, step.as_ref()).is_none());
        let on = Tracer::new(
            Kept::default(),
            Settings {
                sampling: 1.0,
                propagate: true,
            },
        );
        assert!(Outbound::new(&on, &clock, None).is_none());
    }
}
