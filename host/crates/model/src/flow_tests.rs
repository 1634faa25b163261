use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Rows(BTreeMap<u32, Arrivals>);

impl Joins for Rows {
    type Error = Infallible;
    fn arrive(
        &mut self,
        step: Ordinal,
        inputs: u32,
        signal: Signal,
    ) -> Result<Arrivals, Infallible> {
        let row = self.0.entry(step.0).or_insert(Arrivals::none(inputs));
        *row = row.with(signal);
        Ok(*row)
    }
}

fn edges(pairs: &[(u32, u32)]) -> Vec<(Ordinal, Ordinal)> {
    pairs
        .iter()
        .map(|&(a, b)| (Ordinal(a), Ordinal(b)))
        .collect()
}

fn ordinals(list: &[u32]) -> Vec<Ordinal> {
    list.iter().copied().map(Ordinal).collect()
}

fn step(graph: &Graph, rows: &mut Rows, at: u32, state: StepState) -> Advance {
    let Ok(advance) = advance(graph, Ordinal(at), state, &Route::All, rows);
    advance
}

#[test]
fn a_join_waits_for_all() {
    let graph = Graph::new(4, edges(&[(0, 1), (0, 2), (1, 3), (2, 3), (2, 3)]));
    let mut rows = Rows::default();
    assert_eq!(graph.roots().collect::<Vec<_>>(), ordinals(&[0]));
    assert_eq!(
        step(&graph, &mut rows, 0, StepState::Success).ready,
        ordinals(&[1, 2])
    );
    assert_eq!(
        step(&graph, &mut rows, 2, StepState::Warning),
        Advance::default()
    );
    assert_eq!(
        step(&graph, &mut rows, 1, StepState::Success).ready,
        ordinals(&[3])
    );
}

#[test]
fn failure_stops_what_depends_on_it_and_nothing_else() {
    // 0 → 1 → 3 → 4, 0 → 2 → 3, 2 → 5
    let graph = Graph::new(6, edges(&[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (2, 5)]));
    let mut rows = Rows::default();
    step(&graph, &mut rows, 0, StepState::Success);
    assert_eq!(
        step(&graph, &mut rows, 1, StepState::Failed),
        Advance::default()
    );
    let advance = step(&graph, &mut rows, 2, StepState::Success);
    assert_eq!(advance.ready, ordinals(&[5]));
    assert_eq!(advance.skipped, ordinals(&[3, 4]));
}

#[test]
fn a_join_behind_a_branch_runs_on_its_live_input() {
    // 0 chooses 1, not 2; both lead to 3.
    let graph = Graph::new(4, edges(&[(0, 1), (0, 2), (1, 3), (2, 3)]));
    let mut rows = Rows::default();
    let Ok(first) = advance(
        &graph,
        Ordinal(0),
        StepState::Success,
        &Route::Only(ordinals(&[1])),
        &mut rows,
    );
    assert_eq!(
        (first.ready, first.skipped),
        (ordinals(&[1]), ordinals(&[2]))
    );
    assert_eq!(
        step(&graph, &mut rows, 1, StepState::Success).ready,
        ordinals(&[3])
    );
}

#[test]
fn the_last_end_is_the_runs() {
    let mut tally = Tally {
        remaining: 4,
        ..Tally::default()
    };
    assert_eq!(tally.end(StepState::Warning, 0), Ok(None));
    assert_eq!(tally.end(StepState::Failed, 1), Ok(None));
    assert_eq!(
        tally.end(StepState::Running, 0),
        Err(Miscount::NoEnd(StepState::Running))
    );
    assert_eq!(tally.end(StepState::Success, 0), Ok(Some(RunState::Failed)));
    assert_eq!(tally.end(StepState::Success, 0), Err(Miscount::TooMany));
}

fn end_state() -> impl Strategy<Value = StepState> {
    prop_oneof![
        4 => Just(StepState::Success),
        1 => Just(StepState::Warning),
        1 => Just(StepState::Failed),
        1 => Just(StepState::Cancelled),
    ]
}

fn goes_on(state: StepState) -> bool {
    matches!(state, StepState::Success | StepState::Warning)
}

proptest! {
    /// Whatever the graph, the order of ends, the failures and the steps that are
    /// stopped: every step ends exactly once, and runs if and only if nothing that it
    /// depends on failed or was stopped; the last end is the run's, and says the worst.
    #[test]
    fn every_step_ends_once(
        size in 1usize..24,
        raw in proptest::collection::vec((0u32..24, 0u32..24), 0..80),
        ends in proptest::collection::vec(end_state(), 24),
        picks in proptest::collection::vec(any::<usize>(), 24),
    ) {
        let pairs: BTreeSet<(u32, u32)> = raw.into_iter()
            .filter(|(a, b)| a < b && (*b as usize) < size)
            .collect();
        let graph = Graph::new(size, pairs.iter().map(|&(a, b)| (Ordinal(a), Ordinal(b))));
        let mut must_run = vec![true; size];
        for b in 0..size {
            must_run[b] = pairs.iter().filter(|(_, to)| *to as usize == b)
                .all(|(from, _)| must_run[*from as usize] && goes_on(ends[*from as usize]));
        }
        let mut rows = Rows::default();
        let mut ready: Vec<Ordinal> = graph.roots().collect();
        let (mut ran, mut skipped) = (BTreeSet::new(), BTreeSet::new());
        let mut tally = Tally { remaining: size as u32, ..Tally::default() };
        let mut ended = None;
        for pick in picks.iter().cycle() {
            if ready.is_empty() { break; }
            let at = ready.swap_remove(pick % ready.len());
            prop_assert!(ran.insert(at.0), "step {} ran twice", at.0);
            prop_assert_eq!(ended, None, "the run had ended");
            let state = ends[at.index()];
            let next = step(&graph, &mut rows, at.0, state);
            prop_assert!(goes_on(state) || next.ready.is_empty(), "{:?} made ready", state);
            ended = tally.end(state, next.skipped.len()).unwrap();
            for one in next.skipped { prop_assert!(skipped.insert(one.0)); }
            ready.extend(next.ready);
        }
        prop_assert_eq!(ran.len() + skipped.len(), size);
        for (at, must) in must_run.iter().enumerate() {
            prop_assert_eq!(ran.contains(&(at as u32)), *must);
        }
        let any = |state| ran.iter().any(|at| ends[*at as usize] == state);
        let expected = if any(StepState::Cancelled) {
            RunState::Cancelled
        } else if any(StepState::Failed) {
            RunState::Failed
        } else if any(StepState::Warning) {
            RunState::Warning
        } else {
            RunState::Success
        };
        prop_assert_eq!(ended, Some(expected));
    }
}
