//! Webhooks and the log of their deliveries.

use futures::StreamExt as _;
use model::{
    clock::Timestamp,
    id::{RunRef, TenantId},
};
use store::{
    Error,
    webhooks::{Delivery, KEPT, KEPT_UNPROVEN, NewDelivery, Outcome, SaveWebhook},
};

use crate::{Store, build::NOW};

const TENANT: TenantId = TenantId::DEFAULT;

fn save(name: &str, public: u128, expected: i64) -> SaveWebhook {
    SaveWebhook {
        tenant: TENANT,
        name: name.to_owned(),
        public,
        application: format!("{name} app"),
        document: "{}".to_owned(),
        secrets: "[]".to_owned(),
        by: "isadmin".to_owned(),
        at: NOW,
        expected,
    }
}

fn delivery(outcome: Outcome, at: i64) -> NewDelivery {
    NewDelivery {
        at: NOW.plus_micros(at),
        address: "192.0.2.7".to_owned(),
        outcome,
        run: None,
        reason: None,
        size: 7,
        digest: [7; 32],
        repeats: None,
        kept: None,
        untold: 0,
    }
}

/// Its address stays as it is; who has not seen the newest changes nothing.
pub async fn a_webhook_is_saved(store: Store) {
    let first = store.save_webhook(save("Ä", u128::MAX, 0)).await.unwrap();
    assert_eq!((first.revision, first.public), (1, u128::MAX));
    let mut changed = save("Ä", 5, 1);
    "[1]".clone_into(&mut changed.secrets);
    "other".clone_into(&mut changed.by);
    changed.at = NOW.plus_micros(9);
    let second = store.save_webhook(changed).await.unwrap();
    assert_eq!(
        (second.id, second.revision, second.public, &*second.secrets),
        (first.id, 2, u128::MAX, "[1]")
    );
    assert_eq!(
        (second.created_at, second.edited_at),
        (NOW, NOW.plus_micros(9))
    );
    assert_eq!(second.edited_by, "other");
    for expected in [0, 1, 3] {
        let answer = store.save_webhook(save("Ä", 6, expected)).await;
        assert!(
            matches!(answer, Err(Error::Conflict { found: 2, .. })),
            "{answer:?}"
        );
    }
    assert_eq!(
        store.webhook(TENANT, "Ä").await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(store.webhook_at(u128::MAX).await.unwrap(), Some(second));
    assert_eq!(store.webhook_at(5).await.unwrap(), None);
    assert_eq!(store.webhook(TenantId(2), "Ä").await.unwrap(), None);
    assert_eq!(store.webhook(TENANT, "nul\0").await.unwrap(), None);
    // Of many that make one of a name, one does.
    let saves = (0..8).map(|public| store.save_webhook(save("new", public, 0)));
    let answers = futures::future::join_all(saves).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

/// By name, application and search.
pub async fn webhooks_are_listed(store: Store) {
    for (public, name) in ["b", "ä", "a%"].into_iter().enumerate() {
        store
            .save_webhook(save(name, public as u128, 0))
            .await
            .unwrap();
    }
    let list = async |application: Option<&str>, search: &str, after: Option<&str>, limit| {
        let page = store
            .webhooks(TENANT, application, search, after, limit)
            .await
            .unwrap();
        let names: Vec<String> = page.items.into_iter().map(|one| one.name).collect();
        (names, page.next)
    };
    let all = ["a%", "b", "ä"].map(str::to_owned).to_vec();
    assert_eq!(list(None, "", None, 10).await, (all, None));
    assert_eq!(list(None, "", None, 2).await.1.as_deref(), Some("b"));
    assert_eq!(list(None, "", Some("b"), 2).await.0, ["ä"]);
    assert_eq!(list(None, "Ä", None, 9).await.0, ["ä"]);
    assert_eq!(list(None, "% APP", None, 9).await.0, ["a%"]);
    assert_eq!(list(Some("b app"), "", None, 9).await.0, ["b"]);
}

/// Numbers go on, also over those that were only counted; what is kept comes back.
pub async fn deliveries_are_recorded(store: Store) {
    let webhook = store.save_webhook(save("w", 1, 0)).await.unwrap();
    let run = RunRef::new(NOW, 7);
    let mut first = delivery(Outcome::Accepted, 0);
    first.run = Some(run);
    first.kept = Some("sealed".to_owned());
    assert_eq!(
        store.record_delivery(webhook.id, first).await.unwrap(),
        Some(1)
    );
    let mut junk = delivery(Outcome::Unproven, 1);
    junk.untold = 41;
    junk.reason = Some("no signature".to_owned());
    assert_eq!(
        store.record_delivery(webhook.id, junk).await.unwrap(),
        Some(43)
    );
    let mut again = delivery(Outcome::Duplicate, 2);
    again.run = Some(run);
    again.repeats = Some(1);
    assert_eq!(
        store.record_delivery(webhook.id, again).await.unwrap(),
        Some(44)
    );
    assert_eq!(
        store
            .record_delivery(999, delivery(Outcome::Refused, 0))
            .await
            .unwrap(),
        None
    );

    let counted = store.webhook(TENANT, "w").await.unwrap().unwrap();
    assert_eq!((counted.proven, counted.unproven), (2, 42));
    let (found, kept) = store.delivery(webhook.id, 1).await.unwrap().unwrap();
    assert_eq!(kept.as_deref(), Some("sealed"));
    assert_eq!(
        found,
        Delivery {
            number: 1,
            at: NOW,
            address: "192.0.2.7".to_owned(),
            outcome: Outcome::Accepted,
            run: Some(run),
            reason: None,
            size: 7,
            digest: [7; 32],
            repeats: None,
            kept: true,
        }
    );
    assert!(store.delivery(webhook.id, 2).await.unwrap().is_none());
    let list = async |outcome, before, limit| {
        let page = store
            .deliveries(webhook.id, outcome, before, limit)
            .await
            .unwrap();
        let numbers: Vec<i64> = page.items.iter().map(|one| one.number).collect();
        (numbers, page.next)
    };
    assert_eq!(
        list(None, None, 2).await,
        (vec![44, 43], Some("43".to_owned()))
    );
    assert_eq!(list(None, Some(43), 2).await, (vec![1], None));
    assert_eq!(
        list(Some(Outcome::Unproven), None, 2).await,
        (vec![43], None)
    );
    assert_eq!(list(None, None, 3).await, (vec![44, 43, 1], None));

    assert!(matches!(
        store.delete_webhook(TENANT, "w", Some(2)).await,
        Err(Error::Conflict { found: 1, .. })
    ));
    assert!(store.delete_webhook(TENANT, "w", Some(1)).await.unwrap());
    assert!(!store.delete_webhook(TENANT, "w", None).await.unwrap());
    assert_eq!(list(None, None, 9).await, (vec![], None));
}

/// However many come, from however many at once; junk takes no room of the others.
pub async fn the_log_of_deliveries_is_bounded(store: Store) {
    let webhook = store.save_webhook(save("w", 1, 0)).await.unwrap();
    let junk = KEPT_UNPROVEN + 30;
    let records = (0..KEPT + 20 + junk).map(|n| {
        let outcome = if n < KEPT + 20 {
            Outcome::Accepted
        } else {
            Outcome::Unproven
        };
        let store = store.clone();
        async move {
            store
                .record_delivery(webhook.id, delivery(outcome, n))
                .await
        }
    });
    let records: Vec<_> = records.collect();
    // A few at a time, as requests come.
    let mut numbers: Vec<i64> = futures::stream::iter(records)
        .buffer_unordered(8)
        .map(|number| number.unwrap().unwrap())
        .collect()
        .await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=KEPT + 20 + junk).collect::<Vec<_>>());
    let count = async |outcome| {
        let page = store
            .deliveries(webhook.id, Some(outcome), None, 5000)
            .await
            .unwrap();
        page.items.len() as i64
    };
    assert_eq!(count(Outcome::Accepted).await, KEPT);
    assert_eq!(count(Outcome::Unproven).await, KEPT_UNPROVEN);
    // By their time, in parts.
    let newest = store
        .deliveries(webhook.id, None, None, 1)
        .await
        .unwrap()
        .items;
    let before = Timestamp(newest[0].at.0 + 1_000_000);
    assert_eq!(store.forget_deliveries(Timestamp(0), 10).await.unwrap(), 0);
    assert_eq!(store.forget_deliveries(before, 100).await.unwrap(), 100);
    assert_eq!(
        store.forget_deliveries(before, 5000).await.unwrap(),
        (KEPT + KEPT_UNPROVEN - 100) as usize
    );
}
