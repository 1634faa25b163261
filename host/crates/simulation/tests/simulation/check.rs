//! What must hold at every moment: the promises of the service, as far as they can be seen from
//! what is committed and what is executed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, StepKey, Token, WorkerId},
    state::{RunState, StepState, WaitKind},
};
use serde_json::Value;
use store::{pauses::PauseScope, runs::NewRun, schedules::Outcome};
use tokio::time::Instant;

use crate::{applications::RATES, journal::Commit};

/// How long after it was stopped a step may execute: a process that nothing reaches fences
/// itself when its lease ends.
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(12);

/// As many attempts as a policy of the simulated applications allows.
pub(crate) const MOST_ATTEMPTS: u32 = 4;

type Verdict = Result<(), String>;

struct Run {
    new: Box<NewRun>,
    accepted: Instant,
    stopped: Option<Instant>,
    ended: Option<RunState>,
}

#[derive(Default)]
struct Step {
    /// The newest claim: its token, its worker, and the process that it was answered to.
    claim: Option<(Token, WorkerId, u32)>,
    /// Whether that attempt has neither ended nor been taken back.
    open: bool,
    ended: Option<Token>,
    state: Option<StepState>,
    /// What it waits for, until it is woken.
    waits: Option<WaitKind>,
    stopped: Option<Instant>,
    /// How often another attempt was to follow one that failed.
    retries: u32,
}

/// An execution that has not ended.
struct Executing {
    process: u32,
    key: StepKey,
    token: Token,
    /// How many steps with its key may execute at a time, if it has one.
    most: Option<u64>,
}

/// What is known so far.
#[derive(Default)]
pub(crate) struct Check {
    runs: BTreeMap<RunId, Run>,
    steps: BTreeMap<StepKey, Step>,
    executing: Vec<Executing>,
    slots: BTreeMap<u32, usize>,
    /// Runs that occurrences have started.
    fired: BTreeMap<RunId, (i64, Timestamp)>,
    occurrences: BTreeMap<(i64, Timestamp), Outcome>,
    keys: BTreeMap<String, RunId>,
    pauses: BTreeSet<PauseScope>,
    /// When steps have started under the rates.
    starts: BTreeMap<String, Vec<Timestamp>>,
    /// The runs for the elements of a list, by the attempt that started them.
    elements: BTreeMap<(StepKey, Token), BTreeMap<u64, RunId>>,
    /// Whose answers were taken, and whether they are to go on.
    answered: BTreeMap<StepKey, bool>,
    /// The store's clock was set: leases may end early.
    pub(crate) clock_was_set: bool,
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Check {
    /// A process has started that executes so many steps at a time.
    pub(crate) fn started(&mut self, process: u32, slots: u32) {
        self.slots.insert(process, slots as usize);
    }

    /// A process has ended, and with it what it executed.
    pub(crate) fn ended(&mut self, process: u32) {
        self.executing.retain(|one| one.process != process);
    }

    pub(crate) fn commit(&mut self, process: u32, commit: Commit) -> Verdict {
        match commit {
            Commit::Accepted(run, new) => self.accepted(run, new),
            Commit::Claimed(key, token, worker) => self.claimed(process, key, token, worker),
            Commit::Ended(key, token, state) => self.ends(key, token, state),
            Commit::Suspended(key, token, kind) => {
                let step = self.steps.entry(key).or_default();
                step.retries += u32::from(kind == WaitKind::Retry);
                step.waits = Some(kind);
                must(step.retries < MOST_ATTEMPTS, || {
                    format!("limits: {key:?} is tried more often than any policy says")
                })?;
                self.put_off(key, token)
            }
            Commit::GivenBack(key, token) => self.put_off(key, token),
            Commit::Revoked(key) => {
                let step = self.steps.entry(key).or_default();
                step.open = false;
                step.stopped = Some(Instant::now());
                step.ended = Some(Token(-1));
                Ok(())
            }
            Commit::Cancelled(run) => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.stopped = Some(Instant::now());
                    run.ended = Some(RunState::Cancelled);
                }
                Ok(())
            }
            Commit::RunEnded(id, state) => {
                let run = self.runs.get_mut(&id);
                let before = run.and_then(|run| run.ended.replace(state));
                must(before.is_none(), || {
                    format!("one result: run {} ended twice", id.0)
                })
            }
            Commit::Fired(schedule, due, outcome, run) => {
                let before = self.occurrences.insert((schedule, due), outcome);
                let decided = before.is_some_and(|before| before != Outcome::Waiting);
                self.fired.extend(run.map(|run| (run, (schedule, due))));
                must(!decided, || {
                    format!(
                        "exactly once: the occurrence {due:?} of schedule {schedule} was decided twice"
                    )
                })
            }
            Commit::Woken(key) => {
                let step = self.steps.entry(key).or_default();
                let waits = step.waits.take().is_some();
                must(waits && !step.open && step.ended.is_none(), || {
                    format!("one result: {key:?} was woken and waits for nothing")
                })
            }
            Commit::Starts(key, at) => self.starts(key, at),
            Commit::Paused(scope) => {
                self.pauses.insert(scope);
                Ok(())
            }
            Commit::Resumed(scope) => {
                self.pauses.remove(&scope);
                Ok(())
            }
        }
    }

    fn put_off(&mut self, key: StepKey, token: Token) -> Verdict {
        let step = self.steps.entry(key).or_default();
        let current = step.claim.map(|(token, ..)| token);
        must(step.open && current == Some(token), || {
            format!("one result: {key:?} was put off by an attempt that is over ({token:?})")
        })?;
        step.open = false;
        Ok(())
    }

    fn accepted(&mut self, id: RunId, new: Box<NewRun>) -> Verdict {
        let ended = new.graph.is_empty().then_some(RunState::Success);
        if let Some(idempotency) = &new.idempotency {
            let before = self.keys.insert(idempotency.key.clone(), id);
            must(before.is_none(), || {
                format!("accepted once: the key {:?} made two runs", idempotency.key)
            })?;
        }
        self.element(id, &new)?;
        let run = Run {
            new,
            accepted: Instant::now(),
            stopped: None,
            ended,
        };
        self.runs.insert(id, run);
        Ok(())
    }

    fn claimed(&mut self, process: u32, key: StepKey, token: Token, worker: WorkerId) -> Verdict {
        let Some(run) = self.runs.get(&key.run) else {
            return Err(format!("accepted: {key:?} was claimed of no run"));
        };
        must(run.ended.is_none(), || {
            format!("a stopped run starts nothing: {key:?} was claimed after its run's end")
        })?;
        let new = &run.new;
        let holds = |scope: &PauseScope| scope.holds(new.application, &new.queue);
        // Whoever accepts a run with its first step may not know yet that it is paused.
        let with_its_run = run.accepted == Instant::now() && token == Token(1);
        must(with_its_run || !self.pauses.iter().any(holds), || {
            format!("control: {key:?} was claimed while its run was paused")
        })?;
        let graph = &run.new.graph;
        for from in (0..graph.len() as u32).map(Ordinal) {
            let open = self.steps.get(&StepKey { step: from, ..key });
            let open = open.is_some_and(|step| step.ended.is_none());
            must(
                !(open && graph.successors(from).contains(&key.step)),
                || format!("results before successors: {key:?} was claimed before {from:?} ended"),
            )?;
        }
        let step = self.steps.entry(key).or_default();
        must(step.ended.is_none() && !step.open, || {
            format!("one result: {key:?} was claimed again while an attempt was open")
        })?;
        step.claim = Some((token, worker, process));
        step.open = true;
        step.waits = None;
        Ok(())
    }

    /// A run was accepted; for an element of a list, it is the only one, and not one too many.
    fn element(&mut self, id: RunId, new: &NewRun) -> Verdict {
        let (Some(parent), Some(_)) = (&new.parent, new.part) else {
            return Ok(());
        };
        let input: Value = serde_json::from_slice(&new.input).unwrap_or_default();
        let (index, most) = (&input["index"], &input["item"]["parallel"]);
        let (Some(index), Some(most)) = (index.as_u64(), most.as_u64()) else {
            return Err(format!("elements: run {} is for none: {input}", id.0));
        };
        let all = self.elements.entry((parent.key, parent.token)).or_default();
        let before = all.insert(index, id);
        must(before.is_none(), || {
            format!(
                "elements: {:?} has two runs for element {index}",
                parent.key
            )
        })?;
        let has_ended = |run: &RunId| self.runs.get(run).is_some_and(|run| run.ended.is_some());
        let open = all.values().filter(|run| !has_ended(run)).count() as u64;
        must(open <= most, || {
            format!(
                "elements: {open} of {:?} are under way, and {most} may be",
                parent.key
            )
        })
    }

    /// A step starts: in no span of time more than the rate allows.
    fn starts(&mut self, key: String, at: Timestamp) -> Verdict {
        let rate = RATES.iter().find(|(name, _)| **name == *key);
        let Some((_, rate)) = rate.filter(|_| !self.clock_was_set) else {
            return Ok(());
        };
        let starts = self.starts.entry(key).or_default();
        starts.push(at);
        let limit = rate.limit as usize;
        let Some(first) = starts.len().checked_sub(limit + 1) else {
            return Ok(());
        };
        let took = at.micros_since(starts[first]);
        must(took >= rate.per as i64 * 1_000_000, || {
            format!(
                "limits: {} starts within {took} µs, and {limit} in {} s are allowed",
                limit + 1,
                rate.per
            )
        })
    }

    /// Somebody was told that his answer counts.
    pub(crate) fn answered(&mut self, run: RunRef, step: Ordinal, goes_on: bool) -> Verdict {
        let of = |(_, one): &(&RunId, &Run)| one.new.reference == run;
        let Some((id, _)) = self.runs.iter().find(of) else {
            return Err(format!("one answer: {run} is not there"));
        };
        let key = StepKey { run: *id, step };
        let before = self.answered.insert(key, goes_on);
        must(before.is_none(), || {
            format!("one answer: two were taken for {key:?}")
        })
    }

    fn ends(&mut self, key: StepKey, token: Token, state: StepState) -> Verdict {
        let kept = self.runs.get(&key.run).is_some_and(|run| {
            let kept = &run.new.kept;
            token == Token(0) && kept.iter().any(|kept| kept.step == key.step)
        });
        let step = self.steps.entry(key).or_default();
        let current = step.open && step.claim.is_some_and(|(newest, ..)| newest == token);
        must(kept || current, || {
            format!("one result: {key:?} ended as {state:?} by an attempt that is over ({token:?})")
        })?;
        must(step.ended.is_none(), || {
            format!("one result: {key:?} ended twice")
        })?;
        step.open = false;
        step.ended = Some(token);
        step.state = Some(state);
        Ok(())
    }

    /// A process begins to execute an attempt, with these data of the steps before it.
    pub(crate) fn begins(
        &mut self,
        process: u32,
        (key, token): (StepKey, Token),
        data: &str,
        parameters: &str,
    ) -> Verdict {
        let step = self.steps.entry(key).or_default();
        let claim = step.claim.filter(|(newest, ..)| *newest >= token);
        must(claim.is_some(), || {
            format!("results before successors: {key:?} {token:?} executes without a claim")
        })?;
        if let Some((newest, _, by)) = claim {
            must(newest != token || by == process, || {
                format!(
                    "fencing: {key:?} {token:?} was claimed by p{by} and executes on p{process}"
                )
            })?;
        }
        let stopped = self.stopped(key);
        must(stopped.is_none_or(|at| at.elapsed() < STOPS_WITHIN), || {
            format!("a stopped run starts nothing: {key:?} executes long after it was stopped")
        })?;
        self.handed_over(key, data)?;
        let twice = self.executing.iter().find(|one| one.key == key);
        must(twice.is_none() || self.clock_was_set, || {
            let by = twice.map_or(0, |one| one.process);
            format!("fencing: {key:?} executes on p{process} while it does on p{by}")
        })?;
        let parameters: Value = serde_json::from_str(parameters).unwrap_or_default();
        let most = parameters["most"].as_u64();
        self.executing.push(Executing {
            process,
            key,
            token,
            most,
        });
        self.beside_each_other(most)?;
        let executing = self.executing.iter().filter(|one| one.process == process);
        let (count, slots) = (executing.count(), self.slots.get(&process).copied());
        must(slots.is_none_or(|slots| count <= slots), || {
            format!("limits: p{process} executes {count} steps in {slots:?} slots")
        })
    }

    /// No more steps with a key execute than may. What is stopped gives its place to others at
    /// once, and executes on for a while.
    fn beside_each_other(&self, most: Option<u64>) -> Verdict {
        let Some(most) = most.filter(|_| !self.clock_was_set) else {
            return Ok(());
        };
        let same: BTreeSet<StepKey> = self
            .executing
            .iter()
            .filter(|one| one.most == Some(most) && self.stopped(one.key).is_none())
            .map(|one| one.key)
            .collect();
        must(same.len() as u64 <= most, || {
            format!("limits: {same:?} execute at a time, and {most} may")
        })
    }

    /// What a step is given of one before it is that one's committed result.
    fn handed_over(&self, key: StepKey, data: &str) -> Verdict {
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let all = data.as_object().into_iter().flatten();
        // Of a step for each element, one behind the other.
        let each = |(name, one): (_, &Value)| match one {
            Value::Array(list) => list.iter().cloned().map(|one| (name, one)).collect(),
            one => vec![(name, one.clone())],
        };
        for (name, list) in data.as_object().into_iter().flatten() {
            for (at, one) in list.as_array().into_iter().flatten().enumerate() {
                let index = one["index"].as_u64();
                must(index.is_none_or(|index| index == at as u64), || {
                    format!("elements: {name} has {index:?} in place {at}")
                })?;
            }
        }
        for (name, one) in all.flat_map(each) {
            let number = |at: &str| one[at].as_i64();
            let (Some(run), Some(step), Some(token)) =
                (number("run"), number("step"), number("token"))
            else {
                continue;
            };
            let from = StepKey {
                run: RunId(run),
                step: Ordinal(step as u32),
            };
            let ended = self.steps.get(&from).and_then(|step| step.ended);
            must(ended.is_some(), || {
                format!(
                    "results before successors: {key:?} was given data of `{name}`, whose end is not committed"
                )
            })?;
            // A run that begins with kept results has those of another one.
            must(from.run != key.run || ended == Some(Token(token)), || {
                format!(
                    "one result: {key:?} was given data of attempt {token} of `{name}`, which ended as {ended:?}"
                )
            })?;
        }
        Ok(())
    }

    fn stopped(&self, key: StepKey) -> Option<Instant> {
        let run = self.runs.get(&key.run).and_then(|run| run.stopped);
        run.or(self.steps.get(&key).and_then(|step| step.stopped))
    }

    /// An execution has ended.
    pub(crate) fn is_over(&mut self, process: u32, key: StepKey, token: Token) -> Verdict {
        self.executing
            .retain(|one| (one.process, one.key, one.token) != (process, key, token));
        self.not_too_long(key)
    }

    fn not_too_long(&self, key: StepKey) -> Verdict {
        let since = self.stopped(key).map(|at| at.elapsed());
        must(since.is_none_or(|since| since < STOPS_WITHIN), || {
            format!(
                "a stopped run starts nothing: {key:?} executed for {since:?} after it was stopped"
            )
        })
    }

    /// What must hold when all is well again and nothing is left to do.
    pub(crate) fn at_the_end(&self) -> Verdict {
        for one in &self.executing {
            self.not_too_long(one.key)?;
        }
        for (id, run) in &self.runs {
            let fired = self.fired.contains_key(id);
            must(fired == run.new.trigger.starts_with("schedule:"), || {
                format!(
                    "exactly once: run {} of {} has no occurrence",
                    id.0, run.new.trigger
                )
            })?;
            must(run.ended.is_some(), || {
                let steps = self.steps.iter().filter(|(key, _)| key.run == *id);
                let steps: Vec<_> = steps
                    .map(|(key, one)| (key.step.0, one.claim, one.open, one.ended))
                    .collect();
                format!("accepted runs end: run {} has not ended: {steps:?}", id.0)
            })?;
        }
        for (key, goes_on) in &self.answered {
            let state = self.steps.get(key).and_then(|step| step.state);
            let fits = match state {
                Some(StepState::Success | StepState::Warning) => *goes_on,
                Some(StepState::Failed) => !goes_on,
                _ => self.stopped(*key).is_some(),
            };
            must(fits, || {
                format!("one answer: {key:?} was answered {goes_on} and is {state:?}")
            })?;
        }
        let runs: BTreeSet<_> = self.fired.values().collect();
        must(runs.len() == self.fired.len(), || {
            "exactly once: an occurrence has started two runs".to_owned()
        })
    }

    /// The occurrences of a schedule, in their order.
    pub(crate) fn dues(&self, schedule: i64) -> Vec<Timestamp> {
        let all = self.occurrences.keys().filter(|(one, _)| *one == schedule);
        all.map(|(_, due)| *due).collect()
    }

    /// Runs that have ended, and those that have not.
    pub(crate) fn runs(&self, ended: bool) -> Vec<(RunId, RunRef)> {
        let runs = self
            .runs
            .iter()
            .filter(|(_, run)| run.ended.is_some() == ended);
        runs.map(|(id, run)| (*id, run.new.reference)).collect()
    }

    /// Steps that were claimed and have not ended, with their runs.
    pub(crate) fn open_steps(&self) -> Vec<(RunRef, Ordinal)> {
        let open = self.open_steps_by_key().into_iter();
        open.map(|(key, run)| (run, key.step)).collect()
    }

    fn open_steps_by_key(&self) -> Vec<(StepKey, RunRef)> {
        let open = self.steps.iter().filter(|(key, step)| {
            let run = self.runs.get(&key.run);
            step.ended.is_none() && run.is_some_and(|run| run.ended.is_none())
        });
        let named = open.filter_map(|(key, _)| Some((*key, self.runs.get(&key.run)?)));
        named.map(|(key, run)| (key, run.new.reference)).collect()
    }

    /// Steps that wait for a decision, with their runs.
    pub(crate) fn undecided(&self) -> Vec<(RunRef, Ordinal)> {
        let mut open = self.open_steps_by_key();
        open.retain(|(key, _)| {
            let step = self.steps.get(key);
            step.is_some_and(|step| step.waits == Some(WaitKind::Approval))
        });
        open.into_iter().map(|(key, run)| (run, key.step)).collect()
    }

    /// Whether a run of that name was accepted.
    pub(crate) fn knows(&self, reference: RunRef) -> bool {
        self.runs.values().any(|run| run.new.reference == reference)
    }
}
