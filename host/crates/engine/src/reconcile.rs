//! Bringing the queue in line with the store: at the start, and while it runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::id::{StepKey, TenantId};
use store::runs::{Priority, ReadyStep};

use crate::{Engine, error::Result};

/// How many steps one call of the store gives.
pub(crate) const PAGE: usize = 4096;

impl Engine {
    /// Takes back what lost workers held and puts every ready step on the queue.
    pub(crate) async fn reconcile(&self) -> Result<()> {
        let mut taken_back = 0;
        loop {
            match self.take_back(PAGE).await? {
                0 => break,
                steps => taken_back += steps,
            }
        }
        let queued = self.enqueue_ready().await?;
        if taken_back + queued > 0 {
            tracing::info!(taken_back, queued, "took over the steps that were waiting");
        }
        Ok(())
    }

    /// Puts every ready step on the queue; answers how many there are.
    pub(crate) async fn enqueue_ready(&self) -> Result<usize> {
        let (mut after, mut queued) = (None, 0);
        loop {
            let steps = self.store.ready(after, PAGE).await?;
            let Some(last) = steps.last() else {
                return Ok(queued);
            };
            after = Some(last.key);
            queued += steps.len();
            self.enqueue(steps).await?;
        }
    }

    /// Delivers anew what the queue set aside because it was delivered too often and never
    /// acknowledged: its workers ended, or had no slot free for too long. No delivery can
    /// harm a worker, which claims a step before it executes it, and claims are counted in
    /// the store; but a step that is set aside would hang.
    pub(crate) async fn revive(&self) -> Result<()> {
        for depth in self.queue.depths().await? {
            let revived = self.queue.revive(&depth.queue).await?;
            if revived > 0 {
                tracing::warn!(queue = %depth.queue, steps = revived, "delivered anew what had been delivered too often");
            }
        }
        Ok(())
    }

    /// Does from time to time, in a single process, what the leader of a cluster does.
    pub(crate) async fn keep_house(&self) {
        const PERIOD: Duration = Duration::from_secs(2);
        const REVIVE: u32 = 30;
        const TIDY: u32 = 300;
        let mut rounds: u32 = 0;
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(PERIOD) => {}
                () = self.draining.cancelled() => return,
            }
            // An idle service asks its store nothing.
            if !self.backlog.is_empty() {
                if let Err(error) = self.settle_unsettled().await {
                    tracing::warn!(%error, "parents could not be told that their children ended");
                }
                if let Err(error) = self.wake_due().await {
                    tracing::warn!(%error, "waiting steps could not be woken");
                }
            }
            rounds = rounds.wrapping_add(1);
            if !rounds.is_multiple_of(REVIVE) {
                continue;
            }
            if let Err(error) = self.revive().await {
                tracing::warn!(%error, "could not deliver anew what was set aside");
            }
            if !rounds.is_multiple_of(TIDY) {
                continue;
            }
            if let Err(error) = self.expire().await {
                tracing::warn!(%error, "could not tidy up");
            }
        }
    }

    /// Forgets what expired.
    pub(crate) async fn expire(&self) -> Result<()> {
        while self.store.expire_signals(self.clock.now(), 500).await? == 500 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.sweep_limits().await?;
        loop {
            let forgotten = self.store.expire(self.clock.now(), 500).await?;
            if forgotten < 500 {
                self.forget_occurrences().await?;
                self.forget_deliveries().await?;
                return self.forget_bulks().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn enqueue(&self, steps: Vec<ReadyStep>) -> Result<()> {
        let mut by_queue: BTreeMap<(Arc<str>, bool, TenantId), Vec<StepKey>> = BTreeMap::new();
        for step in steps {
            by_queue
                .entry((step.queue, step.priority == Priority::High, step.tenant))
                .or_default()
                .push(step.key);
        }
        for ((queue, high, tenant), keys) in by_queue {
            self.queue.enqueue(&queue, high, tenant, &keys).await?;
        }
        Ok(())
    }
}
