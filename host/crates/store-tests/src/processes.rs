//! Leases of processes, and what they learn from the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    clock::Timestamp,
    id::{TenantId, WorkerId},
};
use store::{
    definitions::Kind,
    packs::{Activation, Artefact, PackState},
    workers::Renewed,
};

use crate::{
    Store,
    build::{NOW, claim, graph, import, key, run, save, submit, worker},
};

const SOON: Timestamp = Timestamp(NOW.0 + 1_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 2_000_000);

async fn renewed(store: &Store, id: WorkerId) -> Renewed {
    store.renew(id, NOW, SOON).await.unwrap().unwrap()
}

/// Those that did not end in order, the latest first.
pub async fn lost_processes_are_told(store: Store) {
    let at = |seconds: i64| NOW.plus_micros(seconds * 1_000_000);
    let early = worker(&store, at(10)).await;
    let late = worker(&store, at(20)).await;
    let live = worker(&store, at(99)).await;
    let ended = worker(&store, at(15)).await;
    store.release(ended).await.unwrap();
    let lost = |since: i64, now: i64| {
        let store = store.clone();
        async move {
            let lost = store.lost_workers(at(since), at(now)).await.unwrap();
            lost.into_iter().map(|one| one.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(lost(0, 5).await, []);
    assert_eq!(lost(0, 20).await, [late, early]);
    assert_eq!(lost(10, 30).await, [late]);
    assert_eq!(lost(50, 99).await, [live]);
}

/// A lease that has ended cannot be renewed.
pub async fn leases_end(store: Store) {
    let first = worker(&store, SOON).await;
    let second = worker(&store, SOON).await;
    assert_ne!(first, second);
    let live = store.workers(NOW).await.unwrap();
    assert_eq!(live.len(), 2);
    assert_eq!((live[0].id, &*live[0].queues[1]), (first, "größer"));
    assert_eq!(live[0].role, "all");
    assert!(store.renew(first, NOW, LATER).await.unwrap().is_some());
    assert!(store.renew(second, SOON, LATER).await.unwrap().is_none());
    assert_eq!(store.workers(SOON).await.unwrap().len(), 1);
    let third = worker(&store, LATER).await;
    store.release_others(third).await.unwrap();
    assert!(store.renew(first, NOW, LATER).await.unwrap().is_none());
    assert!(store.renew(third, NOW, LATER).await.unwrap().is_some());
    store.release(third).await.unwrap();
    assert!(store.workers(NOW).await.unwrap().is_empty());
}

/// A process learns once that a run was cancelled of which it had claimed a step.
pub async fn a_cancellation_is_told_once(store: Store) {
    let (mine, other) = (worker(&store, SOON).await, worker(&store, SOON).await);
    let plan = graph(3, &[]);
    let (number, _) = submit(&store, run(&plan)).await;
    for step in 0..2 {
        claim(&store, key(number, step), mine).await.unwrap();
    }
    assert!(renewed(&store, mine).await.cancelled.is_empty());
    store.cancel(number, NOW).await.unwrap();
    assert!(renewed(&store, other).await.cancelled.is_empty());
    assert_eq!(renewed(&store, mine).await.cancelled, [number]);
    assert!(renewed(&store, mine).await.cancelled.is_empty());
}

/// A process learns what it shall listen on.
pub async fn a_process_is_set(store: Store) {
    let id = worker(&store, SOON).await;
    let before = renewed(&store, id).await;
    assert_eq!((before.slots, before.queues.len()), (4, 2));
    let queues = ["priority.high".to_owned()];
    assert!(before.weights.is_empty());
    let set = store.set_worker(id, Some(&queues), None, None).await;
    assert!(set.unwrap());
    let weights = BTreeMap::from([("bulk".to_owned(), 0), ("a=b".to_owned(), 1000)]);
    let set = store.set_worker(id, None, Some(&weights), Some(7)).await;
    assert!(set.unwrap());
    let after = renewed(&store, id).await;
    assert_eq!((after.slots, &*after.queues), (7, &queues[..]));
    assert_eq!(after.weights, weights);
    let listed = store.workers(NOW).await.unwrap();
    assert_eq!(listed.last().unwrap().weights, weights);
    // None is not the same as nothing said.
    let set = store
        .set_worker(id, None, Some(&BTreeMap::new()), None)
        .await;
    assert!(set.unwrap());
    assert!(renewed(&store, id).await.weights.is_empty());
    let missing = WorkerId(id.0 + 1000);
    assert!(
        !store
            .set_worker(missing, None, None, Some(1))
            .await
            .unwrap()
    );
}

/// What others may have read is counted, and what changes nothing is not.
pub async fn changes_are_counted(store: Store) {
    let id = worker(&store, SOON).await;
    let mut last = renewed(&store, id).await.generation;
    let mut changed = async |expected: bool, what: &str| {
        let now = renewed(&store, id).await.generation;
        assert_eq!(now > last, expected, "{what}: {last} {now}");
        last = now;
    };
    store.save(save("a", "{}")).await.unwrap();
    changed(true, "a new document").await;
    store.save(save("a", "{}")).await.unwrap();
    changed(false, "the same document").await;
    store.save(save("a", "[]")).await.unwrap();
    changed(true, "another revision").await;
    let deleted = store
        .delete_definition(TenantId::DEFAULT, Kind::Application, "a", None)
        .await;
    assert!(deleted.unwrap());
    changed(true, "a deletion").await;
    let pack = store.import(import("1.0.0", b"file")).await.unwrap();
    store
        .set_pack_state(pack.id, PackState::Installed, None, NOW)
        .await
        .unwrap();
    let activation = Activation {
        tenant: TenantId::DEFAULT,
        id: pack.id,
        grants: "[]".to_owned(),
        definitions: Vec::new(),
        schedules: Vec::new(),
        at: NOW,
    };
    changed(false, "an import").await;
    store.activate(activation).await.unwrap();
    changed(true, "an activation").await;
    assert!(store.deactivate(TenantId::DEFAULT, "pack").await.unwrap());
    changed(true, "a deactivation").await;
    assert!(!store.deactivate(TenantId::DEFAULT, "pack").await.unwrap());
    changed(false, "no deactivation").await;
}

/// One leads until its time is over or it stops leading.
pub async fn one_leads(store: Store) {
    let (first, second) = (worker(&store, LATER).await, worker(&store, LATER).await);
    assert!(store.lead(first, NOW, SOON).await.unwrap());
    assert!(!store.lead(second, NOW, SOON).await.unwrap());
    assert!(store.lead(first, NOW, SOON).await.unwrap());
    assert!(store.lead(second, SOON, LATER).await.unwrap());
    assert!(!store.lead(first, SOON, LATER).await.unwrap());
    store.release(second).await.unwrap();
    assert!(store.lead(first, SOON, LATER).await.unwrap());
}

/// Of many who want to lead at once, one does.
pub async fn one_of_many_leads(store: Store) {
    let calls = (1..=20).map(|id| store.lead(WorkerId(id), NOW, SOON));
    let answers = futures::future::join_all(calls).await;
    let leaders = answers.iter().filter(|one| *one.as_ref().unwrap());
    assert_eq!(leaders.count(), 1);
}

/// A compiled component is kept for each engine, as long as its file.
pub async fn artefacts_are_kept_with_their_file(store: Store) {
    let artefact = |fingerprint: &str| Artefact {
        fingerprint: fingerprint.to_owned(),
        mac: Bytes::from_static(&[0, 255]),
        code: Bytes::from(vec![7; 100_000]),
    };
    let pack = store.import(import("1.0.0", b"file")).await.unwrap();
    let digest = &*pack.digest;
    store.put_artefact("unknown", artefact("a")).await.unwrap();
    assert_eq!(store.artefact("unknown", "a").await.unwrap(), None);
    assert_eq!(store.artefact(digest, "a").await.unwrap(), None);
    for fingerprint in ["a", "b", "a"] {
        store
            .put_artefact(digest, artefact(fingerprint))
            .await
            .unwrap();
    }
    let found = store.artefact(digest, "b").await.unwrap();
    assert_eq!(found, Some(artefact("b")));
    let deleted = store.delete_pack(TenantId::DEFAULT, "pack", "1.0.0").await;
    assert!(deleted.unwrap());
    assert_eq!(store.artefact(digest, "a").await.unwrap(), None);
}
