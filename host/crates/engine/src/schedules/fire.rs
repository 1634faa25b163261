//! Occurrences that are due or wait become runs, many at a time.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};
use model::{
    clock::Timestamp,
    id::StepKey,
    schedule::{Compiled, Overlap, Planned, plan, rfc3339},
};
use store::{
    runs::{NewRun, ReadyStep},
    schedules::{Act, BATCH, Fire, Fired, Outcome, Schedule, Source},
};
use trace::Context;

use crate::{
    Engine,
    error::{Error, Result},
    made::Origin,
    submit::parse_params,
    view::Caller,
};

/// How many schedules are read at a time.
const PAGE: usize = 2_000;
/// How many waiting occurrences of one schedule are started at a time.
const EACH: usize = 64;
/// How many batches are prepared and stored at the same time.
const LANES: usize = 4;
/// How much is recorded of why there is no run, in characters.
const REASON: usize = 2_000;

/// What is to be done about one schedule.
struct Work {
    schedule: Schedule,
    compiled: Option<Arc<Compiled>>,
    todo: Vec<Todo>,
}

impl Work {
    /// The occurrence whose run takes the place of those before it.
    fn replaces(&self) -> Option<Timestamp> {
        let cancels = self
            .compiled
            .as_ref()
            .is_some_and(|one| one.overlap == Overlap::Cancel);
        let due = self
            .todo
            .iter()
            .filter(|todo| {
                matches!(
                    (todo.source, &todo.what),
                    (Source::Due { .. }, What::Start(_))
                )
            })
            .map(|todo| todo.due)
            .max();
        due.filter(|_| cancels)
    }
}

/// What is to happen to one occurrence.
struct Todo {
    due: Timestamp,
    source: Source,
    what: What,
}

enum What {
    Start(Overlap),
    Record(Outcome, String),
}

/// What came of some work.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Something was stored.
    moved: bool,
    /// Something could not be started now and may be later.
    held: bool,
}

impl Done {
    const fn and(self, other: Self) -> Self {
        Self {
            moved: self.moved || other.moved,
            held: self.held || other.held,
        }
    }
}

/// A run that is about to be stored, with its place in a trace.
struct Begun {
    at: usize,
    application: Arc<str>,
    run: NewRun,
    place: Option<Context>,
}

impl Engine {
    /// Starts what is due; says whether something has to be tried again.
    pub(super) async fn fire_due_now(&self) -> Result<bool> {
        let mut held = false;
        loop {
            let now = self.now();
            let due = self.store.due(None, now, PAGE).await?;
            let more = due.len() == PAGE;
            let work: Vec<Work> = due.into_iter().map(|one| self.planned(one, now)).collect();
            // One that cannot be read stays due, and is looked at again with the next beat.
            held |= work.iter().any(|one| one.compiled.is_none());
            let done = self.work_off(work).await?;
            held |= done.held;
            // What does not move on is looked at again with the next beat.
            if !more || !done.moved || done.held {
                return Ok(held);
            }
        }
    }

    /// Starts what waits and may; says whether something has to be tried again.
    pub(super) async fn fire_waiting(&self) -> Result<bool> {
        let mut held = false;
        loop {
            let waiting = self.store.waiting(EACH, PAGE).await?;
            let more = waiting.len() == PAGE || waiting.len() >= EACH;
            let mut work: Vec<Work> = Vec::new();
            let mut begun = HashSet::new();
            let mut sorted = waiting;
            sorted.sort_by_key(|one| (one.schedule.id, one.due));
            for one in sorted {
                // Another version of the service may read it.
                let Ok(compiled) = self.scheduler.compile(&one.schedule) else {
                    held = true;
                    continue;
                };
                // One after another, unless they may run side by side.
                let overlap = match compiled.overlap {
                    Overlap::Allow => Overlap::Allow,
                    _ => Overlap::Queue,
                };
                if overlap == Overlap::Queue && !begun.insert(one.schedule.id) {
                    continue;
                }
                let todo = Todo {
                    due: one.due,
                    source: Source::Waiting,
                    what: What::Start(overlap),
                };
                match work.last_mut() {
                    Some(last) if last.schedule.id == one.schedule.id => last.todo.push(todo),
                    _ => work.push(Work {
                        schedule: one.schedule,
                        compiled: Some(compiled),
                        todo: vec![todo],
                    }),
                }
            }
            let done = self.work_off(work).await?;
            held |= done.held;
            if !more || !done.moved || done.held {
                return Ok(held);
            }
        }
    }

    /// What is to be done about a schedule that is due.
    fn planned(&self, schedule: Schedule, now: Timestamp) -> Work {
        let due = schedule.next_due.unwrap_or(now);
        let compiled = match self.scheduler.compile(&schedule) {
            Ok(compiled) => compiled,
            Err(reason) => {
                // What is due stays due: another version of the service may read it, or a person
                // may save it anew.
                if self.scheduler.is_news(&schedule) {
                    tracing::warn!(
                        schedule = schedule.name,
                        reason,
                        "a schedule cannot be read, and waits until it can"
                    );
                }
                return Work {
                    schedule,
                    compiled: None,
                    todo: Vec::new(),
                };
            }
        };
        let planned = plan(
            &compiled.timing,
            schedule.anchor,
            due,
            now,
            compiled.overlap,
            (compiled.catch_up, compiled.catch_up_limit),
        );
        let todo = todo(&planned, compiled.overlap);
        Work {
            schedule,
            compiled: Some(compiled),
            todo,
        }
    }

    /// Does the work in batches, a few at a time; that of one schedule in its order.
    async fn work_off(&self, work: Vec<Work>) -> Result<Done> {
        let mut lanes: Vec<Vec<Work>> = Vec::new();
        let mut size = BATCH;
        for one in work {
            if size + one.todo.len() > BATCH {
                lanes.push(Vec::new());
                size = 0;
            }
            size += one.todo.len();
            if let Some(lane) = lanes.last_mut() {
                lane.push(one);
            }
        }
        // Each goes to its end, also when another fails: what it has stored must be queued.
        let answers: Vec<Result<Done>> = stream::iter(lanes)
            .map(|lane| self.batch(lane))
            .buffer_unordered(LANES)
            .collect()
            .await;
        let mut done = Done::default();
        for answer in answers {
            done = done.and(answer?);
        }
        Ok(done)
    }

    async fn batch(&self, work: Vec<Work>) -> Result<Done> {
        let mut done = Done::default();
        let (mut fires, mut begun) = (Vec::new(), Vec::new());
        for one in &work {
            if let Some(due) = one.replaces()
                && let Err(error) = self.replace_runs_of(one, due).await
            {
                tracing::debug!(%error, schedule = one.schedule.name, "runs could not be cancelled yet");
                done.held = true;
                continue;
            }
            for todo in &one.todo {
                if fires.len() == BATCH {
                    let part =
                        self.store_batch(std::mem::take(&mut fires), std::mem::take(&mut begun));
                    done = done.and(part.await?);
                }
                match self.fire_of(one, todo, fires.len()).await {
                    Ok((fire, run)) => {
                        fires.push(fire);
                        begun.extend(run);
                    }
                    // Neither this one nor those after it, which come later.
                    Err(error) if error.is_retryable() => {
                        tracing::debug!(%error, schedule = one.schedule.name, "an occurrence is held back");
                        done.held = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if !fires.is_empty() {
            done = done.and(self.store_batch(fires, begun).await?);
        }
        Ok(done)
    }

    /// What the store is to do. A run that is refused is recorded as such.
    async fn fire_of(&self, work: &Work, todo: &Todo, at: usize) -> Result<(Fire, Option<Begun>)> {
        let fire = |act| Fire {
            schedule: work.schedule.id,
            revision: work.schedule.revision,
            due: todo.due,
            source: todo.source,
            act,
            at: self.now(),
        };
        let overlap = match &todo.what {
            What::Record(outcome, reason) => {
                return Ok((fire(Act::Record(*outcome, shortened(reason))), None));
            }
            // Whatever had to be cancelled has been.
            What::Start(Overlap::Cancel) => Overlap::Allow,
            What::Start(overlap) => *overlap,
        };
        let place = self.tracer.begin(None);
        let made = match &work.compiled {
            Some(compiled) => self.run_of(&work.schedule, compiled, place.clone()).await,
            None => Err(Error::Internal("a schedule was not read".to_owned())),
        };
        match made {
            Ok(run) => {
                #[cfg(feature = "simulation")]
                if crate::simulation::has(crate::simulation::Mutation::FiresApart) {
                    self.store.submit(run).await.map_err(Error::from)?;
                    let started = Act::Record(store::schedules::Outcome::Started, String::new());
                    return Ok((fire(started), None));
                }
                self.backlog.add(run.tenant, &run.queue, 1);
                let begun = Begun {
                    at,
                    application: work.schedule.application.as_str().into(),
                    run: run.clone(),
                    place,
                };
                Ok((fire(Act::Start(Box::new(run), overlap)), Some(begun)))
            }
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                tracing::info!(schedule = work.schedule.name, %error, "a scheduled run was refused");
                let reason = shortened(&reason_of(&error));
                Ok((fire(Act::Record(Outcome::Failed, reason)), None))
            }
        }
    }

    async fn run_of(
        &self,
        schedule: &Schedule,
        compiled: &Compiled,
        trace: Option<Context>,
    ) -> Result<NewRun> {
        let runnable = self
            .runnable(schedule.tenant, &compiled.application)
            .await?;
        let request = parse_params(&compiled.application, &compiled.params)?;
        let trigger = format!("schedule:{}", schedule.name);
        let origin = Origin {
            tenant: schedule.tenant,
            trigger: trigger.as_str().into(),
            trace,
            parent: None,
            kept: Vec::new(),
            same: None,
        };
        let made = self
            .make_run(origin, &runnable, request, Vec::new(), None)
            .await?;
        Ok(made.run)
    }

    /// Stores a batch and puts what has become ready on the queue.
    async fn store_batch(&self, fires: Vec<Fire>, begun: Vec<Begun>) -> Result<Done> {
        let answers = match self.store.fire(fires).await {
            Ok(answers) => answers,
            Err(error) => {
                for one in &begun {
                    self.backlog.add(one.run.tenant, &one.run.queue, -1);
                }
                return Err(error.into());
            }
        };
        let moved = answers
            .iter()
            .any(|one| !matches!(one, Fired::Changed | Fired::Recorded(Outcome::Waiting)));
        for one in &answers {
            match one {
                Fired::Started { .. } => metrics::get().occurrence(Outcome::Started.word()),
                // One that waits is decided on again.
                Fired::Recorded(outcome) if *outcome != Outcome::Waiting => {
                    metrics::get().occurrence(outcome.word());
                }
                Fired::Recorded(_) | Fired::Already | Fired::Changed => {}
            }
        }
        let mut steps = Vec::new();
        for Begun {
            at,
            application,
            run,
            place,
        } in begun
        {
            let Some(Fired::Started { run: id, ready }) = answers.get(at) else {
                self.backlog.add(run.tenant, &run.queue, -1);
                continue;
            };
            metrics::get().runs_accepted.inc();
            if let Some(place) = place {
                self.trace_submit(place, None, run.created_at, &application, Ok(run.reference));
            }
            steps.extend(ready.iter().map(|&step| ReadyStep {
                key: StepKey { run: *id, step },
                queue: run.queue.clone(),
                priority: run.priority,
                tenant: run.tenant,
            }));
        }
        if !steps.is_empty()
            && let Err(error) = self.enqueue(steps).await
        {
            // The runs are committed; the reconciler will find them.
            tracing::warn!(%error, "scheduled runs could not be queued yet");
        }
        Ok(Done { moved, held: false })
    }

    /// Ends the runs in whose place a new one comes, unless that is refused: then they go on.
    async fn replace_runs_of(&self, work: &Work, due: Timestamp) -> Result<()> {
        let Some(compiled) = &work.compiled else {
            return Ok(());
        };
        match self.run_of(&work.schedule, compiled, None).await {
            Ok(_) => self.end_runs_of(&work.schedule, due).await,
            Err(error) if error.is_retryable() => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Ends the runs of a schedule whose place the occurrence `due` takes. Whoever fires it at
    /// the same time ends no other: its own run is not one of those before.
    async fn end_runs_of(&self, schedule: &Schedule, due: Timestamp) -> Result<()> {
        let caller = Caller {
            name: format!("schedule:{}", schedule.name),
            tenant: schedule.tenant,
            trace: None,
        };
        // A hundred at a time; of more than a thousand the rest comes with the next one.
        for _ in 0..10 {
            let runs = self.store.unfinished_of(schedule.id, due).await?;
            if runs.is_empty() {
                break;
            }
            for run in runs {
                match self.cancel(&caller, run).await {
                    Ok(()) | Err(Error::RunState(_) | Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

fn todo(planned: &Planned, overlap: Overlap) -> Vec<Todo> {
    let left_out = planned.missed.map(|missed| {
        let reason = if missed.count == 1 {
            "nobody started it in time".to_owned()
        } else {
            format!(
                "nobody started it in time, nor those that followed until {}: {} in all",
                rfc3339(missed.last),
                missed.count
            )
        };
        Todo {
            due: missed.first,
            source: Source::Due { next: missed.next },
            what: What::Record(Outcome::Missed, reason),
        }
    });
    let run = planned.run.iter().map(|&(due, next)| Todo {
        due,
        source: Source::Due { next },
        what: What::Start(overlap),
    });
    left_out.into_iter().chain(run).collect()
}

/// Why a run was refused, every reason.
fn reason_of(error: &Error) -> String {
    match error {
        Error::CannotRun {
            application,
            faults,
        } if faults.len() > 1 => {
            let all: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
            format!("`{application}` cannot run: {}", all.join("; "))
        }
        error => error.to_string(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(REASON).collect()
}
