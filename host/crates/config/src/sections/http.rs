use std::{num::NonZeroU32, time::Duration};

use super::section;

section! {
    /// HTTP requests of steps.
    Http = "http" {
        /// How long resolving, connecting and the TLS handshake may take together.
        connect_timeout: Duration = "10s";
        /// How long the answer's head may take after the request was sent.
        first_byte_timeout: Duration = "60s";
        /// The longest pause within a body.
        between_bytes_timeout: Duration = "60s";
        /// How long an unused connection is kept for the next request.
        idle_timeout: Duration = "60s";
        /// Connections at once, over all steps, those that are kept for later included.
        max_connections: NonZeroU32 = "1024";
        /// Connections at once to one origin (scheme, host and port).
        max_connections_per_origin: NonZeroU32 = "256";
        /// What requests without a `User-Agent` of their own send; nothing when it is empty.
        user_agent: String = "PowerFlow";
    }
}
