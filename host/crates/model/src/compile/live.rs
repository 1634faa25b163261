//! Which edges only hand over data. A step that a condition leads to, or that follows such a
//! one, often reads earlier steps as well; those always ran, and must not bring it to life
//! where its branch was not chosen.
//!
//! An edge only hands over data, if it is none of a branch, and either
//! - another input of the step comes after it: that input decides, or
//! - the step is in a branch of a condition and the edge comes from a step that is not behind
//!   that condition. (One that is behind it is another way to the same step: a join.)

use std::collections::{BTreeSet, HashMap, HashSet};

use super::edges::Edges;
use crate::id::Ordinal;

impl Edges<'_> {
    /// The edges that only hand over data; none where there is no condition.
    pub(super) fn data_only(&self) -> Vec<(Ordinal, Ordinal)> {
        let conditions: BTreeSet<Ordinal> = self.branches().iter().map(|(from, _)| *from).collect();
        let Some(order) = self.order().filter(|_| !conditions.is_empty()) else {
            return Vec::new();
        };
        let joins = self.joins_behind(order, &conditions);
        let mut questions: BTreeSet<Ordinal> = conditions;
        for join in &joins {
            questions.extend(self.predecessors(*join));
        }
        let mut implied = HashSet::new();
        let mut behind = HashSet::new();
        let questions: Vec<Ordinal> = questions.into_iter().collect();
        let mut after = vec![0_u64; order.len()];
        for batch in questions.chunks(64) {
            after.fill(0);
            let bit: HashMap<Ordinal, u64> = batch
                .iter()
                .copied()
                .zip((0..64).map(|at| 1 << at))
                .collect();
            self.carry_in_order(order, &bit, &mut after);
            for &join in &joins {
                let inputs = self.predecessors(join);
                // No step comes after itself, so that each may be among all.
                let before_all = inputs
                    .iter()
                    .fold(0, |all, input| all | after[input.index()]);
                let leads = inputs
                    .iter()
                    .filter(|from| self.branches().contains(&(**from, join)))
                    .fold(0, |all, from| all | bit.get(from).copied().unwrap_or(0));
                for &input in inputs {
                    if bit.get(&input).is_some_and(|bit| before_all & bit != 0) {
                        implied.insert((input, join));
                    }
                    if after[input.index()] & leads != 0 {
                        behind.insert((input, join));
                    }
                }
            }
        }
        let mut found = Vec::new();
        for join in joins {
            let inputs = self.predecessors(join);
            let led = inputs
                .iter()
                .any(|from| self.branches().contains(&(*from, join)));
            for &input in inputs {
                let edge = (input, join);
                if !self.branches().contains(&edge)
                    && (implied.contains(&edge) || (led && !behind.contains(&edge)))
                {
                    found.push(edge);
                }
            }
        }
        found
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
