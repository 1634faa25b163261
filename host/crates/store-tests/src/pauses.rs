//! Pauses: what starts no steps for now.

use model::{
    id::{Ordinal, RunId, TenantId},
    state::StepState,
};
use store::{
    pauses::{Pause, PauseScope},
    runs::Completed,
};

use crate::{
    Store,
    build::{NOW, chain, claim, end, key, run, submit, worker},
};

fn scope(application: Option<i64>, queue: Option<&str>) -> PauseScope {
    PauseScope {
        application,
        queue: queue.map(str::to_owned),
    }
}

fn pause(scope: PauseScope) -> Pause {
    Pause {
        tenant: TenantId::DEFAULT,
        scope,
        application_name: None,
        by: "ann".to_owned(),
        at: NOW,
        reason: "an upgrade, größer".to_owned(),
    }
}

async fn ready(store: &Store) -> Vec<RunId> {
    let steps = store.ready(None, 100).await.unwrap();
    steps.into_iter().map(|step| step.key.run).collect()
}

/// Each scope holds up what fits it and nothing else, from its commit on.
pub async fn a_pause_holds_up_what_fits(store: Store) {
    let plan = chain(1);
    let mine = worker(&store, NOW).await;
    let cases = [
        (scope(None, None), [false, false, false]),
        (scope(Some(1), None), [false, false, true]),
        (scope(None, Some("acme")), [true, false, true]),
        (scope(Some(1), Some("acme")), [true, false, true]),
        (scope(Some(2), Some("acme")), [true, true, true]),
        (scope(Some(3), None), [true, true, true]),
    ];
    for (scope, go_on) in cases {
        let mut runs = Vec::new();
        for (application, queue) in [(1, "default"), (1, "acme"), (2, "default")] {
            let mut new = run(&plan);
            (new.application, new.queue) = (application, queue.into());
            runs.push(submit(&store, new).await.0);
        }
        assert!(
            store.pause(pause(scope.clone())).await.unwrap(),
            "{scope:?}"
        );
        let expected: Vec<RunId> = std::iter::zip(&runs, go_on)
            .filter_map(|(run, goes_on)| goes_on.then_some(*run))
            .collect();
        assert_eq!(ready(&store).await, expected, "{scope:?}");
        for (run, goes_on) in std::iter::zip(&runs, go_on) {
            let claimed = claim(&store, key(*run, 0), mine).await;
            assert_eq!(claimed.is_some(), goes_on, "{scope:?} {run:?}");
        }
        assert!(store.resume(TenantId::DEFAULT, &scope).await.unwrap());
        for (run, went_on) in std::iter::zip(&runs, go_on) {
            let claimed = claim(&store, key(*run, 0), mine).await;
            assert_eq!(claimed.is_some(), !went_on, "{scope:?} {run:?}");
        }
    }
}

/// What executes goes on to its end, and what follows is ready and not claimed with it.
pub async fn a_paused_run_ends_its_step_and_starts_no_other(store: Store) {
    let plan = chain(2);
    let mine = worker(&store, NOW).await;
    let (number, _) = submit(&store, run(&plan)).await;
    let token = claim(&store, key(number, 0), mine).await.unwrap().token;
    store.pause(pause(scope(Some(1), None))).await.unwrap();
    let mut done = end(key(number, 0), token, StepState::Success, &plan);
    done.claim = Some(mine);
    let expected = Completed::Stored {
        claimed: None,
        ready: vec![Ordinal(1)],
        ended: None,
        handed: false,
    };
    assert_eq!(store.complete(done).await.unwrap(), expected);
    assert_eq!(ready(&store).await, []);
    assert!(claim(&store, key(number, 1), mine).await.is_none());
    store
        .resume(TenantId::DEFAULT, &scope(Some(1), None))
        .await
        .unwrap();
    assert_eq!(ready(&store).await, [number]);
}

/// One pause of a scope; what another holds up too stays so; resuming tells what is ready.
pub async fn pauses_are_kept_apart(store: Store) {
    let plan = chain(1);
    let (all, acme) = (scope(None, None), scope(None, Some("acme")));
    let first = pause(acme.clone());
    assert!(store.pause(first.clone()).await.unwrap());
    let again = Pause {
        by: "bob".to_owned(),
        ..first.clone()
    };
    assert!(!store.pause(again).await.unwrap(), "it is there");
    let later = Pause {
        at: NOW.plus_micros(1),
        ..pause(all.clone())
    };
    assert!(store.pause(later.clone()).await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), [first, later]);
    let mut runs = Vec::new();
    for queue in ["default", "acme", "acme"] {
        let mut new = run(&plan);
        new.queue = queue.into();
        runs.push(submit(&store, new).await.0);
    }
    let tenant = TenantId::DEFAULT;
    let of = async |scope: &PauseScope, after, limit| {
        let steps = store.ready_of(tenant, scope, after, limit).await.unwrap();
        steps.into_iter().map(|step| step.key).collect::<Vec<_>>()
    };
    assert!(store.resume(tenant, &acme).await.unwrap());
    assert!(!store.resume(tenant, &acme).await.unwrap(), "it has ended");
    assert_eq!(of(&acme, None, 9).await, [], "the other holds them up");
    assert!(store.resume(tenant, &all).await.unwrap());
    assert_eq!(of(&acme, None, 1).await, [key(runs[1], 0)]);
    assert_eq!(of(&acme, Some(key(runs[1], 0)), 9).await, [key(runs[2], 0)]);
    assert_eq!(of(&scope(Some(2), None), None, 9).await, []);
    assert_eq!(of(&all, None, 9).await.len(), 3);
}
