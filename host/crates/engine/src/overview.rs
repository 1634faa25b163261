//! Everything of a tenant at a glance: what runs, what waits, what somebody has to look at.
//!
//! A page asks for this every few seconds, and several people keep such a page open. It is read
//! once for all of them, and again so seldom that reading takes a small part of the time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use model::{
    clock::Timestamp,
    id::TenantId,
    state::{RunState, WaitKind},
};
use parking_lot::Mutex;
use store::{
    bulk::DeadLetterFilter,
    definitions::{Definition, Kind},
    pauses::Pause,
    runs::{QueueStanding, RunSummary, Sum, Volume},
    workers::Worker,
};
use tokio::time::Instant;

use crate::{
    Engine, Served, asks,
    error::{Error, Fault, Result},
    schedules::{ScheduleDetail, detailed},
    submit::STEP_PREFIX,
};

/// For how long an answer is good at least.
const FRESH: Duration = Duration::from_secs(1);
/// Reading takes one part of so many of the time at most.
const SHARE: u32 = 20;
/// How many failing applications are named.
const NAMED: usize = 20;
/// How many next occurrences are named.
const UPCOMING: usize = 10;
/// Up to how many entries of a list are counted.
const COUNTED: usize = 1_000;
/// For how long a process is told of that did not end in order, in microseconds: a day.
const LOST_FOR: i64 = 86_400 * 1_000_000;
/// For how many keys answers are kept.
const PLACES: usize = 1_000;
/// How many parts the volume has.
const PARTS: i64 = 48;
/// The longest span of the volume, in hours: 31 days.
const LONGEST: u32 = 31 * 24;

/// How many there are, counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many were counted.
    pub count: usize,
    /// There are more.
    pub more: bool,
}

/// An application whose newest run has failed.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub friendly_name: String,
    /// The run.
    pub run: RunSummary,
}

/// A queue with what waits on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueNow {
    /// What there is on it.
    pub standing: QueueStanding,
    /// Whether a worker listens on it.
    pub served: bool,
}

/// Everything of a tenant at a glance.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When it was read.
    pub at: Timestamp,
    /// How many applications there are.
    pub applications: usize,
    /// How many of them have a newest run in each state; the others were never run.
    pub states: BTreeMap<&'static str, usize>,
    /// Those whose newest run has failed, the latest first: the first of them.
    pub failing: Vec<Failing>,
    /// Queues on which anything has not ended.
    pub queues: Vec<QueueNow>,
    /// The processes with a running lease.
    pub workers: Vec<Worker>,
    /// Those that did not end in order within a day, and for which none of the same host and
    /// role has started since.
    pub lost: Vec<Worker>,
    /// The queues that are served.
    pub served: Served,
    /// Decisions that steps wait for.
    pub approvals: Count,
    /// Dead letters.
    pub dead_letters: Count,
    /// What is paused.
    pub pauses: Vec<Pause>,
    /// The schedules that are due next.
    pub upcoming: Vec<ScheduleDetail>,
}

/// The runs of a span of time that ends now.
#[derive(Clone, Debug)]
pub struct VolumeNow {
    /// The span and its parts.
    pub volume: Volume,
    /// The runs by parts and states.
    pub sums: Vec<Sum>,
}

/// The last answers.
#[derive(Default)]
pub(crate) struct Glances {
    overviews: Kept<TenantId, Overview>,
    volumes: Kept<(TenantId, u32), VolumeNow>,
}

/// A value, and until when it is good; read by one at a time.
type Place<T> = Arc<tokio::sync::Mutex<Option<(Instant, Arc<T>)>>>;

/// Values by their keys.
struct Kept<K, T>(Mutex<HashMap<K, Place<T>>>);

impl<K, T> Default for Kept<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, T: Send + Sync + 'static> Kept<K, T> {
    /// The value that is kept while it is good, else a new one, read by one for all who ask. A
    /// reading that was begun comes to its end though nobody waits any more: where it takes longer
    /// than people wait, the next who asks has its result, and does not begin another beside it.
    async fn get(
        &self,
        key: K,
        read: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Arc<T>> {
        let place = {
            let mut places = self.0.lock();
            if places.len() > PLACES {
                places.clear();
            }
            places.entry(key).or_default().clone()
        };
        let mut place = place.lock_owned().await;
        let begun = Instant::now();
        if let Some((until, value)) = &*place
            && begun < *until
        {
            return Ok(value.clone());
        }
        let reading = tokio::spawn(async move {
            let value = Arc::new(read.await?);
            let good = (begun.elapsed() * SHARE).max(FRESH);
            *place = Some((Instant::now() + good, value.clone()));
            Ok(value)
        });
        reading
            .await
            .unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
    }
}

impl Engine {
    /// Everything of a tenant at a glance, as it was a moment ago.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn overview(&self, tenant: TenantId) -> Result<Arc<Overview>> {
        let engine = self.clone();
        let read = async move { engine.look_over(tenant).await };
        self.glances.overviews.get(tenant, read).await
    }

    /// The runs of the last `hours`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not between 1 and 744, or what the store answers.
    pub async fn volume(&self, tenant: TenantId, hours: u32) -> Result<Arc<VolumeNow>> {
        if !(1..=LONGEST).contains(&hours) {
            return Err(Error::Invalid {
                what: "query",
                faults: vec![Fault {
                    code: "PF-1005".to_owned(),
                    at: "hours".to_owned(),
                    message: format!("{hours} is not between 1 and {LONGEST}"),
                }],
            });
        }
        let engine = self.clone();
        let read = async move {
            let length = i64::from(hours) * 3_600_000_000;
            let part = length / PARTS;
            // Parts begin at the same moments each time, so that bars do not dance.
            let until = Timestamp((engine.now().0 / part + 1) * part);
            let volume = Volume {
                from: until.plus_micros(-length),
                until,
                part,
            };
            let sums = engine.store.volume(tenant, volume).await?;
            Ok(VolumeNow { volume, sums })
        };
        self.glances.volumes.get((tenant, hours), read).await
    }

    async fn look_over(&self, tenant: TenantId) -> Result<Overview> {
        let at = self.now();
        let asks = asks::filter(tenant, WaitKind::Approval);
        let letters = DeadLetterFilter::default();
        let (applications, standing, workers, lost, asks, letters, pauses, due) = tokio::try_join!(
            self.all_applications(tenant, ""),
            async { Ok(self.store.standing(tenant).await?) },
            self.workers(),
            async {
                let since = at.plus_micros(-LOST_FOR);
                Ok(self.store.lost_workers(since, at).await?)
            },
            async { Ok(self.store.asks(&asks, None, COUNTED + 1).await?) },
            async {
                Ok(self
                    .store
                    .dead_letters(tenant, &letters, None, COUNTED)
                    .await?)
            },
            self.pauses(tenant),
            async {
                let ever = Timestamp(i64::MAX);
                Ok(self.store.due(Some(tenant), ever, UPCOMING).await?)
            },
        )?;
        let mut last_runs = self.last_runs(tenant, &applications).await?;
        let served = Served::of(&workers);
        let mut states = BTreeMap::new();
        let mut failing = Vec::new();
        for one in &applications {
            let Some(run) = last_runs.remove(&one.id) else {
                continue;
            };
            *states.entry(run.state.word()).or_default() += 1;
            if run.state == RunState::Failed {
                failing.push(Failing {
                    name: one.name.clone(),
                    friendly_name: one.friendly_name.clone(),
                    run,
                });
            }
        }
        failing.sort_by_key(|one| std::cmp::Reverse(one.run.finished_at));
        failing.truncate(NAMED);
        let queues = standing.into_iter().map(|standing| QueueNow {
            served: served.serves(&standing.queue),
            standing,
        });
        Ok(Overview {
            at,
            applications: applications.len(),
            states,
            failing,
            queues: queues.collect(),
            lost: still_lost(lost, &workers),
            workers,
            served,
            approvals: Count {
                count: asks.len().min(COUNTED),
                more: asks.len() > COUNTED,
            },
            dead_letters: Count {
                count: letters.items.len(),
                more: letters.next.is_some(),
            },
            pauses,
            upcoming: due.into_iter().map(|one| detailed(one, 1)).collect(),
        })
    }

    /// The names of the applications that a schedule which runs starts.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn scheduled(&self, tenant: TenantId) -> Result<HashSet<String>> {
        Ok(self.store.scheduled(tenant).await?.into_iter().collect())
    }

    /// All applications whose name or friendly name contains `search`, by name.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn all_applications(
        &self,
        tenant: TenantId,
        search: &str,
    ) -> Result<Vec<Definition>> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self
                .store
                .definitions(tenant, Kind::Application, search, after.as_deref(), COUNTED)
                .await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        all.retain(|one| !one.name.starts_with(STEP_PREFIX));
        Ok(all)
    }
}

/// Lost processes in whose place no other has come.
fn still_lost(mut lost: Vec<Worker>, live: &[Worker]) -> Vec<Worker> {
    lost.retain(|one| {
        !live.iter().any(|other| {
            other.host == one.host && other.role == one.role && other.started_at > one.started_at
        })
    });
    lost
}
