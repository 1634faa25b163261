use super::section;
use crate::value::choice;

choice! {
    /// The form of log lines.
    Format {
        /// For people.
        Text = "text",
        /// One JSON object a line, for machines.
        Json = "json",
    }
}

section! {
    /// The service's own log, on standard output. Logs of runs are in the store.
    Log = "log" {
        /// The form of the lines.
        format: Format = "text";
        /// What is logged: `error`, `warn`, `info`, `debug` or `trace`, also by
        /// module, such as `info,engine=debug`. The audit trail is written whatever it
        /// says, unless it names that: `info,audit=off`.
        level: String = "info";
    }
}
