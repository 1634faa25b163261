//! Runs: accepted, claimed, ended, stopped.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    flow::{Advance, Arrivals, Graph, Joins, Route, Signal, Tally, accepted_state, advance},
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState},
};
use store::{
    Error,
    runs::{
        Claim, Claimed, Completed, Completion, KeptStep, NewRun, ReadyStep, RunHeader, Submitted,
    },
};

use super::{Result, State};
use crate::journal::Commit;

/// A run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) new: NewRun,
    pub(crate) state: RunState,
    pub(crate) seq: i64,
    pub(crate) tally: Tally,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
}

impl Run {
    pub(super) fn ready(&self, key: StepKey) -> ReadyStep {
        ReadyStep {
            key,
            queue: self.new.queue.clone(),
            priority: self.new.priority,
            tenant: self.new.tenant,
        }
    }

    pub(super) fn parent(&self) -> Option<StepKey> {
        self.new.parent.map(|parent| parent.key)
    }
}

/// A step that something has reached.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) state: StepState,
    pub(crate) token: Token,
    pub(crate) seq: i64,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) late_at: Option<Timestamp>,
    pub(crate) output: Option<Bytes>,
    pub(crate) error: Option<Bytes>,
    arrivals: Arrivals,
}

/// Log lines of an attempt.
#[derive(Clone)]
pub(crate) struct Chunk {
    pub(crate) key: StepKey,
    pub(crate) token: Token,
    pub(crate) lines: Bytes,
}

/// Steps of one run, where its joins are counted.
struct Counted<'a> {
    state: &'a mut State,
    run: RunId,
    seq: i64,
}

impl Joins for Counted<'_> {
    type Error = Error;

    fn arrive(&mut self, step: Ordinal, inputs: u32, signal: Signal) -> Result<Arrivals> {
        let run = self.run;
        let row = self.state.reached(StepKey { run, step }, inputs);
        row.arrivals = row.arrivals.with(signal);
        row.seq = self.seq;
        Ok(row.arrivals)
    }
}

impl State {
    fn reached(&mut self, key: StepKey, inputs: u32) -> &mut Step {
        self.steps.entry(key).or_insert_with(|| Step {
            state: StepState::Pending,
            token: Token(0),
            seq: 0,
            worker: None,
            ready_at: None,
            started_at: None,
            finished_at: None,
            late_at: None,
            output: None,
            error: None,
            arrivals: Arrivals::none(inputs),
        })
    }

    /// The run of a step, and the step's state.
    pub(super) fn found(&mut self, key: StepKey) -> Option<(&mut Run, &mut Step)> {
        Some((self.runs.get_mut(&key.run)?, self.steps.get_mut(&key)?))
    }

    /// Each change of a run is an event of it.
    pub(super) fn event(&mut self, run: RunId) -> i64 {
        self.runs.get_mut(&run).map_or(0, |run| {
            run.seq += 1;
            run.seq
        })
    }

    pub(super) fn steps_of(&self, run: RunId) -> impl Iterator<Item = (&StepKey, &Step)> {
        let key = |step| StepKey {
            run,
            step: Ordinal(step),
        };
        self.steps.range(key(0)..=key(u32::MAX))
    }

    /// Whether the attempt is its step's newest and still runs.
    pub(super) fn runs_now(&self, key: StepKey, token: Token) -> bool {
        let step = self.steps.get(&key);
        step.is_some_and(|step| step.state == StepState::Running && step.token == token)
    }

    pub(super) fn submit(&mut self, new: NewRun) -> Result<Submitted> {
        if let Some(parent) = &new.parent
            && !self.runs_now(parent.key, parent.token)
        {
            return Ok(Submitted::Orphan);
        }
        if let Some(idempotency) = &new.idempotency
            && let Some(&run) = self.keys.get(&(new.tenant, idempotency.key.clone()))
        {
            let found = &self.runs[&run].new;
            let same = found.idempotency.as_ref().map(|one| one.digest);
            if same != Some(idempotency.digest) {
                return Err(Error::KeyReused(idempotency.key.clone()));
            }
            let reference = found.reference;
            return Ok(Submitted::Existing { run, reference });
        }
        if new.kept.is_empty() {
            return self.accept(new);
        }
        self.whole(|state| state.accept(new))
    }

    fn accept(&mut self, new: NewRun) -> Result<Submitted> {
        self.last_run += 1;
        let run = RunId(self.last_run);
        let (at, graph, kept) = (new.created_at, new.graph.clone(), new.kept.clone());
        let claim = new.claim.filter(|_| kept.is_empty());
        let mut ready: Vec<Ordinal> = graph.roots().collect();
        let state = accepted_state(graph.len(), claim.is_some() && !ready.is_empty());
        self.names.insert(new.reference, run);
        if let Some(idempotency) = &new.idempotency {
            let key = (new.tenant, idempotency.key.clone());
            self.keys.insert(key, run);
        }
        if !state.is_final() {
            self.unfinished.insert(run);
        }
        self.note(Commit::Accepted(run, Box::new(new.clone())));
        self.runs.insert(
            run,
            Run {
                state,
                seq: 1,
                tally: Tally {
                    remaining: graph.len() as u32,
                    ..Tally::default()
                },
                started_at: (state == RunState::Running).then_some(at),
                finished_at: state.is_final().then_some(at),
                new,
            },
        );
        let claimed = self.start(run, &mut ready, claim, (1, at));
        for kept in &kept {
            self.keep(run, kept, &mut ready)?;
        }
        Ok(Submitted::New {
            run,
            claimed,
            ready,
        })
    }

    /// Ends a step with the result of another run.
    fn keep(&mut self, run: RunId, kept: &KeptStep, ready: &mut Vec<Ordinal>) -> Result<()> {
        let step = kept.step;
        let misplaced = || Error::Internal(format!("step {} is kept before its time", step.0));
        let (found, row) = self.found(StepKey { run, step }).ok_or_else(misplaced)?;
        if row.state != StepState::Ready {
            return Err(misplaced());
        }
        row.state = StepState::Running;
        let end = found.new.end_of(run, kept);
        let Completed::Stored { ready: next, .. } = self.complete(end)? else {
            return Err(misplaced());
        };
        ready.retain(|one| *one != step);
        ready.extend(next);
        Ok(())
    }

    /// Makes steps ready, the first of them claimed if a worker asks for one.
    fn start(
        &mut self,
        run: RunId,
        ready: &mut Vec<Ordinal>,
        worker: Option<WorkerId>,
        (seq, at): (i64, Timestamp),
    ) -> Option<(Ordinal, Token)> {
        for &step in ready.iter() {
            let row = self.reached(StepKey { run, step }, 0);
            row.state = StepState::Ready;
            row.seq = seq;
            row.ready_at = Some(at);
        }
        let (worker, step) = worker.zip(ready.first().copied())?;
        ready.remove(0);
        let key = StepKey { run, step };
        Some((step, self.run_step(key, worker, seq, at)))
    }

    fn run_step(&mut self, key: StepKey, worker: WorkerId, seq: i64, at: Timestamp) -> Token {
        self.know_worker(worker);
        let row = self.reached(key, 0);
        row.state = StepState::Running;
        row.token.0 += 1;
        row.seq = seq;
        row.worker = Some(worker);
        row.started_at = Some(at);
        let token = row.token;
        self.note(Commit::Claimed(key, token, worker));
        token
    }

    pub(super) fn claim(&mut self, claim: Claim) -> Result<Option<Claimed>> {
        let Claim { key, worker, at } = claim;
        match self.steps.get(&key) {
            Some(step) if step.state == StepState::Ready && !self.is_paused(key.run) => {}
            _ => return Ok(None),
        }
        let again = self.again(key);
        let seq = self.event(key.run);
        let Some((run, step)) = self.found(key) else {
            return Ok(None);
        };
        let ready_at = step.ready_at;
        if run.state == RunState::Queued {
            run.state = RunState::Running;
            run.started_at = Some(at);
        }
        let new = &run.new;
        let header = RunHeader {
            run: key.run,
            reference: new.reference,
            tenant: new.tenant,
            application: new.application,
            application_revision: new.application_revision,
            configuration_revision: new.configuration_revision,
            pins: new.pins,
            queue: new.queue.clone(),
            priority: new.priority,
            log_level: new.log_level,
            created_at: new.created_at,
            expires_at: new.expires_at,
            input: new.input.clone(),
            trace: new.trace.clone(),
            parent: run.parent(),
            part: new.part,
        };
        Ok(Some(Claimed {
            token: self.run_step(key, worker, seq, at),
            ready_at,
            again,
            header,
        }))
    }

    pub(super) fn complete(&mut self, end: Completion) -> Result<Completed> {
        let key = end.key;
        if !self.runs_now(key, end.token) {
            return Ok(Completed::Fenced);
        }
        let seq = self.event(key.run);
        let Some((_, row)) = self.found(key) else {
            return Ok(Completed::Fenced);
        };
        row.output = end.output;
        row.error = end.error;
        if let Some(lines) = end.log {
            let token = end.token;
            self.log.push(Chunk { key, token, lines });
        }
        self.note(Commit::Ended(key, end.token, end.state));
        let handed = end.limited && self.leave(key, end.at);
        let mut next = self.end_step(key, (end.state, &end.route), &end.graph, (seq, end.at))?;
        let claim = end.claim.filter(|_| !self.is_paused(key.run));
        let claimed = self.start(key.run, &mut next.ready, claim, (seq, end.at));
        let counted = end.graph.counted(key.step, end.state);
        let ended = self.count(key.run, counted, next.unexecuted_len(), end.at)?;
        if let (Some(_), Some(parent)) = (ended, end.parent) {
            self.child_ends.insert((parent, key.run));
        }
        Ok(Completed::Stored {
            claimed,
            ready: next.ready,
            ended,
            handed,
        })
    }

    /// Ends a step and those behind it that are not executed.
    pub(super) fn end_step(
        &mut self,
        key: StepKey,
        (state, route): (StepState, &Route),
        graph: &Graph,
        (seq, at): (i64, Timestamp),
    ) -> Result<Advance> {
        self.set_ended(key, state, (seq, at));
        let mut counted = Counted {
            state: self,
            run: key.run,
            seq,
        };
        let next = advance(graph, key.step, state, route, &mut counted)?;
        for (step, state) in next.unexecuted() {
            self.set_ended(StepKey { step, ..key }, state, (seq, at));
        }
        Ok(next)
    }

    pub(super) fn set_ended(
        &mut self,
        key: StepKey,
        state: StepState,
        (seq, at): (i64, Timestamp),
    ) {
        self.asks.remove(&key);
        let row = self.reached(key, 0);
        row.state = state;
        row.seq = seq;
        row.finished_at = Some(at);
    }

    /// Counts ended steps for their run, which may end with them.
    pub(super) fn count(
        &mut self,
        id: RunId,
        state: StepState,
        unexecuted: usize,
        at: Timestamp,
    ) -> Result<Option<RunState>> {
        let Some(run) = self.runs.get_mut(&id) else {
            return Ok(None);
        };
        let ended = run.tally.end(state, unexecuted);
        let ended = ended.map_err(|error| Error::miscounted(id, error))?;
        if let Some(state) = ended {
            run.state = state;
            run.finished_at = Some(at);
            self.unfinished.remove(&id);
            self.note(Commit::RunEnded(id, state));
        }
        Ok(ended)
    }

    pub(super) fn append_log(
        &mut self,
        key: StepKey,
        token: Token,
        _expires_at: Timestamp,
        lines: Bytes,
    ) -> Result<()> {
        if let Some(step) = self.steps.get(&key)
            && matches!(step.state, StepState::Running | StepState::Cancelled)
            && step.token == token
        {
            self.log.push(Chunk { key, token, lines });
        }
        Ok(())
    }
}
