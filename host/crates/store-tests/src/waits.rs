//! Steps that wait and hold no worker.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, TenantId, Token, WorkerId},
    state::{RunState, StepState, WaitKind},
};
use store::runs::{
    Completed, Completion, NewRun, Parent, ReadyStep, RunFilter, Submitted, Suspended, Suspension,
};

use crate::{
    Store,
    build::{EXPIRES, NOW, chain, claim, end, key, run, states, stored, submit, summary, worker},
};

/// A time of the cases.
fn at(micros: i64) -> Timestamp {
    NOW.plus_micros(micros)
}

/// An attempt that failed and is to be followed by another.
fn failed(key: StepKey, token: Token, until: i64) -> Suspension {
    Suspension {
        key,
        token,
        kind: WaitKind::Retry,
        until: Some(at(until)),
        children: (0, 0),
        detail: None,
        ask: None,
        ended: Some(StepState::Failed),
        error: Some(Bytes::from_static(b"{\"code\":\"busy\"}")),
        log: Some(Bytes::from_static(b"[]")),
        at: at(5),
        expires_at: EXPIRES,
    }
}

/// A parent that has started children and waits until so many have ended.
fn parent(key: StepKey, token: Token, children: (u32, u32)) -> Suspension {
    Suspension {
        kind: WaitKind::Children,
        until: None,
        children,
        detail: Some(Bytes::from_static(b"{\"children\":[]}")),
        ended: None,
        error: None,
        ..failed(key, token, 0)
    }
}

/// A run of one step that a step has started.
fn child_of(key: StepKey, token: Token) -> NewRun {
    NewRun {
        parent: Some(Parent { key, token }),
        ..run(&chain(1))
    }
}

/// Executes the step of a child to its end.
async fn end_child(store: &Store, child: RunId, parent: StepKey, state: StepState) {
    let token = claim(store, key(child, 0), WorkerId(1)).await.unwrap();
    assert_eq!(token.header.parent, Some(parent));
    let end = Completion {
        parent: token.header.parent,
        ..end(key(child, 0), token.token, state, &chain(1))
    };
    let (_, ended) = stored(store, end).await;
    assert!(ended.is_some());
}

async fn suspend(store: &Store, suspension: &Suspension) -> Suspended {
    store.suspend(suspension.clone()).await.unwrap()
}

fn keys(ready: &[ReadyStep]) -> Vec<StepKey> {
    ready.iter().map(|step| step.key).collect()
}

/// A waiting step is nobody's until its time has come; then it is claimed again, and knows
/// how often it was.
pub async fn a_failed_attempt_is_followed_by_another(store: Store) {
    let plan = chain(2);
    let (number, _) = submit(&store, run(&plan)).await;
    let step = key(number, 0);
    let first = claim(&store, step, WorkerId(1)).await.unwrap();
    assert_eq!(first.again, None);
    let seq = summary(&store, number).await.seq;
    let wait = failed(step, first.token, 1_000);
    assert_eq!(suspend(&store, &wait).await, Suspended::Waiting);
    // Sent again because its answer was lost.
    assert_eq!(suspend(&store, &wait).await, Suspended::Waiting);
    assert!(summary(&store, number).await.seq > seq);
    assert_eq!(states(&store, number).await, [(0, StepState::Waiting)]);
    assert!(store.held(WorkerId(1)).await.unwrap().is_empty());
    assert!(store.ready(None, 10).await.unwrap().is_empty());
    assert!(claim(&store, step, WorkerId(2)).await.is_none());
    let late = end(step, first.token, StepState::Success, &plan);
    assert_eq!(store.complete(late).await.unwrap(), Completed::Fenced);

    let early = store.wake_due(at(999), 10).await.unwrap();
    assert_eq!((early.ready.len(), early.next), (0, Some(at(1_000))));
    let woken = store.wake_due(at(1_000), 10).await.unwrap();
    assert_eq!((keys(&woken.ready), woken.next), (vec![step], None));
    assert_eq!(store.ready(None, 10).await.unwrap(), woken.ready);
    assert!(
        store
            .wake_due(at(9_000), 10)
            .await
            .unwrap()
            .ready
            .is_empty()
    );

    let second = claim(&store, step, WorkerId(2)).await.unwrap();
    let again = second.again.unwrap();
    assert_eq!((second.token, again.wakes, again.retries), (Token(2), 1, 1));
    assert_eq!((again.kind, again.first_at), (WaitKind::Retry, NOW));
    assert_eq!(
        suspend(&store, &failed(step, second.token, 2_000)).await,
        Suspended::Waiting
    );
    store.wake_due(at(2_000), 10).await.unwrap();
    let third = claim(&store, step, WorkerId(3)).await.unwrap();
    let again = third.again.unwrap();
    assert_eq!((third.token, again.wakes, again.retries), (Token(3), 2, 2));
    let done = end(step, third.token, StepState::Success, &plan);
    assert_eq!(stored(&store, done).await, (vec![Ordinal(1)], None));

    let attempts = store.attempts(step).await.unwrap();
    let seen: Vec<_> = attempts
        .iter()
        .map(|one| (one.token.0, one.state, one.worker, one.error.is_some()))
        .collect();
    let failed = StepState::Failed;
    assert_eq!(
        seen,
        [
            (1, failed, Some(WorkerId(1)), true),
            (2, failed, Some(WorkerId(2)), true)
        ]
    );
    assert_eq!(attempts[0].started_at, Some(NOW));
    assert_eq!(attempts[0].finished_at, at(5));
    assert_eq!(
        store.log(number, EXPIRES, None, 0, 10).await.unwrap().len(),
        2
    );
}

/// A lost worker's attempt is no wait: the counts stay apart.
pub async fn a_lost_attempt_is_no_wait(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    suspend(&store, &failed(step, token, 10)).await;
    store.wake_due(at(10), 10).await.unwrap();
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    let given = store.give_back(WorkerId(1), &[(step, token)], at(20)).await;
    assert_eq!(given.unwrap().len(), 1);
    let third = claim(&store, step, WorkerId(2)).await.unwrap();
    let again = third.again.unwrap();
    assert_eq!((third.token, again.wakes, again.retries), (Token(3), 1, 1));
}

/// Nothing is stored of an attempt that somebody else has.
pub async fn a_fenced_attempt_does_not_wait(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    assert_eq!(
        suspend(&store, &failed(step, Token(1), 10)).await,
        Suspended::Fenced
    );
    claim(&store, step, WorkerId(1)).await.unwrap();
    for token in [Token(0), Token(2)] {
        let answer = suspend(&store, &failed(step, token, 10)).await;
        assert_eq!(answer, Suspended::Fenced);
    }
    store.cancel(number, at(1)).await.unwrap();
    let answer = suspend(&store, &failed(step, Token(1), 10)).await;
    assert_eq!(answer, Suspended::Fenced);
    assert!(store.waits(number).await.unwrap().is_empty());
    assert!(store.attempts(step).await.unwrap().is_empty());
}

/// What waits is stopped like anything else, and not woken afterwards.
pub async fn a_waiting_step_is_stopped(store: Store) {
    let plan = chain(2);
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (number, _) = submit(&store, run(&plan)).await;
        let token = claim(&store, key(number, 0), WorkerId(1)).await.unwrap();
        suspend(&store, &failed(key(number, 0), token.token, 10)).await;
        numbers.push(number);
    }
    let cancelled = store.cancel(numbers[0], at(6)).await.unwrap();
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0].running, []);
    let revoked = store.revoke(key(numbers[1], 0), plan.clone(), at(6)).await;
    let revoked = revoked.unwrap().unwrap();
    assert_eq!(
        (revoked.worker, revoked.ended),
        (None, Some(RunState::Cancelled))
    );
    let woken = store.wake_due(at(1_000), 10).await.unwrap();
    assert_eq!((woken.ready.len(), woken.next), (0, None));
    for number in numbers {
        assert_eq!(summary(&store, number).await.state, RunState::Cancelled);
        assert_eq!(states(&store, number).await[0], (0, StepState::Cancelled));
    }
}

/// Many that are due come in parts, the earliest first.
pub async fn due_steps_come_in_parts(store: Store) {
    let mut steps = Vec::new();
    for place in 0..5 {
        let (number, _) = submit(&store, run(&chain(1))).await;
        let step = key(number, 0);
        let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
        suspend(&store, &failed(step, token, 100 - place)).await;
        steps.push(step);
    }
    let sorted = |ready: &[ReadyStep]| {
        let mut found = keys(ready);
        found.sort_unstable_by_key(|step| step.run.0);
        found
    };
    let part = store.wake_due(at(200), 3).await.unwrap();
    assert_eq!(
        (sorted(&part.ready), part.next),
        (steps.split_off(2), Some(at(99)))
    );
    let rest = store.wake_due(at(200), 3).await.unwrap();
    assert_eq!((sorted(&rest.ready), rest.next), (steps, None));
}

/// A parent is woken by the last of the children that it waits for, whoever counts them and
/// however often.
pub async fn a_parent_waits_for_its_children(store: Store) {
    let plan = chain(2);
    let (number, _) = submit(&store, run(&plan)).await;
    let step = key(number, 0);
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    let (early, _) = submit(&store, child_of(step, token)).await;
    let (late, _) = submit(&store, child_of(step, token)).await;
    let (last, _) = submit(&store, child_of(step, token)).await;
    end_child(&store, early, step, StepState::Success).await;
    // It counts them when it waits for them.
    assert_eq!(store.settle(step, at(1)).await.unwrap(), None);
    assert_eq!(store.unsettled(None, 10).await.unwrap(), [step]);
    assert_eq!(
        suspend(&store, &parent(step, token, (3, 3))).await,
        Suspended::Waiting
    );
    assert!(store.unsettled(None, 10).await.unwrap().is_empty());
    assert_eq!(store.settle(step, at(1)).await.unwrap(), None);
    end_child(&store, late, step, StepState::Failed).await;
    assert_eq!(store.settle(step, at(1)).await.unwrap(), None);
    let waits = store.waits(number).await.unwrap();
    assert_eq!(waits.len(), 1);
    assert_eq!(
        (waits[0].kind, waits[0].children),
        (WaitKind::Children, (3, 2))
    );

    store.cancel(last, at(2)).await.unwrap();
    assert_eq!(store.unsettled(None, 10).await.unwrap(), [step]);
    assert!(store.unsettled(Some(step), 10).await.unwrap().is_empty());
    let ready = store.settle(step, at(3)).await.unwrap().unwrap();
    assert_eq!(ready.key, step);
    assert_eq!(store.settle(step, at(3)).await.unwrap(), None);
    let claimed = claim(&store, step, WorkerId(2)).await.unwrap();
    let again = claimed.again.unwrap();
    assert_eq!((again.kind, again.children), (WaitKind::Children, (3, 3)));
    assert_eq!(again.detail.as_deref(), Some(&b"{\"children\":[]}"[..]));
    let children = store.children(step, None, 10).await.unwrap();
    let seen: Vec<_> = children
        .iter()
        .map(|child| (child.run, child.state))
        .collect();
    assert_eq!(
        seen,
        [
            (early, RunState::Success),
            (late, RunState::Failed),
            (last, RunState::Cancelled)
        ]
    );
    let rest = store.children(step, Some(early), 1).await.unwrap();
    assert_eq!(rest[0].run, late);
    let done = end(step, claimed.token, StepState::Success, &plan);
    assert_eq!(stored(&store, done).await, (vec![Ordinal(1)], None));
}

/// Children that have all ended before their parent waits: it does not wait at all. One
/// that waits for half of them is woken earlier, and what it was given stays.
pub async fn a_parent_goes_on_in_parts(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(submit(&store, child_of(step, token)).await.0);
    }
    end_child(&store, children[0], step, StepState::Success).await;
    let answer = suspend(&store, &parent(step, token, (2, 1))).await;
    assert!(matches!(answer, Suspended::Ready(ready) if ready.key == step));
    let claimed = claim(&store, step, WorkerId(1)).await.unwrap();
    assert_eq!(claimed.again.unwrap().children, (2, 1));
    let more = Suspension {
        detail: None,
        ..parent(step, claimed.token, (4, 4))
    };
    assert_eq!(suspend(&store, &more).await, Suspended::Waiting);
    for &child in &children[1..] {
        end_child(&store, child, step, StepState::Success).await;
    }
    assert!(store.settle(step, at(9)).await.unwrap().is_some());
    let again = claim(&store, step, WorkerId(1)).await.unwrap().again;
    let again = again.unwrap();
    assert_eq!((again.children, again.wakes), ((4, 4), 2));
    assert!(again.detail.is_some());
}

/// A parent that fails and is tried again counts the children of its new attempt.
pub async fn another_attempt_counts_its_own_children(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    let (child, _) = submit(&store, child_of(step, token)).await;
    suspend(&store, &parent(step, token, (1, 1))).await;
    end_child(&store, child, step, StepState::Failed).await;
    store.settle(step, at(1)).await.unwrap().unwrap();
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    suspend(&store, &failed(step, token, 10)).await;
    store.wake_due(at(10), 10).await.unwrap();
    let claimed = claim(&store, step, WorkerId(1)).await.unwrap();
    assert_eq!(claimed.again.unwrap().children, (0, 0));
    let (child, _) = submit(&store, child_of(step, claimed.token)).await;
    let answer = suspend(&store, &parent(step, claimed.token, (1, 1))).await;
    assert_eq!(answer, Suspended::Waiting);
    end_child(&store, child, step, StepState::Success).await;
    assert!(store.settle(step, at(11)).await.unwrap().is_some());
}

/// A run is cancelled with those that it started, down to the last.
pub async fn a_run_is_cancelled_with_its_children(store: Store) {
    let mut parents = Vec::new();
    let (top, _) = submit(&store, run(&chain(1))).await;
    let mut number = top;
    for _ in 0..3 {
        let step = key(number, 0);
        let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
        let (child, _) = submit(&store, child_of(step, token)).await;
        suspend(&store, &parent(step, token, (1, 1))).await;
        parents.push(number);
        number = child;
    }
    assert_eq!(store.depth(number, 10).await.unwrap(), 3);
    assert_eq!(store.depth(number, 2).await.unwrap(), 2);
    assert_eq!(store.depth(top, 10).await.unwrap(), 0);
    let (other, _) = submit(&store, run(&chain(1))).await;
    claim(&store, key(number, 0), WorkerId(7)).await.unwrap();
    let cancelled = store.cancel(top, at(5)).await.unwrap();
    let runs: Vec<_> = cancelled.iter().map(|one| one.run).collect();
    assert_eq!(runs, [&parents[..], &[number]].concat());
    assert_eq!(cancelled[3].running, [(key(number, 0), WorkerId(7))]);
    for run in runs {
        assert_eq!(summary(&store, run).await.state, RunState::Cancelled);
        store.settle(key(run, 0), at(6)).await.unwrap();
    }
    assert!(store.unsettled(None, 10).await.unwrap().is_empty());
    assert_eq!(summary(&store, other).await.state, RunState::Queued);
    assert_eq!(store.cancel(top, at(7)).await.unwrap(), []);
}

/// What a run has started is cancelled with it also where one between them has ended.
pub async fn descendants_of_ended_runs_are_cancelled(store: Store) {
    let (top, _) = submit(&store, run(&chain(1))).await;
    let first = key(top, 0);
    let token = claim(&store, first, WorkerId(1)).await.unwrap().token;
    let (middle, _) = submit(&store, child_of(first, token)).await;
    let second = key(middle, 0);
    let inner = claim(&store, second, WorkerId(1)).await.unwrap();
    let (last, _) = submit(&store, child_of(second, inner.token)).await;
    let done = Completion {
        parent: Some(first),
        ..end(second, inner.token, StepState::Success, &chain(1))
    };
    stored(&store, done).await;
    suspend(&store, &parent(first, token, (1, 1))).await;
    let cancelled = store.cancel(top, at(5)).await.unwrap();
    let runs: Vec<_> = cancelled.iter().map(|one| one.run).collect();
    assert_eq!(runs, [top, last]);
    assert_eq!(summary(&store, middle).await.state, RunState::Success);
}

/// A child is accepted only while the attempt runs that starts it: it would be held by nobody,
/// or go on after its parent was stopped.
pub async fn an_orphan_is_not_accepted(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    let orphan = async |token| {
        let answer = store.submit(child_of(step, token)).await.unwrap();
        assert_eq!(answer, Submitted::Orphan);
    };
    orphan(Token(0)).await;
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    orphan(Token(token.0 + 1)).await;
    let (child, _) = submit(&store, child_of(step, token)).await;
    suspend(&store, &parent(step, token, (1, 1))).await;
    orphan(token).await;
    end_child(&store, child, step, StepState::Success).await;
    store.settle(step, at(1)).await.unwrap().unwrap();
    let again = claim(&store, step, WorkerId(1)).await.unwrap().token;
    orphan(token).await;
    // Of those that are accepted together each is looked at by itself.
    let (one, other) = tokio::join!(
        store.submit(child_of(step, token)),
        store.submit(child_of(step, again))
    );
    assert_eq!(one.unwrap(), Submitted::Orphan);
    assert!(matches!(other.unwrap(), Submitted::New { .. }));
    store.cancel(number, at(2)).await.unwrap();
    orphan(again).await;
    orphan(Token(again.0 + 1)).await;
    assert_eq!(store.children(step, None, 10).await.unwrap().len(), 2);
}

/// What a waiting run needs is kept, however old it is.
pub async fn children_are_kept_for_their_parent(store: Store) {
    let (number, _) = submit(&store, run(&chain(1))).await;
    let step = key(number, 0);
    let token = claim(&store, step, WorkerId(1)).await.unwrap().token;
    let (child, _) = submit(&store, child_of(step, token)).await;
    suspend(&store, &parent(step, token, (2, 2))).await;
    end_child(&store, child, step, StepState::Success).await;
    store.settle(step, at(1)).await.unwrap();
    let later = EXPIRES.plus_micros(Timestamp::DAY * 3);
    assert_eq!(store.expire(later, 10).await.unwrap(), 0);
    assert_eq!(store.children(step, None, 10).await.unwrap().len(), 1);
    let outputs = store.outputs(child, EXPIRES, &[Ordinal(0)]).await.unwrap();
    assert!(outputs[0].is_some());
    store.cancel(number, at(2)).await.unwrap();
    let mut forgotten = 0;
    while forgotten < 2 {
        let some = store.expire(later, 10).await.unwrap();
        assert!(some > 0);
        forgotten += some;
    }
    assert!(store.waits(number).await.unwrap().is_empty());
}

/// A run of one step of its application: everybody who takes it up is told which, and lists of
/// runs do not have it.
pub async fn a_run_can_be_of_one_step(store: Store) {
    let (number, _) = submit(&store, run(&chain(3))).await;
    let parent_step = key(number, 0);
    let token = claim(&store, parent_step, WorkerId(1)).await.unwrap();
    let new = NewRun {
        part: Some(Ordinal(2)),
        ..child_of(parent_step, token.token)
    };
    let reference = new.reference;
    let (child, ready) = submit(&store, new).await;
    assert_eq!(ready, [Ordinal(0)]);
    let shown = store.run(TenantId::DEFAULT, reference).await.unwrap();
    assert_eq!(shown.unwrap().part, Some(Ordinal(2)));
    let page = store
        .runs(TenantId::DEFAULT, &RunFilter::default(), None, 10)
        .await
        .unwrap();
    let listed: Vec<RunId> = page.items.iter().map(|one| one.run).collect();
    assert_eq!(listed, [number]);
    assert_eq!(page.items[0].part, None);
    let worker = worker(&store, at(100)).await;
    let claimed = claim(&store, key(child, 0), worker).await.unwrap();
    assert_eq!(claimed.header.part, Some(Ordinal(2)));
    assert_eq!(token.header.part, None);
    let lost = store.lost(at(200), 10).await.unwrap();
    let lost: Vec<_> = lost.iter().map(|one| (one.key, one.part)).collect();
    let expected = [(parent_step, None), (key(child, 0), Some(Ordinal(2)))];
    assert_eq!(lost, expected);
    let done = Completion {
        parent: Some(parent_step),
        ..end(key(child, 0), claimed.token, StepState::Success, &chain(1))
    };
    assert_eq!(stored(&store, done).await.1, Some(RunState::Success));
    let children = store.children(parent_step, None, 10).await.unwrap();
    assert_eq!((children.len(), children[0].run), (1, child));
}
