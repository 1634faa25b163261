//! What happens to each API request before its handler: count, authentication, latency, faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::control::{Control, Settings};

/// How many requests are remembered with what they said about their trace.
const REMEMBERED: usize = 100;

/// Kinds of requests that are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    List,
    Get,
    Create,
    Update,
}

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unauthorised,
    Injected,
}

/// The gate of one simulator.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) control: Control,
    /// The one `authorization` value that is let in.
    expected: String,
    list: AtomicU64,
    get: AtomicU64,
    create: AtomicU64,
    update: AtomicU64,
    unauthorised: AtomicU64,
    injected: AtomicU64,
    conflicts: AtomicU64,
    /// Where the last requests said that they belong in a trace.
    traces: Mutex<VecDeque<Value>>,
}

impl Gate {
    pub(crate) fn new(settings: &Settings) -> Self {
        let credentials = format!("{}:{}", settings.user, settings.password);
        Self {
            control: Control::new(settings),
            expected: format!("Basic {}", BASE64_STANDARD.encode(credentials)),
            list: AtomicU64::new(0),
            get: AtomicU64::new(0),
            create: AtomicU64::new(0),
            update: AtomicU64::new(0),
            unauthorised: AtomicU64::new(0),
            injected: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            traces: Mutex::default(),
        }
    }

    pub(crate) async fn admit(&self, kind: Kind, headers: &HeaderMap) -> Result<(), Refusal> {
        let counter = match kind {
            Kind::List => &self.list,
            Kind::Get => &self.get,
            Kind::Create => &self.create,
            Kind::Update => &self.update,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.note_trace(headers);
        self.control.delay().await;
        let given = headers.get(header::AUTHORIZATION);
        if given.is_none_or(|given| given.as_bytes() != self.expected.as_bytes()) {
            self.unauthorised.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::Unauthorised);
        }
        if self.control.fails() {
            self.injected.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::Injected);
        }
        Ok(())
    }

    fn note_trace(&self, headers: &HeaderMap) {
        let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let trace = json!({"traceparent": said("traceparent"), "tracestate": said("tracestate")});
        let mut traces = self.traces.lock();
        if traces.len() == REMEMBERED {
            traces.pop_front();
        }
        traces.push_back(trace);
    }

    /// Where the last requests said that they belong in a trace, the oldest first.
    pub(crate) fn traces(&self) -> Vec<Value> {
        self.traces.lock().iter().cloned().collect()
    }

    pub(crate) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by kind; those that were refused are among them and counted again by reason.
    pub(crate) fn requests(&self) -> BTreeMap<&'static str, u64> {
        let kinds = [
            ("list", &self.list),
            ("get", &self.get),
            ("create", &self.create),
            ("update", &self.update),
        ];
        let reasons = [
            ("unauthorised", &self.unauthorised),
            ("injected_errors", &self.injected),
            ("conflicts", &self.conflicts),
        ];
        let total = kinds
            .iter()
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum();
        let mut counts: BTreeMap<_, _> = kinds
            .into_iter()
            .chain(reasons)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .collect();
        counts.insert("total", total);
        counts
    }

    pub(crate) fn reset(&self) {
        self.traces.lock().clear();
        for counter in [
            &self.list,
            &self.get,
            &self.create,
            &self.update,
            &self.unauthorised,
            &self.injected,
            &self.conflicts,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
