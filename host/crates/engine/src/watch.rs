//! Following a run: it is read again when something about it has changed.

use std::time::Duration;

use model::{
    id::{RunRef, TenantId},
    state::RunState,
};
use tokio::time::Instant;

use crate::{Engine, error::Result, view::RunDetail};

/// How soon a change is seen while there are changes.
const BUSY: Duration = Duration::from_millis(200);
/// How soon when there has been none for [`QUIET_AFTER`].
const QUIET: Duration = Duration::from_secs(1);
const QUIET_AFTER: Duration = Duration::from_secs(10);
/// How often what no event of the run tells is looked at: pauses, limits, workers.
const REST: Duration = Duration::from_secs(2);
/// A reading of a run takes at most one part of so many of the time.
const SHARE: u32 = 10;

/// Where a follower of a run stands.
#[derive(Debug)]
pub struct Watch {
    tenant: TenantId,
    run: RunRef,
    seen: Option<(i64, RunState)>,
    changed_at: Instant,
    read_at: Instant,
    pause: Duration,
}

impl Watch {
    /// Nothing of the run is known yet.
    pub fn new(tenant: TenantId, run: RunRef) -> Self {
        let now = Instant::now();
        Self {
            tenant,
            run,
            seen: None,
            changed_at: now,
            read_at: now,
            pause: Duration::ZERO,
        }
    }

    fn pace(&self) -> Duration {
        if self.changed_at.elapsed() < QUIET_AFTER {
            BUSY
        } else {
            QUIET
        }
    }
}

impl Engine {
    /// The run as it stands: at once the first time, later when it has changed, or when it
    /// may have in ways that only a whole reading tells. Whoever follows asks no more after
    /// the run's end.
    ///
    /// # Errors
    /// What [`Engine::run_detail`] answers.
    pub async fn follow(&self, watch: &mut Watch) -> Result<RunDetail> {
        let waiter = self.wake.wait_for(watch.run);
        loop {
            let ended = waiter.ended();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let begun = Instant::now();
            let summary = self.summary(watch.tenant, watch.run).await?;
            let stands = Some((summary.seq, summary.state));
            let changed = stands != watch.seen;
            if changed || watch.read_at.elapsed() >= REST {
                let detail = self.detail(summary).await?;
                watch.read_at = Instant::now();
                if changed {
                    watch.changed_at = watch.read_at;
                }
                watch.seen = stands;
                watch.pause = begun.elapsed() * SHARE;
                return Ok(detail);
            }
            let pause = watch.pace().max(watch.pause);
            watch.pause = Duration::ZERO;
            // The end of a run of this process is told at once.
            let _ = tokio::time::timeout(pause, ended).await;
        }
    }
}
