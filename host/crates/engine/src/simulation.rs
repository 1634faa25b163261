//! What a simulation of the service needs from inside: chance that a seed decides, something
//! that stands in for the sandbox, and defects to be found. No program is built with it.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_trait::async_trait;
use model::{
    id::{Ordinal, StepKey, Token},
    state::StepState,
};
use store::runs::StepSummary;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Engine, Parts, Settings,
    error::Result,
    problem::Problem,
    worker::{Chain, ClaimedStep},
};

/// Executes steps instead of the sandbox.
#[async_trait]
pub trait StandIn: Send + Sync + 'static {
    /// Executes an attempt of a step.
    async fn execute(&self, key: StepKey, token: Token, call: runtime::Call) -> runtime::Execution;
}

/// A deliberate defect of the engine, to show that it would be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// What was cancelled executes on.
    IgnoresCancel,
    /// The next step starts before the end of the one before it is stored.
    StartsBeforeCommit,
    /// What the queue has lost is not put back.
    LeavesLostSteps,
    /// A step that waits for its children keeps its slot.
    WaitsWithSlot,
    /// A schedule's run is accepted before its occurrence is recorded.
    FiresApart,
    /// What failed for good is tried again for ever.
    RetriesForEver,
    /// An attempt executes on without a lease.
    IgnoresLease,
    /// A step that is to wait for a limit is executed at once.
    OvertakesLimits,
    /// A step that ends keeps the places that it has under limits.
    LeaksPlaces,
    /// Twice as many elements of a list are under way as may be.
    IgnoresParallel,
    /// A decision counts although another was taken before.
    DecidesTwice,
}

thread_local! {
    static CHANCE: Cell<Option<u128>> = const { Cell::new(None) };
    static MUTATION: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// From now on, everything that this thread draws follows from `seed`.
pub fn seed_chance(seed: u64) {
    CHANCE.set(Some(u128::from(seed)));
}

/// From now on, engines of this thread have that defect.
pub fn mutate(mutation: Option<Mutation>) {
    MUTATION.set(mutation);
}

/// The next 128 bits, where a seed decides them. The mixer is `SplitMix64`, twice.
pub(crate) fn chance() -> Option<u128> {
    let mixed = |state: u64| {
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let state = CHANCE.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
    CHANCE.set(Some(state));
    let low = mixed(state as u64);
    Some(u128::from(mixed(low.wrapping_add(1))) << 64 | u128::from(low))
}

/// Whether engines of this thread have that defect; none has in a release build.
pub(crate) fn has(mutation: Mutation) -> bool {
    cfg!(debug_assertions) && MUTATION.get() == Some(mutation)
}

/// How many attempts have failed, as [`Mutation::RetriesForEver`] has it.
pub(crate) fn counted(failed: u32, problem: &Problem) -> u32 {
    let forgets = has(Mutation::RetriesForEver) && !problem.is_retryable();
    if forgets { 1 } else { failed }
}

/// How many children may be under way, as [`Mutation::IgnoresParallel`] has it.
pub(crate) fn parallel(parallel: usize) -> usize {
    if has(Mutation::IgnoresParallel) {
        parallel.saturating_mul(2)
    } else {
        parallel
    }
}

impl Engine {
    /// [`Mutation::StartsBeforeCommit`]
    pub(crate) async fn start_before_commit(&self, chain: &mut Chain, step: Ordinal) {
        let next = chain.runnable.plan.graph.successors(step).first().copied();
        if let Some(next) = next.filter(|_| has(Mutation::StartsBeforeCommit)) {
            let claimed = ClaimedStep {
                step: next,
                token: Token(1),
                under: self.worker(),
            };
            self.attempt(chain, claimed).await;
        }
    }

    /// [`Mutation::WaitsWithSlot`]
    pub(crate) fn keep_slot(&self, key: StepKey, slot: &mut Option<OwnedSemaphorePermit>) {
        if !has(Mutation::WaitsWithSlot) {
            return;
        }
        let (engine, slot) = (self.clone(), slot.take());
        self.guests.spawn(async move {
            let waits = |step: &StepSummary| {
                step.step == key.step
                    && matches!(step.state, StepState::Running | StepState::Waiting)
            };
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let steps = engine.store.steps(key.run, 0).await;
                if steps.is_ok_and(|steps| !steps.iter().any(waits)) {
                    return drop(slot);
                }
            }
        });
    }

    /// As [`Engine::start`], with something that executes the steps instead of the sandbox.
    pub async fn start_simulated(
        parts: Parts,
        settings: Settings,
        stand_in: Arc<dyn StandIn>,
    ) -> Result<Self> {
        Self::begin(parts, settings, Some(stand_in)).await
    }
}
