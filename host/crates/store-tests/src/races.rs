//! Limits under many who ask at the same time, from one process or several.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use model::{
    id::{StepKey, WorkerId},
    limits::{Limit, Rate, Wanted},
    state::StepState,
};
use store::limits::Acquired;

use crate::{
    Store,
    build::{NOW, chain, claim, key, run, submit},
    limits::{Attempt, ask, attempt, complete, detail, done, places, woken},
};

/// Whoever comes when, from however many sides: never more hold a place than may.
pub async fn never_more_than_the_limit(store: Store) {
    race(&[store], 60, 3).await;
}

/// Runs of one step each are executed at the same time on these stores, under one key with
/// that limit. Whoever has its place keeps it until all others have asked.
///
/// # Panics
/// When more than `limit` of them execute at a time, or one of them never does.
pub async fn race(stores: &[Store], runs: usize, limit: usize) {
    let wanted = [places("device", limit as u32)];
    let mut open = Vec::new();
    for _ in 0..runs {
        open.push(key(submit(&stores[0], run(&chain(1))).await.0, 0));
    }
    let mut ended = 0;
    while ended < runs {
        assert!(!open.is_empty(), "nobody was woken");
        let (round, asked) = (open.len(), AtomicUsize::new(0));
        let executing = AtomicUsize::new(0);
        let serve = open.drain(..).enumerate().map(|(number, step)| {
            let store = &stores[number % stores.len()];
            let (wanted, asked, executing) = (&wanted, &asked, &executing);
            async move {
                let next = attempt(store, step).await;
                let taken = ask(store, next, wanted, NOW).await == Acquired::Taken;
                executing.fetch_add(usize::from(taken), Ordering::SeqCst);
                asked.fetch_add(1, Ordering::SeqCst);
                while asked.load(Ordering::SeqCst) < round {
                    tokio::task::yield_now().await;
                }
                let now = executing.load(Ordering::SeqCst);
                assert!(now <= limit, "{now} execute");
                if taken {
                    complete(store, done(next, StepState::Success)).await;
                }
                usize::from(taken)
            }
        });
        ended += join_all(serve).await.into_iter().sum::<usize>();
        let looks = stores.iter().map(|store| woken(store, NOW));
        open.extend(join_all(looks).await.into_iter().flatten());
    }
    let seen = detail(&stores[0], "device").await;
    assert_eq!((seen.summary.held, seen.summary.waiting), (0, 0));
}

/// Runs of one step each that want a place of one of five keys and a start of another of
/// five, ended by whoever has them; every one comes to its end.
///
/// # Panics
/// When one does not.
pub async fn cross(stores: &[Store], runs: usize) {
    let wanted = |number: usize| {
        let fast = Wanted {
            key: format!("{}", (number / 5) % 5),
            limit: Limit::Rate(Rate {
                limit: 1_000_000,
                per: Duration::from_secs(1),
                burst: 1,
            }),
        };
        [places(&format!("{}", number % 5), 2), fast]
    };
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(key(submit(&stores[0], run(&chain(1))).await.0, 0));
    }
    let number_of: BTreeMap<StepKey, usize> = all.iter().copied().zip(0..).collect();
    let (mut open, mut ended, mut now) = (all, 0, NOW);
    while ended < runs {
        let serve = open.iter().map(|step| {
            let (number, step) = (number_of[step], *step);
            let store = &stores[number % stores.len()];
            async move {
                let Some(claimed) = claim(store, step, WorkerId(1)).await else {
                    return 0;
                };
                let attempt = Attempt {
                    step,
                    token: claimed.token,
                };
                if ask(store, attempt, &wanted(number), now).await != Acquired::Taken {
                    return 0;
                }
                complete(store, done(attempt, StepState::Success)).await;
                1
            }
        });
        ended += join_all(serve).await.into_iter().sum::<usize>();
        now = now.plus_micros(3);
        let looks = stores.iter().map(|store| woken(store, now));
        open = join_all(looks).await.into_iter().flatten().collect();
    }
}
