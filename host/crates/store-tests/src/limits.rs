//! Limits of steps: who has a place, who waits, and who is next.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, TenantId, Token, WorkerId},
    limits::{Kind, Limit, Rate, Wanted},
    state::{StepState, WaitKind},
};
use store::{
    limits::{Acquire, Acquired, LimitDetail, LimitPlace, position},
    runs::{Claim, Completed, Completion, ReadyStep, Suspended, Suspension},
};

use crate::{
    Store,
    build::{EXPIRES, NOW, chain, claim, end, graph, key, run, states, submit, summary},
};

/// A time of the cases.
pub(crate) fn at(micros: i64) -> Timestamp {
    NOW.plus_micros(micros)
}

/// So many at a time.
pub(crate) fn places(key: &str, most: u32) -> Wanted {
    Wanted {
        key: key.to_owned(),
        limit: Limit::Concurrency(most),
    }
}

/// So many starts in a second.
pub(crate) fn rate(key: &str, limit: u32, burst: u32) -> Wanted {
    Wanted {
        key: key.to_owned(),
        limit: Limit::Rate(Rate {
            limit,
            per: Duration::from_secs(1),
            burst,
        }),
    }
}

/// An attempt that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) step: StepKey,
    pub(crate) token: Token,
}

/// Claims a step, which is ready.
pub(crate) async fn attempt(store: &Store, step: StepKey) -> Attempt {
    let claimed = claim(store, step, WorkerId(1)).await.unwrap();
    Attempt {
        step,
        token: claimed.token,
    }
}

/// Accepts a run of one step and claims it.
pub(crate) async fn started(store: &Store) -> Attempt {
    let (number, _) = submit(store, run(&chain(1))).await;
    attempt(store, key(number, 0)).await
}

pub(crate) async fn ask(
    store: &Store,
    attempt: Attempt,
    wanted: &[Wanted],
    now: Timestamp,
) -> Acquired {
    let acquire = Acquire {
        key: attempt.step,
        token: attempt.token,
        tenant: TenantId::DEFAULT,
        wanted: wanted.to_vec(),
        at: now,
        expires_at: EXPIRES,
    };
    store.acquire(acquire).await.unwrap()
}

/// Runs of one step that ask for a place, one after the other.
pub(crate) async fn line(store: &Store, wanted: &[Wanted], count: usize) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for number in 0..count {
        let attempt = started(store).await;
        ask(store, attempt, wanted, at(number as i64)).await;
        attempts.push(attempt);
    }
    attempts
}

pub(crate) fn done(attempt: Attempt, state: StepState) -> Completion {
    Completion {
        limited: true,
        ..end(attempt.step, attempt.token, state, &chain(1))
    }
}

/// Ends an attempt that has not been fenced; says whether somebody was handed its place.
pub(crate) async fn complete(store: &Store, completion: Completion) -> bool {
    match store.complete(completion).await.unwrap() {
        Completed::Stored { handed, .. } => handed,
        Completed::Fenced => panic!("fenced"),
    }
}

pub(crate) async fn woken(store: &Store, now: Timestamp) -> Vec<StepKey> {
    let woken = store.wake_due(now, 10_000).await.unwrap();
    woken
        .ready
        .iter()
        .map(|step: &ReadyStep| step.key)
        .collect()
}

pub(crate) fn steps(attempts: &[Attempt]) -> Vec<StepKey> {
    attempts.iter().map(|one| one.step).collect()
}

pub(crate) async fn detail(store: &Store, key: &str) -> LimitDetail {
    let mut found = store.limit(TenantId::DEFAULT, key, 100).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub(crate) fn named(places: &[LimitPlace]) -> Vec<StepKey> {
    places.iter().map(|one| one.step).collect()
}

/// Those who wait get a place in the order in which they came, whoever asks meanwhile.
pub async fn a_line_is_served_in_its_order(store: Store) {
    let wanted = [places("device", 2)];
    let all = line(&store, &wanted, 5).await;
    assert_eq!(
        ask(&store, all[0], &wanted, at(9)).await,
        Acquired::Taken,
        "who asks again has its place"
    );
    let again = ask(&store, all[3], &wanted, at(9)).await;
    assert_eq!(again, Acquired::Waits(None), "the answer was lost");
    let seen = detail(&store, "device").await;
    assert_eq!((seen.summary.held, seen.summary.waiting), (2, 3));
    assert_eq!(named(&seen.holders), steps(&all[..2]));
    assert_eq!(named(&seen.line), steps(&all[2..]));
    assert!(woken(&store, at(10)).await.is_empty());
    assert_eq!(
        states(&store, all[2].step.run).await,
        [(0, StepState::Waiting)]
    );
    assert!(store.ready(None, 10).await.unwrap().is_empty());

    assert!(complete(&store, done(all[0], StepState::Success)).await);
    // Between the end and the waking nobody takes what was handed on.
    let late = started(&store).await;
    assert_eq!(
        ask(&store, late, &wanted, at(11)).await,
        Acquired::Waits(None)
    );
    assert_eq!(woken(&store, at(12)).await, [all[2].step]);
    let third = attempt(&store, all[2].step).await;
    assert_eq!(ask(&store, third, &wanted, at(13)).await, Acquired::Taken);
    complete(&store, done(third, StepState::Failed)).await;
    complete(&store, done(all[1], StepState::Success)).await;
    assert_eq!(woken(&store, at(14)).await, steps(&all[3..]));
    for step in steps(&all[3..]) {
        let next = attempt(&store, step).await;
        assert_eq!(ask(&store, next, &wanted, at(15)).await, Acquired::Taken);
        complete(&store, done(next, StepState::Success)).await;
    }
    assert_eq!(woken(&store, at(16)).await, [late.step]);
}

/// What a wait for a limit leaves behind: no lost worker, and the attempt that goes on is the
/// first.
pub async fn a_wait_for_a_limit_counts_as_no_attempt(store: Store) {
    let wanted = [places("device", 1)];
    let all = line(&store, &wanted, 2).await;
    let waits = store.waits(all[1].step.run).await.unwrap();
    assert_eq!(waits[0].kind, WaitKind::Limit);
    complete(&store, done(all[0], StepState::Success)).await;
    woken(&store, at(10)).await;
    let claimed = store.claim(Claim {
        key: all[1].step,
        worker: WorkerId(1),
        at: at(50),
    });
    let claimed = claimed.await.unwrap().unwrap();
    let again = claimed.again.unwrap();
    assert_eq!(
        (claimed.token, again.kind, again.wakes, again.retries),
        (Token(2), WaitKind::Limit, 1, 0)
    );
    assert!(store.attempts(all[1].step).await.unwrap().is_empty());
    // What a retry counts from is the attempt that executed, not the one that joined the line.
    let next = Attempt {
        token: claimed.token,
        ..all[1]
    };
    assert_eq!(ask(&store, next, &wanted, at(51)).await, Acquired::Taken);
    store.suspend(failed(next, 60)).await.unwrap();
    assert_eq!(woken(&store, at(60)).await, [next.step]);
    let retried = claim(&store, next.step, WorkerId(1)).await.unwrap();
    let again = retried.again.unwrap();
    assert_eq!((again.first_at, again.retries), (at(50), 1));
}

fn failed(attempt: Attempt, until: i64) -> Suspension {
    Suspension {
        kind: WaitKind::Retry,
        until: Some(at(until)),
        ended: Some(StepState::Failed),
        ..waits(attempt, WaitKind::Retry)
    }
}

fn waits(attempt: Attempt, kind: WaitKind) -> Suspension {
    Suspension {
        key: attempt.step,
        token: attempt.token,
        kind,
        until: None,
        children: (0, 0),
        detail: None,
        ask: None,
        ended: None,
        error: None,
        log: None,
        at: at(5),
        expires_at: EXPIRES,
    }
}

/// However a holder ends, the next one is handed its place.
pub async fn every_end_hands_the_place_on(store: Store) {
    let wanted = [places("device", 1)];
    let all = line(&store, &wanted, 8).await;
    let mut holder = all[0];
    let mut next = all[1..].iter();
    for way in 0..7 {
        let ended = at(100 * way);
        match way {
            0 => assert!(complete(&store, done(holder, StepState::Success)).await),
            1 => assert!(complete(&store, done(holder, StepState::Failed)).await),
            2 => {
                let cancelled = store.cancel(holder.step.run, ended).await.unwrap();
                assert_eq!(cancelled.len(), 1);
            }
            3 => {
                let revoked = store.revoke(holder.step, chain(1), ended).await.unwrap();
                assert!(revoked.is_some());
            }
            4 => {
                // Until the next attempt of this one, another has its place.
                let suspended = store.suspend(failed(holder, 9_000)).await.unwrap();
                assert_eq!(suspended, Suspended::Waiting);
            }
            5 => {
                // Cancelled before it is woken.
                complete(&store, done(holder, StepState::Success)).await;
                let skipped = next.next().unwrap();
                store.cancel(skipped.step.run, ended).await.unwrap();
            }
            _ => {
                // Its worker is lost, and it is not executed again.
                let lost = Completion {
                    error: Some(bytes::Bytes::from_static(b"{}")),
                    ..done(holder, StepState::Failed)
                };
                complete(&store, lost).await;
            }
        }
        let Some(expected) = next.next() else { break };
        assert_eq!(woken(&store, ended).await, [expected.step], "way {way}");
        holder = attempt(&store, expected.step).await;
        let taken = ask(&store, holder, &wanted, ended).await;
        assert_eq!(taken, Acquired::Taken, "way {way}");
    }
    let seen = detail(&store, "device").await;
    assert_eq!((seen.summary.held, seen.summary.waiting), (0, 0));
    // The one that failed joins the line anew.
    assert_eq!(woken(&store, at(9_000)).await, [all[4].step]);
    let other = started(&store).await;
    assert_eq!(
        ask(&store, other, &wanted, at(9_001)).await,
        Acquired::Taken
    );
    let retried = attempt(&store, all[4].step).await;
    let refused = ask(&store, retried, &wanted, at(9_002)).await;
    assert_eq!(refused, Acquired::Waits(None));
}

/// A holder whose worker is lost, or that waits for children, still has its place; whoever
/// leaves the line leaves no gap in it.
pub async fn a_place_is_kept_until_the_attempt_ends(store: Store) {
    let wanted = [places("device", 1)];
    let all = line(&store, &wanted, 4).await;
    let attempts = [(all[0].step, all[0].token)];
    let given = store.give_back(WorkerId(1), &attempts, at(20)).await;
    assert_eq!(given.unwrap().len(), 1);
    assert!(woken(&store, at(21)).await.is_empty());
    let again = attempt(&store, all[0].step).await;
    assert_eq!(ask(&store, again, &wanted, at(22)).await, Acquired::Taken);
    let late = ask(&store, all[0], &wanted, at(22)).await;
    assert_eq!(late, Acquired::Fenced);

    let children = Suspension {
        children: (1, 1),
        ..waits(again, WaitKind::Children)
    };
    assert_eq!(store.suspend(children).await.unwrap(), Suspended::Waiting);
    assert!(woken(&store, at(23)).await.is_empty());
    assert_eq!(detail(&store, "device").await.summary.held, 1);

    // One of the line is revoked, one cancelled; the third is the next.
    store.revoke(all[1].step, chain(1), at(24)).await.unwrap();
    store.cancel(all[2].step.run, at(25)).await.unwrap();
    store.cancel(all[0].step.run, at(26)).await.unwrap();
    assert_eq!(woken(&store, at(27)).await, [all[3].step]);
}

/// Each is judged by its own limit, against all that hold the key; nobody overtakes.
pub async fn limits_of_one_key_may_differ(store: Store) {
    let (narrow, wide) = ([places("device", 1)], [places("device", 3)]);
    let first = line(&store, &wide, 2).await;
    let second = line(&store, &narrow, 1).await;
    let third = line(&store, &wide, 1).await;
    let handed = complete(&store, done(first[0], StepState::Success)).await;
    assert!(!handed, "one holds it still");
    assert!(woken(&store, at(10)).await.is_empty());
    complete(&store, done(first[1], StepState::Success)).await;
    let expected: BTreeSet<_> = [second[0].step, third[0].step].map(|one| one.run).into();
    let found = woken(&store, at(11)).await;
    assert_eq!(
        found.iter().map(|one| one.run).collect::<BTreeSet<_>>(),
        expected
    );
}

/// Ten thousand wait for one key: one end wakes one, and they are cancelled together.
pub async fn ten_thousand_wait_for_one_key(store: Store) {
    const COUNT: usize = 10_000;
    let wanted = [places("device", 1)];
    let plan = chain(1);
    let submits = (0..COUNT).map(|_| {
        let (store, plan) = (&store, &plan);
        async move { submit(store, run(plan)).await.0 }
    });
    let mut runs: Vec<RunId> = join_all(submits).await;
    runs.sort_unstable_by_key(|run| run.0);
    let mut attempts = Vec::with_capacity(COUNT);
    for part in runs.chunks(500) {
        let claims = part.iter().map(|run| attempt(&store, key(*run, 0)));
        attempts.extend(join_all(claims).await);
    }
    let first = attempts[0];
    assert_eq!(ask(&store, first, &wanted, at(0)).await, Acquired::Taken);
    for part in attempts[1..].chunks(200) {
        let asked = part.iter().map(|one| ask(&store, *one, &wanted, at(1)));
        let refused = Acquired::Waits(None);
        assert!(join_all(asked).await.iter().all(|one| *one == refused));
    }
    let seen = detail(&store, "device").await;
    assert_eq!(seen.summary.waiting, COUNT as u64 - 1);
    let order = named(&seen.line);
    complete(&store, done(first, StepState::Success)).await;
    assert_eq!(woken(&store, at(2)).await, order[..1]);
    let run = order[0].run;
    store.cancel(run, at(3)).await.unwrap();
    assert_eq!(woken(&store, at(3)).await, order[1..2]);
    let waits = store.limit_waits(order[99].run, 5).await.unwrap();
    assert_eq!((waits.len(), waits[0].before), (1, 97));
    let scope = store::runs::CancelScope {
        tenant: TenantId::DEFAULT,
        application: None,
        queue: None,
        until: *runs.last().unwrap(),
    };
    while !store
        .cancel_all(&scope, at(4), 1_000)
        .await
        .unwrap()
        .is_empty()
    {}
    assert!(woken(&store, at(5)).await.is_empty());
    let seen = detail(&store, "device").await;
    assert_eq!((seen.summary.held, seen.summary.waiting), (0, 0));
}

/// An attempt that was fenced takes nothing.
pub async fn a_fenced_attempt_takes_no_place(store: Store) {
    let wanted = [places("device", 1)];
    let one = started(&store).await;
    let other = Attempt {
        token: Token(7),
        ..one
    };
    assert_eq!(ask(&store, other, &wanted, NOW).await, Acquired::Fenced);
    store.cancel(one.step.run, NOW).await.unwrap();
    assert_eq!(ask(&store, one, &wanted, NOW).await, Acquired::Fenced);
    for key in ["device", "de\0vice"] {
        let found = store.limit(TenantId::DEFAULT, key, 10).await.unwrap();
        assert!(found.is_empty());
    }
}

/// Keys in use are listed in pages, and forgotten when nobody uses them.
pub async fn keys_are_seen_while_they_are_used(store: Store) {
    for name in ["b", "a", "ä/${x}"] {
        line(&store, &[places(name, 1)], 2).await;
    }
    let rated = line(&store, &[rate("a", 10, 5)], 1).await;
    let list = async |after: Option<String>| {
        let after = after.map(|text| position(&text).unwrap());
        let page = store.limits(TenantId::DEFAULT, at(10), after, 2).await;
        let page = page.unwrap();
        let names = page
            .items
            .iter()
            .map(|one| (one.limit.kind(), one.key.clone()));
        (names.collect::<Vec<_>>(), page.next)
    };
    let name = |kind, key: &str| (kind, key.to_owned());
    let (first, next) = list(None).await;
    let places = Kind::Concurrency;
    assert_eq!(first, [name(places, "a"), name(places, "b")]);
    let (second, next) = list(next).await;
    assert_eq!(second, [name(places, "ä/${x}"), name(Kind::Rate, "a")]);
    assert_eq!(next, None);
    let both = store.limit(TenantId::DEFAULT, "a", 10).await.unwrap();
    assert_eq!(both.len(), 2);
    assert!(both[1].holders.is_empty());
    // Five may start at once, and one has.
    assert!(both[1].summary.next.unwrap() <= NOW);
    let run = summary(&store, both[0].holders[0].step.run).await;
    assert_eq!(both[0].holders[0].reference, run.reference);
    assert_eq!(store.sweep_limits(at(10), 100).await.unwrap(), 0);
    assert_eq!(list(None).await.0.len(), 2);
    for step in [&both[0].holders, &both[0].line].into_iter().flatten() {
        store.cancel(step.step.run, at(20)).await.unwrap();
    }
    store.cancel(rated[0].step.run, at(20)).await.unwrap();
    store.sweep_limits(at(2_000_000), 100).await.unwrap();
    let left = store.limit(TenantId::DEFAULT, "a", 10).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(list(None).await.0.len(), 2);
}

/// Places of steps that a version without limits has ended are given back.
pub async fn what_was_left_behind_is_given_back(store: Store) {
    let wanted = [places("device", 1)];
    let all = line(&store, &wanted, 2).await;
    let ended = Completion {
        limited: false,
        ..done(all[0], StepState::Success)
    };
    complete(&store, ended).await;
    assert!(woken(&store, at(10)).await.is_empty());
    assert_eq!(store.sweep_limits(at(11), 100).await.unwrap(), 1);
    assert_eq!(store.sweep_limits(at(11), 100).await.unwrap(), 0);
    assert_eq!(woken(&store, at(12)).await, [all[1].step]);
}

/// A failure makes others run, and gives its place to whom it belongs: both in one commit.
pub async fn what_follows_a_holder_asks_for_itself(store: Store) {
    let wanted = [places("device", 1)];
    let plan = graph(2, &[(0, 1)]);
    let (number, _) = submit(&store, run(&plan)).await;
    let first = attempt(&store, key(number, 0)).await;
    assert_eq!(ask(&store, first, &wanted, at(0)).await, Acquired::Taken);
    let other = line(&store, &wanted, 1).await;
    let completion = Completion {
        graph: plan,
        claim: Some(WorkerId(1)),
        ..done(first, StepState::Success)
    };
    let completed = store.complete(completion).await.unwrap();
    let Completed::Stored {
        claimed: Some((step, token)),
        ..
    } = completed
    else {
        panic!("not claimed: {completed:?}");
    };
    assert_eq!(step, Ordinal(1));
    let second = Attempt {
        step: key(number, 1),
        token,
    };
    // The one that waited was before it.
    let refused = ask(&store, second, &wanted, at(1)).await;
    assert_eq!(refused, Acquired::Waits(None));
    assert_eq!(woken(&store, at(2)).await, steps(&other));
}
