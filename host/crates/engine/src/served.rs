//! Which queues workers listen on, and what that means for a run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{plan::run_code, state::StepState, suggest};
use parking_lot::Mutex;
use serde::Serialize;
use store::{runs::RunSummary, workers::Worker};
use tokio::time::Instant;

use crate::{Engine, error::Result, view::StepDetail};

/// How old an answer may be that says of a queue that it is served.
const FRESH: Duration = Duration::from_secs(1);
/// How many queues a message names.
const NAMED: usize = 8;

/// The queues that living workers listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Served {
    /// How many workers listen on every queue.
    pub by_all: u32,
    /// The queues that workers listen on by name.
    pub queues: Vec<ServedQueue>,
}

/// A queue that workers listen on by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServedQueue {
    /// Its name.
    pub queue: String,
    /// How many workers name it.
    pub workers: u32,
}

/// Why a run does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The stable code of the reason.
    pub code: &'static str,
    /// The reason, and what to do.
    pub message: String,
    /// The queue that ready steps are in.
    pub queue: String,
    /// How many they are.
    pub steps: usize,
    /// What is served instead.
    pub served: Served,
}

impl Served {
    /// What these processes listen on; those without slots execute nothing.
    pub fn of<'a>(workers: impl IntoIterator<Item = &'a Worker>) -> Self {
        let mut by_all = 0;
        let mut named: BTreeMap<&str, u32> = BTreeMap::new();
        for worker in workers.into_iter().filter(|worker| worker.slots > 0) {
            let mut listed: Vec<&str> = worker
                .queues
                .iter()
                .map(|name| queue::canonical(name))
                .collect();
            listed.sort_unstable();
            listed.dedup();
            if listed.is_empty() {
                by_all += 1;
            }
            for name in listed {
                *named.entry(name).or_default() += 1;
            }
        }
        let queues = named.into_iter().map(|(queue, workers)| ServedQueue {
            queue: queue.to_owned(),
            workers,
        });
        Self {
            by_all,
            queues: queues.collect(),
        }
    }

    /// Whether a worker listens on that queue.
    pub fn serves(&self, queue: &str) -> bool {
        self.by_all > 0 || self.queues.iter().any(|one| one.queue == queue)
    }

    /// That nobody listens on `queue`, what is served instead, and what to do.
    fn nobody(&self, queue: &str) -> String {
        if self.queues.is_empty() {
            return format!(
                "no worker listens on queue `{queue}`, nor on any other: start one with `powerflow worker`"
            );
        }
        let count = |workers: u32| match workers {
            1 => "1 worker".to_owned(),
            many => format!("{many} workers"),
        };
        let mut served: Vec<String> = self
            .queues
            .iter()
            .take(NAMED)
            .map(|one| format!("`{}` ({})", one.queue, count(one.workers)))
            .collect();
        if self.queues.len() > NAMED {
            served.push(format!("{} more", self.queues.len() - NAMED));
        }
        let hint = suggest::hint(queue, self.queues.iter().map(|one| one.queue.as_str()));
        format!(
            "no worker listens on queue `{queue}`{hint} Served are {}. Start a worker with `{queue}` among worker.queues, or add it to one: pfctl worker set ID --queues …",
            served.join(", "),
            hint = if hint.is_empty() { "." } else { &hint },
        )
    }
}

/// The last answer about which queues are served, for those who accept many runs.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(Instant, Arc<Served>)>>);

impl Engine {
    /// Which queues living workers listen on.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn served(&self) -> Result<Served> {
        let workers = self.workers().await?;
        Ok(Served::of(&workers))
    }

    /// What to tell somebody who has put a run on `queue`: nothing while a worker listens
    /// on it, as far as was known within the last second. A queue that this process
    /// listens on costs nothing to find, any other one question to the store in a second.
    pub(crate) async fn unserved(&self, queue: &str) -> Option<String> {
        if self.settings.role.executes() && self.listens(queue) {
            return None;
        }
        let kept = self.served.0.lock().clone();
        if let Some((at, served)) = kept
            && at.elapsed() < FRESH
            && served.serves(queue)
        {
            return None;
        }
        // The run is accepted whatever comes of this.
        let served = match self.served().await {
            Ok(served) => Arc::new(served),
            Err(error) => {
                tracing::debug!(%error, "the workers could not be asked for");
                return None;
            }
        };
        *self.served.0.lock() = Some((Instant::now(), served.clone()));
        (!served.serves(queue)).then(|| served.nobody(queue))
    }

    /// Why a run does not go on, if it has ready steps that no worker will take.
    pub(crate) async fn waiting(
        &self,
        run: &RunSummary,
        steps: &[StepDetail],
    ) -> Result<Option<Waiting>> {
        if run.state.is_final() {
            return Ok(None);
        }
        let ready = steps
            .iter()
            .filter(|step| step.state == StepState::Ready)
            .count();
        let queue = queue::canonical(&run.queue);
        if ready == 0 {
            return Ok(None);
        }
        let served = self.served().await?;
        let pauses = self.pauses(run.tenant).await?;
        let held_by = pauses
            .iter()
            .find(|one| one.scope.holds(run.application, queue));
        if let Some(pause) = held_by {
            return Ok(Some(Waiting {
                code: run_code::PAUSED,
                message: crate::pauses::explain(pause),
                queue: queue.to_owned(),
                steps: ready,
                served,
            }));
        }
        Ok((!served.serves(queue)).then(|| Waiting {
            code: run_code::UNSERVED,
            message: served.nobody(queue),
            queue: queue.to_owned(),
            steps: ready,
            served,
        }))
    }
}

#[cfg(test)]
mod tests {
    use model::{clock::Timestamp, id::WorkerId};

    use super::*;

    fn worker(queues: &[&str], slots: u32) -> Worker {
        Worker {
            id: WorkerId(1),
            host: String::new(),
            pid: 1,
            version: String::new(),
            role: String::new(),
            queues: queues.iter().map(|&name| name.to_owned()).collect(),
            weights: BTreeMap::new(),
            slots,
            started_at: Timestamp(0),
            lease_until: Timestamp(0),
        }
    }

    #[test]
    fn queues_are_served_by_workers_with_slots() {
        let workers = [
            worker(&["acme", "celery", "default"], 1),
            worker(&["acme"], 8),
            worker(&[], 0),
            worker(&["idle"], 0),
        ];
        let served = Served::of(&workers);
        assert!(served.serves("acme") && served.serves("default"));
        assert!(!served.serves("idle") && !served.serves("other"));
        assert_eq!(
            served.nobody("amce"),
            "no worker listens on queue `amce`; did you mean `acme`? Served are `acme` (2 workers), `default` (1 worker). Start a worker with `amce` among worker.queues, or add it to one: pfctl worker set ID --queues …"
        );
        assert!(served.nobody("x").contains("queue `x`. Served are"));
        assert!(Served::of(&[worker(&[], 1)]).serves("anything"));
        let nobody = Served::of(&[worker(&[], 0)]);
        assert!(!nobody.serves("default"));
        assert!(nobody.nobody("default").contains("nor on any other"));
    }

    #[test]
    fn a_message_names_some_of_many_queues() {
        let names: Vec<String> = (0..20).map(|at| format!("queue{at:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let message = Served::of(&[worker(&names, 1)]).nobody("zzz");
        assert!(
            message.contains("`queue07` (1 worker), 12 more."),
            "{message}"
        );
    }
}
