//! What can be set about a simulator, at its start and while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::random::{STEP, mix};

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// User of Basic authentication.
    pub user: String,
    /// Password of Basic authentication.
    pub password: String,
    /// Added to every answer of the API.
    pub latency: Duration,
    /// Share of API requests that fail with 503 before anything is done, 0.0 to 1.0.
    pub error_rate: f64,
    /// ServiceNow: a second incident with the same `correlation_id` is refused with 409.
    pub unique_correlation: bool,
    /// SL1: writing to an unknown event creates it instead of failing with 404.
    pub create_on_write: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            user: "simulator".into(),
            password: "simulator".into(),
            latency: Duration::ZERO,
            error_rate: 0.0,
            unique_correlation: false,
            create_on_write: false,
        }
    }
}

/// The settings that can change while a simulator runs.
#[derive(Debug)]
pub struct Control {
    latency_ms: AtomicU64,
    /// Bits of the `f64`.
    error_rate: AtomicU64,
    unique_correlation: AtomicBool,
    create_on_write: AtomicBool,
    dice: AtomicU64,
}

/// The body of `PUT /_sim/settings`; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    latency_ms: Option<u64>,
    error_rate: Option<f64>,
    unique_correlation: Option<bool>,
    create_on_write: Option<bool>,
}

impl Control {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            latency_ms: AtomicU64::new(settings.latency.as_millis() as u64),
            error_rate: AtomicU64::new(settings.error_rate.to_bits()),
            unique_correlation: AtomicBool::new(settings.unique_correlation),
            create_on_write: AtomicBool::new(settings.create_on_write),
            dice: AtomicU64::new(0),
        }
    }

    /// Sets the latency of API answers, in whole milliseconds.
    pub fn set_latency(&self, latency: Duration) {
        self.latency_ms
            .store(latency.as_millis() as u64, Ordering::Relaxed);
    }

    /// Sets the share of API requests that fail with 503.
    pub fn set_error_rate(&self, rate: f64) {
        self.error_rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Switches the unique index on `correlation_id`; what is stored already stays.
    pub fn set_unique_correlation(&self, unique: bool) {
        self.unique_correlation.store(unique, Ordering::Relaxed);
    }

    /// Switches whether writing to an unknown SL1 event creates it.
    pub fn set_create_on_write(&self, create: bool) {
        self.create_on_write.store(create, Ordering::Relaxed);
    }

    pub(crate) fn unique_correlation(&self) -> bool {
        self.unique_correlation.load(Ordering::Relaxed)
    }

    pub(crate) fn create_on_write(&self) -> bool {
        self.create_on_write.load(Ordering::Relaxed)
    }

    pub(crate) fn apply(&self, change: &Change) -> Result<(), String> {
        if change
            .error_rate
            .is_some_and(|rate| !(0.0..=1.0).contains(&rate))
        {
            return Err("error_rate lies between 0 and 1".into());
        }
        if let Some(ms) = change.latency_ms {
            self.set_latency(Duration::from_millis(ms));
        }
        if let Some(rate) = change.error_rate {
            self.set_error_rate(rate);
        }
        if let Some(unique) = change.unique_correlation {
            self.set_unique_correlation(unique);
        }
        if let Some(create) = change.create_on_write {
            self.set_create_on_write(create);
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "latency_ms": self.latency_ms.load(Ordering::Relaxed),
            "error_rate": f64::from_bits(self.error_rate.load(Ordering::Relaxed)),
            "unique_correlation": self.unique_correlation(),
            "create_on_write": self.create_on_write(),
        })
    }

    /// Waits as long as the settings say; without latency not at all.
    pub(crate) async fn delay(&self) {
        let ms = self.latency_ms.load(Ordering::Relaxed);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Whether this request is one of those that fail.
    pub(crate) fn fails(&self) -> bool {
        let rate = f64::from_bits(self.error_rate.load(Ordering::Relaxed));
        if rate <= 0.0 {
            return false;
        }
        let rolled = mix(self.dice.fetch_add(STEP, Ordering::Relaxed));
        ((rolled >> 11) as f64) < rate * (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_at_the_rate_that_was_set() {
        let control = Control::new(&Settings {
            error_rate: 0.2,
            ..Settings::default()
        });
        let failed = (0..10_000).filter(|_| control.fails()).count();
        assert!((1_800..2_200).contains(&failed), "{failed}");
        control.set_error_rate(0.0);
        assert!(!(0..1_000).any(|_| control.fails()));
        control.set_error_rate(1.0);
        assert!((0..1_000).all(|_| control.fails()));
    }
}
