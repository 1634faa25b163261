//! Runs that start with results of another run.

use bytes::Bytes;
use model::{
    flow::Route,
    id::Ordinal,
    state::{RunState, StepState},
};
use store::runs::{KeptStep, NewRun};

use crate::{
    Store,
    build::{EXPIRES, NOW, claim, execute, graph, key, run, states, submit, summary, worker},
};

fn kept(step: u32, state: StepState, route: Route) -> KeptStep {
    KeptStep {
        step: Ordinal(step),
        state,
        route,
        output: Some(Bytes::from(format!("{{\"kept\":{step}}}"))),
        error: (state == StepState::Warning).then(|| Bytes::from_static(b"{\"code\":\"w\"}")),
    }
}

/// Branches, a join and a branch that was not taken: only what is behind them is ready.
pub async fn a_run_starts_behind_its_kept_results(store: Store) {
    // 0 leads to 1 and 2 but not to 3; 1 and 2 join in 4, which 5 follows.
    let plan = graph(6, &[(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 5), (4, 5)]);
    let only = Route::Only(vec![Ordinal(1), Ordinal(2)]);
    let new = NewRun {
        kept: vec![
            kept(0, StepState::Success, only),
            kept(1, StepState::Warning, Route::All),
        ],
        claim: Some(worker(&store, NOW).await),
        ..run(&plan)
    };
    let (number, ready) = submit(&store, new).await;
    assert_eq!(ready, [Ordinal(2)], "and claimed by nobody");
    let mut expected = vec![
        (0, StepState::Success),
        (1, StepState::Warning),
        (2, StepState::Ready),
        (3, StepState::NotTaken),
        (4, StepState::Pending),
        (5, StepState::Pending),
    ];
    assert_eq!(states(&store, number).await, expected);
    assert_eq!(summary(&store, number).await.ended, 3);
    let rows = store.steps(number, 0).await.unwrap();
    assert_eq!((rows[0].attempts, rows[0].worker), (0, None));
    assert_eq!((rows[0].started_at, rows[0].finished_at), (None, Some(NOW)));
    let outputs = store
        .outputs(number, EXPIRES, &[Ordinal(0), Ordinal(1)])
        .await;
    let text = |at: usize| Some(Bytes::from(format!("{{\"kept\":{at}}}")));
    assert_eq!(outputs.unwrap(), [text(0), text(1)]);
    let warning = store.error(number, EXPIRES, Ordinal(1)).await.unwrap();
    assert_eq!(warning, Some(Bytes::from_static(b"{\"code\":\"w\"}")));
    assert!(
        claim(&store, key(number, 0), worker(&store, NOW).await)
            .await
            .is_none()
    );
    for (step, next) in [(2, Some(4)), (4, Some(5)), (5, None)] {
        let (ready, ended) = execute(&store, key(number, step), StepState::Success, &plan).await;
        assert_eq!(ready, next.map(Ordinal).into_iter().collect::<Vec<_>>());
        assert_eq!(ended, next.is_none().then_some(RunState::Warning));
    }
    for one in &mut expected {
        if matches!(one.0, 2 | 4 | 5) {
            one.1 = StepState::Success;
        }
    }
    assert_eq!(states(&store, number).await, expected);
}

/// Among others in the same commit, and with a key that makes one run.
pub async fn kept_results_disturb_no_other_submit(store: Store) {
    let plan = crate::build::chain(3);
    let submits = (0..40).map(|at| {
        let store = store.clone();
        let new = NewRun {
            kept: match at % 2 {
                0 => vec![kept(0, StepState::Success, Route::All)],
                _ => Vec::new(),
            },
            ..run(&plan)
        };
        tokio::spawn(async move { submit(&store, new).await })
    });
    for (at, submitted) in submits.collect::<Vec<_>>().into_iter().enumerate() {
        let (number, ready) = submitted.await.unwrap();
        let first = u32::from(at % 2 == 0);
        assert_eq!(ready, [Ordinal(first)]);
        for step in first..3 {
            let (_, ended) = execute(&store, key(number, step), StepState::Success, &plan).await;
            assert_eq!(ended, (step == 2).then_some(RunState::Success));
        }
    }
}
