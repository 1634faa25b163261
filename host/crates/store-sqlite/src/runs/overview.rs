//! All runs of a tenant at a glance.

use model::{clock::Timestamp, id::TenantId, state::RunState};
use rusqlite::{Connection, params};
use store::{
    Result,
    runs::{QueueStanding, Sum, Volume},
};

use super::run_state;
use crate::error::OrRefused;

pub(super) fn volume(
    connection: &Connection,
    tenant: TenantId,
    volume: Volume,
) -> Result<Vec<Sum>> {
    // Application by application: the index by time is theirs.
    connection
        .prepare_cached(
            "SELECT (r.created_at - ?2) / ?4, r.state, count(*),
               max(r.finished_at - r.created_at), total(r.finished_at - r.created_at)
             FROM run r INDEXED BY run_time
             WHERE r.part IS NULL AND r.tenant_id = ?1
               AND r.application_id IN (SELECT id FROM definition WHERE tenant_id = ?1)
               AND r.created_at >= ?2 AND r.created_at < ?3
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .and_then(|mut statement| {
            statement
                .query_map(
                    params![tenant.0, volume.from.0, volume.until.0, volume.part.max(1)],
                    |row| {
                        Ok(Sum {
                            part: row.get(0)?,
                            state: run_state(row, 1)?,
                            count: row.get::<_, i64>(2)? as u64,
                            longest: row.get(3)?,
                            total: row.get::<_, f64>(4)? as i64,
                        })
                    },
                )?
                .collect()
        })
        .or_refused()
}

pub(super) fn standing(connection: &Connection, tenant: TenantId) -> Result<Vec<QueueStanding>> {
    connection
        .prepare_cached(
            "SELECT queue, count(*) FILTER (WHERE state = ?2), count(*),
               min(created_at) FILTER (WHERE state = ?2)
             FROM run INDEXED BY run_unfinished
             WHERE finished_at IS NULL AND tenant_id = ?1 AND part IS NULL
             GROUP BY queue ORDER BY queue",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![tenant.0, RunState::Queued.code()], |row| {
                    let queued = row.get::<_, i64>(1)? as u64;
                    Ok(QueueStanding {
                        queue: row.get(0)?,
                        queued,
                        running: row.get::<_, i64>(2)? as u64 - queued,
                        oldest: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                    })
                })?
                .collect()
        })
        .or_refused()
}
