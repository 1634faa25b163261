//! Retrying a run that has ended: a new run that starts with the results of the old one and
//! executes only what did not succeed, or what somebody names, and what depends on it.

use std::collections::HashMap;

use model::{
    flow::{self, Route},
    id::{Ordinal, RunRef},
    log::Level,
    plan::{Plan, PlannedStep},
    run_request::RunRequest as Request,
    state::StepState,
    suggest,
};
use serde_json::{Map, Value};
use store::runs::{KeptStep, RunSummary, StepSummary};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    made::Origin,
    submit::{parse_params, whole},
    view::{Caller, Started},
};

/// The most bytes of results that a retry takes over.
const MOST_KEPT: usize = 64 << 20;
/// The code of a fault in what is to be retried.
const FAULT: &str = "PF-1008";

/// How a run is to be retried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryQuery {
    /// The steps to begin with, by name; empty: those that did not succeed.
    pub from: Vec<String>,
    /// With the newest revision of the application and the active packs, instead of those that
    /// the run was pinned to.
    pub newest: bool,
    /// Parameters of the run in place of those that it had, or beside them.
    pub params: Map<String, Value>,
}

/// What a step of the new plan did in the old run.
struct Before<'r> {
    row: &'r StepSummary,
    file: String,
}

impl Engine {
    /// Runs again what of a run did not succeed, or these steps, and what depends on them. The
    /// others are not executed: the new run starts with their results.
    ///
    /// # Errors
    /// [`Error::RunState`] when it has not ended, or nothing of it is to be executed again;
    /// [`Error::Invalid`] when there is no such step; else as [`Engine::run`].
    pub async fn retry_run(
        &self,
        caller: &Caller,
        run: RunRef,
        query: &RetryQuery,
    ) -> Result<Started> {
        self.retry_as(caller, run, query, None).await
    }

    /// The same under a key: asked again with it, it is the same run.
    pub(crate) async fn retry_as(
        &self,
        caller: &Caller,
        run: RunRef,
        query: &RetryQuery,
        same: Option<String>,
    ) -> Result<Started> {
        let old = self.summary(caller.tenant, run).await?;
        whole(&old)?;
        if !old.state.is_final() {
            return Err(Error::RunState(format!(
                "{run} has not ended: wait for its end, or cancel it, and retry it then"
            )));
        }
        let runnable = if query.newest {
            self.runnable(caller.tenant, &old.application_name).await?
        } else {
            self.runnable_pinned(caller.tenant, old.application_revision, old.pins)
                .await?
        };
        let kept = self.kept(&old, &runnable.plan, &query.from).await?;
        let (request, secret) = self.request_again(&old, query).await?;
        let origin = Origin {
            kept,
            same,
            ..Origin::of(caller, format!("retry:{run}"))
        };
        let started = self
            .accept(caller, origin, runnable, request, secret, None)
            .await?;
        self.settle_letters(old.run).await;
        Ok(started)
    }

    /// What the old run was given, with what is given now in place of it.
    async fn request_again(
        &self,
        old: &RunSummary,
        query: &RetryQuery,
    ) -> Result<(Request, Vec<Box<str>>)> {
        let input = self.open_input(&self.input(old).await?)?;
        let given = Value::Object(query.params.clone()).to_string();
        let given_request = parse_params(&old.application_name, &given)?;
        let mut all: Map<String, Value> = Map::new();
        for parameters in [&input.parameters, &given_request.parameters] {
            for (name, raw) in parameters.iter() {
                let value = serde_json::from_str(raw)
                    .map_err(|error| Error::Internal(format!("a kept parameter: {error}")))?;
                all.insert(name.to_owned(), value);
            }
        }
        let parameters = Value::Object(all).to_string();
        let says_level = query
            .params
            .keys()
            .any(|key| key.eq_ignore_ascii_case("loglevel"));
        let configuration = old.configuration_name.clone();
        let request = Request {
            name: None,
            level: if says_level {
                given_request.level
            } else {
                Level::from_code(old.log_level).unwrap_or_default()
            },
            configuration: given_request
                .configuration
                .or(configuration)
                .or_else(|| Some("none".to_owned())),
            queue: given_request.queue.or_else(|| Some(old.queue.clone())),
            parameters: parse_params(&old.application_name, &parameters)?.parameters,
        };
        // Once secret, always.
        Ok((request, input.secret))
    }

    /// The results that the new run starts with.
    async fn kept(&self, old: &RunSummary, plan: &Plan, from: &[String]) -> Result<Vec<KeptStep>> {
        let application = self.application_of(old).await?;
        let rows = self.store.steps(old.run, 0).await?;
        let by_place: HashMap<Ordinal, &StepSummary> =
            rows.iter().map(|row| (row.step, row)).collect();
        let mut before: HashMap<String, Before<'_>> = HashMap::new();
        for (place, step) in application.steps().enumerate() {
            if let (Some(name), Some(row)) = (step.name(), by_place.get(&Ordinal(place as u32))) {
                let file = step.executes().map_or("", |(_, file)| file).to_owned();
                before.insert(name.to_owned(), Before { row, file });
            }
        }
        let again = executed_again(plan, &before, from)?;
        let candidates: Vec<(&PlannedStep, &StepSummary)> = plan
            .steps
            .iter()
            .filter(|step| !again[step.ordinal.index()])
            .filter_map(|step| {
                let row = before.get(&step.name)?.row;
                matches!(row.state, StepState::Success | StepState::Warning).then_some((step, row))
            })
            .collect();
        let places: Vec<Ordinal> = candidates.iter().map(|(_, row)| row.step).collect();
        let outputs = self.store.outputs(old.run, old.expires_at, &places).await?;
        let size: usize = outputs.iter().flatten().map(bytes::Bytes::len).sum();
        if size > MOST_KEPT {
            return Err(Error::RunState(format!(
                "the results that {} would be retried with have {size} bytes; a retry takes over {MOST_KEPT} at most: replay it instead",
                old.reference
            )));
        }
        let mut kept: HashMap<Ordinal, KeptStep> = HashMap::new();
        for ((step, row), output) in candidates.into_iter().zip(outputs) {
            let error = match row.state {
                StepState::Warning => {
                    let warning = self.store.error(old.run, old.expires_at, row.step);
                    warning.await?
                }
                _ => None,
            };
            let Some(route) = route_again(step, row.state, output.as_deref()) else {
                continue;
            };
            kept.insert(
                step.ordinal,
                KeptStep {
                    step: step.ordinal,
                    state: row.state,
                    route,
                    output,
                    error,
                },
            );
        }
        let ended = |step| kept.get(&step).map(|one| (one.state, one.route.clone()));
        let (order, ready) = flow::order_of_ended(&plan.graph, ended);
        if ready.is_empty() {
            return Err(Error::RunState(format!(
                "nothing of {} would be executed again: every step that is reached ended well; name the steps to begin with as `from`",
                old.reference
            )));
        }
        Ok(order
            .into_iter()
            .filter_map(|step| kept.remove(&step))
            .collect())
    }
}

/// Which way a step led, from what it made; `None`: that cannot be told any more.
fn route_again(step: &PlannedStep, state: StepState, output: Option<&[u8]>) -> Option<Route> {
    let operator = step.operator.as_ref();
    let Some(routing) = operator.and_then(|one| one.routing.as_ref()) else {
        return Some(Route::All);
    };
    let chosen = output
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| routing.route_of(text));
    // A condition that failed, and its run went on all the same, chose nothing.
    chosen.or_else(|| (state == StepState::Warning).then(|| step.route_of_failure()))
}

/// Which steps of the plan are executed again: those that are named, or those that did not
/// succeed, and all that depends on them.
fn executed_again(
    plan: &Plan,
    before: &HashMap<String, Before<'_>>,
    from: &[String],
) -> Result<Vec<bool>> {
    let mut again = vec![false; plan.steps.len()];
    let mut open: Vec<Ordinal> = Vec::new();
    let mut faults = Vec::new();
    for (index, name) in from.iter().enumerate() {
        if let Some(step) = plan.steps.iter().find(|step| step.name == *name) {
            open.push(step.ordinal);
        } else {
            let names = plan.steps.iter().map(|step| step.name.as_str());
            let hint = suggest::hint(name, names);
            faults.push(Fault {
                code: FAULT.to_owned(),
                at: format!("/from/{index}"),
                message: format!("the application has no step `{name}`{hint}"),
            });
        }
    }
    if !faults.is_empty() {
        return Err(Error::Invalid {
            what: "request to retry",
            faults,
        });
    }
    // What did not succeed is executed in any case: there is no result to keep.
    open.extend(plan.steps.iter().filter_map(|step| {
        let succeeded = before.get(&step.name).is_some_and(|one| {
            let same = one.file == step.file || step.operator.is_some();
            // One that no branch led to has no result and needs none.
            let ended = matches!(
                one.row.state,
                StepState::Success | StepState::Warning | StepState::NotTaken
            );
            same && ended
        });
        (!succeeded).then_some(step.ordinal)
    }));
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut again[step.index()], true) {
            open.extend(plan.graph.successors(step));
        }
    }
    Ok(again)
}
