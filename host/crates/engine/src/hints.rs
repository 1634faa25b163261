//! What processes tell each other at once: a run has ended, one was cancelled, something was
//! changed. Hints may be lost. Whoever waits for one looks from time to time anyway, and
//! what must be known comes with the next renewal of the lease.

use std::sync::Arc;

use model::id::{Ordinal, RunId, RunRef, StepKey};
use parking_lot::Mutex;
use queue::hints::{Hint, Hints, Receiver};
use tokio::sync::Notify;

use crate::Engine;

/// Runs that have ended: their 16 bytes each, several in one message.
const ENDED: &str = "ended";
/// A run that was cancelled: its number, 8 bytes, little-endian, and by whom.
const CANCELLED: &str = "cancelled";
/// A step that was revoked: its run's number as above, its place in the plan, 4 bytes, and
/// by whom.
const REVOKED: &str = "revoked";
/// Documents or active packs were changed, or a process shall work otherwise.
const CHANGED: &str = "changed";
/// A schedule was saved, or occurrences wait to be started.
const SCHEDULED: &str = "scheduled";
/// How many ends one message tells at most.
const MOST: usize = 1024;

/// What this process has to tell.
pub(crate) struct Outbox {
    hints: Arc<dyn Hints>,
    ended: Mutex<Vec<u8>>,
    filled: Notify,
}

impl Outbox {
    pub(crate) fn new(hints: Arc<dyn Hints>) -> Self {
        Self {
            hints,
            ended: Mutex::default(),
            filled: Notify::new(),
        }
    }

    /// Under load, one message tells the ends of many runs.
    pub(crate) fn ended(&self, run: RunRef) {
        let mut ended = self.ended.lock();
        ended.extend_from_slice(run.uuid().as_bytes());
        if ended.len() == 16 {
            self.filled.notify_one();
        }
    }

    pub(crate) fn cancelled(&self, run: RunId, who: &str) {
        let message = [&run.0.to_le_bytes()[..], who.as_bytes()].concat();
        self.hints.publish(CANCELLED, &message);
    }

    pub(crate) fn revoked(&self, key: StepKey, who: &str) {
        let (run, step) = (key.run.0.to_le_bytes(), key.step.0.to_le_bytes());
        let message = [&run[..], &step[..], who.as_bytes()].concat();
        self.hints.publish(REVOKED, &message);
    }

    pub(crate) fn scheduled(&self) {
        self.hints.publish(SCHEDULED, b"");
    }

    pub(crate) fn changed(&self) {
        self.hints.publish(CHANGED, b"");
    }
}

impl Engine {
    /// Tells the others that documents or active packs were changed.
    pub(crate) fn tell_changed(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.changed();
        }
    }

    /// Tells the others which runs have ended, until the engine stops.
    pub(crate) async fn tell(&self) {
        let Some(outbox) = &self.outbox else { return };
        loop {
            tokio::select! {
                biased;
                () = outbox.filled.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let ended = std::mem::take(&mut *outbox.ended.lock());
            for part in ended.chunks(16 * MOST) {
                outbox.hints.publish(ENDED, part);
            }
        }
    }

    /// Heeds what the others tell, until the engine stops.
    pub(crate) async fn listen(&self) {
        let Some(outbox) = &self.outbox else { return };
        let mut ended = outbox.hints.subscribe(ENDED);
        let mut cancelled = outbox.hints.subscribe(CANCELLED);
        let mut revoked = outbox.hints.subscribe(REVOKED);
        let mut changed = outbox.hints.subscribe(CHANGED);
        let mut scheduled = outbox.hints.subscribe(SCHEDULED);
        loop {
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => return,
                Some(hint) = next(&mut cancelled) => {
                    // What was missed comes with the next renewal.
                    if let Hint::Message(message) = hint
                        && let Some((run, who)) = message.split_first_chunk::<8>()
                    {
                        let who = String::from_utf8_lossy(who);
                        self.running.cancel_run(RunId(i64::from_le_bytes(*run)), &who);
                    }
                }
                Some(hint) = next(&mut revoked) => {
                    if let Hint::Message(message) = hint
                        && let Some((run, rest)) = message.split_first_chunk::<8>()
                        && let Some((step, who)) = rest.split_first_chunk::<4>()
                    {
                        let key = StepKey {
                            run: RunId(i64::from_le_bytes(*run)),
                            step: Ordinal(u32::from_le_bytes(*step)),
                        };
                        self.running.cancel_step(key, &String::from_utf8_lossy(who));
                    }
                }
                Some(_) = next(&mut changed) => self.renew_now.notify_one(),
                Some(_) = next(&mut scheduled) => self.scheduler.look(),
                // Last: under load there is always one.
                Some(hint) = next(&mut ended) => match hint {
                    Hint::Message(runs) => {
                        self.scheduler.ended();
                        for run in runs.chunks_exact(16) {
                            if let Ok(uuid) = uuid::Uuid::from_slice(run) {
                                self.wake.ended(RunRef::from_uuid(uuid));
                            }
                        }
                    }
                    Hint::Missed => self.wake.look(),
                },
                else => return,
            }
        }
    }
}

async fn next(receiver: &mut Receiver) -> Option<Hint> {
    receiver.next().await
}
