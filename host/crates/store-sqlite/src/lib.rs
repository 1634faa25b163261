//! The embedded backend: one SQLite file with a write-ahead log, one thread that
//! writes, a few connections that read.
//!
//! This crate owns the SQL, the migrations and the data directory, which it locks
//! for its process. It decides nothing about runs: what the end of a step brings
//! about is [`model::flow`]'s to say, called inside the writer's transaction. No
//! type of SQLite shows in its interface.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

use std::{path::PathBuf, sync::Arc};

use store::Result;

mod accounts;
mod asks;
mod bulk;
mod cache;
mod connection;
mod definitions;
mod error;
mod limits;
mod migrate;
mod packs;
mod partition;
mod pauses;
mod reader;
mod runs;
mod schedules;
mod transaction;
mod webhooks;
mod workers;
mod writer;

#[cfg(test)]
mod writer_tests;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if there is none.
    pub directory: PathBuf,
    /// How many connections read at the same time.
    pub read_connections: usize,
    /// How many writes may wait before callers are told to come back later.
    pub queue_limit: usize,
    /// The page cache of the writing connection, in KiB.
    pub cache_kib: u32,
    /// After how many pages the write-ahead log is merged into the file.
    pub checkpoint_pages: u32,
}

impl Options {
    /// The defaults for a data directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            read_connections: 2,
            queue_limit: 16_384,
            cache_kib: 8 * 1024,
            checkpoint_pages: 2_000,
        }
    }
}

/// The store on SQLite.
pub struct SqliteStore {
    options: Options,
    writer: Arc<writer::Writer>,
    readers: reader::Readers,
}

impl SqliteStore {
    /// Opens the store: locks the data directory, makes the database if there is
    /// none, and brings it to this version.
    ///
    /// # Errors
    /// [`store::Error::InUse`] when another process has the directory;
    /// [`store::Error::Unavailable`] when the database is newer than this version.
    pub fn open(options: Options) -> Result<Self> {
        let lock = connection::lock(&options.directory)?;
        let mut connection = connection::open_writer(&options)?;
        migrate::apply(&mut connection)?;
        let readers = reader::Readers::open(&options)?;
        connection::lengthen_log(&options);
        let writer = writer::Writer::start(connection, options.queue_limit, lock)?;
        Ok(Self {
            options,
            writer: Arc::new(writer),
            readers,
        })
    }

    /// Refuses further calls, commits the writes that wait, merges the write-ahead
    /// log into the file and lets the data directory go. Dropping the store does the
    /// same, but on the thread that drops it.
    pub async fn close(&self) {
        self.readers.close(&self.options).await;
        let writer = Arc::clone(&self.writer);
        if let Err(error) = tokio::task::spawn_blocking(move || writer.close()).await {
            tracing::error!(%error, "the store was not closed in order");
        }
    }
}

impl store::Store for SqliteStore {
    fn description(&self) -> String {
        format!("sqlite {}", rusqlite::version())
    }
}
