//! What waiting steps ask of the outside, and the answers.

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, StepKey, TenantId, Token, WorkerId},
    state::{StepState, WaitKind},
};
use store::{
    asks::{Ask, AskFilter, AskSummary, MOST_KEPT, NewSignal, Signalled},
    runs::{Suspended, Suspension},
};

use crate::{
    Store,
    build::{EXPIRES, NOW, chain, claim, key, run, states, submit},
};

/// A time of the cases.
fn at(micros: i64) -> Timestamp {
    NOW.plus_micros(micros)
}

fn asking(key: StepKey, token: Token, kind: WaitKind, name: &str) -> Suspension {
    Suspension {
        key,
        token,
        kind,
        until: Some(at(1_000)),
        children: (0, 0),
        detail: Some(Bytes::new()),
        ask: Some(Ask {
            tenant: TenantId::DEFAULT,
            key: name.to_owned(),
            detail: Bytes::from_static("{\"question\":\"größer?\"}".as_bytes()),
        }),
        ended: None,
        error: None,
        log: None,
        at: at(5),
        expires_at: EXPIRES,
    }
}

/// A run whose first step is claimed and asks.
async fn asks(store: &Store, kind: WaitKind, name: &str) -> (StepKey, Suspended) {
    let (number, _) = submit(store, run(&chain(2))).await;
    let step = key(number, 0);
    let token = claim(store, step, WorkerId(1)).await.unwrap().token;
    let suspended = store.suspend(asking(step, token, kind, name)).await;
    (step, suspended.unwrap())
}

async fn listed(store: &Store, kind: WaitKind) -> Vec<AskSummary> {
    let filter = AskFilter {
        tenant: TenantId::DEFAULT,
        kind,
        application: None,
        key: None,
    };
    store.asks(&filter, None, 100).await.unwrap()
}

/// What the attempt that goes on is given.
async fn given(store: &Store, step: StepKey) -> Option<Bytes> {
    let claimed = claim(store, step, WorkerId(2)).await.unwrap();
    claimed.again.unwrap().detail
}

fn signal(name: &str, body: &'static str) -> NewSignal {
    NewSignal {
        tenant: TenantId::DEFAULT,
        key: name.to_owned(),
        sender_id: None,
        body: Bytes::from_static(body.as_bytes()),
        at: at(10),
        keep_until: at(500),
        remember_until: at(10_000),
    }
}

async fn send(store: &Store, signal: &NewSignal) -> Signalled {
    store.signal(signal.clone()).await.unwrap()
}

/// The first answer counts, and goes to the attempt that goes on.
pub async fn a_decision_wakes_its_step(store: Store) {
    let (step, suspended) = asks(&store, WaitKind::Approval, "").await;
    assert_eq!(suspended, Suspended::Waiting);
    let asked = store.asked(step).await.unwrap().unwrap();
    assert_eq!((asked.kind, asked.since), (WaitKind::Approval, at(5)));
    assert_eq!(asked.until, Some(at(1_000)));
    assert!(asked.detail.starts_with(b"{\"question\""));
    assert_eq!(listed(&store, WaitKind::Approval).await, [asked]);
    assert_eq!(listed(&store, WaitKind::Webhook).await, []);

    let answer = |text: &'static str| Bytes::from_static(text.as_bytes());
    let other = store.answer(step, WaitKind::Webhook, answer("no"), at(6));
    assert_eq!(other.await.unwrap(), None);
    let first = store.answer(step, WaitKind::Approval, answer("yes"), at(7));
    assert_eq!(first.await.unwrap().unwrap().key, step);
    let second = store.answer(step, WaitKind::Approval, answer("no"), at(8));
    assert_eq!(second.await.unwrap(), None);
    assert_eq!(states(&store, step.run).await, [(0, StepState::Ready)]);
    assert_eq!(store.asked(step).await.unwrap(), None);
    assert_eq!(listed(&store, WaitKind::Approval).await, []);
    let woken = store.wake_due(at(2_000), 10).await.unwrap();
    assert_eq!((woken.ready.len(), woken.next), (0, None));
    assert_eq!(given(&store, step).await.unwrap(), "yes");
}

/// A step that nobody answers goes on with nothing.
pub async fn a_deadline_wakes_a_step_that_asks(store: Store) {
    for kind in [WaitKind::Approval, WaitKind::Webhook] {
        let (step, _) = asks(&store, kind, "one").await;
        let woken = store.wake_due(at(1_000), 10).await.unwrap();
        assert_eq!(woken.ready.len(), 1);
        assert_eq!(listed(&store, kind).await, []);
        let late = store.answer(step, kind, Bytes::from_static(b"late"), at(1_001));
        assert_eq!(late.await.unwrap(), None);
        let message = NewSignal {
            keep_until: at(0),
            ..signal("one", "{}")
        };
        assert_eq!(send(&store, &message).await, Signalled::Nobody);
        assert_eq!(given(&store, step).await.unwrap(), "");
    }
}

/// What is stopped asks no more.
pub async fn a_stopped_step_asks_no_more(store: Store) {
    let (first, _) = asks(&store, WaitKind::Webhook, "one").await;
    let (second, _) = asks(&store, WaitKind::Webhook, "one").await;
    let (third, _) = asks(&store, WaitKind::Approval, "").await;
    store.cancel(first.run, at(6)).await.unwrap();
    let revoked = store.revoke(second, chain(2), at(6)).await.unwrap();
    assert!(revoked.is_some());
    store.cancel(third.run, at(6)).await.unwrap();
    assert_eq!(listed(&store, WaitKind::Webhook).await, []);
    assert_eq!(listed(&store, WaitKind::Approval).await, []);
    assert_eq!(send(&store, &signal("one", "{}")).await, Signalled::Kept);
    let late = store.answer(third, WaitKind::Approval, Bytes::new(), at(7));
    assert_eq!(late.await.unwrap(), None);
}

/// A message goes to the oldest run that waits under its key, and to one only.
pub async fn a_message_reaches_one_step(store: Store) {
    let (first, _) = asks(&store, WaitKind::Webhook, "one").await;
    let (second, _) = asks(&store, WaitKind::Webhook, "one").await;
    let (other, _) = asks(&store, WaitKind::Webhook, "größer").await;
    for (name, body, step) in [
        ("one", "1", first),
        ("größer", "2", other),
        ("one", "3", second),
    ] {
        match send(&store, &signal(name, body)).await {
            Signalled::Delivered { step: ready, .. } => assert_eq!(ready.key, step),
            other => panic!("{other:?}"),
        }
        assert_eq!(given(&store, step).await.unwrap(), body);
    }
    assert_eq!(listed(&store, WaitKind::Webhook).await, []);
}

/// A message that comes before its step waits is kept for it, in the order in which they came,
/// and until its time.
pub async fn a_message_waits_for_its_step(store: Store) {
    for body in ["1", "2"] {
        assert_eq!(send(&store, &signal("one", body)).await, Signalled::Kept);
    }
    let gone = NewSignal {
        keep_until: at(1),
        at: at(0),
        ..signal("gone", "{}")
    };
    assert_eq!(send(&store, &gone).await, Signalled::Kept);
    for body in ["1", "2"] {
        let (step, suspended) = asks(&store, WaitKind::Webhook, "one").await;
        match suspended {
            Suspended::Ready(ready) => assert_eq!(ready.key, step),
            other => panic!("{other:?}"),
        }
        assert_eq!(given(&store, step).await.unwrap(), body);
    }
    for name in ["one", "gone"] {
        let (_, suspended) = asks(&store, WaitKind::Webhook, name).await;
        assert_eq!(suspended, Suspended::Waiting, "{name}");
    }
    assert_eq!(store.expire_signals(at(400), 10).await.unwrap(), 1);
    assert_eq!(store.expire_signals(at(400), 10).await.unwrap(), 0);
}

/// The same message again changes nothing, whether it was kept, delivered or taken.
pub async fn a_message_counts_once(store: Store) {
    let message = NewSignal {
        sender_id: Some("evt-1".to_owned()),
        ..signal("one", "1")
    };
    assert_eq!(send(&store, &message).await, Signalled::Kept);
    assert_eq!(send(&store, &message).await, Signalled::Duplicate);
    let (step, _) = asks(&store, WaitKind::Webhook, "one").await;
    assert_eq!(given(&store, step).await.unwrap(), "1");
    let (waiting, _) = asks(&store, WaitKind::Webhook, "one").await;
    assert_eq!(send(&store, &message).await, Signalled::Duplicate);
    assert_eq!(states(&store, waiting.run).await, [(0, StepState::Waiting)]);
    let second = NewSignal {
        sender_id: Some("evt-2".to_owned()),
        ..message.clone()
    };
    assert!(matches!(
        send(&store, &second).await,
        Signalled::Delivered { .. }
    ));
    assert_eq!(send(&store, &second).await, Signalled::Duplicate);
    // Under another key it is another message; later it may come again.
    let elsewhere = NewSignal {
        key: "two".to_owned(),
        ..second.clone()
    };
    assert_eq!(send(&store, &elsewhere).await, Signalled::Kept);
    let later = NewSignal {
        at: at(20_000),
        keep_until: at(30_000),
        ..second
    };
    assert_eq!(send(&store, &later).await, Signalled::Kept);
}

/// Nobody fills the store with messages that no step waits for.
pub async fn only_so_many_messages_are_kept(store: Store) {
    let message = signal("one", "1");
    for _ in 0..MOST_KEPT {
        assert_eq!(send(&store, &message).await, Signalled::Kept);
    }
    assert_eq!(send(&store, &message).await, Signalled::Full);
    assert_eq!(send(&store, &signal("two", "1")).await, Signalled::Kept);
    let (step, _) = asks(&store, WaitKind::Webhook, "one").await;
    assert_eq!(given(&store, step).await.unwrap(), "1");
    assert_eq!(send(&store, &message).await, Signalled::Kept);
}

/// However messages and steps that wait for them meet, each step is given one, and none is
/// lost.
pub async fn messages_and_steps_do_not_miss_each_other(store: Store) {
    const STEPS: usize = 60;
    let store = std::sync::Arc::new(store);
    let mut waiting = tokio::task::JoinSet::new();
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..STEPS {
        let one = store.clone();
        waiting.spawn(async move { asks(&one, WaitKind::Webhook, "one").await.0 });
        let one = store.clone();
        sending.spawn(async move { send(&one, &signal("one", "1")).await });
    }
    let steps = waiting.join_all().await;
    for sent in sending.join_all().await {
        assert!(
            matches!(sent, Signalled::Delivered { .. } | Signalled::Kept),
            "{sent:?}"
        );
    }
    assert_eq!(listed(&store, WaitKind::Webhook).await, []);
    let ready = store.ready(None, 2 * STEPS).await.unwrap();
    let mut ready: Vec<StepKey> = ready.into_iter().map(|step| step.key).collect();
    ready.sort_unstable_by_key(|step| step.run.0);
    let mut steps = steps;
    steps.sort_unstable_by_key(|step| step.run.0);
    assert_eq!(ready, steps);
}

/// Lists go on where they stopped, and hold what fits.
pub async fn what_is_asked_is_listed_in_parts(store: Store) {
    let mut steps = Vec::new();
    for name in ["a", "b", "a"] {
        steps.push(asks(&store, WaitKind::Webhook, name).await.0);
    }
    let filter = AskFilter {
        tenant: TenantId::DEFAULT,
        kind: WaitKind::Webhook,
        application: Some(1),
        key: None,
    };
    let keys = |found: Vec<AskSummary>| -> Vec<StepKey> {
        found.into_iter().map(|one| one.step).collect()
    };
    let part = store.asks(&filter, None, 2).await.unwrap();
    assert_eq!(keys(part), steps[..2]);
    let rest = store.asks(&filter, Some(steps[1]), 2).await.unwrap();
    assert_eq!(keys(rest), steps[2..]);
    let named = AskFilter {
        key: Some("a".to_owned()),
        ..filter.clone()
    };
    let found = store.asks(&named, None, 9).await.unwrap();
    assert_eq!(keys(found), [steps[0], steps[2]]);
    let nobody = AskFilter {
        application: Some(2),
        ..filter
    };
    assert_eq!(store.asks(&nobody, None, 9).await.unwrap(), []);
    let missing = StepKey {
        run: RunId(i64::MAX),
        step: Ordinal(0),
    };
    assert_eq!(store.asked(missing).await.unwrap(), None);
}
