//! The lease of this process as a worker. Without it, its steps may be given to
//! another, so a worker that cannot renew stops what it executes.

use std::time::{Duration, Instant};

use model::{clock::Timestamp, id::WorkerId};
use store::{Store, workers::Worker};

use crate::{Engine, Settings, error::Result};

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// Registers this process and, where it is alone, ends the leases of those before it.
pub(crate) async fn register(
    store: &dyn Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<WorkerId> {
    let id = store
        .register(Worker {
            id: WorkerId(0),
            host: host_name(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: settings.queues.clone(),
            slots: settings.slots,
            started_at: now,
            lease_until: now.plus_micros(settings.lease.as_micros() as i64),
        })
        .await?;
    if settings.exclusive {
        store.release_others(id).await?;
    }
    Ok(id)
}

impl Engine {
    /// Renews the lease until the engine stops.
    pub(crate) async fn keep_lease(&self) {
        let lease = self.settings.lease;
        let mut held_until = Instant::now() + lease;
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease / 3) => {}
                () = self.stopped.cancelled() => return,
            }
            let asked = Instant::now();
            let now = self.clock.now();
            let until = now.plus_micros(lease.as_micros() as i64);
            match tokio::time::timeout(lease / 3, self.store.renew(self.worker, now, until)).await {
                Ok(Ok(true)) => held_until = asked + lease,
                Ok(Ok(false)) if self.settings.exclusive => {
                    // Nobody else can have taken over: the clock was moved. Register anew.
                    tracing::warn!(
                        "the lease had ended although nobody else opens the store; was the clock moved?"
                    );
                }
                Ok(Ok(false)) => self.fence("the lease of this worker has ended"),
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be renewed"),
                Err(_) => tracing::warn!("the lease could not be renewed in time"),
            }
            if !self.settings.exclusive
                && held_until.saturating_duration_since(Instant::now()) < Duration::from_millis(200)
            {
                self.fence("the lease could not be renewed before its end");
            }
        }
    }

    fn fence(&self, why: &str) {
        tracing::error!(
            steps = self.running.len(),
            why,
            "this worker stops what it executes"
        );
        self.running.cancel_all();
    }
}
