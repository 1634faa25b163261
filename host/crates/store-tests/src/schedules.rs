//! Schedules: each occurrence starts one run, whoever asks and however often.

use std::collections::BTreeSet;

use model::{
    clock::Timestamp,
    id::{RunId, TenantId},
    schedule::Overlap,
    state::StepState,
};
use store::{
    Error,
    packs::{Activation, PackState},
    schedules::{
        Act, Fire, Fired, MAX_WAITING, Outcome, SaveSchedule, Schedule, ScheduleFilter, Source,
    },
};

use crate::{
    Store,
    build::{NOW, chain, execute, import, key, run, summary, unfinished},
};

const TENANT: TenantId = TenantId::DEFAULT;
const MINUTE: i64 = 60_000_000;

/// So many minutes after the first occurrence.
const fn minute(number: i64) -> Timestamp {
    NOW.plus_micros(number * MINUTE)
}

fn save(name: &str, next_due: Option<Timestamp>) -> SaveSchedule {
    SaveSchedule {
        tenant: TENANT,
        name: name.to_owned(),
        application: "sync".to_owned(),
        document: "{}".to_owned(),
        origin: None,
        enabled: true,
        anchor: NOW,
        next_due,
        by: "isadmin".to_owned(),
        at: NOW,
        expected: None,
    }
}

async fn saved(store: &Store, name: &str) -> Schedule {
    store.save_schedule(save(name, Some(NOW))).await.unwrap()
}

async fn found(store: &Store, name: &str) -> Schedule {
    store.schedule(TENANT, name).await.unwrap().unwrap()
}

/// The occurrence of that minute starts a run of one step.
fn start(schedule: &Schedule, number: i64, overlap: Overlap) -> Fire {
    Fire {
        schedule: schedule.id,
        revision: schedule.revision,
        due: minute(number),
        source: Source::Due {
            next: Some(minute(number + 1)),
        },
        act: Act::Start(Box::new(run(&chain(1))), overlap),
        at: minute(number),
    }
}

async fn fire(store: &Store, fire: Fire) -> Fired {
    let mut fired = store.fire(vec![fire]).await.unwrap();
    assert_eq!(fired.len(), 1);
    fired.remove(0)
}

fn started(fired: &Fired) -> RunId {
    match fired {
        Fired::Started { run, ready } => {
            assert_eq!(ready.len(), 1);
            *run
        }
        other => panic!("{other:?}"),
    }
}

async fn end(store: &Store, run: RunId) {
    execute(store, key(run, 0), StepState::Success, &chain(1)).await;
}

/// `(minute, outcome)`, the newest first.
async fn outcomes(store: &Store, schedule: &Schedule) -> Vec<(i64, Outcome)> {
    let page = store
        .occurrences(schedule.id, None, None, 1000)
        .await
        .unwrap();
    let minute = |at: Timestamp| at.micros_since(NOW) / MINUTE;
    page.items
        .iter()
        .map(|one| (minute(one.due), one.outcome))
        .collect()
}

/// Every save is a revision; what was counted stays.
pub async fn a_schedule_is_saved(store: Store) {
    let first = saved(&store, "nightly").await;
    assert_eq!(
        (first.revision, first.total_runs, first.last_run),
        (1, 0, None)
    );
    assert_eq!((first.next_due, first.created_at), (Some(NOW), NOW));
    started(&fire(&store, start(&first, 0, Overlap::Allow)).await);
    let mut again = save("nightly", None);
    again.enabled = false;
    "other".clone_into(&mut again.by);
    again.at = minute(9);
    for wrong in [0, 2] {
        again.expected = Some(wrong);
        let answer = store.save_schedule(again.clone()).await;
        assert!(
            matches!(answer, Err(Error::Conflict { found: 1, .. })),
            "{answer:?}"
        );
    }
    again.expected = Some(1);
    let second = store.save_schedule(again).await.unwrap();
    assert_eq!(
        (second.id, second.revision, second.total_runs),
        (first.id, 2, 1)
    );
    assert_eq!((second.enabled, second.next_due), (false, None));
    assert_eq!(
        (&*second.edited_by, second.edited_at, second.created_at),
        ("other", minute(9), NOW)
    );
    assert_eq!(found(&store, "nightly").await, second);
    assert_eq!(store.schedule(TENANT, "none").await.unwrap(), None);
    let delete = |expected| store.delete_schedule(TENANT, "nightly", expected);
    assert!(matches!(
        delete(Some(1)).await,
        Err(Error::Conflict { found: 2, .. })
    ));
    assert!(delete(Some(2)).await.unwrap());
    assert!(!delete(None).await.unwrap());
    assert_eq!(outcomes(&store, &second).await, []);
}

/// By name and by application, in pages.
pub async fn schedules_are_listed(store: Store) {
    for (name, application) in [
        ("b", "sync"),
        ("a_1", "sync"),
        ("Ärger", "Größe"),
        ("c", "other"),
    ] {
        let mut one = save(name, None);
        application.clone_into(&mut one.application);
        store.save_schedule(one).await.unwrap();
    }
    let list = |application: Option<&str>, search: &str| {
        let filter = ScheduleFilter {
            application: application.map(str::to_owned),
            search: search.to_owned(),
        };
        let store = store.clone();
        async move {
            let page = store.schedules(TENANT, &filter, None, 10).await.unwrap();
            page.items
                .into_iter()
                .map(|one| one.name)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(list(None, "").await, ["a_1", "b", "c", "Ärger"]);
    assert_eq!(list(Some("sync"), "").await, ["a_1", "b"]);
    assert_eq!(list(None, "äRG").await, ["Ärger"]);
    assert_eq!(list(None, "GRÖß").await, ["Ärger"]);
    assert_eq!(list(None, "_").await, ["a_1"]);
    let all = ScheduleFilter::default();
    let page = store.schedules(TENANT, &all, None, 3).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (3, Some("c")));
    let page = store.schedules(TENANT, &all, Some("c"), 3).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
}

/// Applications of schedules that run, each once.
pub async fn scheduled_applications_are_told(store: Store) {
    for (name, application, enabled) in [
        ("a", "sync", true),
        ("b", "sync", true),
        ("c", "other", false),
        ("d", "Größe", true),
    ] {
        let mut one = save(name, None);
        application.clone_into(&mut one.application);
        one.enabled = enabled;
        store.save_schedule(one).await.unwrap();
    }
    let mut told = store.scheduled(TENANT).await.unwrap();
    told.sort();
    assert_eq!(told, ["Größe", "sync"]);
    assert_eq!(store.scheduled(TenantId(2)).await.unwrap(), [""; 0]);
}

/// The run, the occurrence and the next one are one commit.
pub async fn an_occurrence_starts_one_run(store: Store) {
    let schedule = saved(&store, "s").await;
    assert_eq!(store.next_due().await.unwrap(), (Some(NOW), false));
    assert_eq!(store.due(Some(TenantId(2)), NOW, 10).await.unwrap(), []);
    assert_eq!(store.due(None, NOW.plus_micros(-1), 10).await.unwrap(), []);
    assert_eq!(
        store.due(Some(TENANT), NOW, 10).await.unwrap(),
        std::slice::from_ref(&schedule)
    );
    let new = start(&schedule, 0, Overlap::Allow);
    let Act::Start(plan, _) = &new.act else {
        unreachable!()
    };
    let reference = plan.reference;
    let number = started(&fire(&store, new).await);
    assert_eq!(summary(&store, number).await.reference, reference);
    let after = found(&store, "s").await;
    assert_eq!((after.next_due, after.total_runs), (Some(minute(1)), 1));
    assert_eq!(after.last_run, Some((reference, NOW)));
    assert_eq!(after.revision, schedule.revision);
    // The same again does nothing; an occurrence that comes up again moves on.
    assert_eq!(
        fire(&store, start(&schedule, 0, Overlap::Allow)).await,
        Fired::Changed
    );
    let back = saved(&store, "s").await;
    assert_eq!(
        fire(&store, start(&back, 0, Overlap::Allow)).await,
        Fired::Already
    );
    let after = found(&store, "s").await;
    assert_eq!((after.next_due, after.total_runs), (Some(minute(1)), 1));
    assert_eq!(outcomes(&store, &schedule).await, [(0, Outcome::Started)]);
    assert_eq!(unfinished(&store, TENANT).await, 1);
}

/// However many fire at the same time.
pub async fn many_schedulers_fire_once(store: Store) {
    let mut all = Vec::new();
    for number in 0..40 {
        all.push(saved(&store, &format!("s{number}")).await);
    }
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            let all = all.clone();
            tokio::spawn(async move {
                let mut count = 0;
                for at in 0..5 {
                    let fires = all
                        .iter()
                        .map(|one| start(one, at, Overlap::Allow))
                        .collect();
                    let answers = store.fire(fires).await.unwrap();
                    count += answers
                        .iter()
                        .filter(|one| matches!(one, Fired::Started { .. }))
                        .count();
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    assert_eq!(count, 200);
    assert_eq!(unfinished(&store, TENANT).await, 200);
    for schedule in all {
        let after = found(&store, &schedule.name).await;
        assert_eq!((after.total_runs, after.next_due), (5, Some(minute(5))));
    }
}

/// Nothing is started of a schedule that is not as the caller has read it.
pub async fn a_changed_schedule_does_not_fire(store: Store) {
    let schedule = saved(&store, "s").await;
    let mut paused = save("s", Some(NOW));
    paused.enabled = false;
    let paused = store.save_schedule(paused).await.unwrap();
    for one in [&schedule, &paused] {
        assert_eq!(
            fire(&store, start(one, 0, Overlap::Allow)).await,
            Fired::Changed
        );
    }
    let again = saved(&store, "s").await;
    assert_eq!(
        fire(&store, start(&again, 1, Overlap::Allow)).await,
        Fired::Changed
    );
    assert!(store.delete_schedule(TENANT, "s", None).await.unwrap());
    assert_eq!(
        fire(&store, start(&again, 0, Overlap::Allow)).await,
        Fired::Changed
    );
    assert_eq!(unfinished(&store, TENANT).await, 0);
}

/// What has no run is recorded with its reason, and the schedule goes on.
pub async fn an_occurrence_without_a_run_is_recorded(store: Store) {
    let schedule = saved(&store, "s").await;
    let mut failed = start(&schedule, 0, Overlap::Allow);
    failed.act = Act::Record(Outcome::Failed, "there is no application".to_owned());
    assert_eq!(fire(&store, failed).await, Fired::Recorded(Outcome::Failed));
    let mut last = start(&schedule, 1, Overlap::Allow);
    last.source = Source::Due { next: None };
    started(&fire(&store, last).await);
    let after = found(&store, "s").await;
    assert_eq!((after.next_due, after.total_runs), (None, 1));
    assert_eq!(store.next_due().await.unwrap(), (None, false));
    let page = store.occurrences(schedule.id, None, None, 1).await.unwrap();
    assert_eq!(
        (page.items[0].due, page.items[0].outcome),
        (minute(1), Outcome::Started)
    );
    assert!(page.items[0].run.is_some() && page.items[0].reason.is_none());
    let before = Timestamp(page.next.unwrap().parse().unwrap());
    let page = store
        .occurrences(schedule.id, None, Some(before), 1)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    assert_eq!(
        page.items[0].reason.as_deref(),
        Some("there is no application")
    );
    assert_eq!((page.items[0].at, page.items[0].run), (NOW, None));
    let only = store
        .occurrences(schedule.id, Some(Outcome::Failed), None, 9)
        .await
        .unwrap();
    assert_eq!(only.items, page.items);
    let between = |from, until| store.occurrences_between(schedule.id, minute(from), minute(until));
    assert_eq!(between(0, 0).await.unwrap(), page.items);
    assert_eq!(between(0, 1).await.unwrap().len(), 2);
    assert_eq!(between(2, 9).await.unwrap(), []);
    // They are forgotten by when they were decided on.
    assert_eq!(store.forget_occurrences(minute(1), 10).await.unwrap(), 1);
    assert_eq!(outcomes(&store, &schedule).await, [(1, Outcome::Started)]);
}

/// With a run that has not ended: left out, or waiting for its end, in order.
pub async fn overlaps_are_decided_with_the_commit(store: Store) {
    let skip = saved(&store, "skip").await;
    let first = started(&fire(&store, start(&skip, 0, Overlap::Skip)).await);
    let unfinished = store.unfinished_of(skip.id, minute(1)).await.unwrap();
    assert_eq!(unfinished, [summary(&store, first).await.reference]);
    assert_eq!(store.unfinished_of(skip.id, NOW).await.unwrap(), []);
    assert_eq!(
        fire(&store, start(&skip, 1, Overlap::Skip)).await,
        Fired::Recorded(Outcome::Skipped)
    );
    end(&store, first).await;
    assert_eq!(store.unfinished_of(skip.id, minute(9)).await.unwrap(), []);
    // Of two in one batch the second meets the first.
    let pair = vec![
        start(&skip, 2, Overlap::Skip),
        start(&skip, 3, Overlap::Skip),
    ];
    let fired = store.fire(pair).await.unwrap();
    started(&fired[0]);
    assert_eq!(fired[1], Fired::Recorded(Outcome::Skipped));
    assert_eq!(
        outcomes(&store, &skip).await,
        [
            (3, Outcome::Skipped),
            (2, Outcome::Started),
            (1, Outcome::Skipped),
            (0, Outcome::Started)
        ]
    );

    let queue = saved(&store, "queue").await;
    let mut running = started(&fire(&store, start(&queue, 0, Overlap::Queue)).await);
    for at in 1..=3 {
        assert_eq!(
            fire(&store, start(&queue, at, Overlap::Queue)).await,
            Fired::Recorded(Outcome::Waiting)
        );
    }
    for at in 1..=3 {
        let waiting = store.waiting(1, 10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(
            (&*waiting[0].schedule.name, waiting[0].due),
            ("queue", minute(at))
        );
        let mut next = start(&queue, at, Overlap::Queue);
        next.source = Source::Waiting;
        let mut early = start(&queue, at, Overlap::Queue);
        early.source = Source::Waiting;
        assert_eq!(fire(&store, early).await, Fired::Recorded(Outcome::Waiting));
        end(&store, running).await;
        // Nothing overtakes what waits.
        assert_eq!(
            fire(&store, start(&queue, at + 3, Overlap::Queue)).await,
            Fired::Recorded(Outcome::Waiting)
        );
        running = started(&fire(&store, next).await);
    }
    let after = found(&store, "queue").await;
    assert_eq!((after.total_runs, after.next_due), (4, Some(minute(7))));
}

/// A schedule that is slower than its period does not fill the store.
pub async fn only_so_many_wait(store: Store) {
    let schedule = saved(&store, "s").await;
    // What somebody asked for does not count.
    let asked = (1..=MAX_WAITING as i64 + 9).map(|at| minute(-at)).collect();
    store.backfill(schedule.id, asked, NOW).await.unwrap();
    let fires = (0..MAX_WAITING as i64 + 3)
        .map(|at| start(&schedule, at, Overlap::Queue))
        .collect();
    let answers = store.fire(fires).await.unwrap();
    let count = |wanted: Outcome| {
        answers
            .iter()
            .filter(|one| **one == Fired::Recorded(wanted))
            .count()
    };
    started(&answers[0]);
    assert_eq!(
        (count(Outcome::Waiting), count(Outcome::Skipped)),
        (MAX_WAITING, 2)
    );
}

/// What somebody asks for waits until a scheduler starts it; what has run does not run again.
pub async fn a_range_is_filled(store: Store) {
    let schedule = saved(&store, "s").await;
    let other = saved(&store, "other").await;
    let run = started(&fire(&store, start(&schedule, 0, Overlap::Allow)).await);
    let mut missed = start(&schedule, 1, Overlap::Allow);
    missed.act = Act::Record(Outcome::Missed, "nobody".to_owned());
    fire(&store, missed).await;
    let dues: Vec<_> = (-2..2).map(minute).collect();
    assert_eq!(
        store
            .backfill(schedule.id, dues.clone(), minute(5))
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        store.backfill(schedule.id, dues, minute(5)).await.unwrap(),
        0
    );
    assert_eq!(store.backfill(999, vec![NOW], NOW).await.unwrap(), 0);
    assert_eq!(
        store
            .backfill(other.id, vec![minute(-1)], NOW)
            .await
            .unwrap(),
        1
    );
    assert!(store.next_due().await.unwrap().1);
    let waiting = store.waiting(2, 10).await.unwrap();
    let which: BTreeSet<_> = waiting
        .iter()
        .map(|one| (&*one.schedule.name, one.due))
        .collect();
    assert_eq!(
        which,
        BTreeSet::from([("s", minute(-2)), ("s", minute(-1)), ("other", minute(-1))])
    );
    assert_eq!(store.waiting(9, 2).await.unwrap().len(), 2);
    // Neither what waits nor what runs is forgotten.
    assert_eq!(store.forget_occurrences(minute(99), 10).await.unwrap(), 0);
    end(&store, run).await;
    assert_eq!(store.forget_occurrences(minute(99), 10).await.unwrap(), 1);
    for at in [-2, -1, 1] {
        let mut one = start(&schedule, at, Overlap::Allow);
        one.source = Source::Waiting;
        started(&fire(&store, one).await);
        let mut again = start(&schedule, at, Overlap::Allow);
        again.source = Source::Waiting;
        assert_eq!(fire(&store, again).await, Fired::Changed);
    }
    assert_eq!(found(&store, "s").await.next_due, Some(minute(2)));
    // What waits of a schedule that is paused goes on waiting.
    let mut paused = save("other", None);
    paused.enabled = false;
    store.save_schedule(paused).await.unwrap();
    assert_eq!(store.waiting(9, 10).await.unwrap(), []);
    assert!(!store.next_due().await.unwrap().1);
}

/// A pack's schedules come with its activation; a person's stay.
pub async fn a_pack_brings_schedules(store: Store) {
    let brought = |version: &str, document: &str| {
        let mut one = save("brought", Some(minute(7)));
        one.origin = Some(format!("pack@{version}"));
        document.clone_into(&mut one.document);
        one
    };
    let activate = |version: &'static str, document: &'static str| {
        let store = store.clone();
        let schedule = brought(version, document);
        async move {
            let pack = store.import(import(version, b"file")).await.unwrap();
            store
                .set_pack_state(pack.id, PackState::Installed, None, NOW)
                .await
                .unwrap();
            store
                .activate(Activation {
                    tenant: TENANT,
                    id: pack.id,
                    grants: "[]".to_owned(),
                    definitions: Vec::new(),
                    schedules: vec![schedule],
                    at: NOW,
                })
                .await
                .unwrap()
        }
    };
    assert_eq!(activate("1", "one").await, [""; 0]);
    let first = found(&store, "brought").await;
    assert_eq!(
        (first.origin.as_deref(), first.next_due),
        (Some("pack@1"), Some(minute(7)))
    );
    assert_eq!(activate("2", "two").await, [""; 0]);
    assert_eq!(found(&store, "brought").await.document, "two");
    let mut mine = save("brought", None);
    "mine".clone_into(&mut mine.document);
    store.save_schedule(mine).await.unwrap();
    assert_eq!(activate("3", "three").await, ["brought"]);
    assert_eq!(found(&store, "brought").await.document, "mine");
}
