//! The processes of the service as operators see and set them.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use model::id::WorkerId;
use store::workers::Worker;

use crate::{
    Engine, Settings,
    error::{Error, Fault, Result},
    view::WorkerChange,
};

/// The longest name of a queue, in bytes.
const LONGEST_QUEUE: usize = 128;
/// The most queues that one worker names.
const MOST_QUEUES: usize = 256;
/// The most steps that one worker executes at a time.
const MOST_SLOTS: u32 = 65_536;
/// The largest weight of a queue.
const MOST_WEIGHT: u32 = 1_000;
/// The code of a fault in what a worker shall do.
const FAULT: &str = "PF-1006";

/// Whether a queue can have this name.
pub(crate) fn is_queue_name(name: &str) -> bool {
    name.len() <= LONGEST_QUEUE && !name.chars().any(char::is_control)
}

fn missing(id: &str) -> Error {
    Error::NotFound {
        what: "worker",
        name: id.to_owned(),
        hint: "; those that run are listed at /api/v1/workers".to_owned(),
    }
}

fn faults(change: &WorkerChange) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |at: String, message: String| {
        faults.push(Fault {
            code: FAULT.to_owned(),
            at,
            message,
        });
    };
    if let Some(slots) = change.slots
        && !(1..=MOST_SLOTS).contains(&slots)
    {
        let message = format!("{slots} is not between 1 and {MOST_SLOTS}");
        fault("/slots".to_owned(), message);
    }
    let queues = change.queues.as_deref().unwrap_or_default();
    if queues.len() > MOST_QUEUES {
        let message = format!(
            "a worker names at most {MOST_QUEUES} queues; an empty list means all there are"
        );
        fault("/queues".to_owned(), message);
    }
    for (index, name) in queues.iter().enumerate() {
        let at = || format!("/queues/{index}");
        if name.trim().is_empty() {
            let message = format!(
                "a queue's name is missing; the usual queue is `{}`",
                queue::DEFAULT
            );
            fault(at(), message);
        } else if !is_queue_name(name) {
            let message = format!(
                "a queue's name has at most {LONGEST_QUEUE} bytes and no control characters"
            );
            fault(at(), message);
        }
    }
    for (name, weight) in change.weights.iter().flatten() {
        let at = || format!("/weights/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.trim().is_empty() || !is_queue_name(name) {
            let message =
                format!("a queue's name has 1 to {LONGEST_QUEUE} bytes and no control characters");
            fault(at(), message);
        } else if *weight > MOST_WEIGHT {
            let message =
                format!("the weight {weight} of queue `{name}` is not between 0 and {MOST_WEIGHT}");
            fault(at(), message);
        }
    }
    if change
        .weights
        .as_ref()
        .is_some_and(|all| all.len() > MOST_QUEUES)
    {
        let message = format!("at most {MOST_QUEUES} queues have a weight of their own");
        fault("/weights".to_owned(), message);
    }
    faults
}

impl Engine {
    /// The settings with what this process was set to since its start.
    pub(crate) fn as_set(&self) -> Settings {
        let subscription = self.subscription.borrow();
        let queues = subscription.queues.iter().map(ToString::to_string);
        let weights = subscription.weights.iter();
        Settings {
            queues: if subscription.all {
                Vec::new()
            } else {
                queues.collect()
            },
            weights: weights
                .map(|(name, one)| (name.to_string(), *one))
                .collect(),
            slots: self.size.load(Ordering::Acquire),
            ..self.settings.clone()
        }
    }

    /// The processes with a running lease, the oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        Ok(self.store.workers(self.now()).await?)
    }

    /// The process of that number.
    ///
    /// # Errors
    /// [`Error::NotFound`] when none with a running lease has it, or what the store answers.
    pub async fn find_worker(&self, id: &str) -> Result<Worker> {
        let number = WorkerId(id.parse().map_err(|_| missing(id))?);
        let workers = self.workers().await?;
        let found = workers.into_iter().find(|worker| worker.id == number);
        found.ok_or_else(|| missing(id))
    }

    /// Changes what a process listens on, the weights of queues, and how many steps it executes at a time. It
    /// does so within its next renewal of the lease, at once where hints arrive; steps
    /// under way go on. What a process was told is forgotten when it ends.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no process of that number has a running lease,
    /// [`Error::Invalid`] with every fault of the change, or for a process that executes
    /// no steps.
    pub async fn set_worker(&self, id: &str, change: &WorkerChange) -> Result<Worker> {
        let mut worker = self.find_worker(id).await?;
        let mut faults = faults(change);
        let changes = change.slots.is_some() || change.queues.is_some() || change.weights.is_some();
        if worker.slots == 0 && changes {
            faults.push(Fault {
                code: FAULT.to_owned(),
                at: String::new(),
                message: format!(
                    "process {id} has the role `{}` and executes no steps; workers do",
                    worker.role
                ),
            });
        }
        if !faults.is_empty() {
            return Err(Error::Invalid {
                what: "change of the worker",
                faults,
            });
        }
        let queues: Option<Vec<String>> = change.queues.as_ref().map(|names| {
            let mut queues: Vec<String> = Vec::new();
            for name in names {
                let name = queue::canonical(name);
                if !queues.iter().any(|known| known == name) {
                    queues.push(name.to_owned());
                }
            }
            queues
        });
        if !changes {
            return Ok(worker);
        }
        let weights = change.weights.as_ref().map(|weights| {
            let named = weights
                .iter()
                .map(|(name, one)| (queue::canonical(name).to_owned(), *one));
            named.collect::<BTreeMap<String, u32>>()
        });
        let there = self
            .store
            .set_worker(worker.id, queues.as_deref(), weights.as_ref(), change.slots)
            .await?;
        if !there {
            return Err(missing(id));
        }
        self.tell_changed();
        self.renew_now.notify_one();
        worker.queues = queues.unwrap_or(worker.queues);
        worker.weights = weights.unwrap_or(worker.weights);
        worker.slots = change.slots.unwrap_or(worker.slots);
        Ok(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(queues: Option<&[&str]>, slots: Option<u32>) -> Vec<String> {
        let queues = queues.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        let change = WorkerChange {
            queues,
            weights: None,
            slots,
        };
        faults(&change).into_iter().map(|fault| fault.at).collect()
    }

    #[test]
    fn every_fault_of_a_change_is_named() {
        assert_eq!(at(None, None), [""; 0]);
        assert_eq!(at(Some(&[]), Some(1)), [""; 0]);
        assert_eq!(at(Some(&["celery", "acme"]), Some(MOST_SLOTS)), [""; 0]);
        let long = "q".repeat(LONGEST_QUEUE + 1);
        assert_eq!(
            at(Some(&["fine", " ", &long, "a\nb"]), Some(0)),
            ["/slots", "/queues/1", "/queues/2", "/queues/3"]
        );
        assert_eq!(at(Some(&["q"; MOST_QUEUES + 1]), None), ["/queues"]);
        let weights = [("a/b", 1001), ("fine", 0), (" ", 1), ("most", 1000)];
        let weights = weights.map(|(name, weight)| (name.to_owned(), weight));
        let change = WorkerChange {
            weights: Some(weights.into()),
            ..WorkerChange::default()
        };
        let found: Vec<_> = faults(&change).into_iter().map(|fault| fault.at).collect();
        assert_eq!(found, ["/weights/ ", "/weights/a~1b"]);
    }
}
