//! What one process does for all: takes back what lost workers held, puts on the queue what
//! the queue has lost, and forgets what expired.
//!
//! Whoever holds the lead does it. Two that believe to lead for a moment do no harm: every
//! duty may be done twice.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use model::id::{Ordinal, RunId, StepKey, TenantId};
use queue::{Health, Incarnation, Lane, Mark};
use store::runs::Priority;
use tokio::{sync::watch, time::Instant};

use crate::{Engine, error::Result, reconcile::PAGE};

/// How often the lead is renewed, or tried to be taken.
const PERIOD: Duration = Duration::from_secs(1);
/// How long the lead lasts without renewal: another takes it within five seconds.
const TERM: Duration = Duration::from_millis(3500);
/// How often the queue is asked for what it lost.
const CHECK: Duration = Duration::from_secs(2);
/// About how many tenants' entries it is asked then, at about a millisecond each.
const MOST_ASKED: usize = 500;
/// How long after a step was seen to be ready whoever made it ready has enqueued it, or
/// never will.
const GRACE: Duration = Duration::from_secs(3);
/// How often what expired is forgotten.
const TIDY: Duration = Duration::from_mins(10);
/// How often what was delivered too often is delivered anew.
const REVIVE: Duration = Duration::from_mins(1);
/// The fact under which the queue's life is remembered that was filled from the store.
const FILLED: &str = "queue.incarnation";

/// Where the duties of the leader stand.
#[derive(Default)]
struct Duties {
    /// The life of the queue that was filled from the store, as far as this process knows.
    filled: Option<Incarnation>,
    /// The queue did not answer since it was filled: what was to be enqueued is missing.
    away: bool,
    checked: Option<Instant>,
    revived: Option<Instant>,
    tidied: Option<Instant>,
    /// Where the next look at ready steps begins.
    cursor: Option<StepKey>,
    /// Ready steps, by lane and tenant, and since when they wait to be asked about.
    candidates: BTreeMap<Line, (Instant, Vec<StepKey>)>,
    /// Steps that the queue must hold if it did not lose them: it is asked when the lane
    /// has come as far as it had been filled then.
    asked: BTreeMap<Line, (Mark, Vec<StepKey>)>,
    /// Whom the queue was asked about last.
    asked_last: Option<Line>,
}

/// A tenant's entries in a lane come in their order.
type Line = (Lane, TenantId);

fn due(last: &mut Option<Instant>, period: Duration) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|last| now.duration_since(last) >= period);
    if due {
        *last = Some(now);
    }
    due
}

impl Engine {
    /// Leads while it can, until the engine drains.
    pub(crate) async fn lead(&self) {
        if self.settings.exclusive {
            self.scheduler.leads(true);
            return self.keep_house().await;
        }
        // Held all the time: the queue looks at the backend only while somebody wants to know.
        let health = self.queue.health();
        let mut duties = None;
        loop {
            if self.holds_lead().await {
                let duties = duties.get_or_insert_with(|| {
                    tracing::info!("this process leads");
                    metrics::get().leads.set(1);
                    self.scheduler.leads(true);
                    // What is forgotten can wait: a leader that starts has more to do.
                    Duties {
                        tidied: Some(Instant::now()),
                        ..Duties::default()
                    }
                });
                if let Err(error) = self.do_duties(duties, &health).await {
                    tracing::warn!(%error, "a duty of the leading process was not done; it will be tried again");
                }
            } else if duties.take().is_some() {
                tracing::info!("this process leads no more");
                metrics::get().leads.set(0);
                self.scheduler.leads(false);
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(PERIOD) => {}
                () = self.draining.cancelled() => return,
            }
        }
    }

    async fn holds_lead(&self) -> bool {
        let now = self.clock.now();
        let until = now.plus_micros(TERM.as_micros() as i64);
        match tokio::time::timeout(PERIOD, self.store.lead(self.worker(), now, until)).await {
            Ok(Ok(leads)) => leads,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the lead could not be asked for");
                false
            }
            Err(_) => false,
        }
    }

    async fn do_duties(&self, duties: &mut Duties, health: &watch::Receiver<Health>) -> Result<()> {
        let health = *health.borrow();
        duties.away |= !health.available;
        self.take_back(PAGE).await?;
        // What is due before the next round is woken in time.
        if let Some(next) = self.wake_due().await? {
            self.waiting.remember(next);
        }
        self.refill(duties, health).await?;
        if due(&mut duties.checked, CHECK) {
            self.find_lost(duties).await?;
            self.settle_unsettled().await?;
        }
        if due(&mut duties.revived, REVIVE) {
            self.revive().await?;
        }
        if due(&mut duties.tidied, TIDY) {
            self.expire().await?;
        }
        Ok(())
    }

    /// Fills a queue that may have lost everything.
    async fn refill(&self, duties: &mut Duties, health: Health) -> Result<()> {
        if !health.available {
            return Ok(());
        }
        let Some(incarnation) = health.incarnation else {
            return Ok(());
        };
        let text = format!("{:032x}", incarnation.0);
        if duties.filled.is_none() && self.store.fact(FILLED).await?.as_ref() == Some(&text) {
            duties.filled = Some(incarnation);
        }
        if duties.filled == Some(incarnation) && !duties.away {
            return Ok(());
        }
        let queued = self.enqueue_ready().await?;
        tracing::info!(queued, "filled the queue from the store");
        self.store.replace_fact(FILLED, &text).await?;
        *duties = Duties {
            filled: Some(incarnation),
            checked: duties.checked,
            revived: duties.revived,
            tidied: duties.tidied,
            ..Duties::default()
        };
        Ok(())
    }

    /// Finds ready steps that the queue does not hold: whoever made them ready ended before
    /// it enqueued them, or the queue lost a part of what it held.
    ///
    /// Looks at one page of ready steps after another. A lane is asked about one set of
    /// steps at a time, when it has delivered all that it held when the set was made.
    async fn find_lost(&self, duties: &mut Duties) -> Result<()> {
        #[cfg(feature = "simulation")]
        if crate::simulation::has(crate::simulation::Mutation::LeavesLostSteps) {
            return Ok(());
        }
        let answered = self.ask(duties).await?;
        if !answered.is_empty() {
            tracing::info!(steps = answered.len(), "ready steps were not on the queue");
            metrics::get().steps_requeued.inc_by(answered.len() as u64);
        }
        let ripe: Vec<Line> = duties
            .candidates
            .iter()
            .filter(|(_, (since, _))| since.elapsed() >= GRACE)
            .map(|(lane, _)| lane.clone())
            .collect();
        if !ripe.is_empty() {
            let mark = self.queue.mark().await?;
            for lane in ripe {
                if let Some((_, steps)) = duties.candidates.remove(&lane) {
                    duties.asked.insert(lane, (mark.clone(), steps));
                }
            }
        }
        let page = self.store.ready(duties.cursor, PAGE).await?;
        duties.cursor = match page.last() {
            Some(last) if page.len() == PAGE => Some(last.key),
            _ => None,
        };
        let now = Instant::now();
        let mut new: BTreeMap<Line, (Instant, Vec<StepKey>)> = BTreeMap::new();
        for step in page {
            let lane = Lane {
                queue: step.queue,
                high: step.priority == Priority::High,
            };
            let lane = (lane, step.tenant);
            if !duties.asked.contains_key(&lane) && !duties.candidates.contains_key(&lane) {
                new.entry(lane)
                    .or_insert_with(|| (now, Vec::new()))
                    .1
                    .push(step.key);
            }
        }
        duties.candidates.extend(new);
        Ok(())
    }

    /// Asks the queue about the sets that it can answer for, and enqueues what it lost and
    /// is still ready.
    async fn ask(&self, duties: &mut Duties) -> Result<Vec<StepKey>> {
        let mut found = Vec::new();
        // Where thousands of tenants wait, some are asked about in each round.
        let all = duties.asked.keys();
        let (before, after): (Vec<&Line>, Vec<&Line>) =
            all.partition(|line| Some(*line) <= duties.asked_last.as_ref());
        let lines = after.into_iter().chain(before).take(MOST_ASKED);
        for line in lines.cloned().collect::<Vec<_>>() {
            let Some((mark, steps)) = duties.asked.get(&line) else {
                continue;
            };
            duties.asked_last = Some(line.clone());
            let (lane, tenant) = &line;
            let (queue, high) = (&lane.queue, lane.high);
            let Some(lost) = self.queue.lost(mark, queue, high, *tenant, steps).await? else {
                continue;
            };
            duties.asked.remove(&line);
            let lost = self.still_ready(lost).await?;
            if !lost.is_empty() {
                self.queue.enqueue(queue, high, *tenant, &lost).await?;
                found.extend(lost);
            }
        }
        Ok(found)
    }

    /// Those of the steps that nobody has claimed meanwhile. They come in the order of
    /// acceptance and from one page, so that a page or two show them again.
    async fn still_ready(&self, steps: Vec<StepKey>) -> Result<Vec<StepKey>> {
        let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else {
            return Ok(steps);
        };
        let order = |key: StepKey| (key.run.0, key.step.0);
        let mut ready = HashSet::new();
        // The first run's own steps are looked at from its beginning.
        let mut after = (first.run.0 > 1).then_some(StepKey {
            run: RunId(first.run.0 - 1),
            step: Ordinal(Ordinal::MAX),
        });
        loop {
            let page = self.store.ready(after, PAGE).await?;
            ready.extend(page.iter().map(|step| step.key));
            after = page.last().map(|step| step.key);
            if page.len() < PAGE || after.is_some_and(|after| order(after) >= order(last)) {
                break;
            }
        }
        Ok(steps
            .into_iter()
            .filter(|key| ready.contains(key))
            .collect())
    }
}
