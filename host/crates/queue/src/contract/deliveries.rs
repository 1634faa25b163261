//! What becomes of deliveries: acknowledged, delivered anew, dead.

use super::{
    Arc, Backend, DEFAULT, Delivery, Duration, LONG, Limits, SHORT, add, drain, ends, key, keys,
    nothing_comes, on, receive, sleep, timeout,
};

/// The end of a lease: counted, and before what waits already.
pub async fn a_delivery_without_an_answer_comes_again_and_first<B: Backend>() {
    let (_backend, queue) = B::start(SHORT).await;
    let subscription = on(&[DEFAULT]);
    add(&queue, DEFAULT, false, &keys([1])).await;
    assert_eq!(receive(&queue, &subscription, 1).await[0].deliveries, 1);
    add(&queue, DEFAULT, false, &keys([2])).await;
    sleep(SHORT.lease * 2).await;
    let mut taken = receive(&queue, &subscription, 2).await;
    if taken.len() < 2 {
        taken.extend(receive(&queue, &subscription, 1).await);
    }
    let seen: Vec<_> = taken.iter().map(|d| (d.key.run.0, d.deliveries)).collect();
    assert_eq!(seen, [(1, 2), (2, 1)]);
}

/// Acknowledged is gone, leases or not.
pub async fn an_acknowledged_delivery_never_comes_again<B: Backend>() {
    let limits = Limits {
        lease: Duration::from_secs(2),
        ..SHORT
    };
    let (_backend, queue) = B::start(limits).await;
    add(&queue, DEFAULT, false, &keys(1..=5)).await;
    let mut acknowledged = drain(&queue, &on(&[DEFAULT]), 5).await;
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, [1, 2, 3, 4, 5]);
    let silence = timeout(limits.lease * 2, queue.receive(&on(&[DEFAULT]), 5)).await;
    assert!(silence.is_err(), "nothing should have come: {silence:?}");
}

/// Too many deliveries: a dead letter, which a person may revive.
pub async fn an_entry_delivered_too_often_becomes_a_dead_letter_and_can_be_revived<B: Backend>() {
    let (_backend, queue) = B::start(SHORT).await;
    let subscription = on(&["poison"]);
    add(&queue, "poison", true, &keys([1])).await;
    for deliveries in 1..=SHORT.max_deliveries {
        let taken = receive(&queue, &subscription, 1).await;
        assert_eq!((taken[0].key, taken[0].deliveries), (key(1), deliveries));
    }
    // Somebody keeps listening: a backend may end leases in `receive`.
    let listener = {
        let (queue, subscription) = (Arc::clone(&queue), subscription.clone());
        tokio::spawn(async move { queue.receive(&subscription, 1).await })
    };
    let letters = ends(async {
        loop {
            // Whoever looks for dead letters finds the queue by its depth.
            let depths = queue.depths().await.unwrap();
            assert!(depths.iter().any(|depth| &*depth.queue == "poison"));
            let letters = queue.dead_letters("poison").await.unwrap();
            if !letters.is_empty() {
                return letters;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!((letters[0].key, &*letters[0].queue), (key(1), "poison"));
    assert!(
        letters[0].reason.contains("delivered 2 times"),
        "{letters:?}"
    );
    assert!(!listener.is_finished());
    assert!(queue.dead_letters(DEFAULT).await.unwrap().is_empty());

    assert_eq!(queue.revive("poison").await.unwrap(), 1);
    let taken = ends(listener).await.unwrap().unwrap();
    assert_eq!((taken[0].key, taken[0].deliveries), (key(1), 1));
    assert!(queue.dead_letters("poison").await.unwrap().is_empty());
    assert_eq!(queue.revive("poison").await.unwrap(), 0);
}

/// A worker may give an entry up at once.
pub async fn a_buried_delivery_becomes_a_dead_letter_with_its_reason<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, "celery", false, &keys(1..=2)).await;
    for reason in ["no such run", "größer als erlaubt"] {
        let taken = receive(&queue, &on(&[DEFAULT]), 1).await;
        queue.bury(&taken[0], reason).await.unwrap();
    }
    nothing_comes(&queue, &on(&[DEFAULT])).await;
    let letters = queue.dead_letters("celery").await.unwrap();
    let seen: Vec<_> = letters.iter().map(|l| (l.key, l.reason.as_str())).collect();
    assert_eq!(
        seen,
        [(key(1), "no such run"), (key(2), "größer als erlaubt")]
    );
    assert_eq!(queue.revive(DEFAULT).await.unwrap(), 2);
    assert_eq!(drain(&queue, &on(&[DEFAULT]), 2).await, [1, 2]);
}

/// Acknowledging twice, or what never was, does nothing.
pub async fn unknown_deliveries_are_ignored<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, DEFAULT, false, &keys(1..=2)).await;
    let taken = receive(&queue, &on(&[DEFAULT]), 1).await;
    queue.acknowledge(&taken).await.unwrap();
    queue.acknowledge(&taken).await.unwrap();
    queue.bury(&taken[0], "too late").await.unwrap();
    let invented = Delivery {
        id: 4_242_424_242,
        ..taken[0].clone()
    };
    queue.acknowledge(&[invented]).await.unwrap();
    assert!(queue.dead_letters(DEFAULT).await.unwrap().is_empty());
    assert_eq!(drain(&queue, &on(&[DEFAULT]), 1).await, [2]);
}
