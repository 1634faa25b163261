//! Log lines, stored in chunks as they were flushed.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, Token},
};
use sqlx::{
    Row,
    postgres::{PgPool, PgRow},
};
use store::{Result, runs::LogChunk};

use super::{ordinal, sql_limit};
use crate::{
    error::{OrRefused, is_without_table},
    partition,
};

pub(super) async fn read(
    pool: &PgPool,
    run: RunId,
    expires_at: Timestamp,
    step: Option<Ordinal>,
    after: i64,
    limit: usize,
) -> Result<Vec<LogChunk>> {
    let step = match step.map(ordinal) {
        Some(None) => return Ok(Vec::new()),
        Some(step) => step,
        None => None,
    };
    let sql = format!(
        "SELECT id, step, token, lines FROM {}
         WHERE run_id = $1 AND id > $2 AND ($3::integer IS NULL OR step = $3)
           AND EXISTS (SELECT 1 FROM run WHERE id = $1)
         ORDER BY id LIMIT $4",
        partition::log(expires_at.day())
    );
    let rows = sqlx::query(&sql)
        .bind(run.0)
        .bind(after)
        .bind(step)
        .bind(sql_limit(limit))
        .fetch_all(pool)
        .await;
    match rows {
        Err(error) if is_without_table(&error) => Ok(Vec::new()),
        rows => rows
            .or_refused()?
            .iter()
            .map(chunk)
            .collect::<sqlx::Result<_>>()
            .or_refused(),
    }
}

fn chunk(row: &PgRow) -> sqlx::Result<LogChunk> {
    Ok(LogChunk {
        id: row.try_get(0)?,
        step: Ordinal(row.try_get::<i32, _>(1)? as u32),
        token: Token(row.try_get(2)?),
        lines: Bytes::copy_from_slice(row.try_get(3)?),
    })
}
