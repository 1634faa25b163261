//! Everything at a glance.

use std::collections::BTreeMap;

use engine::{Count, Overview, VolumeNow};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    maybe_time, part,
    pause::Pause,
    schedule::Schedule,
    time,
    timeline::{TimelinePart, TimelineRun, parts, seconds},
    worker::Worker,
};

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewDocument {
    /// When it was read, some seconds ago at most.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    at: String,
    /// The applications.
    applications: ApplicationsNow,
    /// Queues on which anything has not ended.
    queues: Vec<QueueDocument>,
    /// The processes with a running lease.
    workers: Vec<Worker>,
    /// What somebody has to look at.
    attention: Attention,
    /// The schedules that are due next, the soonest first, ten at most.
    upcoming: Vec<Schedule>,
}

/// How the applications stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationsNow {
    /// How many there are.
    #[schema(example = 12)]
    total: usize,
    /// How many of them were never run, or no run of them is kept.
    #[schema(example = 2)]
    never_run: usize,
    /// How many have a newest run in each state that any has.
    #[schema(example = json!({"success": 9, "failed": 1}))]
    last_run: BTreeMap<&'static str, usize>,
}

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueueNow)]
pub(crate) struct QueueDocument {
    /// Its name.
    #[schema(example = "default")]
    queue: String,
    /// How many accepted runs wait for their first step to start.
    #[schema(example = 40)]
    queued: u64,
    /// How many are under way: steps of them execute or wait.
    #[schema(example = 8)]
    running: u64,
    /// When the oldest was accepted of those that wait for their first step.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    oldest_queued: Option<String>,
    /// Whether a worker listens on it.
    #[schema(example = true)]
    served: bool,
}

/// What somebody has to look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attention {
    /// Applications whose newest run has failed, the latest first, twenty at most.
    failing: Vec<FailingApplication>,
    /// Decisions that steps wait for.
    approvals: CountDocument,
    /// Dead letters.
    dead_letters: CountDocument,
    /// Processes that did not end in order within a day, and in whose place none has come.
    lost_workers: Vec<Worker>,
    /// Queues with waiting runs that no worker listens on.
    #[schema(example = json!(["acme"]))]
    unserved_queues: Vec<String>,
    /// What is paused.
    pauses: Vec<Pause>,
}

/// An application whose newest run has failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailingApplication {
    /// Its name.
    #[schema(example = "create_or_update_incident")]
    name: String,
    /// Its name for people.
    #[schema(example = "Create or Update Incident")]
    friendly_name: String,
    /// Where it is.
    #[schema(example = "/api/v1/applications/create_or_update_incident")]
    href: String,
    /// The run.
    run: TimelineRun,
}

/// A number that is counted up to a bound.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Count)]
pub(crate) struct CountDocument {
    /// How many were counted.
    #[schema(example = 3)]
    count: usize,
    /// Whether there are more.
    #[schema(example = false)]
    more: bool,
}

impl From<Count> for CountDocument {
    fn from(count: Count) -> Self {
        Self {
            count: count.count,
            more: count.more,
        }
    }
}

impl OverviewDocument {
    pub(crate) fn new(overview: &Overview) -> Self {
        let ran: usize = overview.states.values().sum();
        let workers = |all: &[store::workers::Worker]| -> Vec<Worker> {
            all.iter().cloned().map(Worker::new).collect()
        };
        let unserved = overview.queues.iter().filter(|one| !one.served);
        let failing = overview.failing.iter().map(|one| FailingApplication {
            name: one.name.clone(),
            friendly_name: one.friendly_name.clone(),
            href: format!("/api/v1/applications/{}", part(&one.name)),
            run: TimelineRun::new(one.run.clone()),
        });
        Self {
            at: time(overview.at),
            applications: ApplicationsNow {
                total: overview.applications,
                never_run: overview.applications.saturating_sub(ran),
                last_run: overview.states.clone(),
            },
            queues: overview
                .queues
                .iter()
                .map(|one| QueueDocument {
                    queue: one.standing.queue.clone(),
                    queued: one.standing.queued,
                    running: one.standing.running,
                    oldest_queued: maybe_time(one.standing.oldest),
                    served: one.served,
                })
                .collect(),
            workers: workers(&overview.workers),
            attention: Attention {
                failing: failing.collect(),
                approvals: overview.approvals.into(),
                dead_letters: overview.dead_letters.into(),
                lost_workers: workers(&overview.lost),
                unserved_queues: unserved.map(|one| one.standing.queue.clone()).collect(),
                pauses: overview.pauses.iter().cloned().map(Pause::new).collect(),
            },
            upcoming: overview.upcoming.iter().map(Schedule::new).collect(),
        }
    }
}

/// The runs of all applications over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VolumeDocument {
    /// Its begin: runs accepted then or later.
    #[schema(format = DateTime, example = "2027-01-14T08:00:00Z")]
    from: String,
    /// Its end, which is the end of the part that is now.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    until: String,
    /// How many runs there are in each state that any has.
    #[schema(example = json!({"success": 4118, "failed": 2}))]
    states: BTreeMap<&'static str, u64>,
    /// The length of the parts, in seconds.
    #[schema(example = 1800.0)]
    part_seconds: f64,
    /// The runs summed up by parts; those without runs are left out.
    parts: Vec<TimelinePart>,
}

impl VolumeDocument {
    pub(crate) fn new(now: &VolumeNow) -> Self {
        let mut states = BTreeMap::new();
        for sum in &now.sums {
            *states.entry(sum.state.word()).or_default() += sum.count;
        }
        Self {
            from: time(now.volume.from),
            until: time(now.volume.until),
            states,
            part_seconds: seconds(now.volume.part),
            parts: parts(now.volume.from, now.volume.part, &now.sums),
        }
    }
}
