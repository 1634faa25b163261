//! Runs and steps that are stopped, taken back or forgotten.

use std::sync::Arc;

use model::{
    clock::Timestamp,
    flow::{Graph, Route},
    id::{RunId, StepKey, Token, WorkerId},
    state::{RunState, StepState},
};
use store::runs::{CancelScope, CancelledRun, LostStep, ReadyStep, Revoked};

use super::{
    Result, State,
    runs::{Run, Step},
};
use crate::journal::Commit;

impl State {
    pub(super) fn cancel(&mut self, run: RunId, at: Timestamp) -> Result<Vec<CancelledRun>> {
        let mut family = vec![run];
        let mut looked = 0;
        while let Some(&one) = family.get(looked) {
            looked += 1;
            let child = |(id, run): (&RunId, &Run)| {
                let of_one = run.parent().is_some_and(|parent| parent.run == one);
                of_one.then_some(*id)
            };
            // A run is younger than the one that started it.
            family.extend(self.runs.range(one..).filter_map(child));
        }
        family.sort();
        family.dedup();
        let cancelled = family
            .into_iter()
            .filter_map(|run| self.cancel_one(run, at));
        Ok(cancelled.collect())
    }

    fn cancel_one(&mut self, id: RunId, at: Timestamp) -> Option<CancelledRun> {
        if self.runs.get(&id)?.state.is_final() {
            return None;
        }
        let seq = self.event(id);
        let steps: Vec<StepKey> = self.steps_of(id).map(|(key, _)| *key).collect();
        let mut running = Vec::new();
        for key in steps {
            let Some(step) = self.steps.get_mut(&key) else {
                continue;
            };
            self.waits.remove(&key);
            if step.state.is_final() {
                continue;
            }
            if step.state == StepState::Running
                && let Some(worker) = step.worker
            {
                running.push((key, worker));
                self.cancelled_claims.insert((worker, id));
            }
            self.set_ended(key, StepState::Cancelled, (seq, at));
            self.leave(key, at);
        }
        let run = self.runs.get_mut(&id)?;
        run.state = RunState::Cancelled;
        run.finished_at = Some(at);
        run.tally.remaining = 0;
        let (reference, parent) = (run.new.reference, run.parent());
        self.child_ends.extend(parent.map(|parent| (parent, id)));
        self.unfinished.remove(&id);
        self.note(Commit::Cancelled(id));
        Some(CancelledRun {
            run: id,
            reference,
            running,
        })
    }

    pub(super) fn cancel_all(
        &mut self,
        scope: &CancelScope,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<CancelledRun>> {
        let fits = |id: &&RunId| {
            let new = &self.runs[*id].new;
            **id <= scope.until
                && new.tenant == scope.tenant
                && scope.application.is_none_or(|id| id == new.application)
                && scope
                    .queue
                    .as_deref()
                    .is_none_or(|name| *name == *new.queue)
        };
        let runs: Vec<RunId> = self
            .unfinished
            .iter()
            .filter(fits)
            .take(limit)
            .copied()
            .collect();
        let mut cancelled = Vec::new();
        for run in runs {
            cancelled.extend(self.cancel(run, at)?);
        }
        Ok(cancelled)
    }

    pub(super) fn revoke(
        &mut self,
        key: StepKey,
        graph: Arc<Graph>,
        at: Timestamp,
    ) -> Result<Option<Revoked>> {
        let Some((run, step)) = self.found(key) else {
            return Ok(None);
        };
        let open = matches!(
            step.state,
            StepState::Ready | StepState::Running | StepState::Waiting
        );
        if run.state.is_final() || !open {
            return Ok(None);
        }
        let token = step.token;
        let worker = step.worker.filter(|_| step.state == StepState::Running);
        self.revoked_claims
            .extend(worker.map(|worker| (worker, key)));
        if let Some(wait) = self.waits.get_mut(&key) {
            wait.due = None;
        }
        self.leave(key, at);
        let seq = self.event(key.run);
        self.note(Commit::Revoked(key));
        let cancelled = StepState::Cancelled;
        let next = self.end_step(key, (cancelled, &Route::All), &graph, (seq, at))?;
        let ended = self.count(key.run, cancelled, next.unexecuted_len(), at)?;
        let parent = self.runs.get(&key.run).and_then(Run::parent);
        if let (Some(_), Some(parent)) = (ended, parent) {
            self.child_ends.insert((parent, key.run));
        }
        Ok(Some(Revoked {
            token,
            worker,
            ended,
        }))
    }

    pub(super) fn mark_late(&mut self, key: StepKey, token: Token, at: Timestamp) -> Result<bool> {
        if !self.runs_now(key, token) {
            return Ok(false);
        }
        let seq = self.event(key.run);
        if let Some((_, step)) = self.found(key) {
            step.late_at = Some(at);
            step.seq = seq;
        }
        Ok(true)
    }

    /// Running steps of runs that have not ended, in their order.
    fn running(&self) -> impl Iterator<Item = (&StepKey, &Step, WorkerId)> {
        let runs = self.unfinished.iter();
        let steps = runs.flat_map(|run| self.steps_of(*run));
        steps
            .filter(|(_, step)| step.state == StepState::Running)
            .filter_map(|(key, step)| Some((key, step, step.worker?)))
    }

    pub(super) fn lost(&mut self, now: Timestamp, limit: usize) -> Result<Vec<LostStep>> {
        let ended = |id: WorkerId| {
            let worker = self.workers.get(&id);
            worker.is_some_and(|worker| worker.lease_until <= now)
        };
        let lost = self.running().filter(|(_, _, worker)| ended(*worker));
        let lost: Vec<LostStep> = lost
            .take(limit)
            .map(|(key, step, worker)| {
                let run = &self.runs[&key.run];
                LostStep {
                    key: *key,
                    token: step.token,
                    worker,
                    reference: run.new.reference,
                    tenant: run.new.tenant,
                    application_revision: run.new.application_revision,
                    pins: run.new.pins,
                    part: run.new.part,
                    expires_at: run.new.expires_at,
                    parent: run.parent(),
                    queue: run.new.queue.clone(),
                    priority: run.new.priority,
                }
            })
            .collect();
        if lost.is_empty() && limit > 0 {
            self.forget_workers(now);
        }
        Ok(lost)
    }

    pub(super) fn held(&mut self, worker: WorkerId) -> Result<Vec<(StepKey, Token)>> {
        let held = self.running().filter(|(_, _, one)| *one == worker);
        Ok(held.map(|(key, step, _)| (*key, step.token)).collect())
    }

    pub(super) fn give_back(
        &mut self,
        worker: WorkerId,
        attempts: &[(StepKey, Token)],
        now: Timestamp,
    ) -> Result<Vec<ReadyStep>> {
        let mut given = Vec::new();
        for &(key, token) in attempts {
            let holds = self
                .steps
                .get(&key)
                .is_some_and(|step| step.worker == Some(worker));
            if holds && self.runs_now(key, token) {
                given.extend(self.make_ready(key, now));
                self.note(Commit::GivenBack(key, token));
            }
        }
        Ok(given)
    }

    /// A step that was claimed before is ready again.
    pub(super) fn make_ready(&mut self, key: StepKey, at: Timestamp) -> Option<ReadyStep> {
        let seq = self.event(key.run);
        let (run, step) = self.found(key)?;
        step.state = StepState::Ready;
        step.ready_at = Some(at);
        step.seq = seq;
        Some(run.ready(key))
    }

    pub(super) fn expire(&mut self, now: Timestamp, limit: usize) -> Result<usize> {
        let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        self.cache.retain(|_, record| !over(record.expires_at));
        let open = |id: RunId| self.unfinished.contains(&id);
        let expired = |id: &RunId, run: &Run| {
            let kept = run.parent().is_some_and(|parent| open(parent.run));
            run.new.expires_at <= now && !open(*id) && !kept
        };
        let runs = self.runs.iter().filter(|(id, run)| expired(id, run));
        let runs: Vec<RunId> = runs.map(|(id, _)| *id).take(limit).collect();
        for id in &runs {
            if let Some(run) = self.runs.remove(id) {
                self.names.remove(&run.new.reference);
            }
            self.keys.retain(|_, run| run != id);
            self.steps.retain(|key, _| key.run != *id);
            self.waits.retain(|key, _| key.run != *id);
            self.letters.retain(|_, letter| letter.run != *id);
            self.attempts.retain(|(key, _), _| key.run != *id);
            self.child_ends.retain(|(key, _)| key.run != *id);
            self.log.retain(|chunk| chunk.key.run != *id);
        }
        Ok(runs.len())
    }
}
