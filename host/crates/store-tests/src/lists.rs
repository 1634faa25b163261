//! What is read of runs, and when they are forgotten.

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, TenantId, WorkerId},
    state::{RunState, StepState},
};
use store::{
    definitions::Kind,
    runs::{RunFilter, Submitted},
};

use crate::{
    Store,
    build::{EXPIRES, NOW, chain, claim, execute, key, run, save, submit, summary},
};

/// Each run that was there at the first page comes once, whatever is accepted between.
pub async fn pages_stay_while_new_runs_come(store: Store) {
    let plan = chain(1);
    let mut expected = Vec::new();
    for _ in 0..10 {
        expected.push(submit(&store, run(&plan)).await.0);
    }
    expected.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .runs(TenantId::DEFAULT, &RunFilter::default(), after, 3)
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|run| run.run));
        submit(&store, run(&plan)).await;
        match page.next {
            Some(next) => after = Some(RunId(next.parse().unwrap())),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

/// By application, queue, configuration and state, together and alone.
pub async fn filters_narrow(store: Store) {
    let plan = chain(1);
    let application = store.save(save("Übertrag", "{}")).await.unwrap();
    let mut settings = save("prod", "{}");
    settings.kind = Kind::Configuration;
    let configuration = store.save(settings).await.unwrap();
    let mut other = run(&plan);
    other.application = 777;
    let (usual, _) = submit(&store, other).await;
    let mut new = run(&plan);
    new.application = application.id;
    new.application_revision = application.revision;
    new.configuration_revision = Some(configuration.revision);
    new.queue = "slow".into();
    let (special, _) = submit(&store, new).await;
    execute(&store, key(special, 0), StepState::Success, &plan).await;
    let found = summary(&store, special).await;
    assert_eq!(found.application_name, "Übertrag");
    assert_eq!(found.application_revision_number, 1);
    assert_eq!(found.configuration_name.as_deref(), Some("prod"));
    let of = |application| RunFilter {
        application: Some(application),
        ..RunFilter::default()
    };
    let queue = |name: &str| RunFilter {
        queue: Some(name.to_owned()),
        ..RunFilter::default()
    };
    let configured = |name: &str| RunFilter {
        configuration: Some(name.to_owned()),
        ..RunFilter::default()
    };
    let in_states = |states: &[RunState]| RunFilter {
        states: states.to_vec(),
        ..RunFilter::default()
    };
    let mut both = queue("slow");
    both.application = Some(application.id);
    both.states = vec![RunState::Success, RunState::Failed];
    for (filter, expected) in [
        (RunFilter::default(), vec![special, usual]),
        (of(application.id), vec![special]),
        (of(777), vec![usual]),
        (queue("slow"), vec![special]),
        (queue("nobody"), vec![]),
        (configured("prod"), vec![special]),
        (configured("%"), vec![]),
        (in_states(&[RunState::Queued]), vec![usual]),
        (in_states(&[RunState::Success]), vec![special]),
        (both, vec![special]),
    ] {
        let page = store
            .runs(TenantId::DEFAULT, &filter, None, 10)
            .await
            .unwrap();
        let runs: Vec<_> = page.items.iter().map(|run| run.run).collect();
        assert_eq!(runs, expected, "{filter:?}");
    }
    let other = store
        .runs(TenantId(2), &RunFilter::default(), None, 10)
        .await
        .unwrap();
    assert!(other.items.is_empty());
}

/// Runs, steps and payloads go, their names and numbers do not come again.
pub async fn expired_runs_are_forgotten(store: Store) {
    let plan = chain(1);
    let mut ended = Vec::new();
    for _ in 0..3 {
        let new = run(&plan);
        let reference = new.reference;
        let (number, _) = submit(&store, new).await;
        execute(&store, key(number, 0), StepState::Success, &plan).await;
        ended.push((number, reference));
    }
    let before = EXPIRES.plus_micros(-1);
    assert_eq!(store.expire(before, 10).await.unwrap(), 0);
    assert_eq!(store.expire(EXPIRES, 2).await.unwrap(), 2);
    let later = EXPIRES.plus_micros(Timestamp::DAY);
    assert_eq!(store.expire(later, 2).await.unwrap(), 1);
    assert_eq!(store.expire(later, 2).await.unwrap(), 0);
    for (number, reference) in &ended {
        assert_eq!(
            store.run(TenantId::DEFAULT, *reference).await.unwrap(),
            None
        );
        assert!(store.steps(*number, 0).await.unwrap().is_empty());
        assert_eq!(store.input(*number, EXPIRES).await.unwrap(), None);
        let outputs = store
            .outputs(*number, EXPIRES, &[Ordinal(0)])
            .await
            .unwrap();
        assert_eq!(outputs, [None]);
    }
    let (next, _) = submit(&store, run(&plan)).await;
    assert!(ended.iter().all(|(number, _)| next > *number));
    assert!(store.input(next, EXPIRES).await.unwrap().is_some());
}

/// However old it is; and its partition stays with it.
pub async fn an_unfinished_run_does_not_expire(store: Store) {
    let plan = chain(1);
    let (number, _) = submit(&store, run(&plan)).await;
    let later = EXPIRES.plus_micros(10 * Timestamp::DAY);
    assert_eq!(store.expire(later, 10).await.unwrap(), 0);
    assert!(store.input(number, EXPIRES).await.unwrap().is_some());
    assert!(claim(&store, key(number, 0), WorkerId(1)).await.is_some());
}

/// Who has seen an event is told what changed after it.
pub async fn steps_are_told_by_event(store: Store) {
    let plan = chain(2);
    let mut new = run(&plan);
    new.claim = Some(WorkerId(1));
    let Submitted::New { run: number, .. } = store.submit(new).await.unwrap() else {
        panic!("not new")
    };
    let mut seen = summary(&store, number).await.seq;
    assert!(store.steps(number, seen).await.unwrap().is_empty());
    let end = crate::build::end(
        key(number, 0),
        model::id::Token(1),
        StepState::Success,
        &plan,
    );
    crate::build::stored(&store, end).await;
    let changed = store.steps(number, seen).await.unwrap();
    assert_eq!(changed.len(), 2);
    assert_eq!(changed[1].ready_at, Some(NOW.plus_micros(5)));
    let now = summary(&store, number).await.seq;
    assert!(now > seen && changed.iter().all(|step| step.seq == now));
    seen = now;
    claim(&store, key(number, 1), WorkerId(2)).await.unwrap();
    let changed = store.steps(number, seen).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].step, changed[0].attempts, changed[0].worker),
        (Ordinal(1), 1, Some(WorkerId(2)))
    );
    let found = store.steps(number, 0).await.unwrap();
    assert_eq!(found.len(), 2);
}
