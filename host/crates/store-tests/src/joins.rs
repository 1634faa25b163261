//! What follows from the end of a step.

use std::sync::Arc;

use model::{
    flow::Route,
    id::{Ordinal, WorkerId},
    state::{RunState, StepState},
};
use tokio::sync::Barrier;

use crate::{
    Store,
    build::{claim, end, execute, graph, key, run, states, stored, submit, summary},
};

/// Two predecessors that end at the same time make their successor ready exactly once.
pub async fn a_join_is_ready_once_however_its_inputs_race(store: Store) {
    let plan = graph(3, &[(0, 2), (1, 2)]);
    for round in 0..200 {
        let (number, _) = submit(&store, run(&plan)).await;
        let barrier = Arc::new(Barrier::new(2));
        let mut calls = Vec::new();
        for step in 0..2 {
            let token = claim(&store, key(number, step), WorkerId(1))
                .await
                .unwrap()
                .token;
            let end = end(key(number, step), token, StepState::Success, &plan);
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            calls.push(tokio::spawn(async move {
                barrier.wait().await;
                stored(&store, end).await.0
            }));
        }
        let mut ready = Vec::new();
        for call in calls {
            ready.extend(call.await.unwrap());
        }
        assert_eq!(ready, [Ordinal(2)], "round {round}");
    }
}

/// What depends on a failed step ends unexecuted; the rest goes on.
pub async fn a_failure_skips_what_depends_on_it(store: Store) {
    // 0 → 1 → 3 → 4, 2 → 3, 2 → 5
    let plan = graph(6, &[(0, 1), (1, 3), (3, 4), (2, 3), (2, 5)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let (ready, ended) = execute(&store, key(number, 0), StepState::Failed, &plan).await;
    assert_eq!((ready, ended), (Vec::new(), None));
    let (ready, _) = execute(&store, key(number, 2), StepState::Success, &plan).await;
    assert_eq!(ready, [Ordinal(5)]);
    let (_, ended) = execute(&store, key(number, 5), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Failed));
    assert_eq!(
        states(&store, number).await,
        [
            (0, StepState::Failed),
            (1, StepState::Skipped),
            (2, StepState::Success),
            (3, StepState::Skipped),
            (4, StepState::Skipped),
            (5, StepState::Success)
        ]
    );
    assert_eq!(summary(&store, number).await.ended, 6);
}

/// A warning is no failure, and the run says so.
pub async fn a_warning_is_the_outcome(store: Store) {
    let plan = graph(2, &[(0, 1)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let (ready, _) = execute(&store, key(number, 0), StepState::Warning, &plan).await;
    assert_eq!(ready, [Ordinal(1)]);
    let (_, ended) = execute(&store, key(number, 1), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Warning));
}

/// The other branch is not taken, with all that hangs on it alone and on data of steps before
/// the condition, and a join behind both runs.
pub async fn a_branch_that_is_not_chosen_is_not_taken(store: Store) {
    // 0 feeds 1, which chooses 2 or 3; both lead to 4; 3 alone leads to 5, which 0 feeds too.
    let edges = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (3, 5), (0, 5)];
    let plan = Arc::new(
        (*graph(6, &edges))
            .clone()
            .with_data_only([(Ordinal(0), Ordinal(5))]),
    );
    let (number, _) = submit(&store, run(&plan)).await;
    execute(&store, key(number, 0), StepState::Success, &plan).await;
    let token = claim(&store, key(number, 1), WorkerId(1))
        .await
        .unwrap()
        .token;
    let mut chosen = end(key(number, 1), token, StepState::Success, &plan);
    chosen.route = Route::Only(vec![Ordinal(2)]);
    assert_eq!(stored(&store, chosen).await.0, [Ordinal(2)]);
    let (ready, _) = execute(&store, key(number, 2), StepState::Success, &plan).await;
    assert_eq!(ready, [Ordinal(4)]);
    let (_, ended) = execute(&store, key(number, 4), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Success));
    assert_eq!(
        states(&store, number).await,
        [
            (0, StepState::Success),
            (1, StepState::Success),
            (2, StepState::Success),
            (3, StepState::NotTaken),
            (4, StepState::Success),
            (5, StepState::NotTaken)
        ]
    );
    assert_eq!(summary(&store, number).await.ended, 6);
}

/// Where no branch is chosen, the run ends with the condition.
pub async fn a_run_ends_where_no_branch_is_chosen(store: Store) {
    let plan = graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    let mut none = end(key(number, 0), token, StepState::Success, &plan);
    none.route = Route::Only(Vec::new());
    assert_eq!(
        stored(&store, none).await,
        (Vec::new(), Some(RunState::Success))
    );
    let ends = states(&store, number).await;
    assert_eq!(ends[1..], [1, 2, 3].map(|at| (at, StepState::NotTaken)));
}
