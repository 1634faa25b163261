//! What is read of runs, and when they are forgotten.

use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, TenantId, WorkerId},
    state::{RunState, StepState},
};
use store::{
    definitions::Kind,
    runs::{RunFilter, Span, Submitted, Volume},
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

/// The newest run of each application that has one; those of elements of a list are none.
pub async fn the_last_run_of_each_application(store: Store) {
    let plan = chain(1);
    let mut newest = Vec::new();
    for (application, count) in [(501, 3), (502, 1), (503, 0)] {
        let mut last = None;
        for _ in 0..count {
            let mut new = run(&plan);
            new.application = application;
            last = Some(submit(&store, new).await.0);
        }
        newest.extend(last);
    }
    let mut element = run(&plan);
    element.application = 501;
    element.part = Some(Ordinal(0));
    submit(&store, element).await;
    let asked = [503, 502, 501, 4_711];
    let found = store.last_runs(TenantId::DEFAULT, &asked).await.unwrap();
    let mut found: Vec<RunId> = found.iter().map(|run| run.run).collect();
    found.sort();
    assert_eq!(found, newest);
    let none = store.last_runs(TenantId::DEFAULT, &[]).await.unwrap();
    assert_eq!(none, []);
    let others = store.last_runs(TenantId(2), &asked).await.unwrap();
    assert_eq!(others, []);
}

/// A span of twenty seconds of an application in two parts, with five runs in it and others
/// around it; three have failed, two wait.
async fn twenty_seconds(store: &Store) -> Span {
    let plan = chain(1);
    let second = |number: i64| NOW.plus_micros(number * 1_000_000);
    for (at, ends) in [
        (-1, true),
        (0, true),
        (5, true),
        (9, false),
        (10, true),
        (19, false),
        (20, true),
    ] {
        let mut new = run(&plan);
        new.application = 601;
        new.created_at = second(at);
        let (id, _) = submit(store, new).await;
        if ends {
            execute(store, key(id, 0), StepState::Failed, &plan).await;
        }
    }
    let mut other = run(&plan);
    other.application = 602;
    other.created_at = second(5);
    submit(store, other).await;
    Span {
        application: 601,
        from: second(0),
        until: second(20),
        part: 10_000_000,
        filter: RunFilter::default(),
    }
}

/// A span of time is summed up by parts and states; its ends count as they should.
pub async fn a_span_is_summed_up(store: Store) {
    let span = twenty_seconds(&store).await;
    let sums = store.timeline(TenantId::DEFAULT, &span).await.unwrap();
    let mut counts: Vec<_> = sums
        .iter()
        .map(|sum| (sum.part, sum.state, sum.count, sum.longest.is_some()))
        .collect();
    counts.sort_by_key(|(part, _, _, ended)| (*part, *ended));
    assert_eq!(
        counts,
        [
            (0, RunState::Queued, 1, false),
            (0, RunState::Failed, 2, true),
            (1, RunState::Queued, 1, false),
            (1, RunState::Failed, 1, true),
        ]
    );
    let listed = store
        .runs(TenantId::DEFAULT, &span.runs(), None, 100)
        .await
        .unwrap();
    let took: Vec<i64> = listed
        .items
        .iter()
        .filter_map(|run| Some(run.finished_at?.micros_since(run.created_at)))
        .collect();
    assert_eq!(
        sums.iter().filter_map(|sum| sum.longest).max(),
        took.iter().max().copied()
    );
    assert_eq!(
        sums.iter().map(|sum| sum.total).sum::<i64>(),
        took.iter().sum::<i64>()
    );
}

/// What narrows a list narrows a span.
pub async fn a_span_is_narrowed(store: Store) {
    let span = twenty_seconds(&store).await;
    let failed = Span {
        filter: RunFilter {
            states: vec![RunState::Failed],
            queue: Some("default".to_owned()),
            ..RunFilter::default()
        },
        ..span.clone()
    };
    let sums = store.timeline(TenantId::DEFAULT, &failed).await.unwrap();
    assert_eq!(sums.iter().map(|sum| sum.count).sum::<u64>(), 3);
    // The same runs as the list has.
    let listed = store
        .runs(TenantId::DEFAULT, &span.runs(), None, 100)
        .await
        .unwrap();
    assert_eq!(listed.items.len(), 5);
    let aligned = Span {
        filter: RunFilter {
            configuration: Some("none".to_owned()),
            ..RunFilter::default()
        },
        ..span
    };
    let sums = store.timeline(TenantId::DEFAULT, &aligned).await.unwrap();
    assert_eq!(sums, []);
}

/// All runs of a tenant, of whatever application, are summed up; those that have not ended,
/// by queues.
pub async fn all_runs_are_summed_up(store: Store) {
    let plan = chain(1);
    let second = |number: i64| NOW.plus_micros(number * 1_000_000);
    let mut applications = Vec::new();
    for name in ["one", "two"] {
        let saved = store.save(save(name, "{}")).await.unwrap();
        applications.push(saved.id);
    }
    for (application, at, queue, ends) in [
        (0, -1, "default", true),
        (0, 0, "default", true),
        (1, 5, "acme", true),
        (1, 10, "acme", false),
        (0, 12, "acme", false),
        (0, 19, "default", false),
        (1, 20, "default", true),
    ] {
        let mut new = run(&plan);
        new.application = applications[application];
        new.queue = queue.into();
        new.created_at = second(at);
        let (id, _) = submit(&store, new).await;
        if ends {
            execute(&store, key(id, 0), StepState::Success, &plan).await;
        }
    }
    let volume = Volume {
        from: second(0),
        until: second(20),
        part: 10_000_000,
    };
    let sums = store.volume(TenantId::DEFAULT, volume).await.unwrap();
    let counts: Vec<_> = sums
        .iter()
        .map(|sum| (sum.part, sum.state, sum.count, sum.longest.is_some()))
        .collect();
    assert_eq!(
        counts,
        [
            (0, RunState::Success, 2, true),
            (1, RunState::Queued, 3, false),
        ]
    );
    assert_eq!(store.volume(TenantId(2), volume).await.unwrap(), []);
    let standing = store.standing(TenantId::DEFAULT).await.unwrap();
    let told: Vec<_> = standing
        .iter()
        .map(|one| (&*one.queue, one.queued, one.running, one.oldest))
        .collect();
    assert_eq!(
        told,
        [
            ("acme", 2, 0, Some(second(10))),
            ("default", 1, 0, Some(second(19))),
        ]
    );
    assert_eq!(store.standing(TenantId(2)).await.unwrap(), []);
}
