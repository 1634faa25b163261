//! Processes that claim steps, and their leases.

use async_trait::async_trait;
use model::{clock::Timestamp, id::WorkerId};
use rusqlite::{Row, params, types::Type};
use store::{
    Error, Result,
    workers::{Worker, Workers},
};

use crate::{SqliteStore, error::OrRefused};

#[async_trait]
impl Workers for SqliteStore {
    async fn register(&self, worker: Worker) -> Result<WorkerId> {
        let queues = serde_json::to_string(&worker.queues)
            .map_err(|error| Error::Internal(error.to_string()))?;
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT INTO worker
                       (host, pid, version, queues, slots, started_at, lease_until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        worker.host,
                        worker.pid,
                        worker.version,
                        queues,
                        worker.slots,
                        worker.started_at.0,
                        worker.lease_until.0
                    ],
                )?;
                Ok(WorkerId(tx.inserted()))
            })
            .await
    }

    async fn renew(&self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool> {
        self.writer
            .call(move |tx| {
                let renewed = tx.execute(
                    "UPDATE worker SET lease_until = ?3 WHERE id = ?1 AND lease_until > ?2",
                    [id.0, now.0, until.0],
                )?;
                Ok(renewed == 1)
            })
            .await
    }

    async fn release(&self, id: WorkerId) -> Result<()> {
        self.writer
            .call(move |tx| {
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
                    "SELECT id, host, pid, version, queues, slots, started_at, lease_until
                     FROM worker WHERE lease_until > ?1 ORDER BY id",
                )
                .and_then(|mut statement| statement.query_map([now.0], worker)?.collect())
                .or_refused()
            })
            .await
    }
}

fn worker(row: &Row<'_>) -> rusqlite::Result<Worker> {
    let queues = serde_json::from_str(row.get_ref(4)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error))
    })?;
    Ok(Worker {
        id: WorkerId(row.get(0)?),
        host: row.get(1)?,
        pid: row.get(2)?,
        version: row.get(3)?,
        queues,
        slots: row.get(5)?,
        started_at: Timestamp(row.get(6)?),
        lease_until: Timestamp(row.get(7)?),
    })
}
