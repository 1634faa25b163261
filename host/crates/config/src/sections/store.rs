use std::{num::NonZeroU32, time::Duration};

use super::section;
use crate::{Bytes, SecretUrl};

section! {
    /// Definitions, runs, results and logs.
    Store = "store" {
        /// The PostgreSQL database, as `postgres://user:password@host/database`. Where
        /// it is not set, an embedded SQLite database in the data directory is used.
        database_url: Option<SecretUrl> = "" or "DATABASE_URL";
        /// How long an ended run, its results and its logs are kept.
        result_expires: Duration = "7d";
        /// How many writes may wait for their commit. When more come, the API answers
        /// 429 and workers pause.
        write_queue: NonZeroU32 = "8192";
        /// PostgreSQL: connections for reading and for all that is not a run's progress,
        /// which has two of its own, as has the lease of the process.
        postgres_connections: NonZeroU32 = "8";
        /// SQLite: memory for cached pages, for the writer and for each reader.
        sqlite_cache: Bytes = "8MiB";
        /// SQLite: connections that read beside the one that writes.
        sqlite_readers: NonZeroU32 = "4";
    }
}
