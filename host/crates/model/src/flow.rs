//! The pure run state machine: what the end of a step makes of the steps behind it.
//!
//! Every edge of the graph carries exactly one [`Signal`] in a run's life. A step
//! with several inputs counts them on its row in the store, by an atomic decrement
//! inside the transaction that ends its predecessor ([`Joins`]); one with a single
//! input needs no row. When the last signal has come, a step becomes ready if one
//! is live and none failed. Otherwise it ends unexecuted: skipped, if one failed, and
//! not taken, if all led from branches that were not chosen. It then signals on at
//! once, so that every step ends exactly once whatever fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use crate::{
    id::Ordinal,
    state::{RunState, StepState},
};

/// What a step that has ended tells one of its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ended well: the successor may run.
    Live,
    /// Not taken: a branch that was not chosen. The successor runs if another input is live.
    Dead,
    /// Failed, or not run because something before it failed: the successor cannot run.
    Failed,
}

/// The edges of an application's plan, acyclic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    successors: Vec<Vec<Ordinal>>,
    inputs: Vec<u32>,
    /// Edges that hand over data and do not by themselves bring a step to life.
    data_only: BTreeSet<(Ordinal, Ordinal)>,
    /// Edges to steps that run when another fails, and only then.
    errors: BTreeSet<(Ordinal, Ordinal)>,
}

impl Graph {
    /// A graph of `steps` steps; an edge is (from, to), and a repeated one counts once.
    ///
    /// Edges that name a step beyond `steps` are dropped: a validated plan has none.
    /// The caller has refused cycles; in one, no step ever becomes ready.
    pub fn new(steps: usize, edges: impl IntoIterator<Item = (Ordinal, Ordinal)>) -> Self {
        let mut graph = Self {
            successors: vec![Vec::new(); steps],
            inputs: vec![0; steps],
            data_only: BTreeSet::new(),
            errors: BTreeSet::new(),
        };
        for (from, to) in edges {
            if to.index() < steps
                && let Some(successors) = graph.successors.get_mut(from.index())
                && !successors.contains(&to)
            {
                successors.push(to);
                graph.inputs[to.index()] += 1;
            }
        }
        graph
    }

    /// The same, with edges that only hand over data: a step that such a one alone
    /// reaches alive is not taken. The caller leaves each step an edge of another kind.
    #[must_use]
    pub fn with_data_only(mut self, edges: impl IntoIterator<Item = (Ordinal, Ordinal)>) -> Self {
        self.data_only = edges.into_iter().collect();
        self
    }

    /// The same, with edges that are taken when their step fails, and only then. Its other
    /// edges are not taken in that case, and the run does not count as failed for it.
    #[must_use]
    pub fn with_errors(mut self, edges: impl IntoIterator<Item = (Ordinal, Ordinal)>) -> Self {
        self.errors = edges.into_iter().collect();
        self
    }

    /// Whether other steps run when this one fails.
    pub fn handles(&self, step: Ordinal) -> bool {
        !self.errors.is_empty()
            && self
                .errors
                .range((step, Ordinal(0))..=(step, Ordinal(u32::MAX)))
                .next()
                .is_some()
    }

    /// As what the end of a step counts for its run: a failure that other steps handle is
    /// a warning.
    pub fn counted(&self, step: Ordinal, state: StepState) -> StepState {
        match state {
            StepState::Failed if self.handles(step) => StepState::Warning,
            state => state,
        }
    }

    /// What `finished`, which ends with `signal` or, if `handled`, in a failure that other
    /// steps handle, tells `next`.
    fn signal(
        &self,
        (finished, next): (Ordinal, Ordinal),
        (signal, handled): (Signal, bool),
        route: &Route,
    ) -> Signal {
        let of_error = !self.errors.is_empty() && self.errors.contains(&(finished, next));
        match (signal, route) {
            _ if handled && of_error => Signal::Live,
            _ if handled => Signal::Dead,
            (Signal::Live, _) if of_error || self.is_data_only(finished, next) => Signal::Dead,
            (Signal::Live, Route::Only(taken)) if !taken.contains(&next) => Signal::Dead,
            _ => signal,
        }
    }

    /// Whether an edge only hands over data.
    pub fn is_data_only(&self, from: Ordinal, to: Ordinal) -> bool {
        !self.data_only.is_empty() && self.data_only.contains(&(from, to))
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The steps that wait for `step`.
    pub fn successors(&self, step: Ordinal) -> &[Ordinal] {
        self.successors.get(step.index()).map_or(&[], Vec::as_slice)
    }

    /// How many steps `step` waits for.
    pub fn inputs(&self, step: Ordinal) -> u32 {
        self.inputs.get(step.index()).copied().unwrap_or(0)
    }

    /// The steps that wait for none, in order: what a run starts with.
    pub fn roots(&self) -> impl Iterator<Item = Ordinal> + '_ {
        self.inputs
            .iter()
            .enumerate()
            .filter(|(_, inputs)| **inputs == 0)
            .map(|(index, _)| Ordinal(index as u32))
    }
}

/// Which successors a step that ended well signals as live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// All of them.
    #[default]
    All,
    /// These; the others get [`Signal::Dead`].
    Only(Vec<Ordinal>),
}

/// The counted signals of a step with several inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// Signals still to come.
    pub pending: u32,
    /// Live signals that came.
    pub live: u32,
    /// Failed signals that came.
    pub failed: u32,
}

impl Arrivals {
    /// The count before any signal came.
    pub const fn none(inputs: u32) -> Self {
        Self {
            pending: inputs,
            live: 0,
            failed: 0,
        }
    }

    /// The count after one more signal.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self {
            pending: self.pending.saturating_sub(1),
            live: self.live + matches!(signal, Signal::Live) as u32,
            failed: self.failed + matches!(signal, Signal::Failed) as u32,
        }
    }
}

/// Where the signals of joins are counted: rows of the store, inside a transaction.
pub trait Joins {
    /// Why counting failed.
    type Error;

    /// Counts `signal` for `step`, which has `inputs` of them in all, and says how
    /// the count stands now. The first signal makes the row.
    fn arrive(
        &mut self,
        step: Ordinal,
        inputs: u32,
        signal: Signal,
    ) -> Result<Arrivals, Self::Error>;
}

/// What the end of a step brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Steps that may start now.
    pub ready: Vec<Ordinal>,
    /// Steps that end without having run, because something before them failed.
    pub skipped: Vec<Ordinal>,
    /// Steps that end without having run, because no branch led to them.
    pub not_taken: Vec<Ordinal>,
}

impl Advance {
    /// The steps that end without having run, each with the state that it ends in.
    pub fn unexecuted(&self) -> impl Iterator<Item = (Ordinal, StepState)> + '_ {
        let skipped = self.skipped.iter().map(|at| (*at, StepState::Skipped));
        skipped.chain(self.not_taken.iter().map(|at| (*at, StepState::NotTaken)))
    }

    /// How many steps end without having run.
    pub const fn unexecuted_len(&self) -> usize {
        self.skipped.len() + self.not_taken.len()
    }
}

/// Ends `finished` in `state` and tells what follows.
///
/// # Errors
/// What `joins` answers; nothing must then be committed.
pub fn advance<J: Joins>(
    graph: &Graph,
    finished: Ordinal,
    state: StepState,
    route: &Route,
    joins: &mut J,
) -> Result<Advance, J::Error> {
    let mut advance = Advance::default();
    let mut ended = vec![(finished, own_signal(state))];
    let handled = state == StepState::Failed && graph.handles(finished);
    while let Some((step, signal)) = ended.pop() {
        for &next in graph.successors(step) {
            // What ends unexecuted signals no life, whichever way it leads.
            let handled = step == finished && handled;
            let signal = graph.signal((step, next), (signal, handled), route);
            let arrivals = match graph.inputs(next) {
                1 => Arrivals::none(1).with(signal),
                inputs => joins.arrive(next, inputs, signal)?,
            };
            if arrivals.pending > 0 {
                continue;
            }
            if arrivals.failed == 0 && arrivals.live > 0 {
                advance.ready.push(next);
            } else if arrivals.failed > 0 {
                advance.skipped.push(next);
                ended.push((next, Signal::Failed));
            } else {
                advance.not_taken.push(next);
                ended.push((next, Signal::Dead));
            }
        }
    }
    Ok(advance)
}

/// In which order steps that have ended before can end again in a new run of a graph, each
/// when those before it have, and which steps are ready then. Left out are those that would
/// not become ready, for what leads to them is not among them or leads elsewhere now. `ended`
/// says how a step has ended, and which way it led.
pub fn order_of_ended(
    graph: &Graph,
    ended: impl Fn(Ordinal) -> Option<(StepState, Route)>,
) -> (Vec<Ordinal>, Vec<Ordinal>) {
    let mut counted = Counted::default();
    let mut reached: Vec<Ordinal> = graph.roots().collect();
    let (mut order, mut ready) = (Vec::new(), Vec::new());
    while let Some(step) = reached.pop() {
        let Some((state, route)) = ended(step) else {
            ready.push(step);
            continue;
        };
        order.push(step);
        let Ok(next) = advance(graph, step, state, &route, &mut counted);
        reached.extend(next.ready);
    }
    (order, ready)
}

/// Signals that are counted in memory.
#[derive(Default)]
struct Counted(BTreeMap<Ordinal, Arrivals>);

impl Joins for Counted {
    type Error = Infallible;

    fn arrive(
        &mut self,
        step: Ordinal,
        inputs: u32,
        signal: Signal,
    ) -> Result<Arrivals, Infallible> {
        let count = self.0.entry(step).or_insert(Arrivals::none(inputs));
        *count = count.with(signal);
        Ok(*count)
    }
}

/// A step that failed, or was stopped before its end, lets nothing behind it run.
const fn own_signal(state: StepState) -> Signal {
    match state {
        StepState::Success | StepState::Warning => Signal::Live,
        _ => Signal::Failed,
    }
}

/// The state in which a run ends whose steps have all ended.
pub const fn final_state(cancelled: bool, failed: u32, warned: u32) -> RunState {
    if cancelled {
        RunState::Cancelled
    } else if failed > 0 {
        RunState::Failed
    } else if warned > 0 {
        RunState::Warning
    } else {
        RunState::Success
    }
}

/// How a run's steps have ended so far: counters on the run's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps that have not ended.
    pub remaining: u32,
    /// Steps that failed.
    pub failed: u32,
    /// Steps that ended with a warning.
    pub warned: u32,
    /// Steps that were cancelled.
    pub cancelled: u32,
}

/// Why the end of a step cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miscount {
    /// The state is not one in which an attempt ends.
    #[error("an attempt cannot end as {}", .0.word())]
    NoEnd(StepState),
    /// More steps would have ended than there are.
    #[error("the run has ended more steps than it has")]
    TooMany,
}

impl Tally {
    /// Counts an attempt that ends as `state` and the steps that end unexecuted with it.
    /// Answers the state in which the run ends, if no step is left.
    pub fn end(
        &mut self,
        state: StepState,
        unexecuted: usize,
    ) -> Result<Option<RunState>, Miscount> {
        match state {
            StepState::Success => {}
            StepState::Warning => self.warned += 1,
            StepState::Failed => self.failed += 1,
            StepState::Cancelled => self.cancelled += 1,
            state => return Err(Miscount::NoEnd(state)),
        }
        self.remaining = u32::try_from(unexecuted)
            .ok()
            .and_then(|unexecuted| unexecuted.checked_add(1))
            .and_then(|ended| self.remaining.checked_sub(ended))
            .ok_or(Miscount::TooMany)?;
        let ended = self.remaining == 0;
        Ok(ended.then(|| final_state(self.cancelled > 0, self.failed, self.warned)))
    }
}

/// The state in which a run of `steps` steps is accepted; `claimed` says whether its
/// first step starts with it. A plan without steps has ended when it is accepted.
pub const fn accepted_state(steps: usize, claimed: bool) -> RunState {
    if steps == 0 {
        final_state(false, 0, 0)
    } else if claimed {
        RunState::Running
    } else {
        RunState::Queued
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
