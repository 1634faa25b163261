//! What an application has run in a span of time.

use std::collections::BTreeMap;

use engine::Timeline;
use model::clock::Timestamp;
use serde::Serialize;
use store::runs::{RunSummary, Sum};
use utoipa::ToSchema;

use super::{maybe_time, run::href, time};

/// A run as a line of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineRun {
    /// The run's id.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
    /// Where it is.
    #[schema(example = "/api/v1/tasks/isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    href: String,
    /// `queued`, `running`, `success`, `warning`, `failed` or `cancelled`.
    #[schema(example = "success")]
    state: &'static str,
    /// The configuration object that it is aligned with.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// Its queue.
    #[schema(example = "default")]
    queue: String,
    /// Who or what started it.
    #[schema(example = "schedule:every hour")]
    trigger: String,
    /// When it was accepted.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    created_at: String,
    /// When its first step started.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.1Z")]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime, example = "2027-01-15T08:00:02Z")]
    finished_at: Option<String>,
}

impl TimelineRun {
    pub(crate) fn new(run: RunSummary) -> Self {
        let task_id = run.reference.to_string();
        Self {
            href: href(&task_id),
            task_id,
            state: run.state.word(),
            configuration: run.configuration_name,
            queue: run.queue,
            trigger: run.trigger,
            created_at: time(run.created_at),
            started_at: maybe_time(run.started_at),
            finished_at: maybe_time(run.finished_at),
        }
    }
}

/// The runs that were accepted in a part of a span.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct TimelinePart {
    /// When the part begins.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    from: String,
    /// How many there are in each state that any has.
    #[schema(example = json!({"success": 118, "failed": 2}))]
    states: BTreeMap<&'static str, u64>,
    /// How long the longest of those that have ended took, from acceptance to end, in seconds.
    #[schema(example = 3.2)]
    longest: Option<f64>,
    /// The mean of those that have ended, in seconds.
    #[schema(example = 1.1)]
    mean: Option<f64>,
}

/// What an application has run in a span of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineDocument {
    /// Its begin: runs accepted then or later.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    from: String,
    /// Its end: runs accepted before.
    #[schema(format = DateTime, example = "2027-01-15T10:00:00Z")]
    until: String,
    /// How many runs there are in it.
    #[schema(example = 120)]
    total: u64,
    /// Whether there are more than `runs` lists.
    #[schema(example = false)]
    more: bool,
    /// The newest of them, the newest first.
    runs: Vec<TimelineRun>,
    /// The length of the parts, in seconds.
    #[schema(example = 60.0)]
    part_seconds: f64,
    /// All of them summed up by parts; those without runs are left out.
    parts: Vec<TimelinePart>,
}

impl TimelineDocument {
    pub(crate) fn new(from: Timestamp, until: Timestamp, timeline: Timeline) -> Self {
        Self {
            from: time(from),
            until: time(until),
            total: timeline.total,
            more: timeline.total > timeline.runs.len() as u64,
            runs: timeline.runs.into_iter().map(TimelineRun::new).collect(),
            part_seconds: seconds(timeline.part),
            parts: parts(from, timeline.part, &timeline.sums),
        }
    }
}

/// The parts, each of `length` microseconds, of a span that begins at `from`.
pub(super) fn parts(from: Timestamp, length: i64, sums: &[Sum]) -> Vec<TimelinePart> {
    let mut parts: BTreeMap<u32, (TimelinePart, i64, u64)> = BTreeMap::new();
    for sum in sums {
        let (part, took, ended) = parts.entry(sum.part).or_default();
        part.from = time(from.plus_micros(i64::from(sum.part) * length));
        *part.states.entry(sum.state.word()).or_default() += sum.count;
        if let Some(longest) = sum.longest {
            let longest = seconds(longest);
            part.longest = Some(part.longest.map_or(longest, |before| before.max(longest)));
            *took += sum.total;
            *ended += sum.count;
        }
    }
    let parts = parts.into_values().map(|(part, took, ended)| TimelinePart {
        mean: (ended > 0).then(|| seconds(took) / ended as f64),
        ..part
    });
    parts.collect()
}

pub(super) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
