//! Spans: what the service tells about its own work, for whoever collects traces.
//!
//! The crates that do the work make a [`Span`] when something has ended and give it to their
//! [`Tracer`]; where it goes is the program's affair, behind [`Sink`]. Nothing is made where no
//! [`Context`] is: a tracer that is off hands out none, so that all of it costs a comparison.
//!
//! A span carries names that people gave (of applications, steps, queues, hosts) and codes,
//! never a value that a run works with: no payload, parameter, message, path or query.

use std::{borrow::Cow, sync::Arc};

use model::clock::Timestamp;
pub use model::trace::{Context, SpanId, TraceId};

/// What a span stands for in the exchange between systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work of our own.
    Internal,
    /// A request that was answered.
    Server,
    /// A request that was sent.
    Client,
    /// Work that was handed on to a queue.
    Producer,
    /// Work that was taken from a queue.
    Consumer,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Something that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is, of few different values: backends count by it.
    pub name: Cow<'static, str>,
    /// What it stands for.
    pub kind: Kind,
    /// Its place.
    pub context: Context,
    /// The span that it belongs to.
    pub parent: Option<SpanId>,
    /// Whether that one was made by another system.
    pub remote: bool,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What else is known, by OpenTelemetry's semantic conventions where they have a name.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened in between.
    pub events: Vec<(&'static str, Timestamp)>,
    /// Why it failed, as a code: `error.type`.
    pub error: Option<Cow<'static, str>>,
}

impl Span {
    /// A span that has not ended, without attributes.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        context: Context,
        parent: Option<SpanId>,
        start: Timestamp,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            context,
            parent,
            remote: false,
            start,
            end: start,
            attributes: Vec::new(),
            events: Vec::new(),
            error: None,
        }
    }

    /// Adds an attribute.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

/// Takes spans to where they are collected.
pub trait Sink: Send + Sync + 'static {
    /// Takes a span. Never waits: what cannot be taken is dropped and counted.
    fn take(&self, span: Span);
}

/// How a tracer behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The share of traces begun here that are recorded, from 0 to 1. Those that a caller
    /// has begun are recorded where the caller says so.
    pub sampling: f64,
    /// Whether the systems that steps speak with are told the trace.
    pub propagate: bool,
}

struct Inner {
    sink: Box<dyn Sink>,
    settings: Settings,
}

/// Makes traces, or does nothing. Clones are the same one.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

impl Tracer {
    /// One that does nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// One that gives what is recorded to the sink.
    pub fn new(sink: impl Sink, settings: Settings) -> Self {
        let sink = Box::new(sink);
        Self(Some(Arc::new(Inner { sink, settings })))
    }

    /// Whether it does anything.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the systems that steps speak with are told the trace.
    pub fn propagates(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.settings.propagate)
    }

    /// What was handed over with a run or a call; `None` when this tracer is off.
    pub fn known(&self, context: Option<&Context>) -> Option<Context> {
        self.0.as_ref().and(context.cloned())
    }

    /// A place for something that begins here: in the caller's trace, or the first of one.
    /// `None` when this tracer is off.
    pub fn begin(&self, caller: Option<&Context>) -> Option<Context> {
        let inner = self.0.as_ref()?;
        let mut random = [0; 24];
        // Without randomness there is no trace; the request goes on.
        getrandom::fill(&mut random).ok()?;
        let (span, trace) = random.split_first_chunk::<8>()?;
        let span = SpanId::new(u64::from_le_bytes(*span))?;
        if let Some(caller) = caller {
            return Some(caller.at(span));
        }
        let (trace, _) = trace.split_first_chunk::<16>()?;
        let trace = TraceId::new(u128::from_le_bytes(*trace))?;
        Some(Context::root(
            trace,
            span,
            is_chosen(trace, inner.settings.sampling),
        ))
    }

    /// Gives a span to whoever collects them, if its trace is recorded.
    pub fn end(&self, span: Span) {
        if let Some(inner) = &self.0
            && span.context.is_sampled()
        {
            inner.sink.take(span);
        }
    }
}

/// By the trace's last 56 bits, as other systems choose, so that a trace is whole.
fn is_chosen(trace: TraceId, share: f64) -> bool {
    const BITS: u32 = 56;
    let drawn = (trace.bits() & ((1 << BITS) - 1)) as f64;
    drawn < share * 2_f64.powi(BITS as i32)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Span>>>);

    impl Sink for Kept {
        fn take(&self, span: Span) {
            if let Ok(mut kept) = self.0.lock() {
                kept.push(span);
            }
        }
    }

    fn settings(sampling: f64) -> Settings {
        Settings {
            sampling,
            propagate: true,
        }
    }

    fn caller(flags: &str) -> Option<Context> {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        Context::parse(&parent, None)
    }

    #[test]
    fn one_that_is_off_hands_out_nothing() {
        let off = Tracer::off();
        assert_eq!(off.begin(None), None);
        assert_eq!(off.begin(caller("01").as_ref()), None);
        assert_eq!(off.known(caller("01").as_ref()), None);
        assert!(!off.propagates());
    }

    #[test]
    fn the_caller_decides_on_its_trace_and_the_share_on_ours() {
        let kept = Kept::default();
        let none = Tracer::new(kept.clone(), settings(0.0));
        for (context, recorded) in [
            (none.begin(caller("01").as_ref()), true),
            (none.begin(caller("00").as_ref()), false),
            (none.begin(None), false),
            (Tracer::new(kept.clone(), settings(1.0)).begin(None), true),
        ] {
            let context = context.expect("it is on");
            assert_eq!(context.is_sampled(), recorded);
            kept.0.lock().expect("no panic").clear();
            none.end(Span::new("x", Kind::Internal, context, None, Timestamp(0)));
            assert_eq!(
                kept.0.lock().expect("no panic").len(),
                usize::from(recorded)
            );
        }
        let caller = caller("01").expect("it is one");
        let ours = none.begin(Some(&caller)).expect("it is on");
        assert_eq!(ours.trace, caller.trace);
        assert_ne!(ours.span, caller.span);
    }

    #[test]
    fn a_share_is_a_share() {
        let chosen = |share| {
            let seed = SpanId::new(1).expect("it is not zero");
            let scattered = (0..4000).map(|number| seed.below(number).bits());
            scattered
                .filter_map(|bits| TraceId::new(u128::from(bits)))
                .filter(|&trace| is_chosen(trace, share))
                .count()
        };
        assert_eq!((chosen(0.0), chosen(1.0)), (0, 4000));
        // Six standard deviations are 164.
        assert!((836..=1164).contains(&chosen(0.25)));
    }
}
