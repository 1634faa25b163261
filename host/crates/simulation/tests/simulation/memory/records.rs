//! Cache records, accounts, facts and sets of pins.

use model::{clock::Timestamp, id::TenantId};
use store::{
    Page,
    accounts::{Account, Session},
    cache::{Record, RecordSummary},
};

use super::{Result, State, history::page};

fn holds(record: &Record, now: Timestamp) -> bool {
    record.expires_at.is_none_or(|at| at > now)
}

impl State {
    pub(super) fn cache_get(
        &mut self,
        tenant: TenantId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>> {
        let found = self.cache.get(&(tenant, key.to_owned()));
        Ok(found.filter(|record| holds(record, now)).cloned())
    }

    pub(super) fn cache_put(&mut self, tenant: TenantId, record: Record) -> Result<()> {
        self.cache.insert((tenant, record.key.clone()), record);
        Ok(())
    }

    pub(super) fn cache_delete(
        &mut self,
        tenant: TenantId,
        key: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let found = self.cache.remove(&(tenant, key.to_owned()));
        Ok(found.is_some_and(|record| holds(&record, now)))
    }

    pub(super) fn cache_list(
        &mut self,
        tenant: TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<RecordSummary>> {
        let found = self.cache.iter().filter(|((owner, key), record)| {
            *owner == tenant
                && key.starts_with(prefix)
                && after.is_none_or(|after| **key > *after)
                && holds(record, now)
        });
        let items = found.map(|(_, record)| RecordSummary {
            key: record.key.clone(),
            size: record.value.len() as u64,
            saved_at: record.saved_at,
            expires_at: record.expires_at,
        });
        let items = items.take(limit.saturating_add(1)).collect();
        Ok(page(items, limit, |one: &RecordSummary| one.key.clone()))
    }

    pub(super) fn cache_clear(&mut self, tenant: TenantId, prefix: &str) -> Result<u64> {
        let before = self.cache.len();
        self.cache
            .retain(|(owner, key), _| *owner != tenant || !key.starts_with(prefix));
        Ok((before - self.cache.len()) as u64)
    }

    pub(super) fn account(&mut self, name: &str) -> Result<Option<Account>> {
        Ok(self.accounts.get(name).cloned())
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<Account>> {
        Ok(self.accounts.values().cloned().collect())
    }

    pub(super) fn save_account(&mut self, account: Account) -> Result<()> {
        self.sessions.retain(|_, one| {
            one.account != account.name
                || account.enabled && one.account_changed_at == account.changed_at
        });
        self.accounts.insert(account.name.clone(), account);
        Ok(())
    }

    pub(super) fn fact(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.facts.get(name).cloned())
    }

    pub(super) fn session(&mut self, digest: &[u8; 32]) -> Result<Option<Session>> {
        Ok(self.sessions.get(digest).cloned())
    }

    pub(super) fn begin_session(
        &mut self,
        session: Session,
        oldest: Timestamp,
        unused: Timestamp,
    ) -> Result<()> {
        self.sessions
            .retain(|_, one| one.created_at >= oldest && one.used_at >= unused);
        self.sessions.insert(session.digest, session);
        Ok(())
    }

    pub(super) fn use_session(&mut self, digest: &[u8; 32], at: Timestamp) -> Result<()> {
        if let Some(session) = self.sessions.get_mut(digest) {
            session.used_at = session.used_at.max(at);
        }
        Ok(())
    }

    pub(super) fn end_session(&mut self, digest: &[u8; 32]) -> Result<()> {
        self.sessions.remove(digest);
        Ok(())
    }

    pub(super) fn settle_fact(&mut self, name: &str, value: &str) -> Result<String> {
        let fact = self.facts.entry(name.to_owned());
        Ok(fact.or_insert_with(|| value.to_owned()).clone())
    }

    pub(super) fn replace_fact(&mut self, name: &str, value: &str) -> Result<()> {
        self.facts.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(super) fn pin_set(&mut self, pins: &str) -> Result<i64> {
        let known = self.pin_sets.iter().position(|one| one == pins);
        Ok(1 + known.unwrap_or_else(|| {
            self.pin_sets.push(pins.to_owned());
            self.pin_sets.len() - 1
        }) as i64)
    }

    pub(super) fn pins(&mut self, set: i64) -> Result<Option<String>> {
        let at = usize::try_from(set - 1).ok();
        Ok(at.and_then(|at| self.pin_sets.get(at)).cloned())
    }
}
