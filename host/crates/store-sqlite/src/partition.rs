//! Payloads and logs, in one pair of tables per day on which runs expire.
//!
//! Rows are only appended: run and step rows hold the numbers of theirs. That fills
//! pages to the end and writes them once; keyed by run and step, every other
//! insertion would split a page.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use store::{Error, Result};

use crate::error::OrRefused;

/// The tables of one day, with their statements.
pub(crate) struct Partition<'c> {
    insert_payload: Statement<'c>,
    insert_log: Statement<'c>,
    data: Statement<'c>,
}

impl<'c> Partition<'c> {
    /// Opens a day's tables; makes them if there are none.
    pub(crate) fn open(connection: &'c Connection, day: i64) -> Result<Self> {
        if !exists(connection, day)? {
            connection
                .execute_batch(&format!(
                    "CREATE TABLE \"payload_{day}\" (
                       id INTEGER PRIMARY KEY,
                       data BLOB,
                       error BLOB
                     ) STRICT;
                     CREATE TABLE \"log_{day}\" (
                       id INTEGER PRIMARY KEY,
                       step_id INTEGER NOT NULL,
                       token INTEGER NOT NULL,
                       lines BLOB NOT NULL
                     ) STRICT;
                     CREATE INDEX \"log_{day}_step\" ON \"log_{day}\" (step_id);"
                ))
                .or_refused()?;
            connection
                .execute("INSERT INTO partition (day) VALUES (?1)", [day])
                .or_refused()?;
        }
        let prepare = |sql: String| connection.prepare(&sql).or_refused();
        Ok(Self {
            insert_payload: prepare(format!(
                "INSERT INTO \"payload_{day}\" (data, error) VALUES (?1, ?2)"
            ))?,
            insert_log: prepare(format!(
                "INSERT INTO \"log_{day}\" (step_id, token, lines) VALUES (?1, ?2, ?3)"
            ))?,
            data: prepare(format!("SELECT data FROM \"payload_{day}\" WHERE id = ?1"))?,
        })
    }

    /// Appends a payload; answers its row.
    pub(crate) fn append(&mut self, data: Option<&[u8]>, error: Option<&[u8]>) -> Result<i64> {
        self.insert_payload
            .insert(params![data, error])
            .or_refused()
    }

    /// Appends log lines of an attempt.
    pub(crate) fn append_log(&mut self, step: i64, token: i64, lines: &[u8]) -> Result<()> {
        self.insert_log
            .execute(params![step, token, lines])
            .map(drop)
            .or_refused()
    }

    /// The data of a payload that a row refers to.
    pub(crate) fn data(&mut self, row: i64) -> Result<Bytes> {
        let mut rows = self.data.query([row]).or_refused()?;
        match rows.next().or_refused()? {
            Some(row) => bytes(row, 0).or_refused().map(Option::unwrap_or_default),
            None => Err(Error::Corrupt(format!("payload {row} is missing"))),
        }
    }
}

/// A column's bytes.
pub(crate) fn bytes(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<Bytes>> {
    Ok(row
        .get_ref(column)?
        .as_blob_or_null()?
        .map(Bytes::copy_from_slice))
}

/// Whether there are tables for that day.
pub(crate) fn exists(connection: &Connection, day: i64) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM partition WHERE day = ?1")
        .and_then(|mut statement| statement.query_row([day], |_| Ok(())).optional())
        .map(|row| row.is_some())
        .or_refused()
}

/// Deletes at most `rows` rows of each of a day's tables, and the tables when they are
/// empty. Says whether the tables are gone.
///
/// A table is emptied before it is dropped because dropping a full one reads each of
/// its pages in one statement, and every commit would wait for it.
pub(crate) fn shrink(connection: &Connection, day: i64, rows: i64) -> Result<bool> {
    let mut empty = true;
    for table in ["payload", "log"] {
        let deleted = connection
            .execute(
                &format!(
                    "DELETE FROM \"{table}_{day}\" WHERE id <
                       (SELECT min(id) FROM \"{table}_{day}\") + ?1"
                ),
                [rows],
            )
            .or_refused()?;
        empty &= deleted == 0;
    }
    if empty {
        connection
            .execute_batch(&format!(
                "DROP TABLE \"payload_{day}\"; DROP TABLE \"log_{day}\";"
            ))
            .or_refused()?;
        connection
            .execute("DELETE FROM partition WHERE day = ?1", [day])
            .or_refused()?;
    }
    Ok(empty)
}
