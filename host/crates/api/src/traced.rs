//! The spans of requests to the API: in the trace that the caller names, or the first of one.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, Method, StatusCode},
    response::Response,
};
use model::clock::Timestamp;
use trace::{Context, Kind, Span, SpanId};

use crate::{problem::Problem, state::Shared};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// What is asked every few seconds, by programs that watch, and would bury the rest.
const WATCHED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The place of a request in a trace, where handlers find it.
#[derive(Clone)]
pub(crate) struct Place(pub(crate) Context);

/// A request whose trace is kept.
pub(crate) struct Traced {
    context: Context,
    caller: Option<SpanId>,
    method: &'static str,
    route: Option<String>,
    start: Timestamp,
}

impl Traced {
    /// Begins the span of a request; `None` where nobody wants to know. The request learns
    /// its place.
    pub(crate) fn begin(api: &Shared, request: &mut Request) -> Option<Self> {
        let tracer = api.engine.tracer();
        if !tracer.is_on()
            || WATCHED
                .iter()
                .any(|end| request.uri().path().ends_with(end))
        {
            return None;
        }
        let caller = caller(request.headers());
        let context = tracer.begin(caller.as_ref())?;
        request.extensions_mut().insert(Place(context.clone()));
        let route = request.extensions().get::<MatchedPath>();
        Some(Self {
            context,
            caller: caller.map(|caller| caller.span),
            method: word(request.method()),
            route: route.map(|route| route.as_str().to_owned()),
            start: api.engine.now(),
        })
    }

    /// The trace, for lines of the log.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// The request was answered.
    pub(crate) fn end(self, api: &Shared, response: &Response) {
        let name = match &self.route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method.to_owned(),
        };
        let status = response.status();
        let mut span = Span::new(name, Kind::Server, self.context, self.caller, self.start)
            .with("http.request.method", self.method)
            .with("http.response.status_code", i64::from(status.as_u16()));
        if let Some(route) = self.route {
            span = span.with("http.route", route);
        }
        span.remote = span.parent.is_some();
        span.error = failure(response, status);
        span.end = api.engine.now();
        api.engine.tracer().end(span);
    }
}

/// By the conventions, a refusal is the caller's error and none of the server's.
fn failure(response: &Response, status: StatusCode) -> Option<std::borrow::Cow<'static, str>> {
    if !status.is_server_error() {
        return None;
    }
    let code = response.extensions().get::<Problem>().map(Problem::code);
    Some(code.map_or_else(|| status.as_str().to_owned().into(), Into::into))
}

/// The place that the caller names. More than one is none.
fn caller(headers: &HeaderMap) -> Option<Context> {
    let mut parents = headers.get_all(PARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let states: Vec<&str> = headers
        .get_all(STATE)
        .iter()
        .filter_map(|state| state.to_str().ok())
        .collect();
    Context::parse(parent.to_str().ok()?.trim(), Some(&states.join(",")))
}

fn word(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_callers_place_is_read_whole_or_not_at_all() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = |parents: &[&'static str], states: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for parent in parents {
                headers.append(PARENT, HeaderValue::from_static(parent));
            }
            for state in states {
                headers.append(STATE, HeaderValue::from_static(state));
            }
            caller(&headers)
        };
        let context = read(&[GOOD], &["a=1", "b=2"]).unwrap();
        assert_eq!(
            (&*context.parent(), context.state()),
            (GOOD, Some("a=1,b=2"))
        );
        assert_eq!(read(&[GOOD], &[]).unwrap().state(), None);
        assert!(read(&[GOOD, GOOD], &[]).is_none());
        assert!(read(&["nonsense"], &["a=1"]).is_none());
        assert!(read(&[], &["a=1"]).is_none());
    }
}
