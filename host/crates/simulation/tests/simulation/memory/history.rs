//! What is read of runs, and pauses.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, RunRef, StepKey, TenantId},
    state::{RunState, StepState},
};
use store::{
    Page,
    pauses::{Pause, PauseScope},
    runs::{
        LogChunk, QueueStanding, ReadyStep, RunFilter, RunSummary, Span, StepSummary, Sum,
        Unfinished, Volume,
    },
};

use super::{Result, State, runs::Run};
use crate::journal::Commit;

impl State {
    fn summary(&self, id: RunId, run: &Run) -> RunSummary {
        let new = &run.new;
        let number = |row: i64| self.revisions.get((row - 1) as usize).map(|one| one.number);
        RunSummary {
            run: id,
            reference: new.reference,
            tenant: new.tenant,
            application: new.application,
            application_name: self.name_of(new.application).unwrap_or_default(),
            application_revision: new.application_revision,
            application_revision_number: number(new.application_revision).unwrap_or_default(),
            configuration_name: new.configuration_revision.and_then(|row| {
                let revision = self.revisions.get((row - 1) as usize)?;
                self.name_of(revision.definition)
            }),
            queue: new.queue.to_string(),
            priority: new.priority,
            log_level: new.log_level,
            trigger: new.trigger.to_string(),
            state: run.state,
            steps: new.graph.len() as u32,
            ended: new.graph.len() as u32 - run.tally.remaining,
            seq: run.seq,
            created_at: new.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            expires_at: new.expires_at,
            trace: new.trace.clone(),
            pins: new.pins,
            part: new.part,
        }
    }

    pub(super) fn run(
        &mut self,
        tenant: TenantId,
        reference: RunRef,
    ) -> Result<Option<RunSummary>> {
        let found = self.names.get(&reference);
        let run = found.map(|id| self.summary(*id, &self.runs[id]));
        Ok(run.filter(|run| run.tenant == tenant))
    }

    pub(super) fn runs(
        &mut self,
        tenant: TenantId,
        filter: &RunFilter,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunSummary>> {
        let configuration = filter.configuration.as_ref();
        let all = self.runs.range(..after.unwrap_or(RunId(i64::MAX))).rev();
        let fits = |run: &RunSummary| {
            run.tenant == tenant
                && run.part.is_none()
                && filter.from.is_none_or(|from| run.created_at >= from)
                && filter.until.is_none_or(|until| run.created_at < until)
                && (!filter.top || self.runs[&run.run].parent().is_none())
                && (!filter.dead || self.letters.values().any(|one| one.run == run.run))
                && filter.application.is_none_or(|id| id == run.application)
                && filter.queue.as_ref().is_none_or(|name| *name == run.queue)
                && configuration.is_none_or(|name| run.configuration_name.as_ref() == Some(name))
                && (filter.states.is_empty() || filter.states.contains(&run.state))
        };
        let found = all.map(|(id, run)| self.summary(*id, run)).filter(fits);
        let items = found.take(limit + 1).collect();
        Ok(page(items, limit, |run: &RunSummary| run.run.0.to_string()))
    }

    pub(super) fn last_runs(
        &mut self,
        tenant: TenantId,
        applications: &[i64],
    ) -> Result<Vec<RunSummary>> {
        let mut found = Vec::new();
        for application in applications {
            let filter = RunFilter {
                application: Some(*application),
                ..RunFilter::default()
            };
            found.extend(self.runs(tenant, &filter, None, 1)?.items);
        }
        Ok(found)
    }

    pub(super) fn timeline(&mut self, tenant: TenantId, span: &Span) -> Result<Vec<Sum>> {
        let runs = self.runs(tenant, &span.runs(), None, usize::MAX - 1)?.items;
        Ok(sums(&runs, span.from, span.part))
    }

    pub(super) fn volume(&mut self, tenant: TenantId, volume: Volume) -> Result<Vec<Sum>> {
        let filter = RunFilter {
            from: Some(volume.from),
            until: Some(volume.until),
            ..RunFilter::default()
        };
        let runs = self.runs(tenant, &filter, None, usize::MAX - 1)?.items;
        Ok(sums(&runs, volume.from, volume.part))
    }

    pub(super) fn standing(&mut self, tenant: TenantId) -> Result<Vec<QueueStanding>> {
        let runs = self.runs(tenant, &RunFilter::default(), None, usize::MAX - 1)?;
        let mut queues: BTreeMap<String, QueueStanding> = BTreeMap::new();
        for run in runs.items.into_iter().filter(|run| !run.state.is_final()) {
            let standing = queues
                .entry(run.queue.clone())
                .or_insert_with(|| QueueStanding {
                    queue: run.queue,
                    queued: 0,
                    running: 0,
                    oldest: None,
                });
            if run.state == RunState::Queued {
                standing.queued += 1;
                let oldest = standing.oldest.unwrap_or(run.created_at);
                standing.oldest = Some(oldest.min(run.created_at));
            } else {
                standing.running += 1;
            }
        }
        Ok(queues.into_values().collect())
    }

    pub(super) fn unfinished(&mut self) -> Result<Vec<Unfinished>> {
        let mut counts: BTreeMap<(TenantId, Arc<str>), u64> = BTreeMap::new();
        for new in self.unfinished.iter().map(|id| &self.runs[id].new) {
            *counts.entry((new.tenant, new.queue.clone())).or_default() += 1;
        }
        let count = |((tenant, queue), runs)| Unfinished {
            tenant,
            queue,
            runs,
        };
        Ok(counts.into_iter().map(count).collect())
    }

    pub(super) fn steps(&mut self, run: RunId, after_seq: i64) -> Result<Vec<StepSummary>> {
        let changed = self.steps_of(run).filter(|(_, step)| step.seq > after_seq);
        Ok(changed
            .map(|(key, step)| StepSummary {
                step: key.step,
                state: step.state,
                attempts: step.token.0,
                worker: step.worker,
                seq: step.seq,
                ready_at: step.ready_at,
                started_at: step.started_at,
                finished_at: step.finished_at,
                late_at: step.late_at.filter(|late| Some(*late) >= step.started_at),
            })
            .collect())
    }

    pub(super) fn input(&mut self, run: RunId, _expires_at: Timestamp) -> Result<Option<Bytes>> {
        Ok(self.runs.get(&run).map(|run| run.new.input.clone()))
    }

    pub(super) fn outputs(
        &mut self,
        run: RunId,
        _expires_at: Timestamp,
        steps: &[Ordinal],
    ) -> Result<Vec<Option<Bytes>>> {
        let output = |&step| self.steps.get(&StepKey { run, step })?.output.clone();
        Ok(steps.iter().map(output).collect())
    }

    pub(super) fn error(
        &mut self,
        run: RunId,
        _expires_at: Timestamp,
        step: Ordinal,
    ) -> Result<Option<Bytes>> {
        let found = self.steps.get(&StepKey { run, step });
        Ok(found.and_then(|step| step.error.clone()))
    }

    pub(super) fn log(
        &mut self,
        run: RunId,
        _expires_at: Timestamp,
        step: Option<Ordinal>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<LogChunk>> {
        let chunks = (1_i64..).zip(&self.log).filter(|(id, chunk)| {
            *id > after && chunk.key.run == run && step.is_none_or(|step| step == chunk.key.step)
        });
        Ok(chunks
            .take(limit)
            .map(|(id, chunk)| LogChunk {
                id,
                step: chunk.key.step,
                token: chunk.token,
                lines: chunk.lines.clone(),
            })
            .collect())
    }

    /// Whether that run may start no step now.
    pub(super) fn is_paused(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|run| {
            let new = &run.new;
            let holds = |pause: &Pause| {
                pause.tenant == new.tenant && pause.scope.holds(new.application, &new.queue)
            };
            self.pauses.iter().any(holds)
        })
    }

    fn ready_where(
        &self,
        after: Option<StepKey>,
        limit: usize,
        wanted: impl Fn(&Run) -> bool,
    ) -> Vec<ReadyStep> {
        let runs = self
            .unfinished
            .iter()
            .filter(|id| wanted(&self.runs[*id]) && !self.is_paused(**id));
        let steps = runs
            .flat_map(|id| self.steps_of(*id))
            .filter(|(key, step)| {
                step.state == StepState::Ready && after.is_none_or(|after| **key > after)
            });
        let ready = steps.map(|(key, _)| self.runs[&key.run].ready(*key));
        ready.take(limit).collect()
    }

    pub(super) fn ready(&mut self, after: Option<StepKey>, limit: usize) -> Result<Vec<ReadyStep>> {
        Ok(self.ready_where(after, limit, |_| true))
    }

    pub(super) fn ready_of(
        &mut self,
        tenant: TenantId,
        scope: &PauseScope,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<ReadyStep>> {
        Ok(self.ready_where(after, limit, |run| {
            run.new.tenant == tenant && scope.holds(run.new.application, &run.new.queue)
        }))
    }

    pub(super) fn pause(&mut self, pause: Pause) -> Result<bool> {
        let same = |one: &Pause| one.tenant == pause.tenant && one.scope == pause.scope;
        if self.pauses.iter().any(same) {
            return Ok(false);
        }
        self.note(Commit::Paused(pause.scope.clone()));
        self.pauses.push(pause);
        Ok(true)
    }

    pub(super) fn resume(&mut self, tenant: TenantId, scope: &PauseScope) -> Result<bool> {
        let before = self.pauses.len();
        self.pauses
            .retain(|one| one.tenant != tenant || one.scope != *scope);
        let ended = self.pauses.len() < before;
        if ended {
            self.note(Commit::Resumed(scope.clone()));
        }
        Ok(ended)
    }

    pub(super) fn pauses(&mut self) -> Result<Vec<Pause>> {
        let mut pauses = self.pauses.clone();
        for pause in &mut pauses {
            pause.application_name = pause.scope.application.and_then(|id| self.name_of(id));
        }
        pauses.sort_by(|a, b| (a.at, a.tenant, &a.scope).cmp(&(b.at, b.tenant, &b.scope)));
        Ok(pauses)
    }
}

/// The first `limit` of the items, and where the next page starts.
pub(super) fn page<T>(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(name);
    Page { items, next }
}

/// Runs summed up by the parts of a span.
fn sums(runs: &[RunSummary], from: Timestamp, part: i64) -> Vec<Sum> {
    let mut sums: BTreeMap<(u32, u8), Sum> = BTreeMap::new();
    for run in runs {
        let part = (run.created_at.micros_since(from) / part.max(1)) as u32;
        let sum = sums.entry((part, run.state.code())).or_insert(Sum {
            part,
            state: run.state,
            count: 0,
            longest: None,
            total: 0,
        });
        sum.count += 1;
        if let Some(end) = run.finished_at {
            let took = end.micros_since(run.created_at);
            sum.longest = sum.longest.max(Some(took));
            sum.total += took;
        }
    }
    sums.into_values().collect()
}
