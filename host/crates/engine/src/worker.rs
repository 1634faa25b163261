//! Taking ready steps off the queue and carrying each run on as far as this worker can.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    descriptor::StepDescriptor,
    id::{Ordinal, RunId, StepKey, Token, WorkerId},
    mask::Masker,
    on_error::OnError,
    parameters::RunParameters,
    plan::Outputs,
    state::WaitKind,
    validate::{Lookup, Registry},
};
use queue::{Delivery, Subscription};
use store::runs::{Again, Claim, Claimed, Completed, NewRun, RunHeader};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use trace::{Context, SpanId};
use tracing::Instrument as _;

use crate::{
    Engine,
    account::Submitting,
    attempt::End,
    error::Error,
    inputs::Input,
    prepared::{Configured, Runnable},
    running::Hold,
    turn::Slot,
};

/// How many entries are taken off the queue at a time.
const BATCH: usize = 256;

/// A run as the worker that executes its steps holds it: what one step has produced
/// the next finds here without asking the store.
pub(crate) struct Chain {
    pub(crate) header: RunHeader,
    pub(crate) runnable: Arc<Runnable>,
    pub(crate) configured: Option<Arc<Configured>>,
    pub(crate) parameters: RunParameters,
    /// The names of those that are secret.
    pub(crate) secret: Vec<Box<str>>,
    /// Knows the secrets of the configuration object and of the parameters.
    pub(crate) masker: Masker,
    /// What is left of the attempts before of the step that it begins with.
    pub(crate) again: Option<Again>,
    /// When the attempt that is under way began.
    pub(crate) began: Timestamp,
    /// Outputs by ordinal that this worker knows; `None`: the step has none.
    pub(crate) outputs: HashMap<Ordinal, Option<Bytes>>,
    /// The run's span, where it is traced.
    pub(crate) trace: Option<Context>,
}

/// A claimed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimedStep {
    pub(crate) step: Ordinal,
    pub(crate) token: Token,
    /// The number that this process had when it claimed the first step of the chain. With
    /// another one it has lost what it held.
    pub(crate) under: WorkerId,
}

/// Knows every step and nothing about it: enough to read the edges of an application.
pub(crate) struct AnyStep;

impl Registry for AnyStep {
    fn step(&self, syncpack: Option<&str>, file: &str) -> Lookup {
        Lookup::Found {
            syncpack: syncpack.unwrap_or_default().to_owned(),
            descriptor: Arc::new(StepDescriptor {
                name: file.to_owned(),
                ..StepDescriptor::default()
            }),
        }
    }
}

impl Outputs for Chain {
    fn output(&self, step: Ordinal) -> Option<&str> {
        let bytes = self.outputs.get(&step)?.as_ref()?;
        std::str::from_utf8(bytes).ok()
    }
}

impl Chain {
    /// What follows when the step fails.
    pub(crate) fn on_error(&self, step: Ordinal) -> OnError {
        // Its parent decides what follows when a step fails for an element.
        let whole = self.header.part.is_none().then_some(step);
        let planned = whole.and_then(|step| self.runnable.plan.step(step));
        planned.map(|planned| planned.on_error).unwrap_or_default()
    }

    /// Whether the step may hold places of limits.
    pub(crate) fn limited(&self, step: Ordinal) -> bool {
        #[cfg(feature = "simulation")]
        if crate::simulation::has(crate::simulation::Mutation::LeaksPlaces) {
            return false;
        }
        let planned = self.planned(step);
        planned.is_some_and(|planned| !planned.limits.is_empty())
    }

    /// A run that this process has just accepted.
    pub(crate) fn begun(
        run: RunId,
        new: &NewRun,
        runnable: Arc<Runnable>,
        configured: Option<Arc<Configured>>,
        input: Input,
        masker: Masker,
    ) -> Self {
        Self {
            header: RunHeader {
                run,
                reference: new.reference,
                tenant: new.tenant,
                application: new.application,
                application_revision: new.application_revision,
                configuration_revision: new.configuration_revision,
                pins: new.pins,
                queue: new.queue.clone(),
                priority: new.priority,
                log_level: new.log_level,
                created_at: new.created_at,
                expires_at: new.expires_at,
                input: new.input.clone(),
                trace: new.trace.clone(),
                parent: new.parent.map(|parent| parent.key),
                part: new.part,
            },
            again: None,
            began: new.created_at,
            runnable,
            configured,
            parameters: input.parameters,
            secret: input.secret,
            masker,
            outputs: HashMap::new(),
            // It was begun with the run, by a tracer that is on.
            trace: new
                .trace
                .as_ref()
                .map(|accepted| accepted.at(SpanId::of_run(new.reference))),
        }
    }

    /// A step of this run.
    pub(crate) const fn key(&self, step: Ordinal) -> StepKey {
        StepKey {
            run: self.header.run,
            step,
        }
    }
}

/// What a worker of these queues listens on.
pub(crate) fn subscription(queues: &[String], weights: &BTreeMap<String, u32>) -> Subscription {
    let weights = weights
        .iter()
        .map(|(name, weight)| (queue::canonical(name).into(), *weight));
    Subscription {
        weights: weights.collect(),
        all: queues.is_empty(),
        queues: queues
            .iter()
            .map(|name| queue::canonical(name).into())
            .collect(),
    }
}

impl Engine {
    /// Whether this worker listens on that queue.
    pub(crate) fn listens(&self, queue: &str) -> bool {
        let subscription = self.subscription.borrow();
        subscription.all || subscription.queues.iter().any(|name| **name == *queue)
    }

    /// Listens on these queues from now on, by these weights, and executes so many steps at a time; those
    /// that are under way end first.
    pub(crate) fn resize(&self, queues: &[String], weights: &BTreeMap<String, u32>, slots: u32) {
        let wanted = subscription(queues, weights);
        self.subscription.send_if_modified(|current| {
            let changed = *current != wanted;
            if changed {
                tracing::info!(
                    ?queues,
                    ?weights,
                    "this worker listens on other queues, or by other weights"
                );
                *current = wanted;
            }
            changed
        });
        let before = self.size.swap(slots, Ordering::AcqRel);
        if slots != before {
            tracing::info!(
                before,
                slots,
                "this worker executes another number of steps at a time"
            );
        }
        if slots > before {
            self.slots.add_permits((slots - before) as usize);
        } else if slots < before {
            let (free, surplus) = (self.slots.clone(), before - slots);
            self.tasks.spawn_on(
                async move {
                    // They are taken as they become free, and not given back.
                    for _ in 0..surplus {
                        let Ok(slot) = free.acquire().await else {
                            return;
                        };
                        slot.forget();
                    }
                },
                &self.guests,
            );
        }
    }

    /// Takes steps off the queue while slots are free, until the engine drains.
    pub(crate) async fn dispatch(&self) {
        let mut listening = self.subscription.subscribe();
        let mut answers = self.account.watch();
        while !self.draining.is_cancelled() {
            // What is received could not be claimed while the store does not answer.
            let answered = async { answers.wait_for(|answers| *answers).await.is_ok() };
            tokio::select! {
                biased;
                true = answered => {}
                () = self.draining.cancelled() => return,
                else => return,
            }
            let subscription = listening.borrow_and_update().clone();
            // One slot is held while waiting; submits may take the others meanwhile.
            let Ok(slot) = self.slots.clone().acquire_owned().await else {
                return;
            };
            let most = 1 + self.slots.available_permits().min(BATCH - 1);
            let received = tokio::select! {
                biased;
                received = self.queue.receive(&subscription, most) => received,
                _ = listening.changed() => continue,
                _ = answers.changed() => continue,
                // A run that has given up its slot goes on when nothing is there.
                () = self.lined_up.wait() => continue,
                () = self.draining.cancelled() => return,
            };
            match received {
                Ok(deliveries) => self.serve_all(deliveries, slot).await,
                Err(queue::Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the queue does not answer; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn serve_all(&self, deliveries: Vec<Delivery>, slot: OwnedSemaphorePermit) {
        let mut slot = Some(slot);
        for delivery in deliveries {
            let slot = match slot.take() {
                Some(slot) => slot,
                None => match self.slots.clone().acquire_owned().await {
                    Ok(slot) => slot,
                    Err(_) => return,
                },
            };
            let engine = self.clone();
            self.tasks.spawn_on(
                async move { engine.serve(delivery, slot).await },
                &self.guests,
            );
        }
    }

    async fn serve(&self, delivery: Delivery, slot: OwnedSemaphorePermit) {
        let _hold = self.running.hold(delivery.key);
        let Some(claimed) = self.claim_patiently(&delivery).await else {
            // Not acknowledged: delivered again when its lease ends.
            return;
        };
        if let Err(error) = self
            .queue
            .acknowledge(std::slice::from_ref(&delivery))
            .await
        {
            tracing::debug!(%error, "a delivery could not be acknowledged");
        }
        let Some((claimed, under)) = claimed else {
            return;
        };
        self.trace_wait(&claimed, delivery.key.step);
        let attempt = ClaimedStep {
            step: delivery.key.step,
            token: claimed.token,
            under,
        };
        match self.take_up_patiently(claimed.header).await {
            Ok(mut chain) => {
                chain.again = claimed.again;
                self.carry_on(chain, attempt, slot, None).await;
            }
            Err((header, error)) if error.is_retryable() => {
                tracing::error!(%error, run = %header.reference, "a run cannot be loaded; the next start takes it up again");
            }
            Err((header, error)) => {
                let plan = self.plan_patiently(header.application_revision).await;
                self.give_up(&header, attempt, plan.as_ref(), &error).await;
            }
        }
    }

    /// Claims a step, trying again while the store does not answer: given back to the queue,
    /// it would be delivered to one process after another until it counted as a dead letter.
    /// Answers for which number of this process it was claimed. `None`: nobody knows whether
    /// it is ready.
    async fn claim_patiently(&self, delivery: &Delivery) -> Option<Option<(Claimed, WorkerId)>> {
        let mut pause = Duration::from_millis(50);
        loop {
            let worker = self.worker();
            // Claimed without a lease, it would count as lost.
            if !self.holds_lease(worker) {
                tokio::select! {
                    biased;
                    () = self.draining.cancelled() => return None,
                    () = tokio::time::sleep(pause) => continue,
                }
            }
            let claim = Claim {
                key: delivery.key,
                worker,
                at: self.clock.now(),
            };
            match self.store.claim(claim).await {
                Ok(claimed) => {
                    self.account.answered();
                    // Claimed under a lease that has ended meanwhile: others take it over.
                    let claimed = claimed.filter(|_| worker == self.worker());
                    return Some(claimed.map(|claimed| (claimed, worker)));
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, run = delivery.key.run.0, "a step could not be claimed yet");
                    self.account.unanswered();
                    self.account.in_doubt();
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(pause) => {}
                        () = self.draining.cancelled() => return None,
                    }
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    self.account.answered();
                    tracing::error!(%error, run = delivery.key.run.0, "a step cannot be claimed");
                    return None;
                }
            }
        }
    }

    /// Executes a claimed step and what follows it, on the guests' runtime.
    pub(crate) fn spawn_chain(
        &self,
        chain: Chain,
        attempt: ClaimedStep,
        slot: OwnedSemaphorePermit,
        submitting: Option<Submitting>,
    ) {
        let engine = self.clone();
        self.tasks.spawn_on(
            async move { engine.carry_on(chain, attempt, slot, submitting).await },
            &self.guests,
        );
    }

    async fn carry_on(
        &self,
        chain: Chain,
        attempt: ClaimedStep,
        slot: OwnedSemaphorePermit,
        submitting: Option<Submitting>,
    ) {
        let log = chain.log_span();
        let hold = self.running.hold(chain.key(attempt.step));
        drop(submitting);
        let going = self.execute_all(chain, attempt, slot, hold);
        going.instrument(log).await;
    }

    async fn execute_all(
        &self,
        mut chain: Chain,
        mut attempt: ClaimedStep,
        slot: OwnedSemaphorePermit,
        mut hold: Hold<'_>,
    ) {
        let mut slot = Slot::new(slot);
        loop {
            let ClaimedStep { step, token, under } = attempt;
            let began = Instant::now();
            let traced = self.trace_begin(&chain, step, token);
            let end = self.attempt(&mut chain, attempt).await;
            let completion = match end {
                None => return self.trace_attempt(traced, &chain, (step, token), None),
                Some(End::Done(completion)) => completion,
                Some(End::Limited) => {
                    metrics::get().step_ended(WaitKind::Limit.word(), began.elapsed());
                    return self.trace_suspended(traced, &chain, (step, token), true);
                }
                Some(End::Waits(suspension)) => {
                    metrics::get().step_ended(suspension.kind.word(), began.elapsed());
                    #[cfg(feature = "simulation")]
                    self.keep_slot(chain.key(step), &mut slot.permit);
                    let stored = self.suspend(&chain, suspension, under).await;
                    return self.trace_suspended(traced, &chain, (step, token), stored);
                }
            };
            chain.again = None;
            metrics::get().step_ended(completion.state.word(), began.elapsed());
            let output = completion.output.clone();
            #[cfg(feature = "simulation")]
            self.start_before_commit(&mut chain, step).await;
            let moving = self.running.moves(chain.header.run);
            let stored = self.commit(&chain, &completion, under).await;
            let end = Some((&completion, stored.as_ref()));
            self.trace_attempt(traced, &chain, (step, token), end);
            match stored {
                None => {
                    let error = Error::Internal("a step's result cannot be stored".to_owned());
                    return self.give_up(&chain.header, attempt, None, &error).await;
                }
                Some(Completed::Fenced) => return self.keep_log(completion).await,
                Some(Completed::Stored {
                    claimed,
                    ready,
                    ended,
                    ..
                }) => {
                    self.pass_on(&chain.header, &ready).await;
                    if let Some(state) = ended {
                        metrics::get().run_ended(state.word());
                        let application = Some(&*chain.runnable.name);
                        self.trace_run(&chain.header, application, state, completion.at);
                        self.child_ended(chain.header.parent);
                        let place = (chain.header.tenant, &chain.header.queue);
                        self.tell_ended(chain.header.reference, Some(place));
                    }
                    // What was claimed under a lease that has ended meanwhile others take over.
                    let Some((next, token)) = claimed else {
                        return;
                    };
                    if !self.holds_lease(under) {
                        return self.account.in_doubt();
                    }
                    chain.outputs.insert(step, output);
                    attempt = ClaimedStep {
                        step: next,
                        token,
                        under,
                    };
                    hold.move_to(chain.key(next));
                    drop(moving);
                    self.take_turns(&mut slot).await;
                }
            }
        }
    }
}
