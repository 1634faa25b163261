use std::{num::NonZeroU32, time::Duration};

use super::section;
use crate::{Weights, value::choice};

choice! {
    /// What becomes of a step whose worker was lost while it executed the step.
    OnWorkerLost {
        /// Another worker executes it again.
        Retry = "retry",
        /// It fails: nobody knows what it did outside.
        Fail = "fail",
    }
}

section! {
    /// The worker of this process.
    Worker = "worker" {
        /// How many steps may be under way at once. A step that waits for an answer
        /// holds a slot but no thread; one that waits for a retry, a child or an
        /// approval holds neither.
        slots: NonZeroU32 = "512";
        /// The queues to work on. Empty: all queues, also those that appear later.
        queues: Vec<String> = "";
        /// Weights of queues, each as `NAME=WEIGHT`; of the last `=`, the left side is the
        /// name. Queues in which something waits are served in proportion to their
        /// weights: 1 where none is given, 1000 at most. One of weight 0 is served only
        /// while nothing waits in the others. `priority.high` always comes first.
        weights: Weights = "";
        /// Threads that execute steps. As many as there are cores where it is not set.
        threads: Option<NonZeroU32> = "";
        /// How long an attempt of a step may take, where neither the step nor its
        /// application says so (`task_soft_time_limit`), until it counts as late: its log
        /// and its run say so, and it goes on.
        step_soft_timeout: Duration = "1h";
        /// How long an attempt of a step may take, where neither the step nor its
        /// application says so (`task_time_limit`), until it is ended as timed out.
        step_timeout: Duration = "70m";
        /// The longest time limit that a step or an application can give itself; more
        /// counts as this.
        step_timeout_max: Duration = "24h";
        /// What becomes of a step whose worker was lost while it executed the step, where
        /// neither the step nor its application says so (`on_worker_lost`): another worker
        /// executes it again, or it fails, because nobody knows what it did outside. The
        /// same on every process of a cluster.
        on_worker_lost: OnWorkerLost = "retry";
        /// How long after the last sign of life of a lost worker others take over its
        /// steps. A worker that cannot reach the store for so long stops what it
        /// executes. Of no meaning for a single process with the embedded store.
        lease: Duration = "10s";
        /// How often a step is begun again because its worker was lost, until the run
        /// fails with that reason. Retries that the step asks for do not count.
        max_attempts_lost: NonZeroU32 = "5";
    }
}
