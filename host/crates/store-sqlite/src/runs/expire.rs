//! Runs are forgotten, and their space is given back.

use model::clock::Timestamp;
use rusqlite::params;
use store::Result;

use super::sql_limit;
use crate::{
    error::OrRefused,
    partition,
    transaction::{Tx, step_range},
};

/// Rows of a partition that are deleted in one commit.
const ROWS: i64 = 1_000;
/// Pages that are given back in one commit.
const PAGES: i64 = 500;
/// Free pages that may stay: the next runs take them.
const SPARE_PAGES: i64 = 64;

/// Forgets runs that have ended and expired; what expired of the shared records goes
/// with them.
pub(super) fn forget_runs(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<usize> {
    tx.execute("DELETE FROM cache WHERE expires_at <= ?1", [now.0])?;
    let runs = tx.all(
        "SELECT id FROM run INDEXED BY run_expiry
         WHERE expires_at <= ?1 AND finished_at IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM run p WHERE p.id = run.parent_run AND p.finished_at IS NULL)
         LIMIT ?2",
        params![now.0, sql_limit(limit)],
        |row| row.get::<_, i64>(0),
    )?;
    let Some(newest) = runs.iter().max() else {
        return Ok(0);
    };
    tx.execute(
        "INSERT INTO high_water (name, value) VALUES ('run', ?1)
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        [newest],
    )?;
    for &run in &runs {
        let (first, last) = step_range(model::id::RunId(run));
        tx.execute("DELETE FROM step WHERE id BETWEEN ?1 AND ?2", [first, last])?;
        for sql in [
            "DELETE FROM wait WHERE step_id BETWEEN ?1 AND ?2",
            "DELETE FROM ask WHERE step_id BETWEEN ?1 AND ?2",
            "DELETE FROM attempt WHERE step_id BETWEEN ?1 AND ?2",
            "DELETE FROM child_end WHERE parent BETWEEN ?1 AND ?2",
        ] {
            tx.execute(sql, [first, last])?;
        }
        tx.execute("DELETE FROM dead_letter WHERE run_id = ?1", [run])?;
        tx.execute("DELETE FROM run WHERE id = ?1", [run])?;
    }
    Ok(runs.len())
}

/// Takes a piece of a past partition that no run refers to. Says whether there is more.
pub(super) fn shrink_partitions(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool> {
    let day = tx.first(
        "SELECT day FROM partition WHERE day < ?1 AND NOT EXISTS (
           SELECT 1 FROM run INDEXED BY run_expiry
           WHERE expires_at >= day * ?2 AND expires_at < (day + 1) * ?2)
         ORDER BY day LIMIT 1",
        [now.day(), Timestamp::DAY],
        |row| row.get::<_, i64>(0),
    )?;
    let Some(day) = day else {
        return Ok(false);
    };
    tx.forget_partition(day);
    partition::shrink(tx.connection, day, ROWS)?;
    Ok(true)
}

/// Gives free pages back to the file system. Says whether there is more to give.
pub(super) fn give_back(tx: &mut Tx<'_>) -> Result<bool> {
    let free = free_pages(tx)?;
    if free <= SPARE_PAGES {
        return Ok(false);
    }
    let pages = PAGES.min(free - SPARE_PAGES);
    let mut statement = tx
        .connection
        .prepare(&format!("PRAGMA incremental_vacuum({pages})"))
        .or_refused()?;
    // The statement gives back one page per step.
    let mut rows = statement.query([]).or_refused()?;
    while rows.next().or_refused()?.is_some() {}
    drop(rows);
    Ok(free_pages(tx)? < free)
}

fn free_pages(tx: &Tx<'_>) -> Result<i64> {
    tx.connection
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .or_refused()
}
