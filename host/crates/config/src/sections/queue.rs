use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use super::section;
use crate::SecretUrl;

section! {
    /// The way of ready steps to workers.
    Queue = "queue" {
        /// The Redis server, as `redis://user:password@host:6379/0`. Needed when more
        /// than one process works; where it is not set, the queue is in memory. Nothing
        /// is lost with it: the store is the truth.
        redis_url: Option<SecretUrl> = "" or "REDIS_URL";
        /// A PEM file with certificates to trust for `rediss://`, beside the system's.
        redis_ca_file: Option<PathBuf> = "";
        /// How long a worker may hold an entry without claiming its step, until another
        /// gets it.
        lease: Duration = "30s";
        /// How often an entry is handed out without an answer until it is set aside
        /// with the reason.
        max_deliveries: NonZeroU32 = "5";
    }
}
