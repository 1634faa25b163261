//! Webhooks and the log of their deliveries.

use model::{clock::Timestamp, id::TenantId};
use store::{
    Error, Page,
    webhooks::{Delivery, KEPT, KEPT_UNPROVEN, NewDelivery, Outcome, SaveWebhook, Webhook},
};

use super::{Result, State, history::page};

/// A webhook with its log.
#[derive(Clone)]
pub(crate) struct Hooked {
    webhook: Webhook,
    last: i64,
    log: Vec<(Delivery, Option<String>)>,
}

fn refuse_conflict(name: &str, expected: i64, found: i64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Conflict {
        name: name.to_owned(),
        expected,
        found,
    })
}

impl State {
    fn hooked(&mut self, tenant: TenantId, name: &str) -> Option<&mut Hooked> {
        self.webhooks
            .values_mut()
            .find(|one| one.webhook.tenant == tenant && one.webhook.name == name)
    }

    pub(super) fn save_webhook(&mut self, save: SaveWebhook) -> Result<Webhook> {
        let found = self.hooked(save.tenant, &save.name);
        let revision = found.as_ref().map_or(0, |one| one.webhook.revision);
        refuse_conflict(&save.name, save.expected, revision)?;
        if let Some(found) = found {
            let webhook = &mut found.webhook;
            webhook.application = save.application;
            webhook.document = save.document;
            webhook.secrets = save.secrets;
            webhook.revision += 1;
            webhook.edited_by = save.by;
            webhook.edited_at = save.at;
            return Ok(webhook.clone());
        }
        self.last_webhook += 1;
        let webhook = Webhook {
            id: self.last_webhook,
            tenant: save.tenant,
            name: save.name,
            public: save.public,
            application: save.application,
            document: save.document,
            secrets: save.secrets,
            revision: 1,
            proven: 0,
            unproven: 0,
            edited_by: save.by,
            edited_at: save.at,
            created_at: save.at,
        };
        let hooked = Hooked {
            webhook: webhook.clone(),
            last: 0,
            log: Vec::new(),
        };
        self.webhooks.insert(webhook.id, hooked);
        Ok(webhook)
    }

    pub(super) fn webhook(&mut self, tenant: TenantId, name: &str) -> Result<Option<Webhook>> {
        Ok(self.hooked(tenant, name).map(|one| one.webhook.clone()))
    }

    pub(super) fn webhook_at(&mut self, public: u128) -> Result<Option<Webhook>> {
        let mut all = self.webhooks.values().map(|one| &one.webhook);
        Ok(all.find(|one| one.public == public).cloned())
    }

    pub(super) fn webhooks(
        &mut self,
        tenant: TenantId,
        application: Option<&str>,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Webhook>> {
        let search = search.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&search);
        let fits = |one: &&Webhook| {
            one.tenant == tenant
                && application.is_none_or(|name| one.application == name)
                && (has(&one.name) || has(&one.application))
                && after.is_none_or(|after| *one.name > *after)
        };
        let all = self.webhooks.values().map(|one| &one.webhook);
        let mut items: Vec<Webhook> = all.filter(fits).cloned().collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(page(items, limit, |one: &Webhook| one.name.clone()))
    }

    pub(super) fn delete_webhook(
        &mut self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let Some(found) = self.hooked(tenant, name).map(|one| one.webhook.clone()) else {
            return Ok(false);
        };
        if let Some(expected) = expected {
            refuse_conflict(name, expected, found.revision)?;
        }
        Ok(self.webhooks.remove(&found.id).is_some())
    }

    pub(super) fn record_delivery(
        &mut self,
        webhook: i64,
        new: NewDelivery,
    ) -> Result<Option<i64>> {
        let Some(hooked) = self.webhooks.get_mut(&webhook) else {
            return Ok(None);
        };
        let untold = i64::try_from(new.untold).unwrap_or(i64::MAX);
        hooked.last += 1 + untold;
        let (proven, most) = if new.outcome.is_proven() {
            hooked.webhook.proven += 1 + untold;
            (true, KEPT)
        } else {
            hooked.webhook.unproven += 1 + untold;
            (false, KEPT_UNPROVEN)
        };
        let number = hooked.last;
        let delivery = Delivery {
            number,
            at: new.at,
            address: new.address,
            outcome: new.outcome,
            run: new.run,
            reason: new.reason,
            size: new.size,
            digest: new.digest,
            repeats: new.repeats,
            kept: new.kept.is_some(),
        };
        hooked.log.push((delivery, new.kept));
        let alike = |one: &&(Delivery, Option<String>)| one.0.outcome.is_proven() == proven;
        if hooked.log.iter().filter(alike).count() as i64 > most
            && let Some(oldest) = hooked.log.iter().position(|one| alike(&one))
        {
            hooked.log.remove(oldest);
        }
        Ok(Some(number))
    }

    pub(super) fn deliveries(
        &mut self,
        webhook: i64,
        outcome: Option<Outcome>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let fits = |one: &&Delivery| {
            outcome.is_none_or(|outcome| one.outcome == outcome)
                && before.is_none_or(|before| one.number < before)
        };
        let log = self.webhooks.get(&webhook).map(|one| one.log.as_slice());
        let all = log.unwrap_or_default().iter().rev().map(|(one, _)| one);
        let items: Vec<Delivery> = all.filter(fits).take(limit + 1).cloned().collect();
        Ok(page(items, limit, |one: &Delivery| one.number.to_string()))
    }

    pub(super) fn delivery(
        &mut self,
        webhook: i64,
        number: i64,
    ) -> Result<Option<(Delivery, Option<String>)>> {
        let log = self.webhooks.get(&webhook).map(|one| one.log.as_slice());
        let mut all = log.unwrap_or_default().iter();
        Ok(all.find(|(one, _)| one.number == number).cloned())
    }

    pub(super) fn forget_deliveries(&mut self, before: Timestamp, limit: usize) -> Result<usize> {
        let mut left = limit;
        for hooked in self.webhooks.values_mut() {
            hooked.log.retain(|(one, _)| {
                let goes = left > 0 && one.at < before;
                left -= usize::from(goes);
                !goes
            });
        }
        Ok(limit - left)
    }
}
