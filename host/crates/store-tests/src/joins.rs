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

/// The other branch is skipped, and a join behind both runs.
pub async fn a_branch_that_is_not_taken_is_skipped(store: Store) {
    let plan = graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    let mut chosen = end(key(number, 0), token, StepState::Success, &plan);
    chosen.route = Route::Only(vec![Ordinal(1)]);
    assert_eq!(stored(&store, chosen).await.0, [Ordinal(1)]);
    let (ready, _) = execute(&store, key(number, 1), StepState::Success, &plan).await;
    assert_eq!(ready, [Ordinal(3)]);
    let (_, ended) = execute(&store, key(number, 3), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Success));
}
