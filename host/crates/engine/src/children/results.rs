//! What a step makes of the runs that it started.

use std::collections::{HashMap, hash_map::Entry};

use futures::{FutureExt as _, StreamExt as _};
use model::{id::Ordinal, plan::Plan, state::RunState};
use serde_json::Value;
use store::runs::Child;

use super::{
    keys_of,
    request::{OnFailure, Request},
};
use crate::{Engine, error::Result, problem::Problem, worker::Chain};

/// How many children one call of the store gives.
const PAGE: usize = 1_000;
/// How many failed children an error names.
pub(super) const NAMED: usize = 20;
/// The data of how many children is read at the same time.
pub(super) const TOGETHER: usize = 8;

/// What came of children.
pub(super) enum Results {
    /// The step's data, and what is odd about it.
    Data(String, Option<String>),
    /// Why the step fails.
    Failed(Problem),
    /// So many have not ended.
    Unfinished(usize),
}

impl Engine {
    /// What came of the children of a step: an array with an entry for each, in the request's
    /// order.
    pub(super) async fn children_results(
        &self,
        chain: &Chain,
        step: Ordinal,
        request: &Request,
    ) -> Result<Results> {
        let children = self
            .all_children(chain, step, request.children.len())
            .await?;
        // A child of an attempt before this one, which failed while that one was under way, is
        // counted with those of this one: the step was woken too early.
        let ended = children.iter().flatten();
        let ended = ended.filter(|child| child.state.is_final()).count();
        if ended < children.len() {
            return Ok(Results::Unfinished(children.len() - ended));
        }
        if chain.for_each(step).is_some() {
            return self.element_results(&children, request.on_failure).await;
        }
        let failed: Vec<&Child> = children
            .iter()
            .flatten()
            .filter(|child| matches!(child.state, RunState::Failed | RunState::Cancelled))
            .collect();
        if request.on_failure == OnFailure::Fail && !failed.is_empty() {
            let named: Vec<Value> = failed
                .iter()
                .take(NAMED)
                .map(|child| {
                    serde_json::json!({
                        "application": child.application_name,
                        "run_id": child.reference.to_string(),
                        "state": child.state.word(),
                    })
                })
                .collect();
            let first = failed[0];
            let problem = Problem::permanent(
                "child-failed",
                format!(
                    "{} of {} child applications did not end well, the first: {} ended as {} ({})",
                    failed.len(),
                    request.children.len(),
                    first.application_name,
                    first.state.word(),
                    first.reference
                ),
            );
            return Ok(Results::Failed(
                problem.with_detail(serde_json::json!({ "children": named })),
            ));
        }
        self.put_together(&children).await
    }

    /// The data of each child, as much as a step's data may be.
    async fn put_together(&self, children: &[Option<Child>]) -> Result<Results> {
        let mut plans: HashMap<i64, Option<Plan>> = HashMap::new();
        for child in children.iter().flatten() {
            // What else the child was pinned to may be gone by now.
            if let Entry::Vacant(plan) = plans.entry(child.application_revision) {
                plan.insert(self.plan_of(child.application_revision).await?);
            }
        }
        let plans = &plans;
        let mut reading = Vec::with_capacity(children.len());
        for child in children {
            reading.push(self.child_entry(plans, child.as_ref()).boxed());
        }
        let mut entries = futures::stream::iter(reading).buffered(TOGETHER);
        let limit = self.limits.output_bytes;
        let mut data = String::from("[");
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if data.len() + entry.len() + 2 > limit {
                return Ok(Results::Failed(Problem::permanent(
                    "output-too-large",
                    format!(
                        "the data of {} child applications together is larger than a step's data may be ({limit} bytes): let them hand over less, or start them without waiting",
                        children.len()
                    ),
                )));
            }
            if data.len() > 1 {
                data.push(',');
            }
            data.push_str(&entry);
        }
        data.push(']');
        Ok(Results::Data(data, None))
    }

    /// The children of a step by their place in its request.
    async fn all_children(
        &self,
        chain: &Chain,
        step: Ordinal,
        count: usize,
    ) -> Result<Vec<Option<Child>>> {
        let (parent, keys) = (chain.key(step), keys_of(chain, step));
        let place = |child: &Child| -> Option<usize> {
            child.key.as_deref()?.strip_prefix(&*keys)?.parse().ok()
        };
        let mut children: Vec<Option<Child>> = vec![None; count];
        let mut after = None;
        loop {
            let page = self.store.children(parent, after, PAGE).await?;
            let full = page.len() == PAGE;
            after = page.last().map(|child| child.run);
            for child in page {
                if let Some(place) = place(&child).and_then(|at| children.get_mut(at)) {
                    *place = Some(child);
                }
            }
            if !full {
                return Ok(children);
            }
        }
    }

    /// What the parent's data says of a child: the data of the steps that nothing follows;
    /// of a single one, as it is.
    async fn child_entry(
        &self,
        plans: &HashMap<i64, Option<Plan>>,
        child: Option<&Child>,
    ) -> Result<String> {
        let Some(child) = child else {
            return Ok("null".to_owned());
        };
        let plan = plans.get(&child.application_revision);
        let data = match plan.and_then(Option::as_ref) {
            Some(plan) if matches!(child.state, RunState::Success | RunState::Warning) => {
                self.child_data(plan, child).await?
            }
            _ => "null".to_owned(),
        };
        Ok(format!(
            r#"{{"application":{},"run_id":"{}","state":"{}","data":{data}}}"#,
            Value::from(child.application_name.as_str()),
            child.reference,
            child.state.word()
        ))
    }

    async fn child_data(&self, plan: &Plan, child: &Child) -> Result<String> {
        let last: Vec<Ordinal> = plan
            .steps
            .iter()
            .map(|step| step.ordinal)
            .filter(|&step| plan.graph.successors(step).is_empty())
            .collect();
        let outputs = self
            .store
            .outputs(child.run, child.expires_at, &last)
            .await?;
        let text = |output: Option<bytes::Bytes>| {
            let bytes = output.unwrap_or_default();
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            if text.is_empty() {
                "null".to_owned()
            } else {
                text.to_owned()
            }
        };
        if last.len() == 1 {
            return Ok(text(outputs.into_iter().next().flatten()));
        }
        let mut data = String::from("{");
        for (step, output) in last.into_iter().zip(outputs) {
            let Some(planned) = plan.step(step) else {
                continue;
            };
            if data.len() > 1 {
                data.push(',');
            }
            data.push_str(&Value::from(planned.name.as_str()).to_string());
            data.push(':');
            data.push_str(&text(output));
        }
        data.push('}');
        Ok(data)
    }
}
