//! Work on many runs, and dead letters.

use model::{
    id::{Ordinal, RunId, StepKey, TenantId, WorkerId},
    state::{RunState, StepState},
};
use store::{
    bulk::{Advance, BulkState, DeadLetterFilter, NewBulk, NewDeadLetter},
    runs::{Claim, RunFilter},
};

use crate::{
    Store,
    build::{NOW, chain, execute, key, run, save, submit},
};

const TENANT: TenantId = TenantId::DEFAULT;

fn new(cursor: i64) -> NewBulk {
    NewBulk {
        tenant: TENANT,
        request: "{}".to_owned(),
        cursor: RunId(cursor),
        total: 7,
        by: "isadmin".to_owned(),
        at: NOW,
    }
}

fn advance(id: i64, from: i64, to: i64, ended: bool) -> Advance {
    Advance {
        id,
        from: RunId(from),
        to: RunId(to),
        done: 2,
        skipped: 1,
        problems: "[1]".to_owned(),
        ended,
        at: NOW.plus_micros(5),
    }
}

/// Each part is counted once, and nothing is once it has ended.
pub async fn progress_is_counted_once(store: Store) {
    assert_eq!(store.open_bulk().await.unwrap(), None);
    let first = store.add_bulk(new(100)).await.unwrap();
    let second = store.add_bulk(new(50)).await.unwrap();
    assert_eq!(store.open_bulk().await.unwrap(), Some(first.clone()));
    let steps = (0..8).map(|_| store.advance_bulk(advance(first.id, 100, 90, false)));
    let answers = futures::future::join_all(steps).await;
    let counted = answers.into_iter().filter(|one| *one.as_ref().unwrap());
    assert_eq!(counted.count(), 1);
    let found = store.bulk(TENANT, first.id).await.unwrap().unwrap();
    assert_eq!(
        (found.cursor, found.done, found.skipped, &*found.problems),
        (RunId(90), 2, 1, "[1]")
    );
    assert!(
        store
            .advance_bulk(advance(first.id, 90, 80, true))
            .await
            .unwrap()
    );
    assert!(
        !store
            .advance_bulk(advance(first.id, 80, 70, false))
            .await
            .unwrap()
    );
    let found = store.bulk(TENANT, first.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.done), (BulkState::Done, 4));
    assert!(!store.stop_bulk(TENANT, first.id, NOW).await.unwrap());

    assert_eq!(store.open_bulk().await.unwrap(), Some(second.clone()));
    assert!(!store.stop_bulk(TenantId(2), second.id, NOW).await.unwrap());
    assert!(store.stop_bulk(TENANT, second.id, NOW).await.unwrap());
    assert!(
        !store
            .advance_bulk(advance(second.id, 50, 40, false))
            .await
            .unwrap()
    );
    assert_eq!(store.open_bulk().await.unwrap(), None);
    assert_eq!(store.bulk(TenantId(2), second.id).await.unwrap(), None);
    let page = store.bulks(TENANT, None, 1).await.unwrap();
    assert_eq!(
        (page.items[0].id, page.next),
        (second.id, Some(second.id.to_string()))
    );
    let page = store.bulks(TENANT, Some(second.id), 1).await.unwrap();
    assert_eq!((page.items[0].id, page.next), (first.id, None));
    let third = store.add_bulk(new(9)).await.unwrap();
    assert_eq!(store.forget_bulks(NOW, 9).await.unwrap(), 0);
    assert_eq!(store.forget_bulks(NOW.plus_micros(9), 9).await.unwrap(), 2);
    assert_eq!(store.open_bulk().await.unwrap(), Some(third));
}

/// As a list of them has them.
pub async fn runs_are_counted_as_they_are_listed(store: Store) {
    let plan = chain(1);
    let application = store.save(save("app", "{}")).await.unwrap();
    let mut numbers = Vec::new();
    for at in 0..6 {
        let mut new = run(&plan);
        new.created_at = NOW.plus_micros(at);
        new.application = application.id + at % 2;
        if at == 5 {
            new.queue = "other".into();
        }
        let (number, _) = submit(&store, new).await;
        numbers.push(number);
    }
    execute(&store, key(numbers[0], 0), StepState::Failed, &plan).await;
    let all = || RunFilter::default();
    for (filter, below, expected) in [
        (all(), i64::MAX, 6),
        (all(), numbers[3].0, 3),
        (
            RunFilter {
                application: Some(application.id),
                ..all()
            },
            i64::MAX,
            3,
        ),
        (
            RunFilter {
                queue: Some("other".to_owned()),
                ..all()
            },
            i64::MAX,
            1,
        ),
        (
            RunFilter {
                states: vec![RunState::Failed],
                ..all()
            },
            i64::MAX,
            1,
        ),
        (
            RunFilter {
                from: Some(NOW.plus_micros(2)),
                ..all()
            },
            i64::MAX,
            4,
        ),
        (
            RunFilter {
                until: Some(NOW.plus_micros(2)),
                ..all()
            },
            i64::MAX,
            2,
        ),
        (
            RunFilter {
                from: Some(NOW.plus_micros(1)),
                until: Some(NOW.plus_micros(3)),
                ..all()
            },
            i64::MAX,
            2,
        ),
        (
            RunFilter {
                configuration: Some("none".to_owned()),
                ..all()
            },
            i64::MAX,
            0,
        ),
        (RunFilter { top: true, ..all() }, i64::MAX, 6),
        (
            RunFilter {
                dead: true,
                ..all()
            },
            i64::MAX,
            0,
        ),
    ] {
        let count = store
            .count_runs(TENANT, &filter, RunId(below))
            .await
            .unwrap();
        assert_eq!(count, expected, "{filter:?}");
        let listed = store
            .runs(TENANT, &filter, Some(RunId(below)), 100)
            .await
            .unwrap();
        assert_eq!(listed.items.len() as u64, expected, "{filter:?}");
    }
    assert_eq!(
        store
            .count_runs(TenantId(2), &all(), RunId(i64::MAX))
            .await
            .unwrap(),
        0
    );
}

/// It counts from the moment that the step has failed in that attempt, until it is settled.
pub async fn a_dead_letter_is_that_of_a_failed_step(store: Store) {
    let plan = chain(1);
    let application = store.save(save("app", "{}")).await.unwrap();
    let mut accepted = run(&plan);
    accepted.application = application.id;
    let (number, _) = submit(&store, accepted).await;
    let (other, _) = submit(&store, run(&plan)).await;
    let letter = |run: RunId, attempt: i64| NewDeadLetter {
        run,
        step: Ordinal(0),
        attempt,
        queue: "default".to_owned(),
        code: "worker-lost".to_owned(),
        reason: "größe".to_owned(),
        at: NOW,
    };
    let list = async |filter: &DeadLetterFilter| {
        let page = store.dead_letters(TENANT, filter, None, 10).await.unwrap();
        page.items
    };
    let all = DeadLetterFilter::default();
    for run in [number, other] {
        store.add_dead_letter(letter(run, 7)).await.unwrap();
        store.add_dead_letter(letter(run, 1)).await.unwrap();
    }
    // It may end well after all.
    assert!(list(&all).await.is_empty());
    execute(&store, key(number, 0), StepState::Failed, &plan).await;
    execute(&store, key(other, 0), StepState::Success, &plan).await;
    let found = list(&all).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let one = &found[0];
    assert_eq!(
        (&*one.application, &*one.code, &*one.reason),
        ("app", "worker-lost", "größe")
    );
    assert_eq!((one.step, one.attempts, one.at), (Ordinal(0), 1, NOW));
    for (filter, expected) in [
        (
            DeadLetterFilter {
                application: Some(application.id),
                ..all.clone()
            },
            1,
        ),
        (
            DeadLetterFilter {
                application: Some(-1),
                ..all.clone()
            },
            0,
        ),
        (
            DeadLetterFilter {
                queue: Some("other".to_owned()),
                ..all.clone()
            },
            0,
        ),
        (
            DeadLetterFilter {
                code: Some("worker-lost".to_owned()),
                ..all.clone()
            },
            1,
        ),
        (
            DeadLetterFilter {
                code: Some("dead-letter".to_owned()),
                ..all.clone()
            },
            0,
        ),
    ] {
        assert_eq!(list(&filter).await.len(), expected, "{filter:?}");
    }
    assert_eq!(
        store.dead_letter(TENANT, one.id).await.unwrap().as_ref(),
        Some(one)
    );
    assert_eq!(store.dead_letter(TenantId(2), one.id).await.unwrap(), None);
    assert!(!store.delete_dead_letter(TenantId(2), one.id).await.unwrap());
    let page = store
        .dead_letters(TENANT, &all, Some(one.id), 10)
        .await
        .unwrap();
    assert!(page.items.is_empty());
    let dead = RunFilter {
        dead: true,
        states: vec![RunState::Failed],
        ..RunFilter::default()
    };
    assert_eq!(
        store
            .count_runs(TENANT, &dead, RunId(i64::MAX))
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.settle_dead_letters(number).await.unwrap(), 1);
    assert!(list(&all).await.is_empty());

    // One that somebody takes off the list alone.
    let (third, _) = submit(&store, run(&plan)).await;
    let claimed = store
        .claim(Claim {
            key: StepKey {
                run: third,
                step: Ordinal(0),
            },
            worker: WorkerId(1),
            at: NOW,
        })
        .await;
    assert!(claimed.is_ok());
    store.add_dead_letter(letter(third, 1)).await.unwrap();
    assert!(list(&all).await.is_empty(), "it still runs");
}
