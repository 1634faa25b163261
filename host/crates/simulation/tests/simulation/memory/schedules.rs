//! Schedules and their occurrences.

use std::collections::BTreeMap;

use model::{
    clock::Timestamp,
    id::{RunId, RunRef, TenantId},
};
use store::{
    Error, Page,
    runs::Submitted,
    schedules::{
        Act, Decision, Fire, Fired, MAX_WAITING, Occurrence, Outcome, SaveSchedule, Schedule,
        ScheduleFilter, Standing, Waiting,
    },
};

use super::{Result, State, documents::refuse_conflict, history::page};
use crate::journal::Commit;

/// A schedule with its occurrences.
#[derive(Clone)]
pub(crate) struct Timetable {
    schedule: Schedule,
    occurrences: BTreeMap<Timestamp, (Occurrence, Option<RunId>)>,
}

impl Timetable {
    fn waiting(&self) -> impl Iterator<Item = &Occurrence> {
        let all = self.occurrences.values().map(|(one, _)| one);
        all.filter(|one| one.outcome == Outcome::Waiting)
    }
}

impl State {
    fn timetable(&self, tenant: TenantId, name: &str) -> Option<&Timetable> {
        let mut all = self.timetables.values();
        all.find(|one| one.schedule.tenant == tenant && one.schedule.name == name)
    }

    pub(super) fn save_schedule(&mut self, save: SaveSchedule) -> Result<Schedule> {
        let found = self.timetable(save.tenant, &save.name).cloned();
        let revision = found.as_ref().map_or(0, |one| one.schedule.revision);
        refuse_conflict(&save.name, save.expected, revision)?;
        let before = found.as_ref().map(|one| &one.schedule);
        let id = before.map_or(self.last_schedule + 1, |one| one.id);
        self.last_schedule = self.last_schedule.max(id);
        let schedule = Schedule {
            id,
            tenant: save.tenant,
            name: save.name,
            application: save.application,
            document: save.document,
            revision: revision + 1,
            origin: save.origin,
            enabled: save.enabled,
            anchor: save.anchor,
            next_due: save.next_due,
            total_runs: before.map_or(0, |one| one.total_runs),
            last_run: before.and_then(|one| one.last_run),
            edited_by: save.by,
            edited_at: save.at,
            created_at: before.map_or(save.at, |one| one.created_at),
        };
        let occurrences = found.map(|one| one.occurrences).unwrap_or_default();
        let timetable = Timetable {
            schedule: schedule.clone(),
            occurrences,
        };
        self.timetables.insert(id, timetable);
        self.generation += 1;
        Ok(schedule)
    }

    pub(super) fn schedule(&mut self, tenant: TenantId, name: &str) -> Result<Option<Schedule>> {
        let found = self.timetable(tenant, name);
        Ok(found.map(|one| one.schedule.clone()))
    }

    pub(super) fn schedules(
        &mut self,
        tenant: TenantId,
        filter: &ScheduleFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Schedule>> {
        let search = filter.search.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&search);
        let application = filter.application.as_ref();
        let all = self.timetables.values().map(|one| &one.schedule);
        let found = all.filter(|one| {
            one.tenant == tenant
                && after.is_none_or(|after| *one.name > *after)
                && application.is_none_or(|name| *name == one.application)
                && (has(&one.name) || has(&one.application))
        });
        let mut items: Vec<Schedule> = found.cloned().collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(page(items, limit, |one: &Schedule| one.name.clone()))
    }

    pub(super) fn scheduled(&mut self, tenant: TenantId) -> Result<Vec<String>> {
        let all = self.timetables.values().map(|one| &one.schedule);
        let names: std::collections::BTreeSet<String> = all
            .filter(|one| one.tenant == tenant && one.enabled)
            .map(|one| one.application.clone())
            .collect();
        Ok(names.into_iter().collect())
    }

    pub(super) fn delete_schedule(
        &mut self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let found = self.timetable(tenant, name).map(|one| one.schedule.clone());
        let revision = found.as_ref().map_or(0, |one| one.revision);
        refuse_conflict(name, expected, revision)?;
        if let Some(found) = &found {
            self.timetables.remove(&found.id);
            self.generation += 1;
        }
        Ok(found.is_some())
    }

    pub(super) fn next_due(&mut self) -> Result<(Option<Timestamp>, bool)> {
        let all = self.timetables.values();
        let next = all.clone().filter_map(|one| one.schedule.next_due).min();
        let waits = |one: &Timetable| one.schedule.enabled && one.waiting().next().is_some();
        Ok((next, all.clone().any(waits)))
    }

    pub(super) fn due(
        &mut self,
        tenant: Option<TenantId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Schedule>> {
        let all = self.timetables.values().map(|one| &one.schedule);
        let due = |one: &&Schedule| {
            one.next_due.is_some_and(|due| due <= now) && tenant.is_none_or(|id| id == one.tenant)
        };
        let mut due: Vec<Schedule> = all.filter(due).cloned().collect();
        due.sort_by_key(|one| (one.next_due, one.id));
        due.truncate(limit);
        Ok(due)
    }

    pub(super) fn waiting(&mut self, each: usize, limit: usize) -> Result<Vec<Waiting>> {
        let enabled = self.timetables.values().filter(|one| one.schedule.enabled);
        let mut waiting: Vec<(usize, Waiting)> = enabled
            .flat_map(|one| {
                let first = one.waiting().take(each).enumerate();
                first.map(|(place, occurrence)| {
                    let schedule = one.schedule.clone();
                    let due = occurrence.due;
                    (place, Waiting { schedule, due })
                })
            })
            .collect();
        waiting.sort_by_key(|(place, one)| (*place, one.due, one.schedule.id));
        Ok(waiting
            .into_iter()
            .map(|(_, one)| one)
            .take(limit)
            .collect())
    }

    pub(super) fn fire(&mut self, fires: Vec<Fire>) -> Result<Vec<Fired>> {
        self.whole(|state| fires.into_iter().map(|fire| state.fire_one(fire)).collect())
    }

    fn open_runs(&self, one: &Timetable, before: Timestamp) -> Vec<RunRef> {
        let due = one
            .occurrences
            .range(..before)
            .map(|(_, occurrence)| occurrence);
        let mut open: Vec<(RunId, RunRef)> = due
            .filter_map(|(occurrence, run)| Some(((*run)?, occurrence.run?)))
            .filter(|(run, _)| self.unfinished.contains(run))
            .collect();
        open.sort();
        open.into_iter()
            .map(|(_, reference)| reference)
            .take(100)
            .collect()
    }

    fn fire_one(&mut self, fire: Fire) -> Result<Fired> {
        let standing = self.timetables.get(&fire.schedule).map(|one| {
            let asked_for = one.waiting().filter(|waiting| waiting.reason.is_some());
            Standing {
                revision: one.schedule.revision,
                enabled: one.schedule.enabled,
                next_due: one.schedule.next_due,
                recorded: one.occurrences.get(&fire.due).map(|(one, _)| one.outcome),
                unfinished: !self.open_runs(one, Timestamp(i64::MAX)).is_empty(),
                waiting: asked_for.count().min(MAX_WAITING),
            }
        });
        let fired = match fire.decide(standing) {
            Decision::Nothing => return Ok(Fired::Changed),
            Decision::Wait => return Ok(Fired::Recorded(Outcome::Waiting)),
            Decision::MoveOn => Fired::Already,
            Decision::Record(outcome) => {
                let reason = Some(fire.reason().to_owned());
                self.record(&fire, outcome, None, reason);
                Fired::Recorded(outcome)
            }
            Decision::Start => self.start_run(&fire)?,
        };
        if let (Some(next), Some(one)) = (fire.next(), self.timetables.get_mut(&fire.schedule)) {
            one.schedule.next_due = next;
        }
        Ok(fired)
    }

    fn start_run(&mut self, fire: &Fire) -> Result<Fired> {
        let Act::Start(new, _) = &fire.act else {
            return Err(Error::Internal("an occurrence has no run".to_owned()));
        };
        let Submitted::New { run, ready, .. } = self.submit((**new).clone())? else {
            return Err(Error::Internal("an occurrence's run has a key".to_owned()));
        };
        self.record(fire, Outcome::Started, Some((run, new.reference)), None);
        if let Some(one) = self.timetables.get_mut(&fire.schedule) {
            one.schedule.total_runs += 1;
            one.schedule.last_run = Some((new.reference, new.created_at));
        }
        Ok(Fired::Started { run, ready })
    }

    fn record(
        &mut self,
        fire: &Fire,
        outcome: Outcome,
        run: Option<(RunId, RunRef)>,
        reason: Option<String>,
    ) {
        let (id, reference) = run.unzip();
        let occurrence = Occurrence {
            due: fire.due,
            outcome,
            run: reference,
            reason,
            at: fire.at,
        };
        self.note(Commit::Fired(fire.schedule, fire.due, outcome, id));
        if let Some(one) = self.timetables.get_mut(&fire.schedule) {
            one.occurrences.insert(fire.due, (occurrence, id));
        }
    }

    pub(super) fn backfill(
        &mut self,
        schedule: i64,
        dues: Vec<Timestamp>,
        at: Timestamp,
    ) -> Result<usize> {
        let Some(one) = self.timetables.get_mut(&schedule) else {
            return Ok(0);
        };
        let mut waiting = 0;
        for due in dues {
            let found = one.occurrences.get(&due).map(|(one, _)| one.outcome);
            if matches!(found, Some(Outcome::Started | Outcome::Waiting)) {
                continue;
            }
            waiting += 1;
            let occurrence = Occurrence {
                due,
                outcome: Outcome::Waiting,
                run: None,
                reason: None,
                at,
            };
            one.occurrences.insert(due, (occurrence, None));
        }
        Ok(waiting)
    }

    pub(super) fn occurrences(
        &mut self,
        schedule: i64,
        outcome: Option<Outcome>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Page<Occurrence>> {
        let before = before.unwrap_or(Timestamp(i64::MAX));
        let one = self.timetables.get(&schedule);
        let all = one
            .into_iter()
            .flat_map(|one| one.occurrences.range(..before).rev());
        let found = all.map(|(_, (one, _))| one.clone());
        let found = found.filter(|one| outcome.is_none_or(|wanted| wanted == one.outcome));
        let items = found.take(limit + 1).collect();
        Ok(page(items, limit, |one: &Occurrence| one.due.0.to_string()))
    }

    pub(super) fn occurrences_between(
        &mut self,
        schedule: i64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Occurrence>> {
        let one = self.timetables.get(&schedule);
        let all = one
            .into_iter()
            .flat_map(|one| one.occurrences.range(from..=until));
        Ok(all.map(|(_, (one, _))| one.clone()).collect())
    }

    pub(super) fn unfinished_of(
        &mut self,
        schedule: i64,
        before: Timestamp,
    ) -> Result<Vec<RunRef>> {
        let one = self.timetables.get(&schedule);
        Ok(one
            .map(|one| self.open_runs(one, before))
            .unwrap_or_default())
    }

    pub(super) fn forget_occurrences(&mut self, before: Timestamp, limit: usize) -> Result<usize> {
        let mut forgotten = 0;
        for one in self.timetables.values_mut() {
            one.occurrences.retain(|_, (occurrence, run)| {
                let open = run.is_some_and(|run| self.unfinished.contains(&run));
                let stays = occurrence.at >= before
                    || occurrence.outcome == Outcome::Waiting
                    || open
                    || forgotten == limit;
                forgotten += usize::from(!stays);
                stays
            });
        }
        Ok(forgotten)
    }
}
