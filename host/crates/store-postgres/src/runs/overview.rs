//! All runs of a tenant at a glance.

use model::{id::TenantId, state::RunState};
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Result,
    runs::{QueueStanding, Sum, Volume},
};

use super::{maybe_time, run_state};
use crate::error::OrRefused;

pub(super) async fn volume(pool: &PgPool, tenant: TenantId, volume: Volume) -> Result<Vec<Sum>> {
    // Application by application: the index by time is theirs.
    sqlx::query(
        "SELECT ((r.created_at - $2) / $4)::integer, r.state, count(*),
           max(r.finished_at - r.created_at),
           coalesce(sum(r.finished_at - r.created_at), 0)::bigint
         FROM run r
         WHERE r.part IS NULL AND r.tenant_id = $1
           AND r.application_id = ANY (ARRAY(SELECT id FROM definition WHERE tenant_id = $1))
           AND r.created_at >= $2 AND r.created_at < $3
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(tenant.0)
    .bind(volume.from.0)
    .bind(volume.until.0)
    .bind(volume.part.max(1))
    .try_map(|row: PgRow| {
        Ok(Sum {
            part: row.try_get::<i32, _>(0)? as u32,
            state: run_state(&row, 1)?,
            count: row.try_get::<i64, _>(2)? as u64,
            longest: row.try_get(3)?,
            total: row.try_get(4)?,
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}

pub(super) async fn standing(pool: &PgPool, tenant: TenantId) -> Result<Vec<QueueStanding>> {
    sqlx::query(
        "SELECT queue, count(*) FILTER (WHERE state = $2), count(*),
           min(created_at) FILTER (WHERE state = $2)
         FROM run WHERE finished_at IS NULL AND tenant_id = $1 AND part IS NULL
         GROUP BY queue ORDER BY queue",
    )
    .bind(tenant.0)
    .bind(i16::from(RunState::Queued.code()))
    .try_map(|row: PgRow| {
        let queued = row.try_get::<i64, _>(1)? as u64;
        Ok(QueueStanding {
            queue: row.try_get(0)?,
            queued,
            running: row.try_get::<i64, _>(2)? as u64 - queued,
            oldest: maybe_time(&row, 3)?,
        })
    })
    .fetch_all(pool)
    .await
    .or_refused()
}
