//! Claims, completions, leases and cancelling.

use bytes::Bytes;
use futures::future::join_all;
use model::{
    id::{Ordinal, RunId, Token, WorkerId},
    state::{RunState, StepState},
};
use store::runs::Completed;

use crate::{
    Store,
    build::{
        EXPIRES, NOW, chain, claim, end, execute, graph, key, reclaim, run, states, stored, submit,
        summary, trace, worker,
    },
};

/// A worker learns what is recorded for it, also what was claimed by a commit whose answer
/// it never got, and makes that ready again; attempts that are another's are not touched.
pub async fn a_worker_gives_back_what_it_knows_nothing_of(store: Store) {
    let plan = chain(2);
    let lease = NOW.plus_micros(1_000);
    let (mine, other) = (worker(&store, lease).await, worker(&store, lease).await);
    let (first, _) = submit(&store, run(&plan)).await;
    let (second, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(first, 0), mine).await.unwrap().token;
    claim(&store, key(second, 0), other).await.unwrap();
    let mut done = end(key(first, 0), token, StepState::Success, &plan);
    done.claim = Some(mine);
    store.complete(done).await.unwrap();
    let held = store.held(mine).await.unwrap();
    assert_eq!(held, [(key(first, 1), Token(1))]);

    let wrong = [
        (key(first, 0), Token(1)),
        (key(first, 1), Token(2)),
        (key(second, 0), Token(1)),
    ];
    assert!(store.give_back(mine, &wrong, NOW).await.unwrap().is_empty());
    let given = store.give_back(mine, &held, NOW).await.unwrap();
    assert_eq!(given.len(), 1);
    assert_eq!((given[0].key, &*given[0].queue), (key(first, 1), "default"));
    assert!(store.held(mine).await.unwrap().is_empty());
    assert!(store.give_back(mine, &held, NOW).await.unwrap().is_empty());
    assert_eq!(
        store.held(other).await.unwrap(),
        [(key(second, 0), Token(1))]
    );
    assert_eq!(store.ready(None, 10).await.unwrap(), given);
    let again = claim(&store, key(first, 1), mine).await.unwrap();
    assert_eq!(again.token, Token(2));
}

/// However many claim a step, one has it.
pub async fn one_of_many_claims_wins(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let claims = (0..64).map(|id| {
        let store = store.clone();
        tokio::spawn(async move { claim(&store, key(number, 0), WorkerId(id + 1)).await })
    });
    let won = join_all(claims.collect::<Vec<_>>())
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .count();
    assert_eq!(won, 1);
    assert!(claim(&store, key(number, 1), WorkerId(1)).await.is_none());
    assert!(
        claim(&store, key(RunId(99_999), 0), WorkerId(1))
            .await
            .is_none()
    );
    assert!(
        claim(&store, key(RunId(-1), 0), WorkerId(1))
            .await
            .is_none()
    );
}

/// The header is the submit's.
pub async fn a_claim_brings_what_the_worker_needs(store: Store) {
    let mut new = run(&chain(2));
    new.trace = trace();
    let (number, _) = submit(&store, new.clone()).await;
    let claimed = claim(&store, key(number, 0), WorkerId(3)).await.unwrap();
    let header = claimed.header;
    assert_eq!((claimed.token, claimed.ready_at), (Token(1), Some(NOW)));
    assert!(header.trace.is_some());
    assert_eq!(header.trace, new.trace);
    assert_eq!((header.run, header.reference), (number, new.reference));
    assert_eq!((header.input, header.expires_at), (new.input, EXPIRES));
    assert_eq!((&*header.queue, header.log_level), ("default", 20));
    let found = summary(&store, number).await;
    assert_eq!(
        (found.state, found.started_at),
        (RunState::Running, Some(NOW))
    );
}

/// A completion claims its successor, and the run ends with its last step.
pub async fn a_chain_goes_on_in_the_same_commit(store: Store) {
    let plan = chain(3);
    let (number, _) = submit(&store, run(&plan)).await;
    let mut token = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    for step in 0..2 {
        let mut end = end(key(number, step), token, StepState::Success, &plan);
        end.claim = Some(WorkerId(1));
        let answer = store.complete(end).await.unwrap();
        let expected = Completed::Stored {
            claimed: Some((Ordinal(step + 1), Token(1))),
            ready: Vec::new(),
            ended: None,
            handed: false,
        };
        assert_eq!(answer, expected);
        token = Token(1);
    }
    assert!(store.ready(None, 10).await.unwrap().is_empty());
    let last = end(key(number, 2), token, StepState::Success, &plan);
    assert_eq!(
        stored(&store, last).await,
        (Vec::new(), Some(RunState::Success))
    );
    let found = summary(&store, number).await;
    assert_eq!((found.state, found.ended), (RunState::Success, 3));
    assert_eq!(found.finished_at, Some(NOW.plus_micros(5)));
}

/// After a reclaim, neither the old attempt nor a wrong token stores anything.
pub async fn a_late_completion_changes_nothing(store: Store) {
    let plan = chain(2);
    let lazy = worker(&store, NOW.plus_micros(10)).await;
    let (number, _) = submit(&store, run(&plan)).await;
    let step = key(number, 0);
    let old = claim(&store, step, lazy).await.unwrap().token;
    let reclaimed = reclaim(&store, NOW.plus_micros(20), 10).await;
    assert_eq!(reclaimed.len(), 1);
    let late = || store.complete(end(step, old, StepState::Failed, &plan));
    assert_eq!(
        late().await.unwrap(),
        Completed::Fenced,
        "before the new claim"
    );
    let new = claim(&store, step, WorkerId(77)).await.unwrap().token;
    assert_eq!(new, Token(2));
    assert_eq!(
        late().await.unwrap(),
        Completed::Fenced,
        "after the new claim"
    );
    assert_eq!(states(&store, number).await, [(0, StepState::Running)]);
    let done = end(step, new, StepState::Success, &plan);
    assert_eq!(stored(&store, done.clone()).await.0, [Ordinal(1)]);
    assert_eq!(
        store.complete(done).await.unwrap(),
        Completed::Fenced,
        "twice"
    );
    assert_eq!(late().await.unwrap(), Completed::Fenced, "after the end");
    let output = store.outputs(number, EXPIRES, &[Ordinal(0)]).await.unwrap();
    assert_eq!(output, [Some(Bytes::from_static(b"{\"step\":0}"))]);
    assert_eq!(summary(&store, number).await.ended, 1);
}

/// Only the steps of workers without a lease are given away.
pub async fn an_ended_lease_gives_the_steps_away(store: Store) {
    let plan = chain(1);
    let dead = worker(&store, NOW.plus_micros(10)).await;
    let live = worker(&store, NOW.plus_micros(1_000)).await;
    let (first, _) = submit(&store, run(&plan)).await;
    let (second, _) = submit(&store, run(&plan)).await;
    claim(&store, key(first, 0), dead).await.unwrap();
    claim(&store, key(second, 0), live).await.unwrap();
    assert!(reclaim(&store, NOW, 10).await.is_empty());
    let given = reclaim(&store, NOW.plus_micros(10), 10).await;
    assert_eq!(
        given.iter().map(|step| step.key).collect::<Vec<_>>(),
        [key(first, 0)]
    );
    assert!(reclaim(&store, NOW.plus_micros(10), 10).await.is_empty());
    store.release(live).await.unwrap();
    assert_eq!(reclaim(&store, NOW.plus_micros(10), 10).await.len(), 1);
    assert_eq!(store.ready(None, 10).await.unwrap().len(), 2);
}

/// A limit is kept, and calling again gives the rest.
pub async fn reclaimed_steps_come_in_parts(store: Store) {
    let plan = graph(5, &[]);
    let dead = worker(&store, NOW).await;
    let (number, _) = submit(&store, run(&plan)).await;
    for step in 0..5 {
        claim(&store, key(number, step), dead).await.unwrap();
    }
    let mut parts = Vec::new();
    loop {
        let part = reclaim(&store, NOW, 2).await.len();
        if part == 0 {
            break;
        }
        parts.push(part);
    }
    assert_eq!(parts, [2, 2, 1]);
}

/// A worker that claims although it was given up long ago does not hold the step for ever.
pub async fn a_forgotten_worker_is_still_reclaimed(store: Store) {
    let gone = worker(&store, NOW).await;
    assert!(reclaim(&store, NOW, 10).await.is_empty());
    let (number, _) = submit(&store, run(&chain(1))).await;
    claim(&store, key(number, 0), gone).await.unwrap();
    assert_eq!(reclaim(&store, NOW, 10).await.len(), 1);
}

/// Waiting steps end, running ones are fenced and told.
pub async fn cancelling_ends_everything(store: Store) {
    let plan = graph(4, &[(0, 2), (1, 2), (2, 3)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(number, 0), WorkerId(5))
        .await
        .unwrap()
        .token;
    let told = store.cancel(number, NOW).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].running, [(key(number, 0), WorkerId(5))]);
    assert_eq!(
        states(&store, number).await,
        [(0, StepState::Cancelled), (1, StepState::Cancelled)]
    );
    let found = summary(&store, number).await;
    assert_eq!((found.state, found.ended), (RunState::Cancelled, 4));
    let late = end(key(number, 0), token, StepState::Success, &plan);
    assert_eq!(store.complete(late).await.unwrap(), Completed::Fenced);
    assert!(claim(&store, key(number, 1), WorkerId(5)).await.is_none());
    assert!(store.ready(None, 10).await.unwrap().is_empty());
    assert_eq!(
        states(&store, number).await.len(),
        2,
        "nothing was activated"
    );
    assert_eq!(store.cancel(number, NOW).await.unwrap(), []);
}

/// A queued run, and one whose join waits, end too.
pub async fn cancelling_between_two_steps(store: Store) {
    let plan = graph(3, &[(0, 2), (1, 2)]);
    let (queued, _) = submit(&store, run(&plan)).await;
    assert_eq!(store.cancel(queued, NOW).await.unwrap()[0].running, []);
    let (number, _) = submit(&store, run(&plan)).await;
    execute(&store, key(number, 0), StepState::Success, &plan).await;
    assert_eq!(store.cancel(number, NOW).await.unwrap()[0].running, []);
    assert_eq!(
        states(&store, number).await,
        [
            (0, StepState::Success),
            (1, StepState::Cancelled),
            (2, StepState::Cancelled)
        ]
    );
}

/// What has ended, or is not there, cannot be cancelled.
pub async fn an_ended_run_is_not_cancelled(store: Store) {
    let plan = chain(1);
    let (number, _) = submit(&store, run(&plan)).await;
    execute(&store, key(number, 0), StepState::Success, &plan).await;
    assert_eq!(store.cancel(number, NOW).await.unwrap(), []);
    assert_eq!(summary(&store, number).await.state, RunState::Success);
    assert_eq!(store.cancel(RunId(99_999), NOW).await.unwrap(), []);
}

/// Chunks come in their order, of the run or of one step; a fenced attempt adds none.
pub async fn log_lines_come_in_chunks(store: Store) {
    let plan = graph(2, &[]);
    let (number, _) = submit(&store, run(&plan)).await;
    let first = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    let second = claim(&store, key(number, 1), WorkerId(1))
        .await
        .unwrap()
        .token;
    let lines = |text: &str| Bytes::from(format!("[{{\"t\":1,\"l\":20,\"m\":\"{text}\"}}]"));
    let append =
        |step, token, text: &str| store.append_log(key(number, step), token, EXPIRES, lines(text));
    append(0, first, "ä").await.unwrap();
    append(1, second, "b").await.unwrap();
    append(0, Token(9), "fenced").await.unwrap();
    let mut last = end(key(number, 0), first, StepState::Success, &plan);
    last.log = Some(lines("c"));
    stored(&store, last).await;
    append(0, first, "too late").await.unwrap();
    let all = store.log(number, EXPIRES, None, 0, 10).await.unwrap();
    let texts: Vec<_> = all.iter().map(|chunk| chunk.lines.clone()).collect();
    assert_eq!(texts, [lines("ä"), lines("b"), lines("c")]);
    let rest = store
        .log(number, EXPIRES, None, all[0].id, 1)
        .await
        .unwrap();
    assert_eq!(rest, all[1..2]);
    let one = store
        .log(number, EXPIRES, Some(Ordinal(0)), 0, 10)
        .await
        .unwrap();
    assert_eq!(one, [all[0].clone(), all[2].clone()]);
}

/// An attempt that was cancelled while it ran may still say what it did; one before it not.
pub async fn a_cancelled_attempt_keeps_its_log(store: Store) {
    let plan = graph(2, &[]);
    let (number, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    assert!(!store.cancel(number, NOW).await.unwrap().is_empty());
    let lines = |text: &str| Bytes::from(format!("[{{\"t\":1,\"l\":20,\"m\":\"{text}\"}}]"));
    for (token, text) in [(token, "stopped"), (Token(token.0 - 1), "fenced")] {
        store
            .append_log(key(number, 0), token, EXPIRES, lines(text))
            .await
            .unwrap();
    }
    let all = store.log(number, EXPIRES, None, 0, 10).await.unwrap();
    let texts: Vec<_> = all.iter().map(|chunk| chunk.lines.clone()).collect();
    assert_eq!(texts, [lines("stopped")]);
}

/// A step without output, or not ended, or not there has none.
pub async fn outputs_come_in_the_order_asked_for(store: Store) {
    let plan = graph(3, &[]);
    let (number, _) = submit(&store, run(&plan)).await;
    execute(&store, key(number, 1), StepState::Success, &plan).await;
    let token = claim(&store, key(number, 0), WorkerId(1))
        .await
        .unwrap()
        .token;
    let mut failed = end(key(number, 0), token, StepState::Failed, &plan);
    failed.output = None;
    failed.error = Some(Bytes::from_static(b"{\"kind\":\"permanent\"}"));
    let error = failed.error.clone();
    stored(&store, failed).await;
    let asked = [Ordinal(2), Ordinal(1), Ordinal(0), Ordinal(40)];
    let outputs = store.outputs(number, EXPIRES, &asked).await.unwrap();
    let one = Some(Bytes::from_static(b"{\"step\":1}"));
    assert_eq!(outputs, [None, one, None, None]);
    assert_eq!(
        store.error(number, EXPIRES, Ordinal(0)).await.unwrap(),
        error
    );
    assert_eq!(
        store.error(number, EXPIRES, Ordinal(1)).await.unwrap(),
        None
    );
}
