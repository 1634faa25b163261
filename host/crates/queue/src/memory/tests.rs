//! What holds for this backend beyond the contract.

use std::{collections::HashSet, time::Duration};

use futures::FutureExt;
use model::id::{Ordinal, RunId, TenantId};

use super::*;
use crate::DEFAULT;

struct InMemory;

#[async_trait]
impl crate::contract::Backend for InMemory {
    async fn start(limits: Limits) -> (Self, Arc<dyn Queue>) {
        (Self, Arc::new(MemoryQueue::new(limits)))
    }
}

crate::contract!(InMemory);

const FOREVER: Limits = Limits {
    lease: Duration::from_hours(1),
    max_deliveries: 3,
};

fn keys(range: std::ops::Range<i64>) -> Vec<StepKey> {
    let key = |number| StepKey {
        run: RunId(number),
        step: Ordinal(0),
    };
    range.map(key).collect()
}

fn on(queues: &[&str]) -> Subscription {
    Subscription {
        queues: queues.iter().map(|name| Arc::from(*name)).collect(),
        ..Subscription::default()
    }
}

/// A receiver that was woken and is dropped before it takes must not keep the wake-up.
#[tokio::test]
async fn a_woken_receiver_that_is_dropped_hands_its_turn_on() {
    let queue = MemoryQueue::new(FOREVER);
    let subscription = on(&[DEFAULT]);
    let mut first = queue.receive(&subscription, 1);
    let mut second = queue.receive(&subscription, 1);
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    drop(first);
    let taken = second.now_or_never().unwrap().unwrap();
    assert_eq!(taken[0].deliveries, 1);
}

/// A receiver woken for one queue that takes from another must not leave the first
/// queue's entry to nobody.
#[tokio::test]
async fn a_receiver_that_takes_another_entry_than_it_was_woken_for_wakes_the_next() {
    let queue = MemoryQueue::new(FOREVER);
    let (both, right) = (on(&["left", "right"]), on(&["right"]));
    let mut first = queue.receive(&both, 1);
    let mut second = queue.receive(&right, 1);
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    queue
        .enqueue("right", false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    queue
        .enqueue("left", false, TenantId::DEFAULT, &keys(1..2))
        .await
        .unwrap();
    let taken = first.now_or_never().unwrap().unwrap();
    assert_eq!(&*taken[0].queue, "left");
    let taken = second.now_or_never().unwrap().unwrap();
    assert_eq!(&*taken[0].queue, "right");
}

/// One entry wakes one receiver, not the herd.
#[tokio::test]
async fn an_entry_wakes_one_receiver() {
    let queue = MemoryQueue::new(FOREVER);
    let subscription = on(&[DEFAULT]);
    let mut waiting: Vec<_> = (0..50).map(|_| queue.receive(&subscription, 10)).collect();
    for receiver in &mut waiting {
        assert!(receiver.now_or_never().is_none());
    }
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    assert_eq!(queue.shared.state.lock().waiters.len(), 49);
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(1..26))
        .await
        .unwrap();
    assert_eq!(queue.shared.state.lock().waiters.len(), 46);
    drop(waiting);
    assert!(queue.shared.state.lock().waiters.is_empty());
}

/// Here no delivery is handed out before the future answers, so a dropped one costs
/// not even a lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_receivers_leave_every_entry_for_exactly_one_delivery() {
    let queue = Arc::new(MemoryQueue::new(FOREVER));
    let enqueuing = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            for key in keys(0..5_000) {
                queue
                    .enqueue(DEFAULT, false, TenantId::DEFAULT, &[key])
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let subscription = on(&[DEFAULT]);
    let mut seen = HashSet::new();
    while seen.len() < 5_000 {
        let waited = Duration::from_micros(seen.len() as u64 % 90);
        // The future is dropped wherever the timeout catches it.
        let receiving = queue.receive(&subscription, 7);
        if let Ok(taken) = tokio::time::timeout(waited, receiving).await {
            for delivery in taken.unwrap() {
                assert_eq!(delivery.deliveries, 1);
                assert!(seen.insert(delivery.key));
            }
        }
    }
    enqueuing.await.unwrap();
    assert!(queue.looks_empty(DEFAULT));
}

/// The paused clock only moves when a timer is due: an hour passes at once if, and
/// only if, the queue set one.
#[tokio::test(start_paused = true)]
async fn a_timer_runs_only_while_a_delivery_is_open() {
    let queue = MemoryQueue::new(FOREVER);
    let subscription = on(&[DEFAULT]);
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    assert!(!queue.shared.state.lock().timed);
    let first = queue.receive(&subscription, 1).await.unwrap();
    assert!(queue.shared.state.lock().timed);

    let again = queue.receive(&subscription, 1).await.unwrap();
    assert_eq!((again[0].key, again[0].deliveries), (first[0].key, 2));
    assert_ne!(again[0].id, first[0].id);

    // A late answer to the first delivery is ignored: another worker holds it now.
    queue.acknowledge(&first).await.unwrap();
    assert_eq!(queue.depths().await.unwrap()[0].delivered, 1);
    queue.acknowledge(&again).await.unwrap();
    assert_eq!(queue.depths().await.unwrap()[0].delivered, 0);
    tokio::time::sleep(FOREVER.lease * 2).await;
    assert!(!queue.shared.state.lock().timed);
}

/// Receivers of everything serve queues in turn, so that a long one starves no other.
#[tokio::test]
async fn a_receiver_of_all_queues_takes_them_in_turn() {
    let queue = MemoryQueue::new(FOREVER);
    for name in ["one", "two", "three"] {
        queue
            .enqueue(name, false, TenantId::DEFAULT, &keys(0..100))
            .await
            .unwrap();
    }
    let everything = Subscription {
        all: true,
        ..Subscription::default()
    };
    let mut served = HashSet::new();
    for _ in 0..6 {
        let taken = queue.receive(&everything, 2).await.unwrap();
        served.insert(Arc::clone(&taken[0].queue));
    }
    assert_eq!(served.len(), 3);
}

#[tokio::test]
async fn it_knows_without_asking_whether_a_queue_is_empty() {
    let queue = MemoryQueue::new(FOREVER);
    assert!(queue.looks_empty(DEFAULT));
    queue
        .enqueue("celery", true, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    assert!(!queue.looks_empty(DEFAULT));
    assert!(!queue.looks_empty("celery"));
    queue.receive(&on(&[""]), 1).await.unwrap();
    assert!(queue.looks_empty(DEFAULT));
}

/// Leases end also where the runtime that ran the timer is gone.
#[test]
fn a_queue_outlives_the_runtime_that_it_was_used_in() {
    let limits = Limits {
        lease: Duration::from_millis(20),
        ..FOREVER
    };
    let queue = MemoryQueue::new(limits);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    for deliveries in 1..=2 {
        runtime().block_on(async {
            if deliveries == 1 {
                queue
                    .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
                    .await
                    .unwrap();
            }
            let subscription = on(&[DEFAULT]);
            let taken = queue.receive(&subscription, 1);
            let taken = tokio::time::timeout(Duration::from_secs(30), taken).await;
            assert_eq!(taken.unwrap().unwrap()[0].deliveries, deliveries);
        });
        std::thread::sleep(limits.lease * 2);
    }
}
