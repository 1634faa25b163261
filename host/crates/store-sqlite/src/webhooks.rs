//! Webhooks and the log of their deliveries.

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunRef, TenantId},
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use store::{
    Error, Page, Result,
    webhooks::{
        Delivery, KEPT, KEPT_UNPROVEN, NewDelivery, Outcome, SaveWebhook, Webhook, Webhooks,
    },
};

use crate::{SqliteStore, error::OrRefused, runs::reference, transaction::Tx};

/// Columns of a webhook, as [`webhook`] reads them.
macro_rules! webhooks_with {
    ($more:literal) => {
        concat!(
            "SELECT id, tenant_id, name, public_id, application, document, secrets, revision,
               proven, unproven, edited_by, edited_at, created_at FROM webhook WHERE ",
            $more
        )
    };
}

/// Columns of a delivery, as [`delivery`] reads them.
macro_rules! deliveries_with {
    ($columns:literal, $more:literal) => {
        concat!(
            "SELECT number, at, address, outcome, run_uuid, reason, size, digest, repeats,
               kept IS NOT NULL",
            $columns,
            " FROM delivery WHERE ",
            $more
        )
    };
}

const BY_NAME: &str = webhooks_with!("tenant_id = ?1 AND name = ?2");

#[async_trait]
impl Webhooks for SqliteStore {
    async fn save_webhook(&self, save: SaveWebhook) -> Result<Webhook> {
        self.writer.call(move |tx| store(tx, &save)).await
    }

    async fn webhook(&self, tenant: TenantId, name: &str) -> Result<Option<Webhook>> {
        let name = name.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(BY_NAME)
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![tenant.0, name], webhook)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn webhook_at(&self, public: u128) -> Result<Option<Webhook>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(webhooks_with!("public_id = ?1"))
                    .and_then(|mut statement| {
                        statement
                            .query_row([public.to_be_bytes()], webhook)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn webhooks(
        &self,
        tenant: TenantId,
        application: Option<&str>,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Webhook>> {
        let application = application.map(str::to_owned);
        let search = search.to_lowercase();
        let after = after.unwrap_or_default().to_owned();
        self.readers
            .call(move |c| list(c, tenant, application.as_deref(), &search, &after, limit))
            .await
    }

    async fn delete_webhook(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let name = name.to_owned();
        self.writer
            .call(move |tx| {
                let found = find(tx, tenant, &name)?;
                refuse_conflict(&name, expected, found.as_ref())?;
                let Some(found) = found else {
                    return Ok(false);
                };
                tx.execute("DELETE FROM delivery WHERE webhook_id = ?1", [found.id])?;
                tx.execute("DELETE FROM webhook WHERE id = ?1", [found.id])?;
                Ok(true)
            })
            .await
    }

    async fn record_delivery(&self, webhook: i64, delivery: NewDelivery) -> Result<Option<i64>> {
        self.writer
            .call(move |tx| record(tx, webhook, &delivery))
            .await
    }

    async fn deliveries(
        &self,
        webhook: i64,
        outcome: Option<Outcome>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        self.readers
            .call(move |c| {
                let mut items: Vec<Delivery> = c
                    .prepare_cached(deliveries_with!(
                        "",
                        "webhook_id = ?1 AND number < ?2 AND (?3 IS NULL OR outcome = ?3)
                         ORDER BY number DESC LIMIT ?4"
                    ))
                    .and_then(|mut statement| {
                        statement
                            .query_map(
                                params![
                                    webhook,
                                    before.unwrap_or(i64::MAX),
                                    outcome.map(|one| one as u8),
                                    limit as i64 + 1
                                ],
                                self::delivery,
                            )?
                            .collect()
                    })
                    .or_refused()?;
                let more = items.len() > limit;
                items.truncate(limit);
                let last = items.last().map(|one| one.number.to_string());
                Ok(Page {
                    items,
                    next: last.filter(|_| more),
                })
            })
            .await
    }

    async fn delivery(
        &self,
        webhook: i64,
        number: i64,
    ) -> Result<Option<(Delivery, Option<String>)>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(deliveries_with!(
                    ", kept",
                    "webhook_id = ?1 AND number = ?2"
                ))
                .and_then(|mut statement| {
                    statement
                        .query_row([webhook, number], |row| {
                            Ok((self::delivery(row)?, row.get(10)?))
                        })
                        .optional()
                })
                .or_refused()
            })
            .await
    }

    async fn forget_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM delivery WHERE (webhook_id, place) IN (
                       SELECT webhook_id, place FROM delivery WHERE at < ?1 LIMIT ?2)",
                    params![before.0, limit as i64],
                )
            })
            .await
    }
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row.get(0)?,
        tenant: TenantId(row.get(1)?),
        name: row.get(2)?,
        public: u128::from_be_bytes(row.get(3)?),
        application: row.get(4)?,
        document: row.get(5)?,
        secrets: row.get(6)?,
        revision: row.get(7)?,
        proven: row.get(8)?,
        unproven: row.get(9)?,
        edited_by: row.get(10)?,
        edited_at: Timestamp(row.get(11)?),
        created_at: Timestamp(row.get(12)?),
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let outcome: u8 = row.get(3)?;
    let run: Option<[u8; 16]> = row.get(4)?;
    Ok(Delivery {
        number: row.get(0)?,
        at: Timestamp(row.get(1)?),
        address: row.get(2)?,
        outcome: Outcome::from_code(outcome).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(
                3,
                Type::Integer,
                format!("{outcome} is no outcome of a delivery").into(),
            )
        })?,
        run: match run {
            Some(_) => Some(reference(row, 4)?),
            None => None,
        },
        reason: row.get(5)?,
        size: row.get(6)?,
        digest: row.get(7)?,
        repeats: row.get(8)?,
        kept: row.get(9)?,
    })
}

fn find(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<Option<Webhook>> {
    tx.first(BY_NAME, params![tenant.0, name], webhook)
}

fn refuse_conflict(name: &str, expected: Option<i64>, found: Option<&Webhook>) -> Result<()> {
    let found = found.map_or(0, |webhook| webhook.revision);
    match expected {
        Some(expected) if expected != found => Err(Error::Conflict {
            name: name.to_owned(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

fn store(tx: &mut Tx<'_>, save: &SaveWebhook) -> Result<Webhook> {
    let found = find(tx, save.tenant, &save.name)?;
    refuse_conflict(&save.name, Some(save.expected), found.as_ref())?;
    tx.execute(
        "INSERT INTO webhook (tenant_id, name, public_id, application, document, secrets,
           edited_by, edited_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
         ON CONFLICT (tenant_id, name) DO UPDATE SET application = ?4, document = ?5,
           secrets = ?6, edited_by = ?7, edited_at = ?8, revision = revision + 1",
        params![
            save.tenant.0,
            save.name,
            save.public.to_be_bytes(),
            save.application,
            save.document,
            save.secrets,
            save.by,
            save.at.0,
        ],
    )?;
    find(tx, save.tenant, &save.name)?
        .ok_or_else(|| Error::Corrupt(format!("the webhook `{}` was not stored", save.name)))
}

/// Searched here and not by SQLite, which folds the case of ASCII only.
fn list(
    connection: &Connection,
    tenant: TenantId,
    application: Option<&str>,
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Page<Webhook>> {
    let mut statement = connection
        .prepare_cached(webhooks_with!(
            "tenant_id = ?1 AND name > ?2 AND (?3 IS NULL OR application = ?3) ORDER BY name"
        ))
        .or_refused()?;
    let mut rows = statement
        .query(params![tenant.0, after, application])
        .or_refused()?;
    let mut items: Vec<Webhook> = Vec::new();
    while let Some(row) = rows.next().or_refused()? {
        let found = webhook(row).or_refused()?;
        let matches = |text: &str| text.to_lowercase().contains(search);
        if !search.is_empty() && !matches(&found.name) && !matches(&found.application) {
            continue;
        }
        if items.len() == limit {
            let next = items.last().map(|item| item.name.clone());
            return Ok(Page { items, next });
        }
        items.push(found);
    }
    Ok(Page { items, next: None })
}

fn record(tx: &mut Tx<'_>, webhook: i64, new: &NewDelivery) -> Result<Option<i64>> {
    let proven = new.outcome.is_proven();
    let count = 1 + new.untold as i64;
    let counted = tx.first(
        "UPDATE webhook SET proven = proven + ?2, unproven = unproven + ?3 WHERE id = ?1
         RETURNING proven, unproven",
        params![
            webhook,
            if proven { count } else { 0 },
            if proven { 0 } else { count }
        ],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    )?;
    let Some((proven_so_far, unproven_so_far)) = counted else {
        return Ok(None);
    };
    let place = if proven {
        proven_so_far % KEPT
    } else {
        -1 - unproven_so_far % KEPT_UNPROVEN
    };
    let number = proven_so_far + unproven_so_far;
    tx.execute(
        "INSERT OR REPLACE INTO delivery (webhook_id, place, number, at, address, outcome, run_uuid,
           reason, size, digest, repeats, kept)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            webhook,
            place,
            number,
            new.at.0,
            new.address,
            new.outcome as u8,
            new.run.map(|run: RunRef| *run.uuid().as_bytes()),
            new.reason,
            new.size,
            new.digest,
            new.repeats,
            new.kept,
        ],
    )?;
    Ok(Some(number))
}
