//! Sets of pack versions that runs are pinned to.

use rusqlite::{Connection, OptionalExtension};
use store::Result;

use crate::{error::OrRefused, transaction::Tx};

pub(super) fn number(connection: &Connection, pins: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM pin_set WHERE pins = ?1")
        .and_then(|mut statement| statement.query_row([pins], |row| row.get(0)).optional())
        .or_refused()
}

pub(super) fn settle(tx: &mut Tx<'_>, pins: &str) -> Result<i64> {
    let known = tx.first("SELECT id FROM pin_set WHERE pins = ?1", [pins], |row| {
        row.get(0)
    })?;
    if let Some(number) = known {
        return Ok(number);
    }
    tx.execute("INSERT INTO pin_set (pins) VALUES (?1)", [pins])?;
    Ok(tx.inserted())
}

pub(super) fn text(connection: &Connection, set: i64) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT pins FROM pin_set WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([set], |row| row.get(0)).optional())
        .or_refused()
}
