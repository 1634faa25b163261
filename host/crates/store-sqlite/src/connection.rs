//! How connections are set up, and the lock that keeps other processes out.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use store::{Error, Result};

use crate::{Options, error::OrRefused};

const DATABASE: &str = "powerflow.db";
const LOG: &str = "powerflow.db-wal";
const LOCK: &str = "powerflow.lock";

/// An 8 KiB row of a payload stays on its page, and a commit writes fewer of them.
const PAGE_SIZE: u32 = 8192;
/// What the write-ahead log has of its own for each page, in bytes.
const FRAME_HEADER: u32 = 24;

/// Locks the data directory for this process until the file is dropped.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let unavailable =
        |error: std::io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(unavailable)?;
    let mut file = OpenOptions::new()
        .mode(0o600)
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Only for the message: an unreadable file says nothing about its owner.
            let _ = file.read_to_string(&mut owner);
            return Err(Error::InUse {
                name: directory.display().to_string(),
                by: format!(
                    "process {}; a data directory belongs to one process at a time",
                    owner.trim()
                ),
            });
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(unavailable)?;
    Ok(file)
}

/// Opens the connection that writes, making the database if there is none.
pub(crate) fn open_writer(options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = options.directory.join(DATABASE);
    // SQLite gives its log and index the mode of the database.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
    let connection = Connection::open_with_flags(path, flags).or_refused()?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .or_refused()?;
    // Page size and vacuum mode count only before the first table exists.
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {PAGE_SIZE};
             PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA automatic_index = OFF;
             PRAGMA cache_size = -{};
             PRAGMA wal_autocheckpoint = {};
             PRAGMA journal_size_limit = {};",
            options.cache_kib,
            options.checkpoint_pages,
            64 << 20,
        ))
        .or_refused()?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .or_refused()?;
    if mode != "wal" {
        return Err(Error::Unavailable(format!(
            "{} cannot have a write-ahead log (journal mode {mode}); use a local disk",
            options.directory.display()
        )));
    }
    Ok(connection)
}

/// Writes the write-ahead log's file once in full length, so that commits overwrite it
/// instead of making it grow: a synchronous write that leaves the length as it is takes
/// half the time, because the file system has nothing of its own to write. SQLite reads
/// a log up to the first frame that is not valid, and zeros are none.
///
/// Must be called before anything writes. Where there is no space, commits are slower.
pub(crate) fn lengthen_log(options: &Options) {
    let path = options.directory.join(LOG);
    // A quarter more: a commit may pass the mark, and readers may hold a checkpoint up.
    let wanted = u64::from(options.checkpoint_pages) * u64::from(PAGE_SIZE + FRAME_HEADER) * 5 / 4;
    if let Err(error) = lengthen(&path, wanted) {
        tracing::warn!(%error, path = %path.display(), "the write-ahead log could not be given its length beforehand: commits take longer");
    }
}

fn lengthen(path: &Path, wanted: u64) -> std::io::Result<()> {
    let mut file = match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut missing = wanted.saturating_sub(file.metadata()?.len());
    let zeros = vec![0; 64 << 10];
    while missing > 0 {
        let piece = missing.min(zeros.len() as u64);
        file.write_all(&zeros[..piece as usize])?;
        missing -= piece;
    }
    file.sync_all()
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(options.directory.join(DATABASE), flags).or_refused()?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .or_refused()?;
    connection
        .execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA automatic_index = OFF;
             PRAGMA cache_size = -2048;",
        )
        .or_refused()?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
