//! Documents, packs, cache records.

use bytes::Bytes;
use model::{clock::Timestamp, id::TenantId, state::StepState};
use store::{
    Error,
    cache::Record,
    definitions::Kind,
    packs::{Activation, PackState, PackVersion},
};

use crate::{
    Store,
    build::{NOW, chain, execute, import, key, run, save, submit},
};

const TENANT: TenantId = TenantId::DEFAULT;

/// Equal documents make none; a new one gets the next number.
pub async fn a_save_makes_a_revision(store: Store) {
    let first = store.save(save("Größe", "{\"a\": 1}")).await.unwrap();
    assert_eq!((first.number, first.document.as_str()), (1, "{\"a\": 1}"));
    let same = store.save(save("Größe", "{\"a\": 1}")).await.unwrap();
    assert_eq!(same, first);
    let mut moved = save("Größe", "{\"a\": 1}");
    "ordner".clone_into(&mut moved.folder);
    assert_eq!(store.save(moved).await.unwrap().folder, "ordner");
    let second = store.save(save("Größe", "{\"a\":  1}")).await.unwrap();
    assert_eq!((second.id, second.number), (first.id, 2));
    let old = store.revision(first.revision).await.unwrap().unwrap();
    assert_eq!((old.number, old.document.as_str()), (1, "{\"a\": 1}"));
    assert_eq!((old.name.as_str(), old.definition), ("Größe", first.id));
    for (number, there) in [(1, true), (2, true), (0, false), (3, false)] {
        let found = store.revision_numbered(first.id, number).await.unwrap();
        assert_eq!(
            found.as_ref().map(|found| found.number),
            there.then_some(number)
        );
        if number == 1 {
            assert_eq!(found.as_ref(), Some(&old));
        }
    }
    assert_eq!(store.revision_numbered(999, 1).await.unwrap(), None);
    let with = async |text: &str| store.revisions_with(first.id, text).await.unwrap();
    assert_eq!(with("\"a\"").await, ["{\"a\":  1}", "{\"a\": 1}"]);
    assert_eq!(with(":  1").await, ["{\"a\":  1}"]);
    assert_eq!(with("%").await, [""; 0]);
    assert_eq!(store.revision(999).await.unwrap(), None);
    let found = store
        .definition(TENANT, Kind::Application, "Größe")
        .await
        .unwrap();
    assert_eq!(found, Some(second));
    let other = store
        .definition(TENANT, Kind::Configuration, "Größe")
        .await
        .unwrap();
    assert_eq!(other, None);
}

/// `expected` is what the caller has seen, 0 for nothing.
pub async fn a_conflict_is_refused(store: Store) {
    let expecting = |expected, document: &str| {
        let mut save = save("app", document);
        save.expected = Some(expected);
        save
    };
    store.save(expecting(0, "1")).await.unwrap();
    for wrong in [0, 2] {
        let answer = store.save(expecting(wrong, "2")).await;
        let Err(Error::Conflict {
            expected, found, ..
        }) = answer
        else {
            panic!("{answer:?}")
        };
        assert_eq!((expected, found), (wrong, 1));
    }
    store.save(expecting(1, "2")).await.unwrap();
    let delete = |expected| store.delete_definition(TENANT, Kind::Application, "app", expected);
    assert!(matches!(
        delete(Some(1)).await,
        Err(Error::Conflict { found: 2, .. })
    ));
    assert!(delete(Some(2)).await.unwrap());
    assert!(!delete(None).await.unwrap());
}

/// What a save was decided by must be as it was, also when many save at the same moment.
pub async fn a_save_relies_on_others(store: Store) {
    let relying = |name: &str, relies: &[(&str, i64)]| {
        let mut save = save(name, "{}");
        save.relies = relies
            .iter()
            .map(|(name, number)| ((*name).to_owned(), *number))
            .collect();
        save
    };
    let first = store.save(relying("a", &[("b", 0), ("nul\0", 0)])).await;
    let first = first.unwrap().revision;
    store.save(relying("b", &[("a", first)])).await.unwrap();
    // One of that name and number that is another.
    let deleted = store.delete_definition(TENANT, Kind::Application, "a", None);
    assert!(deleted.await.unwrap());
    store.save(save("a", "{}")).await.unwrap();
    for (changed, revision) in [("a", first), ("b", 0), ("c", 1)] {
        let answer = store.save(relying("d", &[(changed, revision)])).await;
        let Err(Error::Conflict { name, expected, .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((name.as_str(), expected), (changed, revision));
    }
    let none = store.definition(TENANT, Kind::Application, "d").await;
    assert_eq!(none.unwrap(), None);
    // Each relies on all others not being there: one is saved.
    let names: Vec<String> = (0..8).map(|n| format!("one_of_many_{n}")).collect();
    let saves = names.iter().map(|own| {
        let others = names.iter().filter(|one| *one != own);
        let relies: Vec<(&str, i64)> = others.map(|one| (one.as_str(), 0)).collect();
        store.save(relying(own, &relies))
    });
    let answers = futures::future::join_all(saves).await;
    assert_eq!(answers.iter().filter(|one| one.is_ok()).count(), 1);
    for answer in answers.iter().filter(|one| one.is_err()) {
        assert!(matches!(answer, Err(Error::Conflict { .. })), "{answer:?}");
    }
}

/// Runs keep what they ran; a document of that name starts anew.
pub async fn a_deleted_document_keeps_its_revisions(store: Store) {
    let old = store.save(save("app", "1")).await.unwrap();
    assert!(
        store
            .delete_definition(TENANT, Kind::Application, "app", None)
            .await
            .unwrap()
    );
    let gone = store
        .definition(TENANT, Kind::Application, "app")
        .await
        .unwrap();
    assert_eq!(gone, None);
    assert_eq!(
        store
            .revision(old.revision)
            .await
            .unwrap()
            .unwrap()
            .document,
        "1"
    );
    let new = store.save(save("app", "2")).await.unwrap();
    assert_eq!(new.number, 1);
    assert_ne!((new.id, new.revision), (old.id, old.revision));
}

/// Whatever the case of the letters, ASCII or not; in pages by name.
pub async fn documents_are_found_by_either_name(store: Store) {
    for name in ["b_1", "a%", "Ärger", "c"] {
        store.save(save(name, "{}")).await.unwrap();
    }
    let find = |search: &'static str| {
        let store = store.clone();
        async move {
            let page = store
                .definitions(TENANT, Kind::Application, search, None, 10)
                .await
                .unwrap();
            page.items
                .into_iter()
                .map(|item| item.name)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(find("").await, ["a%", "b_1", "c", "Ärger"]);
    let nul = store.definition(TENANT, Kind::Application, "c\0").await;
    assert_eq!(nul.unwrap(), None);
    assert_eq!(find("äRGER").await, ["Ärger"]);
    assert_eq!(find("%").await, ["a%"]);
    assert_eq!(find("C (FRIENDLY").await, ["c"]);
    let page = |after: Option<&'static str>| {
        let store = store.clone();
        async move {
            store
                .definitions(TENANT, Kind::Application, "", after, 2)
                .await
                .unwrap()
        }
    };
    let first = page(None).await;
    assert_eq!((first.items.len(), first.next.as_deref()), (2, Some("b_1")));
    let last = page(Some("b_1")).await;
    assert_eq!((last.items.len(), last.next), (2, None));
}

async fn installed(store: &Store, version: &str, file: &'static [u8]) -> PackVersion {
    let pack = store.import(import(version, file)).await.unwrap();
    let state = PackState::Installed;
    store
        .set_pack_state(pack.id, state, None, NOW)
        .await
        .unwrap();
    store.pack(TENANT, "pack", version).await.unwrap().unwrap()
}

fn activation(id: i64) -> Activation {
    Activation {
        tenant: TENANT,
        id,
        grants: "[\"host:example.org\"]".to_owned(),
        definitions: Vec::new(),
        schedules: Vec::new(),
        at: NOW,
    }
}

/// The same file is the same version; another one replaces it until it is installed.
pub async fn packs_are_stored_once(store: Store) {
    let first = store.import(import("1.0.0", b"one")).await.unwrap();
    assert_eq!(store.import(import("1.0.0", b"one")).await.unwrap(), first);
    let replaced = store.import(import("1.0.0", b"two")).await.unwrap();
    assert_ne!(replaced.id, first.id);
    let stale = store
        .set_pack_state(first.id, PackState::Installed, None, NOW)
        .await;
    assert!(matches!(stale, Err(Error::Missing(_))));
    assert_eq!(store.component("digest-one").await.unwrap(), None);
    let file = store.component("digest-two").await.unwrap();
    assert_eq!(file, Some(Bytes::from_static(b"two")));
    let failed = store.set_pack_state(replaced.id, PackState::Failed, Some("no"), NOW);
    failed.await.unwrap();
    let found = store.pack(TENANT, "pack", "1.0.0").await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.error.as_deref()),
        (PackState::Failed, Some("no"))
    );
    installed(&store, "1.0.0", b"two").await;
    let other = store.import(import("1.0.0", b"three")).await;
    assert!(matches!(other, Err(Error::InUse { .. })));
    installed(&store, "2.0.0", b"two").await;
    assert!(store.delete_pack(TENANT, "pack", "1.0.0").await.unwrap());
    assert!(!store.delete_pack(TENANT, "pack", "1.0.0").await.unwrap());
    assert!(
        store.component("digest-two").await.unwrap().is_some(),
        "2.0.0 has it too"
    );
    assert_eq!(store.packs(TENANT).await.unwrap().len(), 1);
}

/// One bad document and nothing is changed; a person's document is kept.
pub async fn an_activation_is_whole_or_nothing(store: Store) {
    let old = installed(&store, "1.0.0", b"one").await;
    let new = installed(&store, "2.0.0", b"two").await;
    let imported = store.import(import("3.0.0", b"three")).await.unwrap();
    let refused = store.activate(activation(imported.id)).await;
    assert!(matches!(refused, Err(Error::Missing(_))), "not installed");
    store.activate(activation(old.id)).await.unwrap();
    let brought = |name: &str, document: &str| {
        let mut save = save(name, document);
        save.origin = Some("pack@2.0.0".to_owned());
        save
    };
    store.save(save("mine", "person")).await.unwrap();
    let mut conflicting = brought("second", "2");
    conflicting.expected = Some(7);
    let mut bad = activation(new.id);
    bad.definitions = vec![brought("first", "1"), conflicting, brought("third", "3")];
    let answer = store.activate(bad).await;
    assert!(matches!(answer, Err(Error::Conflict { .. })), "{answer:?}");
    let active = |packs: Vec<PackVersion>| -> Vec<_> {
        packs
            .into_iter()
            .filter(|pack| pack.active)
            .map(|pack| pack.version)
            .collect()
    };
    assert_eq!(active(store.packs(TENANT).await.unwrap()), ["1.0.0"]);
    for name in ["first", "second", "third"] {
        let found = store
            .definition(TENANT, Kind::Application, name)
            .await
            .unwrap();
        assert_eq!(found, None, "{name}");
    }
    let mut good = activation(new.id);
    good.definitions = vec![brought("first", "1"), brought("mine", "pack")];
    assert_eq!(store.activate(good.clone()).await.unwrap(), ["mine"]);
    assert_eq!(active(store.packs(TENANT).await.unwrap()), ["2.0.0"]);
    let mine = store
        .definition(TENANT, Kind::Application, "mine")
        .await
        .unwrap();
    assert_eq!(mine.unwrap().document, "person");
    good.definitions = vec![brought("first", "1.1")];
    store.activate(good).await.unwrap();
    let first = store
        .definition(TENANT, Kind::Application, "first")
        .await
        .unwrap();
    assert_eq!(first.unwrap().document, "1.1");
    let busy = store.delete_pack(TENANT, "pack", "2.0.0").await;
    assert!(matches!(busy, Err(Error::InUse { .. })));
    assert!(store.deactivate(TENANT, "pack").await.unwrap());
    assert!(!store.deactivate(TENANT, "pack").await.unwrap());
}

/// Until the last run that needs it has ended.
pub async fn a_pinned_pack_is_not_deleted(store: Store) {
    let pack = installed(&store, "1.0.0", b"one").await;
    let plan = chain(1);
    let mut new = run(&plan);
    let pins = format!(
        "[{{\"pack\":\"pack@1.0.0\",\"digest\":\"{}\"}}]",
        pack.digest
    );
    new.pins = store.pin_set(&pins).await.unwrap();
    let (number, _) = submit(&store, new).await;
    let answer = store.delete_pack(TENANT, "pack", "1.0.0").await;
    assert!(matches!(answer, Err(Error::InUse { .. })), "{answer:?}");
    execute(&store, key(number, 0), StepState::Success, &plan).await;
    assert!(store.delete_pack(TENANT, "pack", "1.0.0").await.unwrap());
}

fn record(key: &str, expires_at: Option<Timestamp>) -> Record {
    Record {
        key: key.to_owned(),
        value: "\"ü\"".to_owned(),
        saved_at: NOW,
        expires_at,
    }
}

/// At its time and not before, for every call.
pub async fn records_expire(store: Store) {
    let later = NOW.plus_micros(10);
    store
        .cache_put(TENANT, record("k", Some(later)))
        .await
        .unwrap();
    let before = NOW.plus_micros(9);
    let got = store.cache_get(TENANT, "k", before).await.unwrap();
    assert_eq!(got, Some(record("k", Some(later))));
    assert_eq!(
        store.cache_get(TenantId(2), "k", before).await.unwrap(),
        None
    );
    assert_eq!(store.cache_get(TENANT, "k", later).await.unwrap(), None);
    let listed = store.cache_list(TENANT, "", None, 10, later).await.unwrap();
    assert!(listed.items.is_empty());
    assert!(!store.cache_delete(TENANT, "k", later).await.unwrap());
    store
        .cache_put(TENANT, record("k", Some(later)))
        .await
        .unwrap();
    store.cache_put(TENANT, record("k", None)).await.unwrap();
    let got = store.cache_get(TENANT, "k", later).await.unwrap();
    assert_eq!(got, Some(record("k", None)));
    assert!(store.cache_delete(TENANT, "k", later).await.unwrap());
    assert!(!store.cache_delete(TENANT, "k", later).await.unwrap());
}

/// No character of a prefix stands for others.
pub async fn prefixes_are_taken_literally(store: Store) {
    for key in [
        "a%b",
        "a%c",
        "axb",
        "a_b",
        "A%b",
        "größe/1",
        "größe/2",
        "größf",
    ] {
        store.cache_put(TENANT, record(key, None)).await.unwrap();
    }
    let list = |prefix: &'static str| {
        let store = store.clone();
        async move {
            let page = store
                .cache_list(TENANT, prefix, None, 10, NOW)
                .await
                .unwrap();
            page.items
                .into_iter()
                .map(|item| item.key)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(list("a%").await, ["a%b", "a%c"]);
    assert_eq!(list("a_").await, ["a_b"]);
    assert_eq!(list("größe").await, ["größe/1", "größe/2"]);
    assert_eq!(list("").await.len(), 8);
    let first = store
        .cache_list(TENANT, "größe", None, 1, NOW)
        .await
        .unwrap();
    assert_eq!(first.next.as_deref(), Some("größe/1"));
    assert_eq!(first.items[0].size, 4);
    let next = first.next.as_deref();
    let rest = store
        .cache_list(TENANT, "größe", next, 1, NOW)
        .await
        .unwrap();
    assert_eq!((rest.items[0].key.as_str(), rest.next), ("größe/2", None));
    assert_eq!(store.cache_clear(TENANT, "größe").await.unwrap(), 2);
    assert_eq!(list("").await.len(), 6);
    assert_eq!(store.cache_clear(TENANT, "").await.unwrap(), 6);
}

/// The same text, the same number.
pub async fn pins_have_one_number(store: Store) {
    let calls = (0..20).map(|_| store.pin_set("[\"a\"]"));
    let numbers = futures::future::join_all(calls).await;
    let first = *numbers[0].as_ref().unwrap();
    assert!(
        numbers
            .iter()
            .all(|number| *number.as_ref().unwrap() == first)
    );
    assert_ne!(store.pin_set("[]").await.unwrap(), first);
    assert_eq!(store.pins(first).await.unwrap().as_deref(), Some("[\"a\"]"));
    assert_eq!(store.pins(999).await.unwrap(), None);
}
