//! The place of something in a trace, as W3C Trace Context hands it on: between callers and
//! the service, between its processes, and to the systems that steps speak with.
//!
//! A run's span is open across processes and restarts, so that nobody can hold it: its id, and
//! those of its steps' attempts, follow from the run's name. Whoever needs one makes it.

use std::{fmt, num::NonZeroU64, num::NonZeroU128, sync::Arc};

use crate::id::{Ordinal, RunRef, Token};

/// The most bytes of vendors' state that are handed on. W3C: at least 512 should be.
const MAX_STATE: usize = 512;
/// The bytes of [`Context::to_bytes`] before the vendors' state.
const FIXED: usize = 16 + 8 + 1;
const SAMPLED: u8 = 1;
/// Set where the trace's id is random; handed on as it came.
const RANDOM: u8 = 2;

/// The name of a trace: 128 bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// The name of a span in its trace: 64 bits, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// `None` for zero, which names nothing.
    pub fn new(bits: u128) -> Option<Self> {
        NonZeroU128::new(bits).map(Self)
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        self.0.get()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl SpanId {
    /// `None` for zero, which names nothing.
    pub fn new(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0.get()
    }

    /// The span of a run.
    pub fn of_run(run: RunRef) -> Self {
        Self::mixed(run.uuid().as_u128() as u64, 0)
    }

    /// The span of an attempt of one of its steps.
    pub fn of_attempt(run: RunRef, step: Ordinal, token: Token) -> Self {
        Self::of_run(run)
            .below(u64::from(step.0) + 1)
            .below(token.0 as u64)
    }

    /// A span below this one. Other numbers have other names.
    pub fn below(self, number: u64) -> Self {
        Self::mixed(self.bits(), number.wrapping_add(1))
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014), which scatters neighbours.
    fn mixed(seed: u64, number: u64) -> Self {
        let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MAX))
    }
}

/// A span in its trace, and whether it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    flags: u8,
    /// What vendors have added to the trace: the header `tracestate`.
    state: Option<Arc<str>>,
}

impl Context {
    /// The first span of a trace of our own.
    pub const fn root(trace: TraceId, span: SpanId, sampled: bool) -> Self {
        Self {
            trace,
            span,
            flags: RANDOM | sampled as u8,
            state: None,
        }
    }

    /// Reads the headers `traceparent` and `tracestate`. `None` where the first is not one;
    /// a second that is not one, or too long, is left out.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let version = hexadecimal(parent.get(..2)?)? as u8;
        // Later versions may add fields behind those of the first.
        let known = match parent.len() {
            55 => version != 0xff,
            56.. => version > 0 && version != 0xff && parent.as_bytes()[55] == b'-',
            _ => false,
        };
        let dashes = [2, 35, 52].map(|at| parent.as_bytes().get(at) == Some(&b'-'));
        if !known || dashes != [true; 3] {
            return None;
        }
        let flags = hexadecimal(parent.get(53..55)?)? as u8;
        Some(Self {
            trace: TraceId::new(hexadecimal(parent.get(3..35)?)?)?,
            span: SpanId::new(hexadecimal(parent.get(36..52)?)? as u64)?,
            flags: flags & (SAMPLED | RANDOM),
            state: state.and_then(readable),
        })
    }

    /// Another span of the same trace.
    pub fn at(&self, span: SpanId) -> Self {
        Self {
            span,
            ..self.clone()
        }
    }

    /// Whether its spans are recorded.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header `traceparent`: 55 characters.
    pub fn parent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The header `tracestate`, if it is to be sent.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// As the store keeps it: the trace, the span, the flags, the vendors' state.
    pub fn to_bytes(&self) -> Vec<u8> {
        let state = self.state().unwrap_or_default();
        let mut bytes = Vec::with_capacity(FIXED + state.len());
        bytes.extend(self.trace.bits().to_be_bytes());
        bytes.extend(self.span.bits().to_be_bytes());
        bytes.push(self.flags);
        bytes.extend(state.as_bytes());
        bytes
    }

    /// What [`Context::to_bytes`] made. `None` for anything else: a trace is no reason to
    /// refuse a run.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (trace, rest) = bytes.split_first_chunk::<16>()?;
        let (span, rest) = rest.split_first_chunk::<8>()?;
        let (&flags, state) = rest.split_first()?;
        Some(Self {
            trace: TraceId::new(u128::from_be_bytes(*trace))?,
            span: SpanId::new(u64::from_be_bytes(*span))?,
            flags,
            state: std::str::from_utf8(state).ok().and_then(readable),
        })
    }
}

/// Lower case only, as W3C has it.
fn hexadecimal(text: &str) -> Option<u128> {
    let proper = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let all = text.bytes().all(proper);
    all.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn readable(state: &str) -> Option<Arc<str>> {
    let state = state.trim();
    let fits = (1..=MAX_STATE).contains(&state.len())
        && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && state.contains('=');
    fits.then(|| state.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    /// From the recommendation.
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn headers_come_out_as_they_went_in() {
        let context = Context::parse(PARENT, Some("congo=t61rcWkgMzE")).unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.parent(), PARENT);
        assert_eq!(context.state(), Some("congo=t61rcWkgMzE"));
        let kept = Context::from_bytes(&context.to_bytes());
        assert_eq!(kept, Some(context));
        let off = PARENT.replace("-01", "-00");
        assert!(!Context::parse(&off, None).unwrap().is_sampled());
    }

    #[test]
    fn what_is_no_traceparent_is_left_out() {
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Context::parse(wrong, None), None, "{wrong}");
        }
        let later = PARENT.replacen("00", "01", 1) + "-more";
        assert_eq!(Context::parse(&later, None).unwrap().parent(), PARENT);
        for wrong in ["", "a\nb=c", "none", &"a=b,".repeat(200)] {
            let context = Context::parse(PARENT, Some(wrong)).unwrap();
            assert_eq!(context.state(), None, "{wrong}");
        }
        assert_eq!(Context::from_bytes(b"short"), None);
    }

    #[test]
    fn the_spans_of_a_run_follow_from_its_name_and_differ() {
        let name = |random| RunRef::new(Timestamp::from_seconds(1_800_000_000), random);
        let mut seen = std::collections::HashSet::new();
        for run in [name(1 << 30), name(1 << 31)] {
            assert!(seen.insert(SpanId::of_run(run)));
            for step in 0..50 {
                for token in 1..5 {
                    let span = SpanId::of_attempt(run, Ordinal(step), Token(token));
                    assert_eq!(span, SpanId::of_attempt(run, Ordinal(step), Token(token)));
                    assert!(seen.insert(span), "{step} {token}");
                    for request in 0..5 {
                        assert!(seen.insert(span.below(request)), "{step} {token} {request}");
                    }
                }
            }
        }
    }
}
