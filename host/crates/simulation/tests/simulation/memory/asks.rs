//! What waiting steps ask of the outside.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::StepKey,
    state::{StepState, WaitKind},
};
use store::{
    asks::{Ask, AskFilter, AskSummary, MOST_KEPT, NewSignal, Signalled},
    runs::ReadyStep,
};

use super::{Result, State};

/// What a step asks.
#[derive(Clone)]
pub(crate) struct Asked {
    kind: WaitKind,
    since: Timestamp,
    until: Option<Timestamp>,
    ask: Ask,
}

/// A message that is kept, or whose id is remembered.
#[derive(Clone)]
pub(crate) struct Kept {
    signal: NewSignal,
    expires_at: Timestamp,
    taken: bool,
}

impl State {
    fn waits_for(&self, key: StepKey, kind: WaitKind) -> bool {
        let waits = self.steps.get(&key).map(|step| step.state) == Some(StepState::Waiting);
        waits && self.waits.get(&key).is_some_and(|wait| wait.kind == kind)
    }

    /// Stores an answer for a step that waits for one, and makes it ready.
    fn give(
        &mut self,
        key: StepKey,
        kind: WaitKind,
        answer: Bytes,
        at: Timestamp,
    ) -> Option<ReadyStep> {
        if !self.waits_for(key, kind) {
            return None;
        }
        self.waits.get_mut(&key)?.detail = Some(answer);
        self.wake(key, at)
    }

    /// A step waits: it asks, or it is given a message that came before.
    pub(super) fn ask(
        &mut self,
        key: StepKey,
        (kind, ask): (WaitKind, Ask),
        (at, until): (Timestamp, Option<Timestamp>),
    ) -> Option<ReadyStep> {
        let kept = self.signals.iter().position(|kept| {
            let signal = &kept.signal;
            let same = (signal.tenant, &signal.key) == (ask.tenant, &ask.key);
            kind == WaitKind::Webhook && same && !kept.taken && kept.expires_at > at
        });
        if let Some(place) = kept {
            let body = self.signals[place].signal.body.clone();
            if self.signals[place].signal.sender_id.is_some() {
                self.signals[place].taken = true;
            } else {
                self.signals.remove(place);
            }
            return self.give(key, kind, body, at);
        }
        let asked = Asked {
            kind,
            since: at,
            until,
            ask,
        };
        self.asks.insert(key, asked);
        None
    }

    pub(super) fn answer(
        &mut self,
        step: StepKey,
        kind: WaitKind,
        answer: Bytes,
        at: Timestamp,
    ) -> Result<Option<ReadyStep>> {
        Ok(self.give(step, kind, answer, at))
    }

    fn asked_of(&self, step: StepKey, asked: &Asked) -> Option<AskSummary> {
        let run = self.runs.get(&step.run)?;
        Some(AskSummary {
            step,
            reference: run.new.reference,
            application: run.new.application,
            application_name: self.name_of(run.new.application).unwrap_or_default(),
            kind: asked.kind,
            key: asked.ask.key.clone(),
            since: asked.since,
            until: asked.until,
            detail: asked.ask.detail.clone(),
        })
    }

    pub(super) fn asks(
        &mut self,
        filter: &AskFilter,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<AskSummary>> {
        let fits = |one: &AskSummary, asked: &Asked| {
            asked.ask.tenant == filter.tenant
                && asked.kind == filter.kind
                && filter.application.is_none_or(|id| one.application == id)
                && filter.key.as_ref().is_none_or(|key| one.key == *key)
        };
        Ok(self
            .asks
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| **key > after))
            .filter_map(|(key, asked)| {
                let one = self.asked_of(*key, asked)?;
                fits(&one, asked).then_some(one)
            })
            .take(limit)
            .collect())
    }

    pub(super) fn asked(&mut self, step: StepKey) -> Result<Option<AskSummary>> {
        Ok(self
            .asks
            .get(&step)
            .and_then(|asked| self.asked_of(step, asked)))
    }

    pub(super) fn signal(&mut self, signal: NewSignal) -> Result<Signalled> {
        let named = |kept: &Kept| (kept.signal.tenant, kept.signal.key.clone());
        let under = (signal.tenant, signal.key.clone());
        if signal.sender_id.is_some() {
            let same =
                |kept: &Kept| named(kept) == under && kept.signal.sender_id == signal.sender_id;
            self.signals
                .retain(|kept| !(same(kept) && kept.expires_at <= signal.at));
            if self.signals.iter().any(same) {
                return Ok(Signalled::Duplicate);
            }
        }
        let waiting = self.asks.iter().find(|(key, asked)| {
            (asked.ask.tenant, &asked.ask.key) == (signal.tenant, &signal.key)
                && self.waits_for(**key, WaitKind::Webhook)
        });
        if let Some(key) = waiting.map(|(key, _)| *key)
            && let Some(step) = self.give(key, WaitKind::Webhook, signal.body.clone(), signal.at)
        {
            let reference = self.runs[&key.run].new.reference;
            if signal.sender_id.is_some() {
                self.signals.push(Kept {
                    expires_at: signal.remember_until,
                    signal,
                    taken: true,
                });
            }
            return Ok(Signalled::Delivered { step, reference });
        }
        if signal.keep_until <= signal.at {
            return Ok(Signalled::Nobody);
        }
        let kept = |kept: &&Kept| named(kept) == under && !kept.taken;
        if self.signals.iter().filter(kept).count() >= MOST_KEPT {
            return Ok(Signalled::Full);
        }
        self.signals.push(Kept {
            expires_at: signal.keep_until,
            signal,
            taken: false,
        });
        Ok(Signalled::Kept)
    }

    pub(super) fn expire_signals(&mut self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut left = limit;
        self.signals.retain(|kept| {
            let goes = left > 0 && kept.expires_at <= now;
            left -= usize::from(goes);
            !goes
        });
        Ok(limit - left)
    }
}
