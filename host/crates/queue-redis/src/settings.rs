//! What a queue on Redis needs to know.

use std::{path::PathBuf, time::Duration};

use queue::Limits;

use crate::Address;

/// Settings of a queue on Redis.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where Redis is.
    pub address: Address,
    /// The beginning of all keys, without braces. Services with the same one share their queues.
    pub prefix: String,
    /// This process among all that receive, and never another one.
    pub consumer: String,
    /// Leases and deliveries.
    pub limits: Limits,
    /// How long anything but waiting for entries may take before it is given up.
    pub timeout: Duration,
    /// How long one read waits for entries; then it looks for ended leases and new queues.
    pub block: Duration,
    /// A consumer that holds nothing and was not heard of for so long is removed.
    pub forget_consumers: Duration,
    /// A PEM file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// The usual ones.
    pub fn new(address: Address, consumer: &str) -> Self {
        Self {
            address,
            prefix: "powerflow".to_owned(),
            consumer: consumer.to_owned(),
            limits: Limits::default(),
            timeout: Duration::from_secs(2),
            block: Duration::from_secs(5),
            forget_consumers: Duration::from_hours(1),
            ca_file: None,
        }
    }

    /// How often ended leases are looked for: often enough to add little to a lease.
    pub(crate) fn claim_period(&self) -> Duration {
        (self.limits.lease / 4).clamp(Duration::from_millis(20), self.block)
    }
}
