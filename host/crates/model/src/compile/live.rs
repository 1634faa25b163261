//! Which edges only hand over data. A step that a condition leads to, or that follows such a
//! one, often reads earlier steps as well; those always ran, and must not bring it to life
//! where its branch was not chosen.
//!
//! An edge only hands over data, if it is none of a branch, none to a step that runs when
//! another fails, and none that `output_to` of a condition names, and either
//! - another input of the step comes after it: that input decides (one that comes after it
//!   only where it fails is another way to the same step),
//! - the step is in a branch of a condition and the edge comes from a step that is not behind
//!   that condition (one that is behind it is another way to the same step: a join), or
//! - the step runs when others fail, and the edge comes from a step that is not behind all of
//!   those: it must not run where nothing failed.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::edges::Edges;
use crate::id::Ordinal;

impl Edges<'_> {
    /// The edges that only hand over data; none where there is neither a condition nor a step
    /// that runs when another fails.
    pub(super) fn data_only(&self) -> Vec<(Ordinal, Ordinal)> {
        let Some(order) = self.order() else {
            return Vec::new();
        };
        let mut found: BTreeSet<(Ordinal, Ordinal)> = BTreeSet::new();
        let conditions: BTreeSet<Ordinal> = self.branches().iter().map(|(from, _)| *from).collect();
        if !conditions.is_empty() {
            self.beside_branches(order, conditions, &mut found);
        }
        self.beside_failures(order, &mut found);
        found.retain(|edge| {
            !self.branches().contains(edge) && !self.is_error(*edge) && !self.is_always(*edge)
        });
        found.into_iter().collect()
    }

    /// Of steps that a condition has a say in.
    fn beside_branches(
        &self,
        order: &[Ordinal],
        conditions: BTreeSet<Ordinal>,
        found: &mut BTreeSet<(Ordinal, Ordinal)>,
    ) {
        let joins = self.joins_behind(order, &conditions);
        let mut questions = conditions;
        for join in &joins {
            questions.extend(self.predecessors(*join));
        }
        let mut behind = HashSet::new();
        let questions: Vec<Ordinal> = questions.into_iter().collect();
        let mut after = vec![0_u64; order.len()];
        let mut well_after = vec![0_u64; order.len()];
        for batch in questions.chunks(64) {
            let bit = bits(batch);
            after.fill(0);
            self.carry_in_order(order, &bit, &mut after);
            well_after.fill(0);
            self.carry_where_none_fails(order, &bit, &mut well_after);
            for &join in &joins {
                let inputs = self.predecessors(join);
                // No step comes after itself, so that each may be among all.
                let before_all = inputs
                    .iter()
                    .fold(0, |all, input| all | well_after[input.index()]);
                let leads = inputs
                    .iter()
                    .filter(|from| self.branches().contains(&(**from, join)))
                    .fold(0, |all, from| all | bit.get(from).copied().unwrap_or(0));
                for &input in inputs {
                    if bit.get(&input).is_some_and(|bit| before_all & bit != 0) {
                        found.insert((input, join));
                    }
                    if after[input.index()] & leads != 0 {
                        behind.insert((input, join));
                    }
                }
            }
        }
        for join in joins {
            let inputs = self.predecessors(join);
            let led = inputs
                .iter()
                .any(|from| self.branches().contains(&(*from, join)));
            for &input in inputs {
                if led && !behind.contains(&(input, join)) {
                    found.insert((input, join));
                }
            }
        }
    }

    /// Of steps that run when another fails.
    fn beside_failures(&self, order: &[Ordinal], found: &mut BTreeSet<(Ordinal, Ordinal)>) {
        let failing: BTreeSet<Ordinal> = self.errors().map(|(from, _)| from).collect();
        let handlers: BTreeSet<Ordinal> = self.errors().map(|(_, to)| to).collect();
        let failing: Vec<Ordinal> = failing.into_iter().collect();
        let mut after = vec![0_u64; order.len()];
        for batch in failing.chunks(64) {
            let bit = bits(batch);
            after.fill(0);
            self.carry_where_none_fails(order, &bit, &mut after);
            for &handler in &handlers {
                let inputs = self.predecessors(handler);
                let guarded = inputs
                    .iter()
                    .filter(|from| self.is_error((**from, handler)))
                    .fold(0, |all, from| all | bit.get(from).copied().unwrap_or(0));
                // Another way to it comes behind all of them: where one still may fail, it
                // must not run yet.
                let beside = inputs
                    .iter()
                    .filter(|from| after[from.index()] & guarded != guarded);
                found.extend(beside.map(|from| (*from, handler)));
            }
        }
    }

    /// The steps with several inputs that a condition has a say in.
    fn joins_behind(&self, order: &[Ordinal], conditions: &BTreeSet<Ordinal>) -> Vec<Ordinal> {
        let mut reached = vec![false; order.len()];
        let mut joins = Vec::new();
        for step in order {
            if reached[step.index()] && self.predecessors(*step).len() > 1 {
                joins.push(*step);
            }
            if reached[step.index()] || conditions.contains(step) {
                for to in self.successors(*step) {
                    reached[to.index()] = true;
                }
            }
        }
        joins
    }
}

/// A bit for each of at most 64 steps.
fn bits(steps: &[Ordinal]) -> HashMap<Ordinal, u64> {
    let all = (0..64).map(|at| 1 << at);
    steps.iter().copied().zip(all).collect()
}
