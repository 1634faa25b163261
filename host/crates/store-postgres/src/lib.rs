//! The backend of the cluster: one PostgreSQL database, any number of processes.
//!
//! This crate owns the SQL, the migrations and the connections. It decides nothing
//! about runs: what the end of a step brings about is [`model::flow`]'s to say, called
//! between reading and writing a run's rows in one transaction. No type of sqlx shows
//! in its interface.
//!
//! The hot path ([`store::runs::Runs`]: submit, claim, complete, log) goes through the
//! [`writer`], which shares commits; everything else takes a connection of the pool.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{Connection, postgres::PgPool};
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
mod runs;
mod schedules;
mod transaction;
mod uuid;
mod webhooks;
mod workers;
mod writer;

/// Connections for leases: one that hangs does not hold up the next renewal.
const PULSE: u32 = 2;

/// How the store is opened.
#[derive(Clone)]
pub struct Options {
    /// The database: `postgres://user:password@host:port/database?sslmode=verify-full`.
    pub url: String,
    /// How many connections the pool has at most, beside those of the writer and two for
    /// the lease of this process.
    pub connections: u32,
    /// How many connections write the hot path, each with the runs that fall to it.
    pub lanes: usize,
    /// How many writes of the hot path may wait before callers are told to come back
    /// later.
    pub queue_limit: usize,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// After what time the server gives up a statement.
    pub statement_timeout: Duration,
    /// Payload partitions that are made ahead of the newest day that a run expires on.
    pub days_ahead: i64,
}

impl Options {
    /// The defaults for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 8,
            lanes: 2,
            queue_limit: 16_384,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            days_ahead: 2,
        }
    }
}

/// Without the URL, which holds a password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connections", &self.connections)
            .field("lanes", &self.lanes)
            .field("queue_limit", &self.queue_limit)
            .finish_non_exhaustive()
    }
}

/// The store on PostgreSQL.
pub struct PostgresStore {
    pool: PgPool,
    /// For leases: a process that is busy with its runs must not seem to be lost because its
    /// renewal waits behind their questions.
    pulse: PgPool,
    writer: writer::Writer,
    partitions: Arc<partition::Partitions>,
    version: String,
}

impl PostgresStore {
    /// Opens the store: brings the database to this version, whoever else does so at
    /// the same time, and connects.
    ///
    /// # Errors
    /// [`store::Error::Unsuitable`] when the database commits without waiting for the
    /// disk, is too old, or was migrated by a version that this one cannot work beside;
    /// [`store::Error::Unavailable`] when it does not answer.
    pub async fn open(options: Options) -> Result<Self> {
        let target = connection::target(&options)?;
        let mut first = connection::connect(&options, &target, connection::Use::Migration).await?;
        migrate::apply(&mut first).await?;
        let version = connection::version(&mut first).await?;
        // Whether the server hears of the end is its own affair.
        let _ = first.close().await;
        let pool = connection::pool(&options, target.clone());
        let few = Options {
            connections: PULSE,
            ..options.clone()
        };
        let pulse = connection::pool(&few, target.clone());
        let partitions = Arc::new(partition::Partitions::new(pool.clone(), options.days_ahead));
        let writer = writer::Writer::start(&options, &target, &partitions);
        Ok(Self {
            pool,
            pulse,
            writer,
            partitions,
            version,
        })
    }

    /// Refuses further writes, commits those that wait, and closes the connections.
    pub async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
        self.pulse.close().await;
    }
}

impl store::Store for PostgresStore {
    fn description(&self) -> String {
        format!("postgresql {}", self.version)
    }
}
