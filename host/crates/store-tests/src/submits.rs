//! What a submit promises.

use model::{
    id::{TenantId, Token, WorkerId},
    state::{RunState, StepState},
};
use store::{
    Error,
    runs::{Idempotency, Priority, RunFilter, Submitted},
};

use crate::{
    Store,
    build::{EXPIRES, NOW, chain, graph, key, run, states, submit, summary, trace, unfinished},
};

/// Run, input and ready steps can be read.
pub async fn a_submit_is_there_when_it_answers(store: Store) {
    let plan = graph(3, &[(0, 2)]);
    let mut new = run(&plan);
    new.queue = "größer".into();
    new.priority = Priority::High;
    new.trace = trace();
    let (number, ready) = submit(&store, new.clone()).await;
    assert_eq!(ready.iter().map(|step| step.0).collect::<Vec<_>>(), [0, 1]);
    let found = store.run(new.tenant, new.reference).await.unwrap().unwrap();
    assert_eq!(found, summary(&store, number).await);
    assert_eq!(
        (found.state, found.steps, found.ended),
        (RunState::Queued, 3, 0)
    );
    assert_eq!(
        (found.queue.as_str(), found.priority),
        ("größer", Priority::High)
    );
    assert_eq!((found.created_at, found.started_at), (NOW, None));
    assert_eq!(found.trace, trace());
    assert_eq!(store.input(number, EXPIRES).await.unwrap(), Some(new.input));
    assert_eq!(
        states(&store, number).await,
        [(0, StepState::Ready), (1, StepState::Ready)]
    );
    let (untraced, _) = submit(&store, run(&plan)).await;
    assert_eq!(summary(&store, untraced).await.trace, None);
    assert_eq!(unfinished(&store, TenantId::DEFAULT).await, 2);
    assert_eq!(unfinished(&store, TenantId(2)).await, 0);
    let by_queue = store.unfinished().await.unwrap();
    let by_queue: Vec<_> = by_queue.iter().map(|one| (&*one.queue, one.runs)).collect();
    assert_eq!(by_queue, [("default", 1), ("größer", 1)]);
    assert_eq!(store.run(TenantId(2), new.reference).await.unwrap(), None);
}

/// The same key and digest answers the first run, another digest is refused.
pub async fn a_key_makes_one_run(store: Store) {
    let plan = chain(1);
    let keyed = |digest| {
        let mut new = run(&plan);
        new.idempotency = Some(Idempotency {
            key: "Schlüssel".to_owned(),
            digest: [digest; 16],
        });
        new
    };
    let first = keyed(1);
    let reference = first.reference;
    let (number, _) = submit(&store, first).await;
    let again = store.submit(keyed(1)).await.unwrap();
    let existing = Submitted::Existing {
        run: number,
        reference,
    };
    assert_eq!(again, existing);
    let other = store.submit(keyed(2)).await;
    assert!(matches!(other, Err(Error::KeyReused(key)) if key == "Schlüssel"));
    assert_eq!(unfinished(&store, TenantId::DEFAULT).await, 1);
}

/// Nothing to do is done.
pub async fn a_plan_without_steps_ends_at_once(store: Store) {
    let (number, ready) = submit(&store, run(&graph(0, &[]))).await;
    assert!(ready.is_empty());
    let found = summary(&store, number).await;
    assert_eq!(
        (found.state, found.finished_at),
        (RunState::Success, Some(NOW))
    );
    assert_eq!(unfinished(&store, TenantId::DEFAULT).await, 0);
}

/// The first ready step is claimed with the submit, the others are told.
pub async fn a_submit_can_claim(store: Store) {
    let mut new = run(&graph(2, &[]));
    new.claim = Some(WorkerId(9));
    let Submitted::New {
        run,
        claimed,
        ready,
    } = store.submit(new).await.unwrap()
    else {
        panic!("not new")
    };
    assert_eq!(claimed, Some((key(run, 0).step, Token(1))));
    assert_eq!(ready, [key(run, 1).step]);
    assert_eq!(summary(&store, run).await.state, RunState::Running);
    assert_eq!(
        states(&store, run).await,
        [(0, StepState::Running), (1, StepState::Ready)]
    );
}

/// The reconciler sees every ready step once, in the order of acceptance.
pub async fn waiting_steps_come_in_pages(store: Store) {
    let mut expected = Vec::new();
    for _ in 0..7 {
        let (number, _) = submit(&store, run(&graph(3, &[(0, 2)]))).await;
        expected.extend([key(number, 0), key(number, 1)]);
    }
    for limit in [1, 2, 5, 100] {
        let mut seen = Vec::new();
        loop {
            let page = store.ready(seen.last().copied(), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|step| step.key));
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

/// Every one of them is accepted, and all are on the list.
pub async fn ten_thousand_submits_at_once(store: Store) {
    let plan = chain(1);
    let submits = (0..10_000).map(|_| {
        let (store, new) = (store.clone(), run(&plan));
        tokio::spawn(async move { submit(&store, new).await.0 })
    });
    let mut accepted = Vec::new();
    for call in submits.collect::<Vec<_>>() {
        accepted.push(call.await.unwrap());
    }
    accepted.sort_unstable();
    accepted.dedup();
    assert_eq!(accepted.len(), 10_000);
    assert_eq!(unfinished(&store, TenantId::DEFAULT).await, 10_000);
    let page = store
        .runs(TenantId::DEFAULT, &RunFilter::default(), None, 20_000)
        .await
        .unwrap();
    let mut listed: Vec<_> = page.items.iter().map(|run| run.run).collect();
    listed.reverse();
    assert_eq!(listed, accepted);
}
