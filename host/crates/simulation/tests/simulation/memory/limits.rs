//! Limits of steps: who has a place, and who waits for one.

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, TenantId},
    limits::{Answer, Kind, Limit, Place, Standing, Wanted},
    state::StepState,
};
use store::{
    Page,
    limits::{Acquire, Acquired, LimitDetail, LimitPlace, LimitSummary, LimitWait},
    runs::ReadyStep,
};

use super::{Result, State, history::page};
use crate::journal::Commit;

/// A key, as keys are ordered.
pub(crate) type Key = (Kind, TenantId, String);

/// Where a key stands.
#[derive(Clone)]
pub(crate) struct Stand {
    standing: Standing,
    last: i64,
    limit: Limit,
}

/// A step that holds a key or waits for it.
#[derive(Clone)]
pub(crate) struct Held {
    place: Place,
    number: i64,
    since: Timestamp,
    limit: Limit,
}

impl State {
    pub(super) fn acquire(&mut self, wanted: Acquire) -> Result<Acquired> {
        match self.steps.get(&wanted.key) {
            Some(step) if step.token == wanted.token && step.state == StepState::Running => {}
            // It was sent before, and the answer was lost.
            Some(step) if step.token == wanted.token && step.state == StepState::Waiting => {
                return Ok(Acquired::Waits(None));
            }
            _ => return Ok(Acquired::Fenced),
        }
        for one in &wanted.wanted {
            let answer = self.ask_limit(wanted.key, wanted.tenant, one, wanted.at);
            if let Answer::Waits(turn) = answer {
                self.suspend(wanted.suspension())?;
                return Ok(Acquired::Waits(turn));
            }
        }
        Ok(Acquired::Taken)
    }

    fn ask_limit(
        &mut self,
        step: StepKey,
        tenant: TenantId,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Answer {
        let kind = wanted.limit.kind();
        let key = (kind, tenant, wanted.key.clone());
        let stand = self.limit_keys.entry(key.clone()).or_insert(Stand {
            standing: Standing::new(kind),
            last: 0,
            limit: wanted.limit,
        });
        stand.limit = wanted.limit;
        let row = (step, key);
        let stands = self.limit_places.get(&row).cloned();
        let place = stands.as_ref().map(|one| one.place);
        let answer = stand.standing.ask(&wanted.limit, place, now);
        let place = match (answer, kind) {
            // A start is over when it is made.
            (Answer::Taken, Kind::Rate) => {
                self.note(Commit::Starts(row.1.2.clone(), now));
                self.limit_places.remove(&row);
                return answer;
            }
            (Answer::Taken, Kind::Concurrency) => Place::Holds,
            (Answer::Waits(_), _) => Place::Waits,
        };
        let number = stands.as_ref().map_or(stand.last + 1, |one| one.number);
        stand.last = stand.last.max(number);
        let held = Held {
            place,
            number,
            since: match stands {
                Some(one) if place != Place::Waits => one.since,
                _ => now,
            },
            limit: wanted.limit,
        };
        self.limit_places.insert(row, held);
        answer
    }

    /// Gives back what a step holds, and hands it on; says whether anybody got something.
    pub(super) fn leave(&mut self, step: StepKey, now: Timestamp) -> bool {
        let rows: Vec<_> = self
            .limit_places
            .iter()
            .filter(|((of, _), _)| *of == step)
            .map(|((_, key), held)| (key.clone(), held.place))
            .collect();
        let mut handed = false;
        for (key, place) in rows {
            self.limit_places.remove(&(step, key.clone()));
            if let Some(stand) = self.limit_keys.get_mut(&key) {
                stand.standing.leave(place);
            }
            handed |= self.hand_over(&key, now);
        }
        handed
    }

    /// The line of a key, the first first.
    fn line(&self, key: &Key) -> Vec<(StepKey, Held)> {
        let mut line: Vec<_> = self
            .limit_places
            .iter()
            .filter(|((_, of), held)| of == key && held.place == Place::Waits)
            .map(|((step, _), held)| (*step, held.clone()))
            .collect();
        line.sort_by_key(|(_, held)| held.number);
        line
    }

    /// Hands what is free to the first of the line, as far as it goes.
    fn hand_over(&mut self, key: &Key, now: Timestamp) -> bool {
        let line = self.line(key);
        let mut handed = false;
        for (step, held) in line {
            let Some(stand) = self.limit_keys.get_mut(key) else {
                break;
            };
            if !stand.standing.hand(&held.limit, now) {
                break;
            }
            handed = true;
            if let Some(held) = self.limit_places.get_mut(&(step, key.clone())) {
                held.place = Place::Handed;
                held.since = now;
            }
        }
        handed
    }

    /// Wakes those whose turn has come or who were handed a place.
    pub(super) fn wake_limited(&mut self, now: Timestamp, limit: usize) -> Vec<ReadyStep> {
        let due = |stand: &Stand| stand.standing.due.is_some_and(|due| due <= now);
        let keys: Vec<Key> = self
            .limit_keys
            .iter()
            .filter(|(_, stand)| due(stand))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.hand_over(&key, now);
        }
        let mut handed: Vec<_> = self
            .limit_places
            .iter()
            .filter(|(_, held)| held.place == Place::Handed)
            .map(|(row, held)| (held.since, row.clone()))
            .collect();
        handed.sort();
        handed.truncate(limit);
        let mut ready = Vec::new();
        for (_, row) in handed {
            if let Some(held) = self.limit_places.get_mut(&row) {
                held.place = Place::Holds;
            }
            ready.extend(self.wake(row.0, now));
        }
        ready
    }

    /// When somebody is to be woken because of a limit.
    pub(super) fn limit_due(&self) -> Option<Timestamp> {
        let due = self.limit_keys.values().filter_map(|one| one.standing.due);
        let handed = self
            .limit_places
            .values()
            .filter(|held| held.place == Place::Handed)
            .map(|held| held.since);
        due.chain(handed).min()
    }

    fn summary_of(&self, key: &Key, limit: Limit) -> Option<LimitSummary> {
        let stand = self.limit_keys.get(key)?;
        Some(LimitSummary {
            key: key.2.clone(),
            limit,
            held: stand.standing.held.into(),
            waiting: stand.standing.waiting.into(),
            next: stand.standing.next(&limit),
        })
    }

    pub(super) fn limits(
        &mut self,
        tenant: TenantId,
        now: Timestamp,
        after: Option<(Kind, String)>,
        limit: usize,
    ) -> Result<Page<LimitSummary>> {
        let used = |stand: &Stand| {
            let standing = &stand.standing;
            standing.held > 0 || standing.waiting > 0 || standing.ahead.0 > now.0
        };
        let items = self
            .limit_keys
            .iter()
            .filter(|((_, of, _), stand)| *of == tenant && used(stand))
            .filter(|((kind, _, key), _)| {
                after
                    .as_ref()
                    .is_none_or(|(of, name)| (kind, key) > (of, name))
            })
            .filter_map(|(key, stand)| self.summary_of(key, stand.limit))
            .take(limit + 1)
            .collect();
        Ok(page(items, limit, LimitSummary::position))
    }

    fn place_of(&self, step: StepKey, held: &Held) -> Option<LimitPlace> {
        let run = self.runs.get(&step.run)?;
        Some(LimitPlace {
            step,
            reference: run.new.reference,
            application_name: self.name_of(run.new.application).unwrap_or_default(),
            state: self.steps.get(&step)?.state,
            since: held.since,
            limit: held.limit.most(),
        })
    }

    /// Who holds a key, the longest first; nobody does of a rate.
    fn holders(&self, key: &Key, limit: usize) -> Vec<LimitPlace> {
        if key.0 == Kind::Rate {
            return Vec::new();
        }
        let mut found: Vec<_> = self
            .limit_places
            .iter()
            .filter(|((_, of), held)| of == key && held.place != Place::Waits)
            .collect();
        found.sort_by_key(|((step, _), held)| (held.since, *step));
        found
            .into_iter()
            .filter_map(|((step, _), held)| self.place_of(*step, held))
            .take(limit)
            .collect()
    }

    pub(super) fn limit(
        &mut self,
        tenant: TenantId,
        key: &str,
        limit: usize,
    ) -> Result<Vec<LimitDetail>> {
        let keys = Kind::ALL.map(|kind| (kind, tenant, key.to_owned()));
        Ok(keys
            .iter()
            .filter_map(|key| {
                let summary = self.summary_of(key, self.limit_keys.get(key)?.limit)?;
                let line = self.line(key);
                Some(LimitDetail {
                    summary,
                    holders: self.holders(key, limit),
                    line: line
                        .iter()
                        .filter_map(|(step, held)| self.place_of(*step, held))
                        .take(limit)
                        .collect(),
                })
            })
            .collect())
    }

    pub(super) fn limit_waits(&mut self, run: RunId, holders: usize) -> Result<Vec<LimitWait>> {
        Ok(self
            .limit_places
            .iter()
            .filter(|((step, _), held)| step.run == run && held.place != Place::Holds)
            .filter_map(|((step, key), held)| {
                let line = self.line(key);
                let before = line.iter().filter(|(_, one)| one.number < held.number);
                Some(LimitWait {
                    step: *step,
                    limit: held.limit.most(),
                    before: before.count() as u64,
                    of: LimitDetail {
                        summary: self.summary_of(key, held.limit)?,
                        holders: self.holders(key, holders),
                        line: Vec::new(),
                    },
                })
            })
            .collect())
    }

    pub(super) fn sweep_limits(&mut self, now: Timestamp, limit: usize) -> Result<usize> {
        let over = |step: &StepKey| {
            self.steps
                .get(step)
                .is_none_or(|step| step.state.is_final())
        };
        let mut ended: Vec<StepKey> = self
            .limit_places
            .keys()
            .map(|(step, _)| *step)
            .filter(over)
            .collect();
        ended.dedup();
        ended.truncate(limit);
        for step in &ended {
            self.leave(*step, now);
        }
        let places = &self.limit_places;
        self.limit_keys.retain(|key, stand| {
            let standing = &stand.standing;
            standing.held > 0
                || standing.waiting > 0
                || standing.ahead.0 > now.0
                || places.keys().any(|(_, of)| of == key)
        });
        Ok(ended.len())
    }
}
