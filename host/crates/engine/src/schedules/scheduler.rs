//! What starts runs by schedules: it sleeps until the next occurrence is due, and looks.
//!
//! Whoever leads does it. Two that believe to lead do no harm: the store starts one run for
//! an occurrence.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{
    clock::Timestamp,
    schedule::{Compiled, Schedule as Document},
};
use parking_lot::Mutex;
use store::schedules::Schedule;
use tokio::sync::{Notify, watch};

use crate::{Engine, error::Result};

/// How often it looks without being told where others may have saved something, and how often
/// it looks at the clock, which may have been set.
const BEAT: Duration = Duration::from_secs(1);
/// How soon it looks again after the end of a run for which something waits.
const AFTER_END: Duration = Duration::from_millis(20);
/// How many compiled documents are kept.
const MOST: usize = 20_000;
/// How many occurrences are forgotten in one commit.
const FORGET: usize = 5_000;
/// The fact until when what became of occurrences may be forgotten, in microseconds.
const FORGOTTEN: &str = "schedules.forgotten";

/// The scheduler's state.
pub(crate) struct Scheduler {
    leads: watch::Sender<bool>,
    wake: Notify,
    /// Some occurrence waits, perhaps for the end of a run.
    waits: AtomicBool,
    /// Documents by schedule and revision.
    compiled: Mutex<HashMap<i64, (i64, Arc<Compiled>)>>,
    /// Schedules that cannot be read, with their revisions, as far as it was said.
    unreadable: Mutex<HashSet<(i64, i64)>>,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            leads: watch::Sender::new(false),
            wake: Notify::new(),
            waits: AtomicBool::new(false),
            compiled: Mutex::default(),
            unreadable: Mutex::default(),
        }
    }
}

impl Scheduler {
    /// Whether this process leads.
    pub(crate) fn is_leading(&self) -> bool {
        *self.leads.borrow()
    }

    /// Whether this process leads from now on.
    pub(crate) fn leads(&self, leads: bool) {
        self.leads.send_replace(leads);
    }

    /// Something was saved: it looks now.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
    }

    /// A run has ended.
    pub(crate) fn ended(&self) {
        if self.waits.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Whether nobody has said yet that it cannot be read.
    pub(super) fn is_news(&self, schedule: &Schedule) -> bool {
        let mut said = self.unreadable.lock();
        if said.len() >= MOST {
            said.clear();
        }
        said.insert((schedule.id, schedule.revision))
    }

    /// What a schedule's document means, or why it means nothing to this version.
    pub(super) fn compile(
        &self,
        schedule: &Schedule,
    ) -> std::result::Result<Arc<Compiled>, String> {
        if let Some((revision, compiled)) = self.compiled.lock().get(&schedule.id)
            && *revision == schedule.revision
        {
            return Ok(Arc::clone(compiled));
        }
        let document = Document::parse(&schedule.document).map_err(|error| error.to_string())?;
        let (compiled, problems) = document.compile();
        let compiled = compiled.ok_or_else(|| {
            let first = problems.first().map_or("", |problem| &problem.message);
            format!("this version of PowerFlow cannot read the schedule: {first}")
        })?;
        let compiled = Arc::new(compiled);
        let mut kept = self.compiled.lock();
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(schedule.id, (schedule.revision, Arc::clone(&compiled)));
        Ok(compiled)
    }
}

/// When the scheduler has to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When the next occurrence is due.
    pub next_due: Option<Timestamp>,
    /// Whether something waits: for a run to end, or for room.
    pub waits: bool,
}

impl Engine {
    /// Starts what is due while this process leads, until the engine drains.
    pub(crate) async fn keep_schedules(&self) {
        let mut leads = self.scheduler.leads.subscribe();
        loop {
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                led = leads.wait_for(|leads| *leads) => if led.is_err() { return },
            }
            let look = match self.fire_due().await {
                Ok(look) => look,
                Err(error) => {
                    tracing::warn!(%error, "what is due could not be started; it will be tried again");
                    Look {
                        next_due: None,
                        waits: true,
                    }
                }
            };
            self.scheduler.waits.store(look.waits, Ordering::Relaxed);
            let told = tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                () = self.until(look) => false,
                () = self.scheduler.wake.notified() => true,
                _ = leads.wait_for(|leads| !*leads) => false,
            };
            if told && look.waits {
                // Many runs may end at once.
                tokio::time::sleep(AFTER_END).await;
            }
        }
    }

    /// Sleeps until it is time to look. The clock may be set meanwhile, so it is asked from
    /// time to time; the store is not, unless others may have changed it.
    async fn until(&self, look: Look) {
        loop {
            let left = match look.next_due {
                Some(due) => due.micros_since(self.now()),
                None => i64::MAX,
            };
            let Ok(left) = u64::try_from(left) else {
                return;
            };
            if left == 0 {
                return;
            }
            // Not a moment too early: that would be a look for nothing.
            let left = Duration::from_micros(left.saturating_add(500));
            tokio::time::sleep(left.min(BEAT)).await;
            if left > BEAT && (look.waits || !self.settings.exclusive) {
                return;
            }
        }
    }

    /// Starts everything that is due or waits, and says when to look again. Any number of
    /// processes may call it at the same time: an occurrence starts one run.
    pub async fn fire_due(&self) -> Result<Look> {
        let (next_due, waits) = self.store.next_due().await?;
        // One question, where there is nothing to do.
        if !waits && next_due.is_none_or(|due| due > self.now()) {
            return Ok(Look { next_due, waits });
        }
        let mut held = self.fire_waiting().await?;
        held |= self.fire_due_now().await?;
        let (next_due, waits) = self.store.next_due().await?;
        Ok(Look {
            // What is held back is due already: it is tried again with the next beat.
            next_due: next_due.filter(|due| !held || *due > self.now()),
            waits: waits || held,
        })
    }

    /// Until when what became of occurrences may be forgotten; `None`: none ever was.
    pub(super) async fn forgotten_until(&self) -> Result<Option<Timestamp>> {
        let fact = self.store.fact(FORGOTTEN).await?;
        let until = fact.and_then(|text| text.parse().ok());
        Ok(until.map(Timestamp))
    }

    /// Forgets what became of occurrences as long ago as runs are forgotten.
    pub(crate) async fn forget_occurrences(&self) -> Result<()> {
        let kept = self.settings.result_expires.as_micros() as i64;
        let before = self.now().plus_micros(-kept);
        // Said first: what may be gone counts as gone.
        let known = self.forgotten_until().await?;
        if known.is_none_or(|known| known < before) {
            let text = before.0.to_string();
            self.store.replace_fact(FORGOTTEN, &text).await?;
        }
        while self.store.forget_occurrences(before, FORGET).await? == FORGET {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
