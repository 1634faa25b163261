//! The processes of the service and their leases. There is one at a time here; the tables
//! are those that a cluster needs, so that every backend keeps the same contract.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{RunId, WorkerId},
};
use rusqlite::{Row, params, types::Type};
use serde::{Serialize, de::DeserializeOwned};
use store::{
    Error, Result,
    workers::{Renewed, Worker, Workers},
};

use crate::{
    SqliteStore,
    error::OrRefused,
    transaction::{Tx, unpack},
};

#[async_trait]
impl Workers for SqliteStore {
    async fn time(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn register(&self, worker: Worker) -> Result<WorkerId> {
        let queues = as_json(&worker.queues)?;
        let weights = as_json(&worker.weights)?;
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT INTO worker
                       (host, pid, version, queues, slots, started_at, lease_until, role,
                        weights)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        worker.host,
                        worker.pid,
                        worker.version,
                        queues,
                        worker.slots,
                        worker.started_at.0,
                        worker.lease_until.0,
                        worker.role,
                        weights
                    ],
                )?;
                Ok(WorkerId(tx.inserted()))
            })
            .await
    }

    async fn renew(
        &self,
        id: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Renewed>> {
        self.writer.call(move |tx| renew(tx, id, now, until)).await
    }

    async fn release(&self, id: WorkerId) -> Result<()> {
        self.writer
            .call(move |tx| {
                tx.execute("DELETE FROM leader WHERE worker = ?1", [id.0])?;
                tx.execute("UPDATE worker SET lease_until = 0 WHERE id = ?1", [id.0])
                    .map(drop)
            })
            .await
    }

    async fn release_others(&self, id: WorkerId) -> Result<()> {
        self.writer
            .call(move |tx| {
                tx.execute("UPDATE worker SET lease_until = 0 WHERE id <> ?1", [id.0])
                    .map(drop)
            })
            .await
    }

    async fn workers(&self, now: Timestamp) -> Result<Vec<Worker>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT id, host, pid, version, queues, slots, started_at, lease_until, role,
               weights
                     FROM worker WHERE lease_until > ?1 ORDER BY id",
                )
                .and_then(|mut statement| statement.query_map([now.0], worker)?.collect())
                .or_refused()
            })
            .await
    }

    async fn lost_workers(&self, since: Timestamp, now: Timestamp) -> Result<Vec<Worker>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT id, host, pid, version, queues, slots, started_at, lease_until, role,
               weights
                     FROM worker WHERE lease_until > ?1 AND lease_until <= ?2
                     ORDER BY lease_until DESC",
                )
                .and_then(|mut statement| statement.query_map([since.0, now.0], worker)?.collect())
                .or_refused()
            })
            .await
    }

    async fn set_worker(
        &self,
        id: WorkerId,
        queues: Option<&[String]>,
        weights: Option<&BTreeMap<String, u32>>,
        slots: Option<u32>,
    ) -> Result<bool> {
        let queues = queues.map(as_json).transpose()?;
        let weights = weights.map(as_json).transpose()?;
        self.writer
            .call(move |tx| {
                let changed = tx.execute(
                    "UPDATE worker SET queues = coalesce(?2, queues), slots = coalesce(?3, slots),
               weights = coalesce(?4, weights)
                     WHERE id = ?1",
                    params![id.0, queues, slots, weights],
                )?;
                Ok(changed == 1)
            })
            .await
    }

    async fn lead(&self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool> {
        self.writer
            .call(move |tx| {
                let leads = tx.execute(
                    "INSERT INTO leader (id, worker, lease_until) VALUES (1, ?1, ?3)
                     ON CONFLICT (id) DO UPDATE SET worker = ?1, lease_until = ?3
                     WHERE worker = ?1 OR lease_until <= ?2",
                    [id.0, now.0, until.0],
                )?;
                Ok(leads == 1)
            })
            .await
    }
}

/// Renews the lease and takes what the process has to know.
fn renew(
    tx: &mut Tx<'_>,
    id: WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Renewed>> {
    let found = tx.first(
        "UPDATE worker SET lease_until = ?3 WHERE id = ?1 AND lease_until > ?2
         RETURNING queues, slots,
           coalesce((SELECT value FROM high_water WHERE name = 'generation'), 0), weights",
        [id.0, now.0, until.0],
        |row| Ok((json(row, 0)?, row.get(1)?, row.get(2)?, json(row, 3)?)),
    )?;
    let Some((queues, slots, generation, weights)) = found else {
        return Ok(None);
    };
    let cancelled = tx.all(
        "DELETE FROM cancelled_claim WHERE worker = ?1 RETURNING run_id",
        [id.0],
        |row| row.get(0).map(RunId),
    )?;
    let revoked = tx.all(
        "DELETE FROM revoked_claim WHERE worker = ?1 RETURNING step_id",
        [id.0],
        |row| row.get(0).map(unpack),
    )?;
    Ok(Some(Renewed {
        now: None,
        generation,
        cancelled,
        revoked,
        queues,
        weights,
        slots,
    }))
}

/// Counts a change of documents or of active packs.
pub(crate) fn count_change(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO high_water (name, value) VALUES ('generation', 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1",
        [],
    )
    .map(drop)
}

fn as_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

fn worker(row: &Row<'_>) -> rusqlite::Result<Worker> {
    Ok(Worker {
        id: WorkerId(row.get(0)?),
        host: row.get(1)?,
        pid: row.get(2)?,
        version: row.get(3)?,
        role: row.get(8)?,
        queues: json(row, 4)?,
        weights: json(row, 9)?,
        slots: row.get(5)?,
        started_at: Timestamp(row.get(6)?),
        lease_until: Timestamp(row.get(7)?),
    })
}
