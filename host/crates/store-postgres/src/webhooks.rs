//! Webhooks and the log of their deliveries.

use async_trait::async_trait;
use futures::TryStreamExt;
use model::{clock::Timestamp, id::TenantId};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::{
    Error, Page, Result,
    webhooks::{
        Delivery, KEPT, KEPT_UNPROVEN, NewDelivery, Outcome, SaveWebhook, Webhook, Webhooks,
    },
};

use crate::{
    PostgresStore,
    error::OrRefused,
    transaction::{Work, transact},
    uuid::Name,
};

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

#[async_trait]
impl Webhooks for PostgresStore {
    async fn save_webhook(&self, save: SaveWebhook) -> Result<Webhook> {
        transact!(self.pool, connection => store(connection, &save).await)
    }

    async fn webhook(&self, tenant: TenantId, name: &str) -> Result<Option<Webhook>> {
        // No text of PostgreSQL holds one, so that none has such a name.
        if name.contains('\0') {
            return Ok(None);
        }
        sqlx::query(webhooks_with!("tenant_id = $1 AND name = $2"))
            .bind(tenant.0)
            .bind(name)
            .try_map(|row: PgRow| webhook(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn webhook_at(&self, public: u128) -> Result<Option<Webhook>> {
        sqlx::query(webhooks_with!("public_id = $1"))
            .bind(public.to_be_bytes())
            .try_map(|row: PgRow| webhook(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    /// Searched here and not by PostgreSQL, whose folding of case is the collation's.
    async fn webhooks(
        &self,
        tenant: TenantId,
        application: Option<&str>,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Webhook>> {
        let search = search.to_lowercase();
        let mut rows = sqlx::query(webhooks_with!(
            "tenant_id = $1 AND name > $2 AND ($3::text IS NULL OR application = $3) ORDER BY name"
        ))
        .bind(tenant.0)
        .bind(after.unwrap_or_default())
        .bind(application)
        .fetch(&self.pool);
        let mut items: Vec<Webhook> = Vec::new();
        while let Some(row) = rows.try_next().await.or_refused()? {
            let found = webhook(&row).or_refused()?;
            let matches = |text: &str| text.to_lowercase().contains(&search);
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

    async fn delete_webhook(
        &self,
        tenant: TenantId,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        transact!(self.pool, connection => delete(connection, tenant, name, expected).await)
    }

    async fn record_delivery(&self, webhook: i64, delivery: NewDelivery) -> Result<Option<i64>> {
        transact!(self.pool, connection => record(connection, webhook, &delivery).await)
    }

    async fn deliveries(
        &self,
        webhook: i64,
        outcome: Option<Outcome>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let mut items: Vec<Delivery> = sqlx::query(deliveries_with!(
            "",
            "webhook_id = $1 AND number < $2 AND ($3::smallint IS NULL OR outcome = $3)
             ORDER BY number DESC LIMIT $4"
        ))
        .bind(webhook)
        .bind(before.unwrap_or(i64::MAX))
        .bind(outcome.map(|one| one as i16))
        .bind(limit as i64 + 1)
        .try_map(|row: PgRow| self::delivery(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().map(|one| one.number.to_string());
        Ok(Page {
            items,
            next: last.filter(|_| more),
        })
    }

    async fn delivery(
        &self,
        webhook: i64,
        number: i64,
    ) -> Result<Option<(Delivery, Option<String>)>> {
        sqlx::query(deliveries_with!(
            ", kept",
            "webhook_id = $1 AND number = $2"
        ))
        .bind(webhook)
        .bind(number)
        .try_map(|row: PgRow| Ok((self::delivery(&row)?, row.try_get(10)?)))
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn forget_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize> {
        sqlx::query(
            "DELETE FROM delivery WHERE (webhook_id, place) IN (
               SELECT webhook_id, place FROM delivery WHERE at < $1 LIMIT $2
               FOR UPDATE SKIP LOCKED)",
        )
        .bind(before.0)
        .bind(limit as i64)
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() as usize)
        .or_refused()
    }
}

fn webhook(row: &PgRow) -> sqlx::Result<Webhook> {
    Ok(Webhook {
        id: row.try_get(0)?,
        tenant: TenantId(row.try_get(1)?),
        name: row.try_get(2)?,
        public: u128::from_be_bytes(bytes(row, 3)?),
        application: row.try_get(4)?,
        document: row.try_get(5)?,
        secrets: row.try_get(6)?,
        revision: row.try_get(7)?,
        proven: row.try_get(8)?,
        unproven: row.try_get(9)?,
        edited_by: row.try_get(10)?,
        edited_at: Timestamp(row.try_get(11)?),
        created_at: Timestamp(row.try_get(12)?),
    })
}

fn bytes<const N: usize>(row: &PgRow, column: usize) -> sqlx::Result<[u8; N]> {
    let found: &[u8] = row.try_get(column)?;
    found.try_into().map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: Box::new(error),
    })
}

fn delivery(row: &PgRow) -> sqlx::Result<Delivery> {
    let outcome: i16 = row.try_get(3)?;
    let run: Option<Name> = row.try_get(4)?;
    Ok(Delivery {
        number: row.try_get(0)?,
        at: Timestamp(row.try_get(1)?),
        address: row.try_get(2)?,
        outcome: Outcome::from_code(outcome as u8).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "outcome".to_owned(),
            source: format!("{outcome} is no outcome of a delivery").into(),
        })?,
        run: run.map(|run| run.0),
        reason: row.try_get(5)?,
        size: row.try_get(6)?,
        digest: bytes(row, 7)?,
        repeats: row.try_get(8)?,
        kept: row.try_get(9)?,
    })
}

/// The webhook of a name, which nobody else changes until the commit.
async fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
) -> sqlx::Result<Option<Webhook>> {
    sqlx::query(webhooks_with!("tenant_id = $1 AND name = $2 FOR UPDATE"))
        .bind(tenant.0)
        .bind(name)
        .try_map(|row: PgRow| webhook(&row))
        .fetch_optional(connection)
        .await
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

async fn store(connection: &mut PgConnection, save: &SaveWebhook) -> Work<Webhook> {
    let found = find(&mut *connection, save.tenant, &save.name).await?;
    refuse_conflict(&save.name, Some(save.expected), found.as_ref())?;
    // Two that make it at the same moment: the second fails on the name, is tried again,
    // and finds it.
    let sql = if found.is_some() {
        "UPDATE webhook SET application = $4, document = $5, secrets = $6, edited_by = $7,
           edited_at = $8, revision = revision + 1
         WHERE tenant_id = $1 AND name = $2 AND $3::bytea IS NOT NULL"
    } else {
        "INSERT INTO webhook (tenant_id, name, public_id, application, document, secrets,
           edited_by, edited_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"
    };
    sqlx::query(sql)
        .bind(save.tenant.0)
        .bind(&save.name)
        .bind(save.public.to_be_bytes())
        .bind(&save.application)
        .bind(&save.document)
        .bind(&save.secrets)
        .bind(&save.by)
        .bind(save.at.0)
        .execute(&mut *connection)
        .await?;
    let saved = find(connection, save.tenant, &save.name).await?;
    Ok(saved
        .ok_or_else(|| Error::Corrupt(format!("the webhook `{}` was not stored", save.name)))?)
}

async fn delete(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
    expected: Option<i64>,
) -> Work<bool> {
    let found = find(&mut *connection, tenant, name).await?;
    refuse_conflict(name, expected, found.as_ref())?;
    let Some(found) = found else {
        return Ok(false);
    };
    for sql in [
        "DELETE FROM delivery WHERE webhook_id = $1",
        "DELETE FROM webhook WHERE id = $1",
    ] {
        sqlx::query(sql)
            .bind(found.id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}

async fn record(
    connection: &mut PgConnection,
    webhook: i64,
    new: &NewDelivery,
) -> Work<Option<i64>> {
    let proven = new.outcome.is_proven();
    let count = 1 + new.untold as i64;
    // Deliveries of a webhook take turns from here on: each has its number and its place.
    let counted: Option<(i64, i64)> = sqlx::query_as(
        "UPDATE webhook SET proven = proven + $2, unproven = unproven + $3 WHERE id = $1
         RETURNING proven, unproven",
    )
    .bind(webhook)
    .bind(if proven { count } else { 0 })
    .bind(if proven { 0 } else { count })
    .fetch_optional(&mut *connection)
    .await?;
    let Some((proven_so_far, unproven_so_far)) = counted else {
        return Ok(None);
    };
    let place = if proven {
        proven_so_far % KEPT
    } else {
        -1 - unproven_so_far % KEPT_UNPROVEN
    };
    let number = proven_so_far + unproven_so_far;
    sqlx::query(
        "INSERT INTO delivery (webhook_id, place, number, at, address, outcome, run_uuid, reason,
           size, digest, repeats, kept)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (webhook_id, place) DO UPDATE SET number = $3, at = $4, address = $5,
           outcome = $6, run_uuid = $7, reason = $8, size = $9, digest = $10, repeats = $11,
           kept = $12",
    )
    .bind(webhook)
    .bind(place)
    .bind(number)
    .bind(new.at.0)
    .bind(&new.address)
    .bind(new.outcome as i16)
    .bind(new.run.map(Name))
    .bind(&new.reason)
    .bind(new.size)
    .bind(new.digest)
    .bind(new.repeats)
    .bind(&new.kept)
    .execute(connection)
    .await?;
    Ok(Some(number))
}
