//! The processes of the service, their leases, and what they learn when they renew them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, WorkerId},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, postgres::PgRow};
use store::{
    Error, Result,
    workers::{Renewed, Worker, Workers},
};

use crate::{PostgresStore, error::OrRefused};

/// How many numbers a registration draws at most: one may be taken by the row of a
/// claim whose worker had none.
const TRIES: usize = 1_000;

#[async_trait]
impl Workers for PostgresStore {
    async fn register(&self, worker: Worker) -> Result<WorkerId> {
        let queues = as_json(&worker.queues)?;
        let weights = as_json(&worker.weights)?;
        for _ in 0..TRIES {
            let id: Option<i64> = sqlx::query_scalar(
                "INSERT INTO worker (host, pid, version, queues, slots, started_at, lease_until, role,
                   weights)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (id) DO NOTHING RETURNING id",
            )
            .bind(&worker.host)
            .bind(i64::from(worker.pid))
            .bind(&worker.version)
            .bind(&queues)
            .bind(i64::from(worker.slots))
            .bind(worker.started_at.0)
            .bind(worker.lease_until.0)
            .bind(&worker.role)
            .bind(&weights)
            .fetch_optional(&self.pulse)
            .await
            .or_refused()?;
            if let Some(id) = id {
                return Ok(WorkerId(id));
            }
        }
        Err(Error::Corrupt("no number is free for a worker".to_owned()))
    }

    async fn renew(
        &self,
        id: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Renewed>> {
        let row = sqlx::query(RENEW)
            .bind(id.0)
            .bind(now.0)
            .bind(until.0)
            .fetch_optional(&self.pulse)
            .await
            .or_refused()?;
        row.map(|row| renewed(&row)).transpose().or_refused()
    }

    async fn release(&self, id: WorkerId) -> Result<()> {
        sqlx::query(
            "WITH resigned AS (DELETE FROM leader WHERE worker = $1)
             UPDATE worker SET lease_until = 0 WHERE id = $1",
        )
        .bind(id.0)
        .execute(&self.pulse)
        .await
        .map(drop)
        .or_refused()
    }

    async fn release_others(&self, id: WorkerId) -> Result<()> {
        sqlx::query("UPDATE worker SET lease_until = 0 WHERE id <> $1")
            .bind(id.0)
            .execute(&self.pulse)
            .await
            .map(drop)
            .or_refused()
    }

    async fn workers(&self, now: Timestamp) -> Result<Vec<Worker>> {
        sqlx::query(
            "SELECT id, host, pid, version, queues, slots, started_at, lease_until, role,
               weights
             FROM worker WHERE lease_until > $1 ORDER BY id",
        )
        .bind(now.0)
        .try_map(|row: PgRow| worker(&row))
        .fetch_all(&self.pulse)
        .await
        .or_refused()
    }

    async fn lost_workers(&self, since: Timestamp, now: Timestamp) -> Result<Vec<Worker>> {
        sqlx::query(
            "SELECT id, host, pid, version, queues, slots, started_at, lease_until, role,
               weights
             FROM worker WHERE lease_until > $1 AND lease_until <= $2
             ORDER BY lease_until DESC",
        )
        .bind(since.0)
        .bind(now.0)
        .try_map(|row: PgRow| worker(&row))
        .fetch_all(&self.pulse)
        .await
        .or_refused()
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
        sqlx::query(
            "UPDATE worker SET queues = coalesce($2, queues), slots = coalesce($3, slots),
               weights = coalesce($4, weights)
             WHERE id = $1",
        )
        .bind(id.0)
        .bind(queues)
        .bind(slots.map(i64::from))
        .bind(weights)
        .execute(&self.pulse)
        .await
        .map(|done| done.rows_affected() == 1)
        .or_refused()
    }

    async fn lead(&self, id: WorkerId, now: Timestamp, until: Timestamp) -> Result<bool> {
        sqlx::query(
            "INSERT INTO leader (id, worker, lease_until) VALUES (1, $1, $3)
             ON CONFLICT (id) DO UPDATE SET worker = $1, lease_until = $3
             WHERE leader.worker = $1 OR leader.lease_until <= $2",
        )
        .bind(id.0)
        .bind(now.0)
        .bind(until.0)
        .execute(&self.pulse)
        .await
        .map(|done| done.rows_affected() == 1)
        .or_refused()
    }

    async fn time(&self) -> Result<Option<Timestamp>> {
        sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            .fetch_one(&self.pulse)
            .await
            .map(|micros| Some(Timestamp(micros)))
            .or_refused()
    }
}

/// One round trip for the lease and all that the process has to know.
const RENEW: &str = "
  WITH renewed AS (
    UPDATE worker SET lease_until = $3 WHERE id = $1 AND lease_until > $2
    RETURNING queues, slots, weights
  ), told AS (
    DELETE FROM cancelled_claim WHERE worker = $1 AND EXISTS (SELECT FROM renewed)
    RETURNING run_id
  ), revoked AS (
    DELETE FROM revoked_claim WHERE worker = $1 AND EXISTS (SELECT FROM renewed)
    RETURNING run_id, step
  )
  SELECT queues, slots, (SELECT value FROM generation),
    ARRAY (SELECT run_id FROM told),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    ARRAY (SELECT run_id FROM revoked ORDER BY run_id, step),
    ARRAY (SELECT step FROM revoked ORDER BY run_id, step), weights
  FROM renewed";

fn renewed(row: &PgRow) -> sqlx::Result<Renewed> {
    Ok(Renewed {
        now: Some(Timestamp(row.try_get(4)?)),
        generation: row.try_get(2)?,
        cancelled: row
            .try_get::<Vec<i64>, _>(3)?
            .into_iter()
            .map(RunId)
            .collect(),
        revoked: row
            .try_get::<Vec<i64>, _>(5)?
            .into_iter()
            .zip(row.try_get::<Vec<i32>, _>(6)?)
            .map(|(run, step)| StepKey {
                run: RunId(run),
                step: Ordinal(step as u32),
            })
            .collect(),
        queues: json(row, 0)?,
        weights: json(row, 7)?,
        slots: row.try_get::<i64, _>(1)? as u32,
    })
}

fn as_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn json<T: DeserializeOwned>(row: &PgRow, column: usize) -> sqlx::Result<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn worker(row: &PgRow) -> sqlx::Result<Worker> {
    Ok(Worker {
        id: WorkerId(row.try_get(0)?),
        host: row.try_get(1)?,
        pid: row.try_get::<i64, _>(2)? as u32,
        version: row.try_get(3)?,
        role: row.try_get(8)?,
        queues: json(row, 4)?,
        weights: json(row, 9)?,
        slots: row.try_get::<i64, _>(5)? as u32,
        started_at: Timestamp(row.try_get(6)?),
        lease_until: Timestamp(row.try_get(7)?),
    })
}
