//! Steps that wait for a worker.

use model::{id::StepKey, state::StepState};
use rusqlite::{Connection, params};
use store::{Result, runs::ReadyStep};

use super::{priority, sql_limit, text};
use crate::{
    error::OrRefused,
    transaction::{pack, unpack},
};

pub(super) fn ready(
    connection: &Connection,
    after: Option<StepKey>,
    limit: usize,
) -> Result<Vec<ReadyStep>> {
    let (run, step) = match after {
        Some(key) => (key.run.0, pack(key)?),
        None => (0, 0),
    };
    connection
        .prepare_cached(
            "SELECT s.id, r.queue, r.priority
             FROM run r INDEXED BY run_unfinished
             CROSS JOIN step s ON s.id BETWEEN (r.id << 24) + 1 AND (r.id << 24) + 16777215
             WHERE r.finished_at IS NULL AND r.id >= ?1 AND s.id > ?2 AND s.state = ?3
             ORDER BY r.id, s.id LIMIT ?4",
        )
        .and_then(|mut statement| {
            statement
                .query_map(
                    params![run, step, StepState::Ready.code(), sql_limit(limit)],
                    |row| {
                        Ok(ReadyStep {
                            key: unpack(row.get(0)?),
                            queue: text(row, 1)?,
                            priority: priority(row, 2)?,
                        })
                    },
                )?
                .collect()
        })
        .or_refused()
}
