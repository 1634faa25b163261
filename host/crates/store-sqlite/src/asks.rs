//! What waiting steps ask of the outside.

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{StepKey, TenantId},
    state::{StepState, WaitKind},
};
use rusqlite::{Row, params};
use store::{
    Result,
    asks::{AskFilter, AskSummary, Asks, MOST_KEPT, NewSignal, Signalled},
    runs::{ReadyStep, Suspension},
};

use crate::{
    SqliteStore,
    error::OrRefused,
    runs::{maybe_time, reference, sql_limit, time, wait},
    transaction::{STEP_BITS, Tx, pack, unpack},
};

// The statements below take a run's number out of a step's.
const _: () = assert!(STEP_BITS == 24);

/// Asks of steps that wait: one that an older version has stopped leaves its row behind.
const SELECT: &str = "
  SELECT a.step_id, r.uuid, r.application_id, d.name, a.kind, a.key, a.asked_at, a.until, a.detail
  FROM ask a JOIN step s ON s.id = a.step_id AND s.state = ?1
    JOIN run r ON r.id = a.step_id >> 24 LEFT JOIN definition d ON d.id = r.application_id";

#[async_trait]
impl Asks for SqliteStore {
    async fn answer(
        &self,
        step: StepKey,
        kind: WaitKind,
        answer: Bytes,
        at: Timestamp,
    ) -> Result<Option<ReadyStep>> {
        self.writer
            .call(move |tx| {
                let Ok(id) = pack(step) else { return Ok(None) };
                if give(tx, id, kind, &answer)? {
                    wait::wake(tx, step, id, at)
                } else {
                    Ok(None)
                }
            })
            .await
    }

    async fn asks(
        &self,
        filter: &AskFilter,
        after: Option<StepKey>,
        limit: usize,
    ) -> Result<Vec<AskSummary>> {
        let filter = filter.clone();
        let after = after.map(pack).transpose()?.unwrap_or(0);
        self.readers
            .call(move |c| {
                let sql = format!(
                    "{SELECT} WHERE a.tenant_id = ?2 AND a.kind = ?3
                       AND (?4 IS NULL OR r.application_id = ?4) AND (?5 IS NULL OR a.key = ?5)
                       AND a.step_id > ?6 ORDER BY a.step_id LIMIT ?7"
                );
                c.prepare_cached(&sql)
                    .and_then(|mut statement| {
                        statement
                            .query_map(
                                params![
                                    StepState::Waiting.code(),
                                    filter.tenant.0,
                                    filter.kind.code(),
                                    filter.application,
                                    filter.key,
                                    after,
                                    sql_limit(limit)
                                ],
                                summary,
                            )?
                            .collect()
                    })
                    .or_refused()
            })
            .await
    }

    async fn asked(&self, step: StepKey) -> Result<Option<AskSummary>> {
        let Ok(id) = pack(step) else { return Ok(None) };
        self.readers
            .call(move |c| {
                c.prepare_cached(&format!("{SELECT} WHERE a.step_id = ?2"))
                    .and_then(|mut statement| {
                        statement
                            .query_map(params![StepState::Waiting.code(), id], summary)?
                            .next()
                            .transpose()
                    })
                    .or_refused()
            })
            .await
    }

    async fn signal(&self, signal: NewSignal) -> Result<Signalled> {
        self.writer.call(move |tx| send(tx, &signal)).await
    }

    async fn expire_signals(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM signal WHERE id IN (
                       SELECT id FROM signal WHERE expires_at <= ?1 LIMIT ?2)",
                    params![now.0, sql_limit(limit)],
                )
            })
            .await
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<AskSummary> {
    Ok(AskSummary {
        step: unpack(row.get(0)?),
        reference: reference(row, 1)?,
        application: row.get(2)?,
        application_name: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        kind: wait::wait_kind(row, 4)?,
        key: row.get(5)?,
        since: time(row, 6)?,
        until: maybe_time(row, 7)?,
        detail: wait::bytes(row, 8)?.unwrap_or_default(),
    })
}

/// Stores an answer for a step that waits for one of this kind. Says whether it does.
fn give(tx: &mut Tx<'_>, id: i64, kind: WaitKind, answer: &[u8]) -> Result<bool> {
    let given = tx.execute(
        "UPDATE wait SET detail = ?3 WHERE step_id = ?1 AND kind = ?2
           AND EXISTS (SELECT 1 FROM step WHERE id = ?1 AND state = ?4)",
        params![id, kind.code(), answer, StepState::Waiting.code()],
    )?;
    Ok(given == 1)
}

/// A step waits: it asks, or it is given a message that came before. Says whether it was.
pub(crate) fn ask(tx: &mut Tx<'_>, id: i64, suspension: &Suspension) -> Result<bool> {
    let Some(ask) = &suspension.ask else {
        return Ok(false);
    };
    if suspension.kind == WaitKind::Webhook {
        let kept = tx.first(
            "SELECT id, body FROM signal
             WHERE tenant_id = ?1 AND key = ?2 AND taken = 0 AND expires_at > ?3
             ORDER BY id LIMIT 1",
            params![ask.tenant.0, ask.key, suspension.at.0],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        if let Some((signal, body)) = kept {
            take(tx, signal)?;
            return give(tx, id, WaitKind::Webhook, &body);
        }
    }
    tx.execute(
        "INSERT INTO ask (step_id, tenant_id, kind, key, asked_at, until, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (step_id) DO UPDATE SET kind = excluded.kind, key = excluded.key,
           asked_at = excluded.asked_at, until = excluded.until, detail = excluded.detail",
        params![
            id,
            ask.tenant.0,
            suspension.kind.code(),
            ask.key,
            suspension.at.0,
            suspension.until.map(|until| until.0),
            &ask.detail[..]
        ],
    )?;
    Ok(false)
}

/// A kept message has reached its step: its id stays, its body does not.
fn take(tx: &mut Tx<'_>, signal: i64) -> Result<()> {
    let remembered = tx.execute(
        "UPDATE signal SET taken = 1, body = x'' WHERE id = ?1 AND sender_id IS NOT NULL",
        [signal],
    )?;
    if remembered == 0 {
        tx.execute("DELETE FROM signal WHERE id = ?1", [signal])?;
    }
    Ok(())
}

fn send(tx: &mut Tx<'_>, signal: &NewSignal) -> Result<Signalled> {
    if let Some(sender) = &signal.sender_id {
        // What has expired is forgotten in its own time, and counts no more.
        tx.execute(
            "DELETE FROM signal WHERE tenant_id = ?1 AND key = ?2 AND sender_id = ?3
               AND expires_at <= ?4",
            params![signal.tenant.0, signal.key, sender, signal.at.0],
        )?;
        let known = tx.first(
            "SELECT 1 FROM signal WHERE tenant_id = ?1 AND key = ?2 AND sender_id = ?3",
            params![signal.tenant.0, signal.key, sender],
            |_| Ok(()),
        )?;
        if known.is_some() {
            return Ok(Signalled::Duplicate);
        }
    }
    if let Some((id, reference)) = waiting(tx, signal.tenant, &signal.key)?
        && give(tx, id, WaitKind::Webhook, &signal.body)?
        && let Some(step) = wait::wake(tx, unpack(id), id, signal.at)?
    {
        if signal.sender_id.is_some() {
            store(tx, signal, signal.remember_until, true)?;
        }
        return Ok(Signalled::Delivered { step, reference });
    }
    if signal.keep_until <= signal.at {
        return Ok(Signalled::Nobody);
    }
    let kept = tx.first(
        "SELECT count(*) FROM (SELECT 1 FROM signal
           WHERE tenant_id = ?1 AND key = ?2 AND taken = 0 LIMIT ?3)",
        params![signal.tenant.0, signal.key, sql_limit(MOST_KEPT)],
        |row| row.get::<_, i64>(0),
    )?;
    if kept.is_some_and(|kept| kept >= sql_limit(MOST_KEPT)) {
        return Ok(Signalled::Full);
    }
    store(tx, signal, signal.keep_until, false)?;
    Ok(Signalled::Kept)
}

/// The step that waits longest under a key.
fn waiting(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    key: &str,
) -> Result<Option<(i64, model::id::RunRef)>> {
    tx.first(
        "SELECT a.step_id, r.uuid FROM ask a
         JOIN step s ON s.id = a.step_id AND s.state = ?4 JOIN run r ON r.id = a.step_id >> 24
         WHERE a.tenant_id = ?1 AND a.kind = ?2 AND a.key = ?3 ORDER BY a.step_id LIMIT 1",
        params![
            tenant.0,
            WaitKind::Webhook.code(),
            key,
            StepState::Waiting.code()
        ],
        |row| Ok((row.get(0)?, reference(row, 1)?)),
    )
}

fn store(tx: &mut Tx<'_>, signal: &NewSignal, until: Timestamp, taken: bool) -> Result<()> {
    let body: &[u8] = if taken { b"" } else { &signal.body };
    tx.execute(
        "INSERT INTO signal (tenant_id, key, sender_id, body, sent_at, expires_at, taken)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            signal.tenant.0,
            signal.key,
            signal.sender_id,
            body,
            signal.at.0,
            until.0,
            taken
        ],
    )
    .map(drop)
}
