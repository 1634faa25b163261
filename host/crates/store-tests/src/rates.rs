//! Rates of steps: how many start in a span of time, by a clock that the cases move.

use model::limits::Kind;
use model::state::StepState;
use store::limits::Acquired;

use crate::{
    Store,
    build::NOW,
    limits::{ask, at, attempt, complete, done, line, named, places, rate, started, steps, woken},
};

/// Thirty come at once: they start in their order, no faster than they may, by a clock that
/// jumps to what is due.
pub async fn a_rate_is_kept(store: Store) {
    let wanted = [rate("api", 10, 1)];
    let all = line(&store, &wanted, 30).await;
    let mut starts = vec![(all[0].step, NOW)];
    let mut now = NOW;
    while starts.len() < all.len() {
        let due = store.wake_due(now, 100).await.unwrap();
        for step in due.ready {
            let next = attempt(&store, step.key).await;
            assert_eq!(ask(&store, next, &wanted, now).await, Acquired::Taken);
            starts.push((step.key, now));
        }
        if let Some(next) = due.next {
            now = now.max(next);
        }
    }
    assert_eq!(
        starts.iter().map(|one| one.0).collect::<Vec<_>>(),
        steps(&all)
    );
    for (number, (_, start)) in starts.iter().enumerate() {
        assert_eq!(*start, at(100_000 * number as i64));
    }
    let due = store.wake_due(now, 100).await.unwrap();
    assert_eq!((due.ready.len(), due.next), (0, None));
}

/// One that was called and starts late does not start beside others; it goes before them.
pub async fn a_late_start_keeps_the_rate(store: Store) {
    let wanted = [rate("api", 10, 1)];
    let all = line(&store, &wanted, 4).await;
    assert_eq!(woken(&store, at(100_000)).await, [all[1].step]);
    assert_eq!(woken(&store, at(200_000)).await, [all[2].step]);
    // Both are executed only now.
    let second = attempt(&store, all[1].step).await;
    let taken = ask(&store, second, &wanted, at(250_000)).await;
    assert_eq!(taken, Acquired::Taken);
    let third = attempt(&store, all[2].step).await;
    let refused = ask(&store, third, &wanted, at(250_000)).await;
    assert_eq!(refused, Acquired::Waits(Some(at(350_000))));
    assert!(woken(&store, at(349_999)).await.is_empty());
    assert_eq!(woken(&store, at(350_000)).await, [all[2].step]);
    assert_eq!(woken(&store, at(450_000)).await, [all[3].step]);
}

/// The line that was cancelled keeps nobody waiting who comes after it.
pub async fn a_cancelled_line_takes_no_time(store: Store) {
    let wanted = [rate("api", 10, 1)];
    let all = line(&store, &wanted, 50).await;
    let last = started(&store).await;
    let waits = ask(&store, last, &wanted, at(60)).await;
    assert_eq!(waits, Acquired::Waits(Some(at(5_000_000))));
    for one in &all[1..] {
        store.cancel(one.step.run, at(70)).await.unwrap();
    }
    let due = store.wake_due(at(70), 10).await.unwrap();
    assert_eq!((due.ready.len(), due.next), (0, Some(at(100_000))));
    assert_eq!(woken(&store, at(100_000)).await, [last.step]);
}

/// Whoever waits for its turn has its place meanwhile; a retry asks for both anew.
pub async fn a_step_may_have_both_limits(store: Store) {
    let wanted = [places("device", 1), rate("api", 10, 1)];
    let first = started(&store).await;
    assert_eq!(ask(&store, first, &wanted, at(0)).await, Acquired::Taken);
    complete(&store, done(first, StepState::Success)).await;
    let second = started(&store).await;
    let waits = ask(&store, second, &wanted, at(10)).await;
    assert_eq!(waits, Acquired::Waits(Some(at(100_000))));
    let third = started(&store).await;
    assert_eq!(
        ask(&store, third, &wanted, at(20)).await,
        Acquired::Waits(None)
    );
    let found = store.limit_waits(second.step.run, 5).await.unwrap();
    assert_eq!(found[0].of.summary.limit.kind(), Kind::Rate);
    let found = store.limit_waits(third.step.run, 5).await.unwrap();
    assert_eq!(named(&found[0].of.holders), [second.step]);
    assert_eq!(woken(&store, at(100_000)).await, [second.step]);
    let second = attempt(&store, second.step).await;
    let taken = ask(&store, second, &wanted, at(100_000)).await;
    assert_eq!(taken, Acquired::Taken);
    complete(&store, done(second, StepState::Success)).await;
    assert_eq!(woken(&store, at(100_001)).await, [third.step]);
    let third = attempt(&store, third.step).await;
    let waits = ask(&store, third, &wanted, at(100_002)).await;
    assert_eq!(waits, Acquired::Waits(Some(at(200_000))));
}
