//! Spans as OpenTelemetry has them.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::clock::Timestamp;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use trace::{Context, Kind, Span, Value};

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("powerflow")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
});

/// The same span.
pub(super) fn span(span: Span) -> SpanData {
    let mut attributes: Vec<KeyValue> = span
        .attributes
        .into_iter()
        .map(|(name, value)| match value {
            Value::Text(text) => KeyValue::new(name, text),
            Value::Number(number) => KeyValue::new(name, number),
        })
        .collect();
    let status = match span.error {
        Some(code) => {
            attributes.push(KeyValue::new("error.type", code));
            Status::error("")
        }
        None => Status::Unset,
    };
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .into_iter()
        .map(|(name, at)| Event::new(name, time(at), Vec::new(), 0))
        .collect();
    SpanData {
        span_context: context(&span.context),
        parent_span_id: span
            .parent
            .map_or(SpanId::INVALID, |parent| SpanId::from(parent.bits())),
        parent_span_is_remote: span.remote,
        span_kind: match span.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        },
        name: span.name,
        start_time: time(span.start),
        end_time: time(span.end.max(span.start)),
        attributes,
        dropped_attributes_count: 0,
        events,
        links: SpanLinks::default(),
        status,
        instrumentation_scope: SCOPE.clone(),
    }
}

fn context(context: &Context) -> SpanContext {
    let state: Option<TraceState> = context.state().and_then(|state| state.parse().ok());
    SpanContext::new(
        TraceId::from(context.trace.bits()),
        SpanId::from(context.span.bits()),
        TraceFlags::SAMPLED,
        false,
        state.unwrap_or_default(),
    )
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at.0).unwrap_or_default())
}
