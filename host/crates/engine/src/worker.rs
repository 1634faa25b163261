//! Taking ready steps off the queue and carrying each run on as far as this worker can.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    id::{Ordinal, RunId, StepKey, Token},
    parameters::RunParameters,
    plan::Outputs,
};
use queue::{Delivery, Subscription};
use store::runs::{Claim, Completed, Completion, NewRun, Priority, RunHeader};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Engine,
    attempt::{Fail as _, Problem},
    error::{Error, Result},
    prepared::{Configured, Runnable},
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
    /// Outputs by ordinal that this worker knows; `None`: the step has none.
    pub(crate) outputs: HashMap<Ordinal, Option<Bytes>>,
}

impl Outputs for Chain {
    fn output(&self, step: Ordinal) -> Option<&str> {
        let bytes = self.outputs.get(&step)?.as_ref()?;
        std::str::from_utf8(bytes).ok()
    }
}

impl Chain {
    /// A run that this process has just accepted.
    pub(crate) fn begun(
        run: RunId,
        new: &NewRun,
        runnable: Arc<Runnable>,
        configured: Option<Arc<Configured>>,
        parameters: RunParameters,
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
            },
            runnable,
            configured,
            parameters,
            outputs: HashMap::new(),
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

impl Engine {
    /// What this worker listens on.
    fn subscription(&self) -> Subscription {
        let queues = &self.settings.queues;
        Subscription {
            all: queues.is_empty(),
            queues: queues
                .iter()
                .map(|name| queue::canonical(name).into())
                .collect(),
        }
    }

    /// Whether this worker listens on that queue.
    pub(crate) fn listens(&self, queue: &str) -> bool {
        let queues = &self.settings.queues;
        queues.is_empty() || queues.iter().any(|name| queue::canonical(name) == queue)
    }

    /// Takes steps off the queue while slots are free, until the engine drains.
    pub(crate) async fn dispatch(&self) {
        let subscription = self.subscription();
        while !self.draining.is_cancelled() {
            // One slot is held while waiting; submits may take the others meanwhile.
            let Ok(slot) = self.slots.clone().acquire_owned().await else {
                return;
            };
            let most = 1 + self.slots.available_permits().min(BATCH - 1);
            let received = tokio::select! {
                received = self.queue.receive(&subscription, most) => received,
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
        if self.draining.is_cancelled() {
            return;
        }
        let claim = Claim {
            key: delivery.key,
            worker: self.worker,
            at: self.clock.now(),
        };
        let claimed = match self.store.claim(claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                // Not acknowledged: delivered again when its lease ends.
                tracing::warn!(%error, run = delivery.key.run.0, "a step could not be claimed");
                return;
            }
        };
        if let Err(error) = self
            .queue
            .acknowledge(std::slice::from_ref(&delivery))
            .await
        {
            tracing::debug!(%error, "a delivery could not be acknowledged");
        }
        let Some(claimed) = claimed else { return };
        match self.take_up_patiently(claimed.header).await {
            Ok(chain) => {
                self.carry_on(chain, delivery.key.step, claimed.token, slot)
                    .await;
            }
            Err((run, error)) => self.give_up(run, &error).await,
        }
    }

    /// Loads what the run is pinned to, trying again while the store does not answer: the
    /// step is claimed, and nobody else will take it up.
    async fn take_up_patiently(&self, mut header: RunHeader) -> Result<Chain, (RunHeader, Error)> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.take_up(header).await {
                Err((again, error)) if error.is_retryable() => {
                    tracing::warn!(%error, run = %again.reference, "a run cannot be loaded yet");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped.cancelled() => return Err((again, error)),
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                    header = again;
                }
                other => return other,
            }
        }
    }

    /// Loads what the run is pinned to.
    async fn take_up(&self, header: RunHeader) -> Result<Chain, (RunHeader, Error)> {
        let load = async {
            let runnable = self
                .runnable_pinned(header.tenant, header.application_revision, header.pins)
                .await?;
            let configured = match header.configuration_revision {
                Some(revision) => Some(self.configured_revision(revision).await?),
                None => None,
            };
            let text = std::str::from_utf8(&header.input)
                .map_err(|error| Error::Internal(error.to_string()))?;
            let parameters =
                RunParameters::parse(text).map_err(|error| Error::Internal(error.to_string()))?;
            Ok((runnable, configured, parameters))
        };
        match load.await {
            Ok((runnable, configured, parameters)) => Ok(Chain {
                header,
                runnable,
                configured,
                parameters,
                outputs: HashMap::new(),
            }),
            Err(error) => Err((header, error)),
        }
    }

    /// A claimed step whose run cannot be loaded: what may pass is left to the next
    /// claim, what cannot pass ends the run rather than letting it hang.
    async fn give_up(&self, header: RunHeader, error: &Error) {
        tracing::error!(%error, run = %header.reference, "a run cannot go on");
        if error.is_retryable() {
            return;
        }
        match self.store.cancel(header.run, self.now()).await {
            Ok(Some(_)) => self.tell_ended(header.reference),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, run = %header.reference, "nor can it be cancelled");
            }
        }
    }

    /// Executes a claimed step and what follows it, on the guests' runtime.
    pub(crate) fn spawn_chain(
        &self,
        chain: Chain,
        step: Ordinal,
        token: Token,
        slot: OwnedSemaphorePermit,
    ) {
        let engine = self.clone();
        self.tasks.spawn_on(
            async move { engine.carry_on(chain, step, token, slot).await },
            &self.guests,
        );
    }

    async fn carry_on(
        &self,
        mut chain: Chain,
        mut step: Ordinal,
        mut token: Token,
        _slot: OwnedSemaphorePermit,
    ) {
        loop {
            let Some(completion) = self.attempt(&mut chain, step, token).await else {
                return;
            };
            let output = completion.output.clone();
            match self.commit(completion).await {
                None => {
                    let error = Error::Internal("its result cannot be stored".to_owned());
                    return self.give_up(chain.header, &error).await;
                }
                Some(Completed::Fenced) => return,
                Some(Completed::Stored {
                    claimed,
                    ready,
                    ended,
                }) => {
                    self.pass_on(&chain, &ready).await;
                    if ended.is_some() {
                        self.tell_ended(chain.header.reference);
                    }
                    let Some(next) = claimed else { return };
                    chain.outputs.insert(step, output);
                    (step, token) = next;
                }
            }
        }
    }

    /// Stores the end of an attempt, trying again while the store does not answer. A
    /// result that the store refuses for good is stored as a failure; `None` when that
    /// is refused too.
    async fn commit(&self, completion: Completion) -> Option<Completed> {
        match self.persist(&completion).await {
            Ok(completed) => Some(completed),
            Err(error) => {
                let message = format!("the result could not be stored: {error}");
                let failed = completion.failed(&Problem::permanent("not-stored", message));
                self.persist(&failed).await.ok()
            }
        }
    }

    /// Tries until the store answers. When the engine stops meanwhile, the attempt is
    /// as if fenced: the next start executes the step again.
    async fn persist(
        &self,
        completion: &Completion,
    ) -> std::result::Result<Completed, store::Error> {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.store.complete(completion.clone()).await {
                Ok(completed) => return Ok(completed),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, run = completion.key.run.0, "a result could not be stored yet");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped.cancelled() => return Ok(Completed::Fenced),
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    tracing::error!(%error, run = completion.key.run.0, step = completion.key.step.0, "a result cannot be stored");
                    return Err(error);
                }
            }
        }
    }

    async fn pass_on(&self, chain: &Chain, ready: &[Ordinal]) {
        // One that drains leaves them to the next start.
        if ready.is_empty() || self.draining.is_cancelled() {
            return;
        }
        let keys: Vec<StepKey> = ready.iter().map(|&step| chain.key(step)).collect();
        let high = chain.header.priority == Priority::High;
        if let Err(error) = self.queue.enqueue(&chain.header.queue, high, &keys).await {
            // The steps are ready in the store; the next start puts them on the queue.
            tracing::warn!(%error, run = %chain.header.reference, "ready steps could not be queued");
        }
    }
}
