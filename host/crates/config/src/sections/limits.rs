use std::{num::NonZeroU32, time::Duration};

use super::section;

section! {
    /// What the service accepts before it pushes back.
    Limits = "limits" {
        /// Accepted runs of one tenant that have not ended. Beyond it, new ones are
        /// refused with 429 until some have.
        backlog: NonZeroU32 = "1000000";
        /// Accepted runs on one queue, of all tenants, that have not ended. Beyond it, new
        /// ones on that queue are refused with 429 until some have.
        backlog_of_queue: NonZeroU32 = "1000000";
        /// The longest that a request may wait for its run to end.
        run_wait: Duration = "30s";
    }
}
