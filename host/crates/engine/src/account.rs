//! What the store records for this process, compared with what the process knows.
//!
//! A commit whose answer was lost may have claimed a step for this process, which then
//! executes it no more than anybody else does: its lease is renewed. So after any call that
//! may have claimed something and was not answered, the process looks at what is recorded
//! for it and gives back what it knows nothing of. What it executes and is not recorded for it
//! was stopped, and the answer that told it was lost. While all is answered it asks nothing.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use model::id::{StepKey, Token};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{Engine, error::Result};

/// Between two looks. What one look finds unknown and the next one as well is given back:
/// an answer may be under way.
const PERIOD: Duration = Duration::from_secs(2);
/// For how long it is looked after the last call that was not answered: a server gives up
/// a statement earlier.
const DOUBTFUL: Duration = Duration::from_secs(15);

/// Whether the store answers, and what it may have recorded without our knowledge.
pub(crate) struct Account {
    answers: watch::Sender<bool>,
    doubt: Notify,
    submits: Mutex<Submits>,
}

/// Submits that may claim a step, by their numbers.
#[derive(Default)]
struct Submits {
    last: u64,
    unanswered: BTreeSet<u64>,
}

/// A submit that may claim a step of which this process knows nothing before it is answered;
/// dropping it says that the step is known, or that there is none.
pub(crate) struct Submitting {
    engine: Engine,
    number: u64,
}

impl Drop for Submitting {
    fn drop(&mut self) {
        let mut submits = self.engine.account.submits.lock();
        submits.unanswered.remove(&self.number);
    }
}

/// Attempts of which this process knows nothing, each with the last submit that had begun when
/// it was first seen: the answer to one of those may be under way.
type Unknown = HashMap<(StepKey, Token), u64>;

impl Default for Account {
    fn default() -> Self {
        Self {
            answers: watch::Sender::new(true),
            doubt: Notify::new(),
            submits: Mutex::default(),
        }
    }
}

impl Account {
    /// The store has answered.
    pub(crate) fn answered(&self) {
        self.answers
            .send_if_modified(|answers| !std::mem::replace(answers, true));
    }

    /// The store did not answer. Whoever says so says as well when it does again.
    pub(crate) fn unanswered(&self) {
        self.answers
            .send_if_modified(|answers| std::mem::replace(answers, false));
    }

    /// A call that was not answered may have claimed a step.
    pub(crate) fn in_doubt(&self) {
        self.doubt.notify_one();
    }

    fn last_submit(&self) -> u64 {
        self.submits.lock().last
    }

    /// Whether no submit up to that one is under way.
    fn are_answered(&self, until: u64) -> bool {
        let submits = self.submits.lock();
        submits
            .unanswered
            .first()
            .is_none_or(|first| *first > until)
    }

    /// Whether the store answers, and each change of it.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.answers.subscribe()
    }
}

impl Engine {
    /// A submit begins that may claim a step.
    pub(crate) fn submitting(&self) -> Submitting {
        let mut submits = self.account.submits.lock();
        submits.last += 1;
        let number = submits.last;
        submits.unanswered.insert(number);
        Submitting {
            engine: self.clone(),
            number,
        }
    }

    /// Settles doubts until the engine stops.
    pub(crate) async fn settle_doubts(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.account.doubt.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let mut until = Instant::now() + DOUBTFUL;
            let mut unknown = Unknown::new();
            while Instant::now() < until || !unknown.is_empty() {
                let look = tokio::time::sleep(PERIOD);
                tokio::pin!(look);
                loop {
                    tokio::select! {
                        biased;
                        () = &mut look => break,
                        () = self.account.doubt.notified() => until = Instant::now() + DOUBTFUL,
                        () = self.stopped.cancelled() => return,
                    }
                }
                match self.look_for_unknown(&unknown).await {
                    Ok(found) => unknown = found,
                    Err(error) => {
                        tracing::debug!(%error, "what the store records for this process could not be read");
                        until = Instant::now() + DOUBTFUL;
                    }
                }
            }
        }
    }

    /// Gives back the attempts that were unknown `before` and still are; answers those
    /// that are unknown now. Stops those that execute and are recorded no more: they were
    /// stopped, or others were given them, and the answer that told it was lost.
    async fn look_for_unknown(&self, before: &Unknown) -> Result<Unknown> {
        let worker = self.worker();
        let executing = self.running.attempts();
        let held = self.store.held(worker).await?;
        for (key, token) in executing {
            // A process that is alone stops its own, and may have another number than before.
            if !self.settings.exclusive && !held.contains(&(key, token)) {
                tracing::warn!(
                    run = key.run.0,
                    step = key.step.0,
                    "stopped a step that is not recorded for this process any more"
                );
                self.running.cancel_attempt(key, token);
            }
        }
        let last = self.account.last_submit();
        let unknown = held
            .into_iter()
            .filter(|(key, _)| !self.running.knows(*key));
        let mut left: Unknown = unknown
            .map(|attempt| (attempt, before.get(&attempt).copied().unwrap_or(last)))
            .collect();
        let mut again: Vec<(StepKey, Token)> = left
            .iter()
            .filter(|(attempt, since)| {
                before.contains_key(*attempt) && self.account.are_answered(**since)
            })
            .map(|(attempt, _)| *attempt)
            .collect();
        again.sort_unstable();
        if !again.is_empty() {
            let given = self
                .store
                .give_back(worker, &again, self.clock.now())
                .await?;
            tracing::warn!(
                steps = given.len(),
                "gave back steps that were claimed for this process without its knowledge"
            );
            // What somebody else was at in that moment is looked at again.
            left.retain(|(key, _), _| given.iter().all(|step| step.key != *key));
            self.enqueue(given).await?;
        }
        Ok(left)
    }
}
