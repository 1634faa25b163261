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
        (first.ready, first.not_taken, first.skipped),
        (ordinals(&[1]), ordinals(&[2]), Vec::new())
    );
    assert_eq!(
        step(&graph, &mut rows, 1, StepState::Success).ready,
        ordinals(&[3])
    );
}

/// 0 feeds 1, a condition, and 2 and 3, its branches, with data: neither runs for the data.
#[test]
fn data_alone_does_not_take_a_branch() {
    let graph = Graph::new(
        5,
        edges(&[(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 4), (3, 4)]),
    )
    .with_data_only(edges(&[(0, 2), (0, 3)]));
    let mut rows = Rows::default();
    assert_eq!(
        step(&graph, &mut rows, 0, StepState::Success).ready,
        ordinals(&[1])
    );
    let route = Route::Only(ordinals(&[3]));
    let Ok(chosen) = advance(&graph, Ordinal(1), StepState::Success, &route, &mut rows);
    assert_eq!(chosen.ready, ordinals(&[3]));
    assert_eq!(chosen.not_taken, ordinals(&[2]));
    assert_eq!(
        step(&graph, &mut rows, 3, StepState::Success).ready,
        ordinals(&[4])
    );
}

/// Where no branch is chosen, all that hangs on them is not taken; a failure elsewhere
/// makes what also depends on it skipped.
#[test]
fn not_taken_and_skipped_are_told_apart() {
    // 0 chooses neither 1 nor 2; 1 → 3; 2 → 4, which waits for 5 as well.
    let graph = Graph::new(6, edges(&[(0, 1), (0, 2), (1, 3), (2, 4), (5, 4)]));
    let mut rows = Rows::default();
    let route = Route::Only(Vec::new());
    let Ok(none) = advance(&graph, Ordinal(0), StepState::Success, &route, &mut rows);
    assert_eq!(none.ready, Vec::new());
    assert_eq!(none.not_taken, ordinals(&[1, 2, 3]));
    let failed = step(&graph, &mut rows, 5, StepState::Failed);
    assert_eq!(failed.skipped, ordinals(&[4]));
    let ends: Vec<_> = none.unexecuted().chain(failed.unexecuted()).collect();
    assert_eq!(ends.len(), 4);
    assert_eq!(ends[3], (Ordinal(4), StepState::Skipped));
}

/// 0 has 1 behind it and 2 for its failure; 3 waits for both ways.
#[test]
fn a_failure_that_is_handled_leads_elsewhere() {
    let graph =
        Graph::new(4, edges(&[(0, 1), (0, 2), (1, 3), (2, 3)])).with_errors(edges(&[(0, 2)]));
    let mut rows = Rows::default();
    let failed = step(&graph, &mut rows, 0, StepState::Failed);
    assert_eq!(
        (failed.ready, failed.not_taken),
        (ordinals(&[2]), ordinals(&[1]))
    );
    assert_eq!(
        graph.counted(Ordinal(0), StepState::Failed),
        StepState::Warning
    );
    assert_eq!(
        graph.counted(Ordinal(1), StepState::Failed),
        StepState::Failed
    );
    assert_eq!(
        step(&graph, &mut rows, 2, StepState::Success).ready,
        ordinals(&[3])
    );

    let mut rows = Rows::default();
    let well = step(&graph, &mut rows, 0, StepState::Success);
    assert_eq!(
        (well.ready, well.not_taken),
        (ordinals(&[1]), ordinals(&[2]))
    );
    // Who stops a step wants nothing to follow.
    let mut rows = Rows::default();
    let stopped = step(&graph, &mut rows, 0, StepState::Cancelled);
    assert_eq!(stopped.ready, Vec::new());
    assert_eq!(stopped.skipped.len(), 3);
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
            ended = tally.end(state, next.unexecuted_len()).unwrap();
            prop_assert!(next.not_taken.is_empty(), "there is no branch");
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

    /// The same with conditions, which choose some of their edges, edges that only hand over
    /// data, and edges for failures: what a step ends as follows from its inputs alone,
    /// whatever the order.
    #[test]
    fn every_step_ends_as_its_inputs_say(
        size in 1usize..20,
        raw in proptest::collection::vec((0u32..20, 0u32..20, 0u8..5), 0..60),
        conditions in proptest::collection::vec(any::<bool>(), 20),
        ends in proptest::collection::vec(end_state(), 20),
        picks in proptest::collection::vec(any::<usize>(), 20),
    ) {
        // The last digit of an edge: 0 and 1 are not chosen where they leave a condition, 3
        // hands over data only where the step has another input, 4 is for failures.
        let mut kinds = BTreeMap::new();
        for (a, b, kind) in raw {
            if a < b && (b as usize) < size {
                kinds.entry((a, b)).or_insert(kind);
            }
        }
        let pairs: Vec<(u32, u32)> = kinds.keys().copied().collect();
        let data: Vec<(u32, u32)> = pairs.iter().copied()
            .filter(|edge| kinds[edge] == 3 && !conditions[edge.0 as usize])
            .filter(|edge| pairs.iter().any(|other| other.1 == edge.1 && other.0 < edge.0))
            .collect();
        let errors: Vec<(u32, u32)> = pairs.iter().copied().filter(|edge| kinds[edge] == 4).collect();
        let graph = Graph::new(size, edges(&pairs))
            .with_data_only(edges(&data))
            .with_errors(edges(&errors));
        let handles = |step: u32| errors.iter().any(|edge| edge.0 == step);
        let taken = |edge: &(u32, u32)| !conditions[edge.0 as usize] || kinds[edge] > 1;
        let mut expected: Vec<StepState> = Vec::new();
        for b in 0..size as u32 {
            let inputs: Vec<_> = pairs.iter().filter(|edge| edge.1 == b).collect();
            let (mut live, mut failed) = (0, 0);
            for edge in &inputs {
                match expected[edge.0 as usize] {
                    StepState::Success | StepState::Warning => {
                        live += usize::from(taken(edge) && !data.contains(edge) && !errors.contains(edge));
                    }
                    StepState::Failed if handles(edge.0) => live += usize::from(errors.contains(edge)),
                    StepState::NotTaken => {}
                    _ => failed += 1,
                }
            }
            expected.push(match (inputs.len(), live, failed) {
                (0, ..) => ends[b as usize],
                (_, _, 1..) => StepState::Skipped,
                (_, 0, 0) => StepState::NotTaken,
                _ => ends[b as usize],
            });
        }
        let mut rows = Rows::default();
        let mut ready: Vec<Ordinal> = graph.roots().collect();
        let mut found = vec![StepState::Pending; size];
        let mut tally = Tally { remaining: size as u32, ..Tally::default() };
        let mut ended = None;
        for pick in picks.iter().cycle() {
            if ready.is_empty() { break; }
            let at = ready.swap_remove(pick % ready.len());
            prop_assert_eq!(found[at.index()], StepState::Pending, "step {} ran twice", at.0);
            let state = ends[at.index()];
            found[at.index()] = state;
            let route = if conditions[at.index()] {
                let chosen = pairs.iter().filter(|edge| edge.0 == at.0 && taken(edge));
                Route::Only(chosen.map(|edge| Ordinal(edge.1)).collect())
            } else {
                Route::All
            };
            let Ok(next) = advance(&graph, at, state, &route, &mut rows);
            ended = tally.end(graph.counted(at, state), next.unexecuted_len()).unwrap();
            for (one, state) in next.unexecuted() {
                prop_assert_eq!(found[one.index()], StepState::Pending, "step {} ended twice", one.0);
                found[one.index()] = state;
            }
            ready.extend(next.ready);
        }
        prop_assert_eq!(found, expected);
        prop_assert!(ended.is_some(), "the run has not ended");
    }
}
