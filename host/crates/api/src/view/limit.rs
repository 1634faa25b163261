//! Limits of steps.

use engine::{LimitView, PlaceView, WaitsForLimit};
use model::limits::{self, Kind};
use serde::Serialize;
use utoipa::ToSchema;

use super::{maybe_time, part, time};

/// A key that steps name as `task_concurrency` or `task_rate`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitSummary {
    /// The key, its references filled in.
    #[schema(example = "device 10.2.3.4")]
    key: String,
    /// `concurrency`: so many steps execute at a time; `rate`: so many start in a span of
    /// time.
    #[schema(example = "concurrency")]
    kind: &'static str,
    /// How many, by the step that asked last.
    #[schema(example = 2)]
    limit: u32,
    /// Of a rate: the span in seconds.
    #[schema(example = json!(null))]
    per: Option<f64>,
    /// Of a rate: how many may start at once.
    #[schema(example = json!(null))]
    burst: Option<u32>,
    /// How many steps hold a place; 0 of a rate.
    #[schema(example = 2)]
    held: u64,
    /// How many steps wait.
    #[schema(example = 17)]
    waiting: u64,
    /// Of a rate: from when on the next step may start; `null`: now.
    #[schema(format = DateTime, example = json!(null))]
    next_at: Option<String>,
    /// Where it is.
    #[schema(example = "/api/v1/limits/device%2010.2.3.4")]
    href: String,
}

impl LimitSummary {
    pub(crate) fn new(summary: store::limits::LimitSummary) -> Self {
        let (per, burst) = span(&summary.limit);
        Self {
            href: format!("/api/v1/limits/{}", part(&summary.key)),
            key: summary.key,
            kind: summary.limit.kind().word(),
            limit: summary.limit.most(),
            per,
            burst,
            held: summary.held,
            waiting: summary.waiting,
            next_at: maybe_time(summary.next),
        }
    }
}

fn span(limit: &limits::Limit) -> (Option<f64>, Option<u32>) {
    match limit {
        limits::Limit::Concurrency(_) => (None, None),
        limits::Limit::Rate(rate) => (Some(rate.per.as_secs_f64()), Some(rate.burst)),
    }
}

/// The limits of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsOfKey {
    /// The key.
    #[schema(example = "device 10.2.3.4")]
    key: String,
    /// How many execute at a time, if steps name the key so.
    concurrency: Option<LimitWithSteps>,
    /// How many start in a span of time, if steps name the key so.
    rate: Option<LimitWithSteps>,
}

/// A limit with those who hold it and those who wait.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitWithSteps {
    #[serde(flatten)]
    limit: LimitSummary,
    /// The first hundred that hold a place, the longest first; none of a rate.
    holders: Vec<StepAtLimit>,
    /// The first hundred that wait, the next first.
    line: Vec<StepAtLimit>,
}

/// A step that holds a limit or waits for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepAtLimit {
    /// Its run.
    #[schema(example = "isapp-019bbd3b-9e9b-7e6a-8a43-01d2c1a2b3c4")]
    run_id: String,
    /// The step.
    #[schema(example = "istask-019bbd3b-9e9b-7e6a-8a43-01d2c1a2b3c4")]
    task_id: String,
    /// The application.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// Where the step stands. A holder that is `ready` waits for a worker, one that is
    /// `waiting` for its children or its turn.
    #[schema(example = "running")]
    state: &'static str,
    /// Since when it holds, or waits.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    since: String,
    /// Its own limit, by which it is judged.
    #[schema(example = 2)]
    limit: u32,
}

impl StepAtLimit {
    fn new(place: PlaceView) -> Self {
        Self {
            run_id: place.run.to_string(),
            task_id: place.task.to_string(),
            application: place.application,
            state: place.state.word(),
            since: time(place.since),
            limit: place.limit,
        }
    }
}

impl LimitsOfKey {
    pub(crate) fn new(key: String, found: Vec<LimitView>) -> Self {
        let (mut concurrency, mut rate) = (None, None);
        for one in found {
            let kind = one.summary.limit.kind();
            let shown = Some(LimitWithSteps {
                limit: LimitSummary::new(one.summary),
                holders: one.holders.into_iter().map(StepAtLimit::new).collect(),
                line: one.line.into_iter().map(StepAtLimit::new).collect(),
            });
            match kind {
                Kind::Concurrency => concurrency = shown,
                Kind::Rate => rate = shown,
            }
        }
        Self {
            key,
            concurrency,
            rate,
        }
    }
}

/// The limit that a step waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitOfWait {
    /// The key.
    #[schema(example = "device 10.2.3.4")]
    key: String,
    /// `concurrency` or `rate`.
    #[schema(example = "concurrency")]
    kind: &'static str,
    /// The step's own limit.
    #[schema(example = 2)]
    limit: u32,
    /// Of a rate: the span in seconds.
    #[schema(example = json!(null))]
    per: Option<f64>,
    /// How many steps hold a place.
    #[schema(example = 2)]
    held: u64,
    /// How many wait before it, counted up to a thousand.
    #[schema(example = 3)]
    before: u64,
    /// The first steps that hold a place, by their task ids.
    #[schema(example = json!(["istask-019bbd3b-9e9b-7e6a-8a43-01d2c1a2b3c4"]))]
    holders: Vec<String>,
    /// Where more about it is.
    #[schema(example = "/api/v1/limits/device%2010.2.3.4")]
    href: String,
}

impl LimitOfWait {
    pub(crate) fn new(wait: WaitsForLimit) -> Self {
        Self {
            href: format!("/api/v1/limits/{}", part(&wait.key)),
            key: wait.key,
            kind: wait.limit.kind().word(),
            limit: wait.limit.most(),
            per: span(&wait.limit).0,
            held: wait.held,
            before: wait.before,
            holders: wait.holders.iter().map(ToString::to_string).collect(),
        }
    }
}
