//! What follows what: edges, cycles, and whether a step runs before another.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Read, StepNames};
use crate::{
    application::Application,
    id::Ordinal,
    on_error, operator,
    validate::{Problem, code},
};

/// The edges between steps, each once.
pub(super) struct Edges<'a> {
    names: &'a StepNames<'a>,
    successors: Vec<Vec<Ordinal>>,
    /// Those of `data_from` first, those of branches last.
    predecessors: Vec<Vec<Ordinal>>,
    /// Edges from a condition to the steps of its branches.
    branches: HashSet<(Ordinal, Ordinal)>,
    /// Those of them that `data_from` or `output_to` name too.
    also_data: HashSet<(Ordinal, Ordinal)>,
    /// Those that `output_to` of a condition names: taken whatever it chooses.
    always: HashSet<(Ordinal, Ordinal)>,
    /// Edges to the steps that run when another fails.
    errors: HashSet<(Ordinal, Ordinal)>,
    seen: HashSet<(Ordinal, Ordinal)>,
    /// Every step behind those that it waits for; `None` when there is a cycle.
    order: Option<Vec<Ordinal>>,
}

impl<'a> Edges<'a> {
    pub(super) fn of(
        application: &'a Application,
        names: &'a StepNames<'a>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let size = application
            .steps()
            .map(|step| step.index + 1)
            .max()
            .unwrap_or(0);
        let mut edges = Self {
            names,
            successors: vec![Vec::new(); size],
            predecessors: vec![Vec::new(); size],
            branches: HashSet::new(),
            also_data: HashSet::new(),
            always: HashSet::new(),
            errors: HashSet::new(),
            seen: HashSet::new(),
            order: None,
        };
        for key in ["data_from", "output_to"] {
            for step in application.steps() {
                let own = Ordinal(step.index as u32);
                let list = step.entry.get(key).and_then(|list| list.as_array());
                for (at, name) in list.into_iter().flatten().enumerate() {
                    let Some(name) = name.as_str() else { continue };
                    let path = || format!("/steps/{}/{key}/{at}", step.index);
                    let Some(other) = edges.other(own, name, path, problems) else {
                        continue;
                    };
                    if key == "data_from" {
                        edges.add((other, own));
                        continue;
                    }
                    edges.add((own, other));
                    if operator::branches(step.entry).next().is_some() {
                        edges.always.insert((own, other));
                    }
                }
            }
        }
        edges.of_branches(application, problems);
        edges.of_errors(application, problems);
        edges.sort(problems);
        edges
    }

    /// The step of that name, which `own` is to be connected with.
    fn other(
        &self,
        own: Ordinal,
        name: &str,
        path: impl FnOnce() -> String,
        problems: &mut Vec<Problem>,
    ) -> Option<Ordinal> {
        let Some(&other) = self.names.ordinals.get(name) else {
            problems.push(Problem::error(
                code::DANGLING,
                path(),
                format!(
                    "the application has no step `{name}`{}",
                    self.names.hint(name)
                ),
            ));
            return None;
        };
        if other == own {
            problems.push(Problem::error(
                code::SELF_EDGE,
                path(),
                format!("step `{name}` leads to itself"),
            ));
            return None;
        }
        Some(other)
    }

    /// Adds an edge; says whether it is new.
    fn add(&mut self, (from, to): (Ordinal, Ordinal)) -> bool {
        let new = self.seen.insert((from, to));
        if new {
            self.successors[from.index()].push(to);
            self.predecessors[to.index()].push(from);
        }
        new
    }

    /// The edges from conditions to the steps of their branches.
    fn of_branches(&mut self, application: &Application, problems: &mut Vec<Problem>) {
        for step in application.steps() {
            let own = Ordinal(step.index as u32);
            for branch in operator::branches(step.entry) {
                for (at, name) in branch.steps() {
                    let path =
                        || format!("/steps/{}/branches/{}/steps/{at}", step.index, branch.index);
                    if let Some(other) = self.other(own, name, path, problems)
                        && !self.add((own, other))
                        && !self.branches.contains(&(own, other))
                    {
                        self.also_data.insert((own, other));
                    }
                    if let Some(&other) = self.names.ordinals.get(name) {
                        self.branches.insert((own, other));
                    }
                }
            }
        }
    }

    /// The edges to the steps that run when another fails. One that `data_from` or
    /// `output_to` names as well is such an edge: its step reads what failed, and why.
    fn of_errors(&mut self, application: &Application, problems: &mut Vec<Problem>) {
        for step in application.steps() {
            let own = Ordinal(step.index as u32);
            for (at, name) in on_error::steps(step.entry) {
                let path = || format!("/steps/{}/{}/{at}", step.index, on_error::ON_ERROR);
                if let Some(other) = self.other(own, name, path, problems) {
                    self.add((own, other));
                    self.errors.insert((own, other));
                }
            }
        }
    }

    /// Whether a condition's `output_to` names the step: it is taken whatever that chooses.
    pub(super) fn is_always(&self, edge: (Ordinal, Ordinal)) -> bool {
        self.always.contains(&edge)
    }

    /// Whether the edge leads to a step that runs when another fails.
    pub(super) fn is_error(&self, edge: (Ordinal, Ordinal)) -> bool {
        self.errors.contains(&edge)
    }

    /// The edges to the steps that run when another fails.
    pub(super) fn errors(&self) -> impl Iterator<Item = (Ordinal, Ordinal)> + '_ {
        self.errors.iter().copied()
    }

    pub(super) fn predecessors(&self, step: Ordinal) -> &[Ordinal] {
        self.predecessors
            .get(step.index())
            .map_or(&[], Vec::as_slice)
    }

    /// The edges from conditions to the steps of their branches.
    pub(super) const fn branches(&self) -> &HashSet<(Ordinal, Ordinal)> {
        &self.branches
    }

    /// Every step behind those that it waits for; `None` when there is a cycle.
    pub(super) fn order(&self) -> Option<&[Ordinal]> {
        self.order.as_deref()
    }

    pub(super) fn successors(&self, step: Ordinal) -> &[Ordinal] {
        self.successors.get(step.index()).map_or(&[], Vec::as_slice)
    }

    /// Whether an edge hands over data: all do but those that only a branch names.
    fn hands_data(&self, edge: (Ordinal, Ordinal)) -> bool {
        !self.branches.contains(&edge) || self.also_data.contains(&edge)
    }

    /// The steps whose data a step is handed.
    pub(super) fn data_predecessors(&self, step: Ordinal) -> Vec<Ordinal> {
        let all = self.predecessors.get(step.index());
        all.into_iter()
            .flatten()
            .filter(|from| self.hands_data((**from, step)))
            .copied()
            .collect()
    }

    /// The edges that hand over data.
    pub(super) fn data_pairs(&self) -> impl Iterator<Item = (Ordinal, Ordinal)> {
        self.pairs().filter(|edge| self.hands_data(*edge))
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (Ordinal, Ordinal)> {
        self.successors
            .iter()
            .enumerate()
            .flat_map(|(from, all)| all.iter().map(move |to| (Ordinal(from as u32), *to)))
    }

    /// Orders the steps, or reports cycles.
    fn sort(&mut self, problems: &mut Vec<Problem>) {
        let mut inputs: Vec<usize> = self.predecessors.iter().map(Vec::len).collect();
        let mut open: VecDeque<Ordinal> = (0..inputs.len())
            .filter(|at| inputs[*at] == 0)
            .map(|at| Ordinal(at as u32))
            .collect();
        let mut order = Vec::with_capacity(inputs.len());
        while let Some(step) = open.pop_front() {
            order.push(step);
            for to in &self.successors[step.index()] {
                inputs[to.index()] -= 1;
                if inputs[to.index()] == 0 {
                    open.push_back(*to);
                }
            }
        }
        if order.len() == inputs.len() {
            self.order = Some(order);
        } else {
            self.cycles(&inputs, problems);
        }
    }

    /// Each step that could not be ordered has such a predecessor: walking back from
    /// one ends in a circle, or on a way that was walked before.
    fn cycles(&self, inputs: &[usize], problems: &mut Vec<Problem>) {
        let mut walk_of = vec![usize::MAX; inputs.len()];
        for start in 0..inputs.len() {
            let mut way = Vec::new();
            let mut at = start;
            while inputs[at] > 0 && walk_of[at] == usize::MAX {
                walk_of[at] = start;
                way.push(Ordinal(at as u32));
                let before = self.predecessors[at]
                    .iter()
                    .find(|before| inputs[before.index()] > 0);
                match before {
                    Some(before) => at = before.index(),
                    None => break,
                }
            }
            let closed = way.iter().position(|step| step.index() == at);
            let Some(closed) = closed.filter(|_| way.len() > 1 && walk_of[at] == start) else {
                continue;
            };
            let mut circle: Vec<Ordinal> = way.split_off(closed);
            circle.reverse();
            let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
            circle.rotate_left(first);
            let mut names: Vec<&str> = circle.iter().map(|step| self.names.show(*step)).collect();
            names.push(names[0]);
            if names.len() > 42 {
                names.splice(20..names.len() - 20, ["…"]);
            }
            problems.push(Problem::error(
                code::CYCLE,
                format!("/steps/{}", circle[0].0),
                format!(
                    "steps wait for each other in a circle: {}",
                    names.join(" → ")
                ),
            ));
        }
    }

    /// Notes for each step which of the steps with a bit come before it.
    pub(super) fn carry_in_order(
        &self,
        order: &[Ordinal],
        bit: &HashMap<Ordinal, u64>,
        after: &mut [u64],
    ) {
        self.carry(order, bit, after, |_| true);
    }

    /// Notes for each step which of the steps with a bit come before it where none fails.
    pub(super) fn carry_where_none_fails(
        &self,
        order: &[Ordinal],
        bit: &HashMap<Ordinal, u64>,
        after: &mut [u64],
    ) {
        self.carry(order, bit, after, |edge| !self.errors.contains(&edge));
    }

    fn carry(
        &self,
        order: &[Ordinal],
        bit: &HashMap<Ordinal, u64>,
        after: &mut [u64],
        over: impl Fn((Ordinal, Ordinal)) -> bool,
    ) {
        for step in order {
            let on = after[step.index()] | bit.get(step).copied().unwrap_or(0);
            if on != 0 {
                for to in &self.successors[step.index()] {
                    if over((*step, *to)) {
                        after[to.index()] |= on;
                    }
                }
            }
        }
    }

    /// The same where circles leave no order: until nothing changes, at most once for each
    /// edge and bit.
    fn carry_through_circles(
        &self,
        from: &[Ordinal],
        bit: &HashMap<Ordinal, u64>,
        after: &mut [u64],
    ) {
        let mut open = from.to_vec();
        while let Some(step) = open.pop() {
            let on = after[step.index()] | bit.get(&step).copied().unwrap_or(0);
            for to in &self.successors[step.index()] {
                let seen = &mut after[to.index()];
                if *seen | on != *seen {
                    *seen |= on;
                    open.push(*to);
                }
            }
        }
    }

    /// Reports references to steps that do not run before the one that refers.
    pub(super) fn check_reads(&self, reads: &[Read], problems: &mut Vec<Problem>) {
        let mut open: HashMap<Ordinal, Vec<&Read>> = HashMap::new();
        for read in reads {
            let before = &self.predecessors[read.reader.index()];
            if before.len() > 64 || !before.contains(&read.step) {
                open.entry(read.step).or_default().push(read);
            }
        }
        // 64 targets at a time: a bit for each that a step comes after.
        let mut late: Vec<&Read> = Vec::new();
        let targets: Vec<Ordinal> = open.keys().copied().collect();
        let mut after = vec![0_u64; self.successors.len()];
        for batch in targets.chunks(64) {
            after.fill(0);
            let bit: HashMap<Ordinal, u64> = batch
                .iter()
                .copied()
                .zip((0..64).map(|at| 1 << at))
                .collect();
            match &self.order {
                Some(order) => self.carry_in_order(order, &bit, &mut after),
                None => self.carry_through_circles(batch, &bit, &mut after),
            }
            for target in batch {
                let wanted = bit[target];
                late.extend(
                    open[target]
                        .iter()
                        .filter(|read| after[read.reader.index()] & wanted == 0),
                );
            }
        }
        late.sort_by(|a, b| (a.reader, &a.path).cmp(&(b.reader, &b.path)));
        for read in late.into_iter().take(super::MAX_PROBLEMS) {
            problems.push(Problem::error(
                code::NOT_BEFORE,
                &*read.path,
                format!(
                    "`{}` reads step `{}`, which does not run before `{}`; connect them (`data_from`)",
                    read.text,
                    self.names.show(read.step),
                    self.names.show(read.reader),
                ),
            ));
        }
    }
}
