//! Bringing the queue in line with the store: at the start, and while it runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use model::id::StepKey;
use store::runs::{Priority, ReadyStep};

use crate::{Engine, error::Result};

/// How many steps one call of the store gives.
const PAGE: usize = 4096;

impl Engine {
    /// Takes back what lost workers held and puts every ready step on the queue.
    pub(crate) async fn reconcile(&self) -> Result<()> {
        let mut taken_back = 0;
        loop {
            let steps = self.store.reclaim(self.clock.now(), PAGE).await?;
            if steps.is_empty() {
                break;
            }
            taken_back += steps.len();
        }
        let (mut after, mut queued) = (None, 0);
        loop {
            let steps = self.store.ready(after, PAGE).await?;
            let Some(last) = steps.last() else { break };
            after = Some(last.key);
            queued += steps.len();
            self.enqueue(steps).await?;
        }
        if taken_back + queued > 0 {
            tracing::info!(taken_back, queued, "took over the steps that were waiting");
        }
        Ok(())
    }

    /// Takes back, while running, what other workers lost, and forgets what expired.
    pub(crate) async fn keep_house(&self) {
        let period = Duration::from_mins(10);
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = self.draining.cancelled() => return,
            }
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "could not tidy up");
            }
        }
    }

    async fn tidy(&self) -> Result<()> {
        if !self.settings.exclusive {
            let steps = self.store.reclaim(self.clock.now(), PAGE).await?;
            self.enqueue(steps).await?;
        }
        loop {
            let forgotten = self.store.expire(self.clock.now(), 500).await?;
            if forgotten < 500 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn enqueue(&self, steps: Vec<ReadyStep>) -> Result<()> {
        let mut by_queue: HashMap<(Arc<str>, bool), Vec<StepKey>> = HashMap::new();
        for step in steps {
            by_queue
                .entry((step.queue, step.priority == Priority::High))
                .or_default()
                .push(step.key);
        }
        for ((queue, high), keys) in by_queue {
            self.queue.enqueue(&queue, high, &keys).await?;
        }
        Ok(())
    }
}
