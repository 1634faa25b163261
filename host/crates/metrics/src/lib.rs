//! What the service counts and measures of itself, as Prometheus reads it.
//!
//! Every crate counts through [`get`]; counting is an atomic addition, whether anybody
//! reads or not. What can be looked up when somebody reads (how full queues are) is set
//! just then. Names follow the conventions of Prometheus: units in the name, totals for
//! counters. Nothing here carries the name of an application, a step or a tenant: their
//! number is the user's to choose, and would be Prometheus's to store.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The content type of what [`Metrics::text`] answers.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    state: &'static str,
}

/// A request's method and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    status: u16,
}

/// What became of a span.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sent {
    outcome: &'static str,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: String,
}

/// What is counted and measured.
pub struct Metrics {
    registry: Registry,
    /// Runs that were accepted.
    pub runs_accepted: Counter,
    runs_ended: Family<Ended, Counter>,
    steps_ended: Family<Ended, Counter>,
    step_seconds: Histogram,
    /// Steps that execute in this process.
    pub steps_running: Gauge,
    /// Steps that this process may execute at a time.
    pub slots: Gauge,
    /// How often this process lost its lease and stopped what it executed.
    pub leases_lost: Counter,
    /// Steps that were taken back from lost workers.
    pub steps_reclaimed: Counter,
    /// Ready steps that were put on the queue again because it had lost them.
    pub steps_requeued: Counter,
    /// Whether this process leads.
    pub leads: Gauge,
    queue_waiting: Family<Queue, Gauge>,
    queue_delivered: Family<Queue, Gauge>,
    queue_runs: Family<Queue, Gauge>,
    /// Runs that were refused because too many had not ended.
    pub runs_refused: Counter,
    commit_items: Histogram,
    commit_seconds: Histogram,
    /// Component instances in use.
    pub instances: Gauge,
    /// Components ready to be instantiated.
    pub programs: Gauge,
    requests: Family<Answered, Counter>,
    request_seconds: Histogram,
    spans: Family<Sent, Counter>,
    occurrences: Family<Sent, Counter>,
}

/// The metrics of this process.
pub fn get() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

impl Metrics {
    fn new() -> Self {
        // From 100 µs to 1.7 minutes, and from 50 µs to 1.6 s.
        let long = || Histogram::new(exponential_buckets(0.000_1, 4.0, 11));
        let short = || Histogram::new(exponential_buckets(0.000_05, 2.0, 16));
        let mut metrics = Self {
            registry: Registry::with_prefix("powerflow"),
            runs_accepted: Counter::default(),
            runs_ended: Family::default(),
            steps_ended: Family::default(),
            step_seconds: long(),
            steps_running: Gauge::default(),
            slots: Gauge::default(),
            leases_lost: Counter::default(),
            steps_reclaimed: Counter::default(),
            steps_requeued: Counter::default(),
            leads: Gauge::default(),
            queue_waiting: Family::default(),
            queue_delivered: Family::default(),
            queue_runs: Family::default(),
            runs_refused: Counter::default(),
            commit_items: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commit_seconds: short(),
            instances: Gauge::default(),
            programs: Gauge::default(),
            requests: Family::default(),
            request_seconds: long(),
            spans: Family::default(),
            occurrences: Family::default(),
        };
        metrics.register();
        metrics
    }

    #[expect(clippy::too_many_lines, reason = "a list of what there is")]
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register(
            "runs_accepted",
            "Runs that were accepted",
            self.runs_accepted.clone(),
        );
        all.register(
            "runs_ended",
            "Runs that ended, as this process saw",
            self.runs_ended.clone(),
        );
        all.register(
            "steps_ended",
            "Attempts of steps that ended in this process",
            self.steps_ended.clone(),
        );
        all.register_with_unit(
            "step_duration",
            "How long attempts of steps took",
            Unit::Seconds,
            self.step_seconds.clone(),
        );
        all.register(
            "steps_running",
            "Steps that execute in this process",
            self.steps_running.clone(),
        );
        all.register(
            "slots",
            "Steps that this process may execute at a time",
            self.slots.clone(),
        );
        all.register(
            "leases_lost",
            "How often this process lost its lease",
            self.leases_lost.clone(),
        );
        all.register(
            "steps_reclaimed",
            "Steps taken back from lost workers",
            self.steps_reclaimed.clone(),
        );
        all.register(
            "steps_requeued",
            "Ready steps that the queue had lost",
            self.steps_requeued.clone(),
        );
        all.register("leader", "Whether this process leads", self.leads.clone());
        all.register(
            "queue_waiting",
            "Entries that wait",
            self.queue_waiting.clone(),
        );
        all.register(
            "queue_delivered",
            "Entries that are delivered and not acknowledged",
            self.queue_delivered.clone(),
        );
        all.register(
            "queue_runs",
            "Accepted runs on a queue that have not ended, as far as this process knows",
            self.queue_runs.clone(),
        );
        all.register(
            "runs_refused",
            "Runs refused because too many had not ended",
            self.runs_refused.clone(),
        );
        all.register(
            "store_commit_items",
            "Writes that shared a commit",
            self.commit_items.clone(),
        );
        all.register_with_unit(
            "store_commit_duration",
            "How long commits took",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        all.register(
            "sandbox_instances",
            "Component instances in use",
            self.instances.clone(),
        );
        all.register(
            "sandbox_programs",
            "Components ready to be instantiated",
            self.programs.clone(),
        );
        all.register(
            "http_requests",
            "Requests to the API",
            self.requests.clone(),
        );
        all.register_with_unit(
            "http_request_duration",
            "How long requests to the API took",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        all.register(
            "spans",
            "Spans of traces that were sent to the collector, or dropped",
            self.spans.clone(),
        );
        all.register(
            "schedule_occurrences",
            "Occurrences of schedules that this process decided on, by what became of them",
            self.occurrences.clone(),
        );
    }

    /// A run ended.
    pub fn run_ended(&self, state: &'static str) {
        self.runs_ended.get_or_create(&Ended { state }).inc();
    }

    /// An attempt of a step ended.
    pub fn step_ended(&self, state: &'static str, took: Duration) {
        self.steps_ended.get_or_create(&Ended { state }).inc();
        self.step_seconds.observe(took.as_secs_f64());
    }

    /// So many writes were committed together.
    pub fn committed(&self, items: usize, took: Duration) {
        self.commit_items.observe(items as f64);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// A request was answered. A method that is none of HTTP's own is `other`.
    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let known = METHODS.into_iter().find(|known| *known == method);
        let method = known.unwrap_or("other");
        self.requests
            .get_or_create(&Answered { method, status })
            .inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// An occurrence of a schedule was decided on.
    pub fn occurrence(&self, outcome: &'static str) {
        self.occurrences.get_or_create(&Sent { outcome }).inc();
    }

    /// So many spans were sent to the collector.
    pub fn spans_exported(&self, number: usize) {
        let sent = Sent {
            outcome: "exported",
        };
        self.spans.get_or_create(&sent).inc_by(number as u64);
    }

    /// So many spans were dropped: too many waited, or the collector did not take them.
    pub fn spans_dropped(&self, number: usize) {
        let sent = Sent { outcome: "dropped" };
        self.spans.get_or_create(&sent).inc_by(number as u64);
    }

    /// How full the queues are now: name, entries that wait, entries that are delivered.
    pub fn set_queues(&self, depths: impl IntoIterator<Item = (String, u64, u64)>) {
        self.queue_waiting.clear();
        self.queue_delivered.clear();
        for (queue, waiting, delivered) in depths {
            let queue = Queue { queue };
            let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
            self.queue_waiting
                .get_or_create(&queue)
                .set(number(waiting));
            self.queue_delivered
                .get_or_create(&queue)
                .set(number(delivered));
        }
    }

    /// How many accepted runs on each queue have not ended.
    pub fn set_backlog(&self, queues: impl IntoIterator<Item = (String, u64)>) {
        self.queue_runs.clear();
        for (queue, runs) in queues {
            let runs = i64::try_from(runs).unwrap_or(i64::MAX);
            self.queue_runs.get_or_create(&Queue { queue }).set(runs);
        }
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::new();
        metrics.runs_accepted.inc();
        metrics.run_ended("success");
        metrics.step_ended("failed", Duration::from_millis(3));
        metrics.committed(7, Duration::from_micros(90));
        metrics.answered("BREW", 405, Duration::from_micros(80));
        metrics.spans_exported(5);
        metrics.spans_dropped(2);
        metrics.occurrence("started");
        metrics.set_queues([("default".to_owned(), 3, 1)]);
        let text = metrics.text();
        for line in [
            "powerflow_runs_accepted_total 1",
            "powerflow_runs_ended_total{state=\"success\"} 1",
            "powerflow_steps_ended_total{state=\"failed\"} 1",
            "powerflow_step_duration_seconds_count 1",
            "powerflow_store_commit_items_sum 7.0",
            "powerflow_http_requests_total{method=\"other\",status=\"405\"} 1",
            "powerflow_spans_total{outcome=\"exported\"} 5",
            "powerflow_spans_total{outcome=\"dropped\"} 2",
            "powerflow_schedule_occurrences_total{outcome=\"started\"} 1",
            "powerflow_queue_waiting{queue=\"default\"} 3",
            "powerflow_queue_delivered{queue=\"default\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
        metrics.set_queues([]);
        assert!(!metrics.text().contains("queue=\"default\""));
    }
}
