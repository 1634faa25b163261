//! Work on many runs, and dead letters.

use model::{
    clock::Timestamp,
    id::{RunId, StepKey, TenantId, Token},
    state::StepState,
};
use store::{
    Page,
    bulk::{Advance, Bulk, BulkState, DeadLetter, DeadLetterFilter, NewBulk, NewDeadLetter},
    runs::RunFilter,
};

use super::{Result, State, history::page};

impl State {
    pub(super) fn count_runs(
        &mut self,
        tenant: TenantId,
        filter: &RunFilter,
        below: RunId,
    ) -> Result<u64> {
        let all = self.runs(tenant, filter, Some(below), usize::MAX - 1)?;
        Ok(all.items.len() as u64)
    }

    pub(super) fn add_bulk(&mut self, new: NewBulk) -> Result<Bulk> {
        self.last_bulk += 1;
        let bulk = Bulk {
            id: self.last_bulk,
            tenant: new.tenant,
            request: new.request,
            state: BulkState::Running,
            cursor: new.cursor,
            total: new.total,
            done: 0,
            skipped: 0,
            problems: "[]".to_owned(),
            by: new.by,
            created_at: new.at,
            changed_at: new.at,
        };
        self.bulks.insert(bulk.id, bulk.clone());
        Ok(bulk)
    }

    pub(super) fn bulk(&mut self, tenant: TenantId, id: i64) -> Result<Option<Bulk>> {
        let found = self.bulks.get(&id);
        Ok(found.filter(|one| one.tenant == tenant).cloned())
    }

    pub(super) fn bulks(
        &mut self,
        tenant: TenantId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Bulk>> {
        let all = self.bulks.range(..before.unwrap_or(i64::MAX)).rev();
        let of_tenant = all.map(|(_, one)| one).filter(|one| one.tenant == tenant);
        let items = of_tenant.take(limit + 1).cloned().collect();
        Ok(page(items, limit, |one: &Bulk| one.id.to_string()))
    }

    pub(super) fn open_bulk(&mut self) -> Result<Option<Bulk>> {
        let mut all = self.bulks.values();
        Ok(all.find(|one| one.state == BulkState::Running).cloned())
    }

    pub(super) fn advance_bulk(&mut self, advance: Advance) -> Result<bool> {
        let Some(bulk) = self.bulks.get_mut(&advance.id) else {
            return Ok(false);
        };
        if bulk.state != BulkState::Running || bulk.cursor != advance.from {
            return Ok(false);
        }
        bulk.cursor = advance.to;
        bulk.done += advance.done;
        bulk.skipped += advance.skipped;
        bulk.problems = advance.problems;
        bulk.changed_at = advance.at;
        if advance.ended {
            bulk.state = BulkState::Done;
        }
        Ok(true)
    }

    pub(super) fn stop_bulk(&mut self, tenant: TenantId, id: i64, at: Timestamp) -> Result<bool> {
        let running = |one: &&mut Bulk| one.tenant == tenant && one.state == BulkState::Running;
        let Some(bulk) = self.bulks.get_mut(&id).filter(running) else {
            return Ok(false);
        };
        bulk.state = BulkState::Stopped;
        bulk.changed_at = at;
        Ok(true)
    }

    pub(super) fn forget_bulks(&mut self, before: Timestamp, limit: usize) -> Result<usize> {
        let mut left = limit;
        self.bulks.retain(|_, one| {
            let over = one.state != BulkState::Running && one.changed_at < before;
            let goes = left > 0 && over;
            left -= usize::from(goes);
            !goes
        });
        Ok(limit - left)
    }

    pub(super) fn add_dead_letter(&mut self, new: NewDeadLetter) -> Result<()> {
        let same = |one: &NewDeadLetter| (one.run, one.step) == (new.run, new.step);
        if let Some(found) = self.letters.values_mut().find(|one| same(one)) {
            *found = new;
        } else {
            self.last_letter += 1;
            self.letters.insert(self.last_letter, new);
        }
        Ok(())
    }

    /// The letter, if its step has failed in the attempt that it is of.
    fn letter(&self, id: i64, letter: &NewDeadLetter) -> Option<(TenantId, i64, DeadLetter)> {
        let run = self.runs.get(&letter.run)?;
        let key = StepKey {
            run: letter.run,
            step: letter.step,
        };
        let step = self.steps.get(&key)?;
        let failed = step.state == StepState::Failed && step.token == Token(letter.attempt);
        let new = &run.new;
        failed.then(|| {
            let shown = DeadLetter {
                id,
                run: new.reference,
                step: letter.step,
                application_revision: new.application_revision,
                application: self.name_of(new.application).unwrap_or_default(),
                queue: new.queue.to_string(),
                attempts: letter.attempt,
                code: letter.code.clone(),
                reason: letter.reason.clone(),
                at: letter.at,
            };
            (new.tenant, new.application, shown)
        })
    }

    pub(super) fn dead_letters(
        &mut self,
        tenant: TenantId,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let fits = |(of, application, one): &(TenantId, i64, DeadLetter)| {
            *of == tenant
                && filter.application.is_none_or(|id| id == *application)
                && filter.queue.as_ref().is_none_or(|name| *name == one.queue)
                && filter.code.as_ref().is_none_or(|code| *code == one.code)
        };
        let all = self.letters.range(..before.unwrap_or(i64::MAX)).rev();
        let found = all.filter_map(|(id, one)| self.letter(*id, one));
        let items = found
            .filter(fits)
            .map(|(_, _, one)| one)
            .take(limit + 1)
            .collect();
        Ok(page(items, limit, |one: &DeadLetter| one.id.to_string()))
    }

    pub(super) fn dead_letter(&mut self, tenant: TenantId, id: i64) -> Result<Option<DeadLetter>> {
        let found = self.letters.get(&id).and_then(|one| self.letter(id, one));
        Ok(found
            .filter(|(of, _, _)| *of == tenant)
            .map(|(_, _, one)| one))
    }

    pub(super) fn settle_dead_letters(&mut self, run: RunId) -> Result<usize> {
        let before = self.letters.len();
        self.letters.retain(|_, one| one.run != run);
        Ok(before - self.letters.len())
    }

    pub(super) fn delete_dead_letter(&mut self, tenant: TenantId, id: i64) -> Result<bool> {
        let of = |one: &NewDeadLetter| self.runs.get(&one.run).map(|run| run.new.tenant);
        let there = self.letters.get(&id).and_then(of) == Some(tenant);
        Ok(there && self.letters.remove(&id).is_some())
    }
}
