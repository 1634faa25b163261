use std::{num::NonZeroU32, time::Duration};

use super::section;

section! {
    /// The worker of this process.
    Worker = "worker" {
        /// How many steps may be under way at once. A step that waits for an answer
        /// holds a slot but no thread; one that waits for a retry, a child or an
        /// approval holds neither.
        slots: NonZeroU32 = "512";
        /// The queues to work on, in the order of preference; `priority.high` always
        /// comes first. Empty: all queues, also those that appear later.
        queues: Vec<String> = "";
        /// Threads that execute steps. As many as there are cores where it is not set.
        threads: Option<NonZeroU32> = "";
        /// How long an attempt of a step may take, where the step does not say itself,
        /// until it is stopped as timed out.
        step_timeout: Duration = "1h";
        /// How long after the last sign of life of a lost worker others take over its
        /// steps. A worker that cannot reach the store for so long stops what it
        /// executes. Of no meaning for a single process with the embedded store.
        lease: Duration = "10s";
        /// How often a step is begun again because its worker was lost, until the run
        /// fails with that reason. Retries that the step asks for do not count.
        max_attempts_lost: NonZeroU32 = "5";
    }
}
