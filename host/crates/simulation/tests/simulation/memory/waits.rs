//! Steps that wait.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunId, StepKey, Token},
    state::{StepState, WaitKind},
};
use store::runs::{
    Again, AttemptSummary, Child, ReadyStep, Suspended, Suspension, WaitSummary, Woken,
};

use super::{Result, State, runs::Chunk};
use crate::journal::Commit;

/// What a step waits for, or waited for last.
#[derive(Clone)]
pub(crate) struct Wait {
    pub(super) kind: WaitKind,
    since: Timestamp,
    pub(crate) due: Option<Timestamp>,
    wakes: i64,
    retries: u32,
    first_at: Timestamp,
    started: u32,
    ended: u32,
    wanted: u32,
    pub(super) detail: Option<Bytes>,
}

impl State {
    pub(super) fn again(&self, key: StepKey) -> Option<Again> {
        let wait = self.waits.get(&key)?;
        Some(Again {
            kind: wait.kind,
            detail: wait.detail.clone(),
            wakes: wait.wakes,
            retries: wait.retries,
            children: (wait.started, wait.ended),
            first_at: wait.first_at,
        })
    }

    pub(super) fn suspend(&mut self, new: Suspension) -> Result<Suspended> {
        let Suspension { key, token, at, .. } = new;
        let step = match self.steps.get(&key) {
            Some(step) if step.token == token => step.clone(),
            _ => return Ok(Suspended::Fenced),
        };
        match step.state {
            StepState::Running => {}
            // It was sent before, and the answer was lost.
            StepState::Waiting => return Ok(Suspended::Waiting),
            _ => return Ok(Suspended::Fenced),
        }
        if let Some(lines) = new.log {
            self.log.push(Chunk { key, token, lines });
        }
        if let Some(state) = new.ended {
            let attempt = AttemptSummary {
                token,
                state,
                worker: step.worker,
                ready_at: step.ready_at,
                started_at: step.started_at,
                finished_at: at,
                error: new.error,
            };
            self.attempts.insert((key, token), attempt);
        }
        let retries = u32::from(new.ended.is_some());
        let wait = self.waits.entry(key).or_insert(Wait {
            kind: new.kind,
            since: at,
            due: None,
            wakes: 0,
            retries: 0,
            first_at: step.started_at.unwrap_or(at),
            started: 0,
            ended: 0,
            wanted: 0,
            detail: None,
        });
        if wait.kind == WaitKind::Limit && wait.retries == 0 {
            wait.first_at = step.started_at.unwrap_or(at);
        }
        wait.kind = new.kind;
        wait.since = at;
        wait.due = new.until;
        wait.retries += retries;
        (wait.started, wait.wanted) = new.children;
        if retries > 0 {
            wait.ended = 0;
        }
        if new.detail.is_some() {
            wait.detail = new.detail;
        }
        let seq = self.event(key.run);
        if let Some((_, step)) = self.found(key) {
            step.state = StepState::Waiting;
            step.seq = seq;
        }
        self.note(Commit::Suspended(key, token, new.kind));
        if let Some(ask) = new.ask
            && let Some(ready) = self.ask(key, (new.kind, ask), (at, new.until))
        {
            return Ok(Suspended::Ready(ready));
        }
        // Until the next attempt it needs no place.
        if new.ended.is_some() {
            self.leave(key, at);
        }
        Ok(match self.count_children(key, at) {
            Some(ready) => Suspended::Ready(ready),
            None => Suspended::Waiting,
        })
    }

    /// Makes a waiting step ready.
    pub(super) fn wake(&mut self, key: StepKey, at: Timestamp) -> Option<ReadyStep> {
        let waits = self.steps.get(&key)?.state == StepState::Waiting;
        let wait = self.waits.get_mut(&key)?;
        wait.due = None;
        wait.wakes += i64::from(waits);
        self.asks.remove(&key);
        if !waits {
            return None;
        }
        self.note(Commit::Woken(key));
        self.make_ready(key, at)
    }

    pub(super) fn wake_due(&mut self, now: Timestamp, limit: usize) -> Result<Woken> {
        let dues = self
            .waits
            .iter()
            .filter_map(|(key, wait)| Some((wait.due?, *key)));
        let mut dues: Vec<(Timestamp, StepKey)> = dues.filter(|(due, _)| *due <= now).collect();
        dues.sort();
        dues.truncate(limit);
        let mut ready: Vec<ReadyStep> = dues
            .into_iter()
            .filter_map(|(_, key)| self.wake(key, now))
            .collect();
        let left = limit.saturating_sub(ready.len());
        ready.extend(self.wake_limited(now, left));
        let dues = self.waits.values().filter_map(|wait| wait.due);
        let next = dues.chain(self.limit_due()).min();
        Ok(Woken { ready, next })
    }

    pub(super) fn settle(&mut self, parent: StepKey, at: Timestamp) -> Result<Option<ReadyStep>> {
        match self.steps.get(&parent).map(|step| step.state) {
            Some(StepState::Waiting) => Ok(self.count_children(parent, at)),
            // It counts them when it waits for them.
            Some(StepState::Running | StepState::Ready) => Ok(None),
            // Nobody does any more.
            _ => {
                self.child_ends.retain(|(key, _)| *key != parent);
                Ok(None)
            }
        }
    }

    /// Counts the children of a waiting step that have ended, and wakes it for the last that it
    /// waits for.
    fn count_children(&mut self, parent: StepKey, at: Timestamp) -> Option<ReadyStep> {
        let before = self.child_ends.len();
        self.child_ends.retain(|(key, _)| *key != parent);
        let wait = self.waits.get_mut(&parent)?;
        wait.ended += (before - self.child_ends.len()) as u32;
        (wait.wanted > 0 && wait.ended >= wait.wanted).then(|| self.wake(parent, at))?
    }

    pub(super) fn unsettled(
        &mut self,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<StepKey>> {
        let mut parents: Vec<StepKey> = self.child_ends.iter().map(|(key, _)| *key).collect();
        parents.dedup();
        parents.retain(|key| after.is_none_or(|after| *key > after));
        parents.truncate(limit);
        Ok(parents)
    }

    pub(super) fn children(
        &mut self,
        parent: StepKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Child>> {
        let after = after.unwrap_or(RunId(0));
        let of_parent = self
            .runs
            .iter()
            .filter(|(id, run)| **id > after && run.parent() == Some(parent));
        Ok(of_parent
            .take(limit)
            .map(|(id, run)| Child {
                run: *id,
                reference: run.new.reference,
                application_revision: run.new.application_revision,
                pins: run.new.pins,
                application_name: self.name_of(run.new.application).unwrap_or_default(),
                state: run.state,
                expires_at: run.new.expires_at,
                key: run.new.idempotency.as_ref().map(|one| one.key.clone()),
            })
            .collect())
    }

    pub(super) fn depth(&mut self, run: RunId, limit: u32) -> Result<u32> {
        let (mut depth, mut at) = (0, run);
        while depth < limit
            && let Some(parent) = self.runs.get(&at).and_then(super::runs::Run::parent)
        {
            depth += 1;
            at = parent.run;
        }
        Ok(depth)
    }

    pub(super) fn waits(&mut self, run: RunId) -> Result<Vec<WaitSummary>> {
        let of_run = self.waits.iter().filter(|(key, _)| key.run == run);
        Ok(of_run
            .map(|(key, wait)| WaitSummary {
                key: *key,
                kind: wait.kind,
                since: wait.since,
                until: wait.due,
                retries: wait.retries,
                wakes: wait.wakes,
                children: (wait.started, wait.ended),
            })
            .collect())
    }

    pub(super) fn attempts(&mut self, key: StepKey) -> Result<Vec<AttemptSummary>> {
        let all = self
            .attempts
            .range((key, Token(0))..=(key, Token(i64::MAX)));
        Ok(all.map(|(_, attempt)| attempt.clone()).collect())
    }
}
