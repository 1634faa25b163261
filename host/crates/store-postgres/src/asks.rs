//! What waiting steps ask of the outside.
//!
//! A message and a step that begins to wait for one must not miss each other: both hold the
//! advisory lock of their key. It is taken after the lock on the run, as every lock is.

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{RunRef, StepKey},
    state::{StepState, WaitKind},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::{
    Error, Result,
    asks::{AskFilter, AskSummary, Asks, MOST_KEPT, NewSignal, Signalled},
    runs::{ReadyStep, Suspension},
};

use crate::{
    PostgresStore,
    error::OrRefused,
    runs::{key, maybe_time, ordinal, sql_limit, time, wait},
    transaction::{Work, transact},
    uuid::Name,
};

/// Asks of steps that wait: one that an older version has stopped leaves its row behind.
const SELECT: &str = "
  SELECT a.run_id, a.step, r.uuid, r.application_id, d.name, a.kind, a.key, a.asked_at, a.until,
    a.detail
  FROM ask a JOIN step s ON s.run_id = a.run_id AND s.step = a.step AND s.state = $1
    JOIN run r ON r.id = a.run_id LEFT JOIN definition d ON d.id = r.application_id";

/// How often a message looks again for a step that has begun to wait for it meanwhile.
const LOOKS: usize = 20;

#[async_trait]
impl Asks for PostgresStore {
    async fn answer(
        &self,
        step: StepKey,
        kind: WaitKind,
        answer: Bytes,
        at: Timestamp,
    ) -> Result<Option<ReadyStep>> {
        transact!(self.pool, connection => give(connection, step, kind, &answer, at).await)
    }

    async fn asks(
        &self,
        filter: &AskFilter,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<AskSummary>> {
        let sql = format!(
            "{SELECT} WHERE a.tenant_id = $2 AND a.kind = $3
               AND ($4::bigint IS NULL OR r.application_id = $4)
               AND ($5::text IS NULL OR a.key = $5) AND (a.run_id, a.step) > ($6, $7)
             ORDER BY a.run_id, a.step LIMIT $8"
        );
        sqlx::query(&sql)
            .bind(i16::from(StepState::Waiting.code()))
            .bind(filter.tenant.0)
            .bind(i16::from(filter.kind.code()))
            .bind(filter.application)
            .bind(&filter.key)
            .bind(after.map_or(0, |step| step.run.0))
            .bind(after.map_or(-1, |step| step.step.0 as i32))
            .bind(sql_limit(limit))
            .try_map(|row: PgRow| summary(&row))
            .fetch_all(&self.pool)
            .await
            .or_refused()
    }

    async fn asked(&self, step: StepKey) -> Result<Option<AskSummary>> {
        let Some(number) = ordinal(step.step) else {
            return Ok(None);
        };
        let sql = format!("{SELECT} WHERE a.run_id = $2 AND a.step = $3");
        sqlx::query(&sql)
            .bind(i16::from(StepState::Waiting.code()))
            .bind(step.run.0)
            .bind(number)
            .try_map(|row: PgRow| summary(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn signal(&self, signal: NewSignal) -> Result<Signalled> {
        for _ in 0..LOOKS {
            let waits = self.waiting(&signal).await?;
            let sent = transact!(self.pool, connection => send(connection, &signal, waits).await)?;
            if let Some(sent) = sent {
                return Ok(sent);
            }
        }
        Err(Error::Unavailable(
            "many steps begin and end to wait for this key at once".to_owned(),
        ))
    }

    async fn expire_signals(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let forgotten = sqlx::query(
            "DELETE FROM signal WHERE id IN (
               SELECT id FROM signal WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now.0)
        .bind(sql_limit(limit))
        .execute(&self.pool)
        .await
        .or_refused()?;
        Ok(forgotten.rows_affected() as usize)
    }
}

impl PostgresStore {
    /// The step that waits longest for a message.
    async fn waiting(&self, signal: &NewSignal) -> Result<Option<(StepKey, RunRef)>> {
        sqlx::query(WAITING)
            .bind(signal.tenant.0)
            .bind(i16::from(WaitKind::Webhook.code()))
            .bind(&signal.key)
            .bind(i16::from(StepState::Waiting.code()))
            .try_map(|row: PgRow| Ok((key(&row, 0)?, row.try_get::<Name, _>(2)?.0)))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }
}

const WAITING: &str = "
  SELECT a.run_id, a.step, r.uuid FROM ask a
  JOIN step s ON s.run_id = a.run_id AND s.step = a.step AND s.state = $4
  JOIN run r ON r.id = a.run_id AND r.finished_at IS NULL
  WHERE a.tenant_id = $1 AND a.kind = $2 AND a.key = $3 ORDER BY a.run_id, a.step LIMIT 1";

fn summary(row: &PgRow) -> sqlx::Result<AskSummary> {
    Ok(AskSummary {
        step: key(row, 0)?,
        reference: row.try_get::<Name, _>(2)?.0,
        application: row.try_get(3)?,
        application_name: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        kind: wait::wait_kind(row, 5)?,
        key: row.try_get(6)?,
        since: time(row, 7)?,
        until: maybe_time(row, 8)?,
        detail: wait::bytes(row, 9)?.unwrap_or_default(),
    })
}

/// Gives a step that waits for an answer of this kind its answer, and makes it ready.
async fn give(
    connection: &mut PgConnection,
    of: StepKey,
    kind: WaitKind,
    answer: &[u8],
    at: Timestamp,
) -> Work<Option<ReadyStep>> {
    let Some(step) = ordinal(of.step) else {
        return Ok(None);
    };
    if !wait::lock(connection, of.run).await? || !put(connection, of, step, kind, answer).await? {
        return Ok(None);
    }
    let mut woken = wait::wake(connection, (&[of.run.0], &[step]), at).await?;
    Ok(woken.pop())
}

/// Stores an answer. Says whether the step waits for one.
async fn put(
    connection: &mut PgConnection,
    of: StepKey,
    step: i32,
    kind: WaitKind,
    answer: &[u8],
) -> sqlx::Result<bool> {
    let given = sqlx::query(
        "UPDATE wait SET detail = $4 FROM step s
         WHERE wait.run_id = $1 AND wait.step = $2 AND wait.kind = $3
           AND s.run_id = $1 AND s.step = $2 AND s.state = $5",
    )
    .bind(of.run.0)
    .bind(step)
    .bind(i16::from(kind.code()))
    .bind(answer)
    .bind(i16::from(StepState::Waiting.code()))
    .execute(connection)
    .await?;
    Ok(given.rows_affected() == 1)
}

/// Until the commit, nobody else sends under this key, or begins to wait.
async fn hold_key(connection: &mut PgConnection, tenant: i64, key: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($2, $1))")
        .bind(tenant)
        .bind(key)
        .execute(connection)
        .await
        .map(drop)
}

/// A step waits: it asks, or it is given a message that came before. Says whether it was. Its
/// run is locked.
pub(crate) async fn ask(
    connection: &mut PgConnection,
    suspension: &Suspension,
    step: i32,
) -> sqlx::Result<bool> {
    let Some(ask) = &suspension.ask else {
        return Ok(false);
    };
    let tenant = ask.tenant.0;
    if suspension.kind == WaitKind::Webhook {
        hold_key(&mut *connection, tenant, &ask.key).await?;
        let kept = sqlx::query(
            "SELECT id, body FROM signal
             WHERE tenant_id = $1 AND key = $2 AND NOT taken AND expires_at > $3
             ORDER BY id LIMIT 1",
        )
        .bind(tenant)
        .bind(&ask.key)
        .bind(suspension.at.0)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(kept) = kept {
            let (signal, body): (i64, Vec<u8>) = (kept.try_get(0)?, kept.try_get(1)?);
            take(&mut *connection, signal).await?;
            return put(connection, suspension.key, step, WaitKind::Webhook, &body).await;
        }
    }
    sqlx::query(
        "INSERT INTO ask (run_id, step, tenant_id, kind, key, asked_at, until, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (run_id, step) DO UPDATE SET kind = excluded.kind, key = excluded.key,
           asked_at = excluded.asked_at, until = excluded.until, detail = excluded.detail",
    )
    .bind(suspension.key.run.0)
    .bind(step)
    .bind(tenant)
    .bind(i16::from(suspension.kind.code()))
    .bind(&ask.key)
    .bind(suspension.at.0)
    .bind(suspension.until.map(|until| until.0))
    .bind(&ask.detail[..])
    .execute(connection)
    .await?;
    Ok(false)
}

/// A kept message has reached its step: its id stays, its body does not.
async fn take(connection: &mut PgConnection, signal: i64) -> sqlx::Result<()> {
    let remembered = sqlx::query(
        "UPDATE signal SET taken = true, body = '' WHERE id = $1 AND sender_id IS NOT NULL",
    )
    .bind(signal)
    .execute(&mut *connection)
    .await?;
    if remembered.rows_affected() == 0 {
        sqlx::query("DELETE FROM signal WHERE id = $1")
            .bind(signal)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Gives a message to the step that was seen to wait for it, or keeps it. `None`: others wait
/// now.
async fn send(
    connection: &mut PgConnection,
    signal: &NewSignal,
    waits: Option<(StepKey, RunRef)>,
) -> Work<Option<Signalled>> {
    if let Some((step, _)) = waits
        && !wait::lock(connection, step.run).await?
    {
        return Ok(None);
    }
    hold_key(&mut *connection, signal.tenant.0, &signal.key).await?;
    if is_known(&mut *connection, signal).await? {
        return Ok(Some(Signalled::Duplicate));
    }
    let now = sqlx::query(WAITING)
        .bind(signal.tenant.0)
        .bind(i16::from(WaitKind::Webhook.code()))
        .bind(&signal.key)
        .bind(i16::from(StepState::Waiting.code()))
        .try_map(|row: PgRow| key(&row, 0))
        .fetch_optional(&mut *connection)
        .await?;
    match (waits, now) {
        (Some((seen, reference)), Some(step)) if seen == step => {
            let woken = give(
                &mut *connection,
                step,
                WaitKind::Webhook,
                &signal.body,
                signal.at,
            )
            .await?;
            let Some(step) = woken else { return Ok(None) };
            if signal.sender_id.is_some() {
                store(connection, signal, signal.remember_until, true).await?;
            }
            Ok(Some(Signalled::Delivered { step, reference }))
        }
        (None, None) => Ok(Some(keep(connection, signal).await?)),
        _ => Ok(None),
    }
}

/// Whether a message of that id came before.
async fn is_known(connection: &mut PgConnection, signal: &NewSignal) -> sqlx::Result<bool> {
    let Some(sender) = &signal.sender_id else {
        return Ok(false);
    };
    // What has expired is forgotten in its own time, and counts no more.
    sqlx::query(
        "DELETE FROM signal WHERE tenant_id = $1 AND key = $2 AND sender_id = $3
           AND expires_at <= $4",
    )
    .bind(signal.tenant.0)
    .bind(&signal.key)
    .bind(sender)
    .bind(signal.at.0)
    .execute(&mut *connection)
    .await?;
    let known =
        sqlx::query("SELECT FROM signal WHERE tenant_id = $1 AND key = $2 AND sender_id = $3")
            .bind(signal.tenant.0)
            .bind(&signal.key)
            .bind(sender)
            .fetch_optional(connection)
            .await?;
    Ok(known.is_some())
}

async fn keep(connection: &mut PgConnection, signal: &NewSignal) -> sqlx::Result<Signalled> {
    if signal.keep_until <= signal.at {
        return Ok(Signalled::Nobody);
    }
    let kept: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM signal
           WHERE tenant_id = $1 AND key = $2 AND NOT taken LIMIT $3) AS kept",
    )
    .bind(signal.tenant.0)
    .bind(&signal.key)
    .bind(sql_limit(MOST_KEPT))
    .fetch_one(&mut *connection)
    .await?;
    if kept >= sql_limit(MOST_KEPT) {
        return Ok(Signalled::Full);
    }
    store(connection, signal, signal.keep_until, false).await?;
    Ok(Signalled::Kept)
}

async fn store(
    connection: &mut PgConnection,
    signal: &NewSignal,
    until: Timestamp,
    taken: bool,
) -> sqlx::Result<()> {
    let body: &[u8] = if taken { b"" } else { &signal.body };
    sqlx::query(
        "INSERT INTO signal (tenant_id, key, sender_id, body, sent_at, expires_at, taken)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(signal.tenant.0)
    .bind(&signal.key)
    .bind(&signal.sender_id)
    .bind(body)
    .bind(signal.at.0)
    .bind(until.0)
    .bind(taken)
    .execute(connection)
    .await
    .map(drop)
}
