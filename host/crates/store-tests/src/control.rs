//! Stopping steps and many runs, lost attempts that fail, and late ones.

use bytes::Bytes;
use model::{
    id::{Ordinal, RunId, TenantId, Token},
    state::{RunState, StepState},
};
use store::runs::{CancelScope, Completed};

use crate::{
    Store,
    build::{
        EXPIRES, NOW, chain, claim, end, execute, graph, key, reclaim, run, states, stored, submit,
        summary, unfinished, worker,
    },
};

/// A step that waits in the queue is ended alone: what depends on it is skipped, what does
/// not goes on, and the run ends as cancelled when that has ended.
pub async fn a_waiting_step_is_revoked(store: Store) {
    let plan = graph(5, &[(0, 2), (1, 2), (2, 3), (1, 4)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let revoked = store.revoke(key(number, 0), plan.clone(), NOW).await;
    let revoked = revoked.unwrap().unwrap();
    assert_eq!(
        (revoked.token, revoked.worker, revoked.ended),
        (Token(0), None, None)
    );
    assert!(
        claim(&store, key(number, 0), worker(&store, NOW).await)
            .await
            .is_none()
    );
    assert_eq!(store.ready(None, 10).await.unwrap().len(), 1);
    let again = store.revoke(key(number, 0), plan.clone(), NOW).await;
    assert_eq!(again.unwrap(), None, "twice");
    for absent in [key(number, 3), key(number, 77), key(RunId(99_999), 0)] {
        let none = store.revoke(absent, plan.clone(), NOW).await;
        assert_eq!(none.unwrap(), None, "not reached, or not there");
    }
    let (ready, ended) = execute(&store, key(number, 1), StepState::Success, &plan).await;
    assert_eq!((ready, ended), (vec![Ordinal(4)], None));
    let (_, ended) = execute(&store, key(number, 4), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Cancelled));
    let expected = [
        (0, StepState::Cancelled),
        (1, StepState::Success),
        (2, StepState::Skipped),
        (3, StepState::Skipped),
        (4, StepState::Success),
    ];
    assert_eq!(states(&store, number).await, expected);
    assert_eq!(summary(&store, number).await.ended, 5);
    let late = store.revoke(key(number, 4), plan.clone(), NOW).await;
    assert_eq!(late.unwrap(), None, "after the run's end");
}

/// One that runs is fenced, keeps its log, and its worker is told once.
pub async fn a_running_step_is_revoked(store: Store) {
    let plan = chain(2);
    let lease = NOW.plus_micros(1_000_000);
    let (mine, other) = (worker(&store, lease).await, worker(&store, lease).await);
    let (number, _) = submit(&store, run(&plan)).await;
    let step = key(number, 0);
    let token = claim(&store, step, mine).await.unwrap().token;
    let revoked = store
        .revoke(step, plan.clone(), NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (revoked.token, revoked.worker, revoked.ended),
        (token, Some(mine), Some(RunState::Cancelled))
    );
    let done = end(step, token, StepState::Success, &plan);
    assert_eq!(store.complete(done).await.unwrap(), Completed::Fenced);
    let lines = Bytes::from_static(b"[{\"t\":1,\"l\":30,\"m\":\"stopped\"}]");
    store
        .append_log(step, token, EXPIRES, lines.clone())
        .await
        .unwrap();
    let log = store.log(number, EXPIRES, None, 0, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].lines, lines);
    let told = async |id| {
        let renewed = store.renew(id, NOW, lease).await.unwrap().unwrap();
        assert!(renewed.cancelled.is_empty(), "the run was not cancelled");
        renewed.revoked
    };
    assert!(told(other).await.is_empty());
    assert_eq!(told(mine).await, [step]);
    assert!(told(mine).await.is_empty());
    assert!(store.held(mine).await.unwrap().is_empty());
    assert_eq!(
        states(&store, number).await,
        [(0, StepState::Cancelled), (1, StepState::Skipped)]
    );
}

/// A lost attempt is ended as failed instead of being given back: it is never claimed
/// again, and neither it nor who would give it back changes anything afterwards.
pub async fn a_lost_attempt_fails(store: Store) {
    let plan = graph(3, &[(0, 1)]);
    let dead = worker(&store, NOW).await;
    let new = run(&plan);
    let (number, _) = submit(&store, new.clone()).await;
    let step = key(number, 0);
    let token = claim(&store, step, dead).await.unwrap().token;
    let lost = store.lost(NOW, 10).await.unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].key, lost[0].token, lost[0].worker),
        (step, token, dead)
    );
    assert_eq!(
        (
            lost[0].reference,
            lost[0].application_revision,
            lost[0].pins
        ),
        (new.reference, new.application_revision, new.pins)
    );
    assert_eq!(
        (lost[0].tenant, lost[0].expires_at),
        (TenantId::DEFAULT, EXPIRES)
    );
    assert_eq!(states(&store, number).await[0], (0, StepState::Running));
    let mut failed = end(step, token, StepState::Failed, &plan);
    failed.output = None;
    failed.error = Some(Bytes::from_static(b"{\"code\":\"worker-lost\"}"));
    let reason = failed.error.clone();
    stored(&store, failed).await;
    let attempt = [(step, token)];
    assert!(
        store
            .give_back(dead, &attempt, NOW)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        claim(&store, step, worker(&store, EXPIRES).await)
            .await
            .is_none()
    );
    let late = end(step, token, StepState::Success, &plan);
    assert_eq!(store.complete(late).await.unwrap(), Completed::Fenced);
    assert!(store.lost(NOW, 10).await.unwrap().is_empty());
    assert_eq!(
        states(&store, number).await,
        [
            (0, StepState::Failed),
            (1, StepState::Skipped),
            (2, StepState::Ready)
        ]
    );
    assert_eq!(
        store.error(number, EXPIRES, Ordinal(0)).await.unwrap(),
        reason
    );
}

/// A mark is an event of the run, and holds for one attempt.
pub async fn a_late_attempt_is_marked(store: Store) {
    let plan = chain(1);
    let dead = worker(&store, NOW).await;
    let (number, _) = submit(&store, run(&plan)).await;
    let step = key(number, 0);
    let late_at = NOW.plus_micros(30);
    assert!(!store.mark_late(step, Token(0), late_at).await.unwrap());
    let token = claim(&store, step, dead).await.unwrap().token;
    let before = summary(&store, number).await.seq;
    assert!(
        !store
            .mark_late(step, Token(token.0 + 1), late_at)
            .await
            .unwrap()
    );
    assert!(store.mark_late(step, token, late_at).await.unwrap());
    assert_eq!(summary(&store, number).await.seq, before + 1);
    let changed = store.steps(number, before).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].state, changed[0].late_at),
        (StepState::Running, Some(late_at))
    );
    reclaim(&store, NOW, 10).await;
    assert!(!store.mark_late(step, token, late_at).await.unwrap());
    let again = store::runs::Claim {
        key: step,
        worker: dead,
        at: NOW.plus_micros(40),
    };
    store.claim(again).await.unwrap().unwrap();
    assert_eq!(store.steps(number, 0).await.unwrap()[0].late_at, None);
}

/// Runs of a scope are cancelled in parts, each run once; what is beyond the scope stays.
pub async fn runs_are_cancelled_in_parts(store: Store) {
    let plan = graph(2, &[]);
    let mut mine = Vec::new();
    for number in 0..7 {
        let mut new = run(&plan);
        new.queue = "acme".into();
        new.application = if number == 6 { 2 } else { 1 };
        mine.push((submit(&store, new.clone()).await.0, new.reference));
    }
    let (elsewhere, _) = submit(&store, run(&plan)).await;
    let holder = worker(&store, EXPIRES).await;
    claim(&store, key(mine[1].0, 0), holder).await.unwrap();
    for step in 0..2 {
        execute(&store, key(mine[2].0, step), StepState::Success, &plan).await;
    }
    let mut later = run(&plan);
    later.queue = "acme".into();
    let scope = CancelScope {
        tenant: TenantId::DEFAULT,
        application: Some(1),
        queue: Some("acme".to_owned()),
        until: elsewhere,
    };
    let (later, _) = submit(&store, later).await;
    let mut parts = Vec::new();
    loop {
        let part = store.cancel_all(&scope, NOW, 2).await.unwrap();
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 2);
        parts.extend(part);
    }
    let cancelled: Vec<_> = parts.iter().map(|one| (one.run, one.reference)).collect();
    let expected: Vec<_> = [0, 1, 3, 4, 5].map(|at: usize| mine[at]).to_vec();
    assert_eq!(cancelled, expected);
    assert_eq!(parts[1].running, [(key(mine[1].0, 0), holder)]);
    let renewed = store.renew(holder, NOW, EXPIRES).await.unwrap().unwrap();
    assert_eq!(renewed.cancelled, [mine[1].0]);
    let state = async |run| summary(&store, run).await.state;
    assert_eq!(state(mine[2].0).await, RunState::Success);
    for run in [mine[6].0, elsewhere, later] {
        assert_eq!(state(run).await, RunState::Queued);
    }
    let everything = CancelScope {
        application: None,
        queue: None,
        until: later,
        ..scope
    };
    assert_eq!(
        store.cancel_all(&everything, NOW, 100).await.unwrap().len(),
        3
    );
    assert_eq!(unfinished(&store, TenantId::DEFAULT).await, 0);
    assert!(store.ready(None, 10).await.unwrap().is_empty());
}
