//! Work on many runs, and dead letters.

use model::{
    id::{Ordinal, RunId, TenantId},
    state::{RunState, StepState},
};
use store::{
    bulk::{Advance, BulkState, DeadLetter, DeadLetterFilter, NewBulk, NewDeadLetter},
    runs::RunFilter,
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

fn runs_with(set: impl FnOnce(&mut RunFilter)) -> RunFilter {
    let mut filter = RunFilter::default();
    set(&mut filter);
    filter
}

/// As a list of them has them.
pub async fn runs_are_counted_as_they_are_listed(store: Store) {
    let plan = chain(1);
    let application = store.save(save("app", "{}")).await.unwrap().id;
    let mut numbers = Vec::new();
    for at in 0..6 {
        let mut new = run(&plan);
        new.created_at = NOW.plus_micros(at);
        new.application = application + at % 2;
        if at == 5 {
            new.queue = "other".into();
        }
        let (number, _) = submit(&store, new).await;
        numbers.push(number);
    }
    execute(&store, key(numbers[0], 0), StepState::Failed, &plan).await;
    let (one, two, three) = (NOW.plus_micros(1), NOW.plus_micros(2), NOW.plus_micros(3));
    let count = async |filter: &RunFilter, below: i64| {
        let count = store
            .count_runs(TENANT, filter, RunId(below))
            .await
            .unwrap();
        let listed = store.runs(TENANT, filter, Some(RunId(below)), 100).await;
        assert_eq!(listed.unwrap().items.len() as u64, count, "{filter:?}");
        count
    };
    assert_eq!(count(&RunFilter::default(), numbers[3].0).await, 3);
    for (filter, expected) in [
        (RunFilter::default(), 6),
        (runs_with(|f| f.application = Some(application)), 3),
        (runs_with(|f| f.queue = Some("other".to_owned())), 1),
        (runs_with(|f| f.states = vec![RunState::Failed]), 1),
        (runs_with(|f| f.from = Some(two)), 4),
        (runs_with(|f| f.until = Some(two)), 2),
        (
            runs_with(|f| (f.from, f.until) = (Some(one), Some(three))),
            2,
        ),
        (runs_with(|f| f.configuration = Some("none".to_owned())), 0),
        (runs_with(|f| f.top = true), 6),
        (runs_with(|f| f.dead = true), 0),
    ] {
        assert_eq!(count(&filter, i64::MAX).await, expected, "{filter:?}");
    }
    let all = RunFilter::default();
    let others = store.count_runs(TenantId(2), &all, RunId(i64::MAX));
    assert_eq!(others.await.unwrap(), 0);
}

fn letter(run: RunId, attempt: i64) -> NewDeadLetter {
    NewDeadLetter {
        run,
        step: Ordinal(0),
        attempt,
        queue: "default".to_owned(),
        code: "worker-lost".to_owned(),
        reason: "größe".to_owned(),
        at: NOW,
    }
}

async fn letters(store: &Store, filter: &DeadLetterFilter) -> Vec<DeadLetter> {
    let page = store.dead_letters(TENANT, filter, None, 10).await.unwrap();
    page.items
}

fn letters_with(set: impl FnOnce(&mut DeadLetterFilter)) -> DeadLetterFilter {
    let mut filter = DeadLetterFilter::default();
    set(&mut filter);
    filter
}

/// It counts from the moment that the step has failed in that attempt, until it is settled.
pub async fn a_dead_letter_is_that_of_a_failed_step(store: Store) {
    let plan = chain(1);
    let application = store.save(save("app", "{}")).await.unwrap().id;
    let mut accepted = run(&plan);
    accepted.application = application;
    let (failed, _) = submit(&store, accepted).await;
    let (well, _) = submit(&store, run(&plan)).await;
    let all = DeadLetterFilter::default();
    for run in [failed, well] {
        store.add_dead_letter(letter(run, 7)).await.unwrap();
        store.add_dead_letter(letter(run, 1)).await.unwrap();
    }
    // It may end well after all.
    assert!(letters(&store, &all).await.is_empty());
    execute(&store, key(failed, 0), StepState::Failed, &plan).await;
    execute(&store, key(well, 0), StepState::Success, &plan).await;
    let found = letters(&store, &all).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let one = &found[0];
    assert_eq!(
        (&*one.application, &*one.code, &*one.reason),
        ("app", "worker-lost", "größe")
    );
    assert_eq!((one.step, one.attempts, one.at), (Ordinal(0), 1, NOW));
    for (filter, expected) in [
        (letters_with(|f| f.application = Some(application)), 1),
        (letters_with(|f| f.application = Some(-1)), 0),
        (letters_with(|f| f.queue = Some("other".to_owned())), 0),
        (letters_with(|f| f.code = Some("worker-lost".to_owned())), 1),
        (letters_with(|f| f.code = Some("dead-letter".to_owned())), 0),
    ] {
        assert_eq!(letters(&store, &filter).await.len(), expected, "{filter:?}");
    }
    let next = store.dead_letters(TENANT, &all, Some(one.id), 10).await;
    assert!(next.unwrap().items.is_empty());
    let dead = runs_with(|f| (f.dead, f.states) = (true, vec![RunState::Failed]));
    let count = store.count_runs(TENANT, &dead, RunId(i64::MAX));
    assert_eq!(count.await.unwrap(), 1);
}

/// With its run, alone, or when the run is forgotten; and by nobody of another tenant.
pub async fn a_dead_letter_is_taken_off_the_list(store: Store) {
    let plan = chain(1);
    let all = DeadLetterFilter::default();
    let mut runs = Vec::new();
    for _ in 0..3 {
        let (number, _) = submit(&store, run(&plan)).await;
        store.add_dead_letter(letter(number, 1)).await.unwrap();
        execute(&store, key(number, 0), StepState::Failed, &plan).await;
        runs.push(number);
    }
    assert_eq!(letters(&store, &all).await.len(), 3);
    assert_eq!(store.settle_dead_letters(runs[0]).await.unwrap(), 1);
    assert_eq!(store.settle_dead_letters(runs[0]).await.unwrap(), 0);
    let left = letters(&store, &all).await;
    let one = &left[0];
    let other = TenantId(2);
    assert_eq!(store.dead_letter(other, one.id).await.unwrap(), None);
    assert!(!store.delete_dead_letter(other, one.id).await.unwrap());
    let found = store.dead_letter(TENANT, one.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(one));
    assert!(store.delete_dead_letter(TENANT, one.id).await.unwrap());
    assert!(!store.delete_dead_letter(TENANT, one.id).await.unwrap());
    assert_eq!(letters(&store, &all).await, &left[1..]);
    let long_after = run(&plan).expires_at.plus_micros(1);
    assert_eq!(store.expire(long_after, 10).await.unwrap(), 3);
    assert!(letters(&store, &all).await.is_empty());
    let nothing = store.settle_dead_letters(runs[1]).await.unwrap()
        + store.settle_dead_letters(runs[2]).await.unwrap();
    assert_eq!(nothing, 0, "no row is left behind");
}
