//! Steps that are executed once for each element of a list.
//!
//! Each element is a child run of this one step: it is accepted, executed, retried, cancelled
//! and logged like any other. It is pinned to what its parent is pinned to, and reads its
//! parent's parameters and the data of its parent's steps where they are stored.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use model::{
    flow::Graph,
    for_each::{ForEach, INDEX, ITEM},
    id::{Ordinal, RunRef, Token},
    plan::PlannedStep,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::runs::{Idempotency, NewRun, Parent, RunHeader};
use tracing::Instrument as _;

use crate::{
    Engine,
    error::{Error, Result},
    inputs::Input,
    made::Made,
    prepared::Runnable,
    worker::Chain,
};

/// How many elements a list may have.
pub(crate) const MOST: usize = 100_000;

/// The graph of a run of one step.
static ALONE: LazyLock<Arc<Graph>> = LazyLock::new(|| Arc::new(Graph::new(1, [])));

/// What the store keeps as the parameters of such a run.
#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
    index: u32,
}

/// Where in the plan the step of a run stands.
pub(crate) fn place(part: Option<Ordinal>, step: Ordinal) -> Ordinal {
    part.unwrap_or(step)
}

/// The parameters of the run for an element, as they are stored.
pub(crate) fn element(item: &RawValue, index: usize) -> String {
    format!("{{\"item\":{item},\"index\":{index}}}")
}

impl Runnable {
    /// The step of a run; `part`: the only one that the run executes.
    pub(crate) fn planned(&self, part: Option<Ordinal>, step: Ordinal) -> Option<&PlannedStep> {
        self.plan.step(place(part, step))
    }

    /// What follows what in such a run.
    pub(crate) fn graph(&self, part: Option<Ordinal>) -> Arc<Graph> {
        match part {
            None => self.plan.graph.clone(),
            Some(_) => ALONE.clone(),
        }
    }
}

/// The graph of a run of one step of an application.
pub(crate) fn alone() -> Arc<Graph> {
    ALONE.clone()
}

impl Chain {
    /// The step of this run as it was planned.
    pub(crate) fn planned(&self, step: Ordinal) -> Option<&PlannedStep> {
        self.runnable.planned(self.header.part, step)
    }

    /// What follows what in this run.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.runnable.graph(self.header.part)
    }

    /// The elements for which the step starts runs; `None`: it executes itself.
    pub(crate) fn for_each(&self, step: Ordinal) -> Option<&Arc<ForEach>> {
        let whole = self.header.part.is_none().then_some(step)?;
        self.runnable.plan.step(whole)?.for_each.as_ref()
    }

    /// The run that holds the data of earlier steps.
    pub(crate) fn data_run(&self) -> model::id::RunId {
        match (self.header.part, self.header.parent) {
            (Some(_), Some(parent)) => parent.run,
            _ => self.header.run,
        }
    }

    /// Lays out the element that this run is for, if it is for one.
    pub(crate) fn know_element(&mut self) -> Result<()> {
        if self.header.part.is_none() {
            return Ok(());
        }
        let element: Element<'_> = serde_json::from_slice(&self.header.input)
            .map_err(|error| Error::Internal(format!("the element of the run: {error}")))?;
        let item = Bytes::copy_from_slice(element.item.get().as_bytes());
        let index = Bytes::from(element.index.to_string());
        self.outputs.insert(ITEM, Some(item));
        self.outputs.insert(INDEX, Some(index));
        Ok(())
    }
}

impl Engine {
    /// The parameters that a run executes with: of one for an element, its parent's.
    pub(crate) async fn input_of(&self, header: &RunHeader) -> Result<Input> {
        let stored;
        let bytes = match (header.part, header.parent) {
            (Some(_), Some(parent)) => {
                stored = self.store.input(parent.run, header.expires_at).await?;
                stored.as_ref().ok_or_else(|| {
                    Error::Internal("the run that lists the element is gone".to_owned())
                })?
            }
            _ => &header.input,
        };
        let text =
            std::str::from_utf8(bytes).map_err(|error| Error::Internal(error.to_string()))?;
        self.open_input(text)
    }

    /// Accepts the run for an element, to the end even when the attempt is stopped meanwhile.
    /// `None`: the attempt runs no more.
    pub(crate) async fn accept_element(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        (key, input): (String, &str),
    ) -> Result<Option<RunRef>> {
        let now = self.clock.now();
        let header = &chain.header;
        let run = NewRun {
            tenant: header.tenant,
            reference: RunRef::new(now, crate::random()?),
            application: header.application,
            application_revision: header.application_revision,
            configuration_revision: header.configuration_revision,
            pins: header.pins,
            queue: header.queue.clone(),
            priority: header.priority,
            log_level: header.log_level,
            trigger: format!("run:{}", header.reference).into(),
            parent: Some(Parent {
                key: chain.key(step),
                token,
            }),
            input: Bytes::copy_from_slice(input.as_bytes()),
            graph: ALONE.clone(),
            created_at: now,
            // Its parent's data must be there as long as it may ask for them.
            expires_at: header.expires_at,
            idempotency: Some(Idempotency {
                key,
                digest: [0; 16],
            }),
            claim: None,
            trace: chain.trace.clone(),
            part: Some(step),
            kept: Vec::new(),
        };
        let made = Made {
            run,
            configured: chain.configured.clone(),
            input: Input {
                parameters: chain.parameters.clone(),
                secret: chain.secret.clone(),
            },
            masker: chain.masker.clone(),
            warnings: Vec::new(),
        };
        let (engine, runnable) = (self.clone(), chain.runnable.clone());
        let accepting = async move { engine.accept_made(made, runnable).await };
        // To its end, and a drain waits for it: what is accepted must be queued.
        let accepted = self
            .tasks
            .spawn(accepting.in_current_span())
            .await
            .unwrap_or_else(|error| Err(Error::Internal(error.to_string())));
        Ok(accepted?.map(|started| started.run))
    }
}
