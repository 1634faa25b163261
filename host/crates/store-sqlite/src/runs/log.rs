//! Log lines, stored in chunks as they were flushed.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, Token},
    state::StepState,
};
use rusqlite::{Connection, params};
use store::{Result, runs::LogChunk};

use super::{sql_limit, step_state};
use crate::{
    error::OrRefused,
    partition,
    transaction::{Tx, pack, step_range, unpack},
};

/// Lines of an attempt that has been fenced are dropped: it learns so when it ends. One
/// whose run was cancelled may still say what it did.
pub(super) fn append(
    tx: &mut Tx<'_>,
    key: StepKey,
    token: Token,
    expires_at: Timestamp,
    lines: &Bytes,
) -> Result<()> {
    let id = pack(key)?;
    let found = tx.first("SELECT state, token FROM step WHERE id = ?1", [id], |row| {
        Ok((step_state(row, 0)?, row.get::<_, i64>(1)?))
    })?;
    if let Some((StepState::Running | StepState::Cancelled, newest)) = found
        && newest == token.0
    {
        tx.partition(expires_at)?.append_log(id, token.0, lines)?;
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    run: RunId,
    expires_at: Timestamp,
    step: Option<Ordinal>,
    after: i64,
    limit: usize,
) -> Result<Vec<LogChunk>> {
    let (first, last) = match step {
        Some(step) => match pack(StepKey { run, step }) {
            Ok(id) => (id, id),
            Err(_) => return Ok(Vec::new()),
        },
        None => step_range(run),
    };
    let day = expires_at.day();
    if !partition::exists(connection, day)? {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(&format!(
            "SELECT id, step_id, token, lines
             FROM \"log_{day}\" INDEXED BY \"log_{day}_step\"
             WHERE step_id BETWEEN ?1 AND ?2 AND id > ?3 ORDER BY id LIMIT ?4"
        ))
        .and_then(|mut statement| {
            statement
                .query_map(params![first, last, after, sql_limit(limit)], |row| {
                    Ok(LogChunk {
                        id: row.get(0)?,
                        step: unpack(row.get(1)?).step,
                        token: Token(row.get(2)?),
                        lines: partition::bytes(row, 3)?.unwrap_or_default(),
                    })
                })?
                .collect()
        })
        .or_refused()
}
