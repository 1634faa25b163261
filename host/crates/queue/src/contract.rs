//! What every backend keeps: tests over [`Queue`], written once.
//!
//! A backend implements [`Backend`] in its tests and calls [`contract!`](crate::contract!),
//! which makes a `#[tokio::test]` of each. No test asserts that something happens
//! soon, only that it happens; where one asserts that nothing happens, a slow machine
//! makes it weaker, not wrong.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "these are tests: a failure is a panic"
)]

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use model::id::{Ordinal, RunId, StepKey, TenantId};
use tokio::time::{sleep, timeout};

use crate::{DEFAULT, Delivery, Error, HIGH_PRIORITY, Limits, Queue, Subscription};

mod deliveries;
mod fairness;

pub use deliveries::*;
pub use fairness::*;

/// A way to get an empty queue.
#[async_trait]
pub trait Backend: Sized + Send + Sync + 'static {
    /// An empty queue that no other test sees, and what must live as long as it.
    async fn start(limits: Limits) -> (Self, Arc<dyn Queue>);
}

/// Makes the tests of the contract for a [`Backend`].
#[macro_export]
macro_rules! contract {
    ($backend:ident) => {
        $crate::contract!(
            $backend:
            entries_come_in_the_order_of_priority,
            entries_of_a_queue_come_first_in_first_out,
            no_more_than_asked_is_taken,
            each_entry_goes_to_one_of_several_receivers,
            a_receiver_waits_until_something_is_there,
            a_wake_up_reaches_the_receiver_that_listens,
            queues_appear_on_use,
            an_unserved_queue_keeps_its_entries,
            the_default_queue_has_three_names,
            nothing_enqueued_wakes_nobody,
            a_delivery_without_an_answer_comes_again_and_first,
            an_acknowledged_delivery_never_comes_again,
            an_entry_delivered_too_often_becomes_a_dead_letter_and_can_be_revived,
            a_buried_delivery_becomes_a_dead_letter_with_its_reason,
            unknown_deliveries_are_ignored,
            a_dropped_receiver_loses_nothing,
            a_closed_queue_ends_every_receive,
            what_the_queue_holds_is_not_lost,
            its_health_is_known,
            a_hundred_thousand_entries_each_come_once,
            filled_queues_are_served_by_weight,
            weights_change_while_entries_wait,
            a_receiver_of_all_queues_serves_them_by_weight,
            what_an_empty_queue_does_not_need_the_others_get,
            a_queue_of_weight_nought_comes_after_all_others,
            the_high_entries_of_several_queues_share_too,
            tenants_come_in_turn,
            a_tenant_does_not_wait_for_the_backlog_of_another,
            what_is_high_comes_first_whoever_its_tenant_is,
            a_receiver_waits_for_any_tenant,
            receivers_share_the_entries_of_several_tenants,
            a_delivery_of_another_tenant_comes_again_and_first,
            a_dead_letter_keeps_its_tenant,
            what_the_queue_holds_of_another_tenant_is_not_lost,
            thousands_of_tenants_are_served_in_turn,
        );
    };
    ($backend:ident: $($name:ident),* $(,)?) => {
        mod contract {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::contract::$name::<super::$backend>().await;
                }
            )*
        }
    };
}

/// Leases that no test outlives.
const LONG: Limits = Limits {
    lease: Duration::from_hours(1),
    max_deliveries: 3,
};

/// Leases that a test waits for.
const SHORT: Limits = Limits {
    lease: Duration::from_millis(400),
    max_deliveries: 2,
};

/// How long "nothing comes" is looked at.
const A_WHILE: Duration = Duration::from_millis(150);

fn key(number: i64) -> StepKey {
    StepKey {
        run: RunId(number),
        step: Ordinal((number % 7) as u32),
    }
}

fn keys(numbers: impl IntoIterator<Item = i64>) -> Vec<StepKey> {
    numbers.into_iter().map(key).collect()
}

fn on(queues: &[&str]) -> Subscription {
    Subscription {
        queues: queues.iter().map(|name| Arc::from(*name)).collect(),
        ..Subscription::default()
    }
}

fn everything() -> Subscription {
    Subscription {
        all: true,
        ..Subscription::default()
    }
}

/// The answer of what must end; a minute is for the slowest of machines.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), future)
        .await
        .expect("it must end, but did not within a minute")
}

/// Enqueues for the first tenant.
async fn add(queue: &Arc<dyn Queue>, name: &str, high: bool, steps: &[StepKey]) {
    add_for(queue, 1, name, high, steps).await;
}

async fn add_for(queue: &Arc<dyn Queue>, tenant: i64, name: &str, high: bool, steps: &[StepKey]) {
    let enqueued = queue.enqueue(name, high, TenantId(tenant), steps).await;
    enqueued.unwrap();
}

async fn receive(queue: &Arc<dyn Queue>, subscription: &Subscription, max: usize) -> Vec<Delivery> {
    ends(queue.receive(subscription, max)).await.unwrap()
}

/// Receives and acknowledges `count` entries, answers their runs' numbers in order.
async fn drain(queue: &Arc<dyn Queue>, subscription: &Subscription, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let taken = receive(queue, subscription, count - numbers.len()).await;
        queue.acknowledge(&taken).await.unwrap();
        numbers.extend(taken.iter().map(|delivery| delivery.key.run.0));
    }
    numbers
}

async fn nothing_comes(queue: &Arc<dyn Queue>, subscription: &Subscription) {
    let taken = timeout(A_WHILE, queue.receive(subscription, 10)).await;
    assert!(taken.is_err(), "nothing should have come: {taken:?}");
}

/// Order: queue `priority.high`, then high entries, then the others.
pub async fn entries_come_in_the_order_of_priority<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, DEFAULT, false, &keys(1..=2)).await;
    add(&queue, DEFAULT, true, &keys([3])).await;
    add(&queue, "other", false, &keys([4])).await;
    add(&queue, "other", true, &keys([5])).await;
    add(&queue, HIGH_PRIORITY, false, &keys([6])).await;
    let subscription = on(&["other", DEFAULT, HIGH_PRIORITY]);
    let numbers = drain(&queue, &subscription, 6).await;
    let (mut high, mut usual) = (numbers[1..3].to_vec(), numbers[3..].to_vec());
    assert_eq!(numbers[0], 6);
    assert!(usual.iter().position(|one| *one == 1) < usual.iter().position(|one| *one == 2));
    high.sort_unstable();
    usual.sort_unstable();
    assert_eq!((&high[..], &usual[..]), (&[3, 5][..], &[1, 2, 4][..]));
}

/// First in, first out, over many calls of each.
pub async fn entries_of_a_queue_come_first_in_first_out<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for start in (0..2_000).step_by(100) {
        let steps = keys(start..start + 100);
        add(&queue, DEFAULT, false, &steps).await;
    }
    let mut numbers = Vec::new();
    for count in [1, 7, 600, 392, 1_000] {
        numbers.extend(drain(&queue, &on(&[DEFAULT]), count).await);
    }
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

/// `max` holds, 0 counts as 1, and the keys are whole.
pub async fn no_more_than_asked_is_taken<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let first = StepKey {
        run: RunId(i64::MAX),
        step: Ordinal(Ordinal::MAX),
    };
    add(&queue, DEFAULT, false, &[first]).await;
    add(&queue, DEFAULT, false, &keys(1..=9)).await;
    let taken = receive(&queue, &on(&[DEFAULT]), 0).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].key, &*taken[0].queue, taken[0].deliveries),
        (first, DEFAULT, 1)
    );
    assert!(receive(&queue, &on(&[DEFAULT]), 3).await.len() <= 3);
}

/// Several receivers at once share the entries.
pub async fn each_entry_goes_to_one_of_several_receivers<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let receivers: Vec<_> = (0..8)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { drain(&queue, &on(&[DEFAULT]), 250).await })
        })
        .collect();
    for start in (0..2_000).step_by(10) {
        let steps = keys(start..start + 10);
        add(&queue, DEFAULT, false, &steps).await;
    }
    let mut numbers = Vec::new();
    for receiver in receivers {
        numbers.extend(ends(receiver).await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

/// `receive` on an empty queue sleeps and wakes.
pub async fn a_receiver_waits_until_something_is_there<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { drain(&queue, &on(&["later"]), 1).await })
    };
    sleep(A_WHILE).await;
    assert!(!receiver.is_finished());
    add(&queue, "later", false, &keys([1])).await;
    assert_eq!(ends(receiver).await.unwrap(), [1]);
}

/// Two receivers on different queues: an entry wakes the one that may take it.
pub async fn a_wake_up_reaches_the_receiver_that_listens<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let receivers: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { drain(&queue, &on(&[name]), 1).await })
        })
        .collect();
    sleep(A_WHILE).await;
    for (number, name) in [(2, "c"), (1, "b"), (0, "a")] {
        add(&queue, name, false, &keys([number])).await;
    }
    for (number, receiver) in (0..).zip(receivers) {
        assert_eq!(ends(receiver).await.unwrap(), [number]);
    }
}

/// A receiver of all queues serves those that did not exist when it began.
pub async fn queues_appear_on_use<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { receive(&queue, &everything(), 1).await })
    };
    sleep(A_WHILE).await;
    add(&queue, "new", false, &keys([1])).await;
    let taken = ends(receiver).await.unwrap();
    assert_eq!((&*taken[0].queue, taken[0].key), ("new", key(1)));
    let depths = queue.depths().await.unwrap();
    let depth = depths.iter().find(|depth| &*depth.queue == "new").unwrap();
    assert_eq!((depth.waiting, depth.delivered), (0, 1));
}

/// What nobody listens on stays where it is.
pub async fn an_unserved_queue_keeps_its_entries<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, "orphan", false, &keys(1..=3)).await;
    add(&queue, DEFAULT, false, &keys([4])).await;
    assert_eq!(drain(&queue, &on(&[DEFAULT]), 1).await, [4]);
    nothing_comes(&queue, &on(&[DEFAULT])).await;
    let depths = queue.depths().await.unwrap();
    let orphan = depths.iter().find(|depth| &*depth.queue == "orphan");
    assert_eq!(orphan.map(|depth| depth.waiting), Some(3));
    assert_eq!(drain(&queue, &on(&["orphan"]), 3).await, [1, 2, 3]);
}

/// `celery` and the empty name are the default queue.
pub async fn the_default_queue_has_three_names<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for (number, name) in [(1, "celery"), (2, ""), (3, DEFAULT)] {
        add(&queue, name, false, &keys([number])).await;
    }
    assert_eq!(drain(&queue, &on(&["celery"]), 1).await, [1]);
    assert_eq!(drain(&queue, &on(&[""]), 1).await, [2]);
    let taken = receive(&queue, &on(&[DEFAULT]), 1).await;
    assert_eq!((&*taken[0].queue, taken[0].key), (DEFAULT, key(3)));
}

/// An empty batch is no entry.
pub async fn nothing_enqueued_wakes_nobody<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, DEFAULT, false, &[]).await;
    nothing_comes(&queue, &on(&[DEFAULT])).await;
}

/// Futures dropped at any moment: every entry still comes.
pub async fn a_dropped_receiver_loses_nothing<B: Backend>() {
    let limits = Limits {
        lease: Duration::from_secs(1),
        max_deliveries: 1_000,
    };
    let (_backend, queue) = B::start(limits).await;
    let subscription = on(&[DEFAULT]);
    for number in 0..300 {
        let waited = Duration::from_micros(number as u64 * 13 % 900);
        let dropped = async {
            let taken = timeout(waited, queue.receive(&subscription, 2)).await;
            drop(taken);
        };
        let step = keys([number]);
        let (enqueued, ()) = tokio::join!(
            queue.enqueue(DEFAULT, false, TenantId::DEFAULT, &step),
            dropped
        );
        enqueued.unwrap();
    }
    let mut seen: HashMap<i64, u32> = HashMap::new();
    while seen.len() < 300 {
        for number in drain(&queue, &subscription, 1).await {
            *seen.entry(number).or_default() += 1;
        }
    }
}

/// `close` reaches those who wait and those who come later.
pub async fn a_closed_queue_ends_every_receive<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.receive(&on(&["a", "b"]), 1).await })
        })
        .collect();
    add(&queue, "c", false, &keys(1..=2)).await;
    let taken = receive(&queue, &on(&["c"]), 1).await;
    sleep(A_WHILE).await;
    queue.close();
    for receiver in waiting {
        assert!(matches!(ends(receiver).await.unwrap(), Err(Error::Closed)));
    }
    let later = ends(queue.receive(&on(&["c"]), 1)).await;
    assert!(matches!(later, Err(Error::Closed)));
    let later = queue
        .enqueue("a", false, TenantId::DEFAULT, &keys([3]))
        .await;
    assert!(matches!(later, Err(Error::Closed)));
    // What was being worked on when it closed can still be answered.
    queue.acknowledge(&taken).await.unwrap();
}

/// Waiting, delivered or dead: the reconciler need not enqueue it.
pub async fn what_the_queue_holds_is_not_lost<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, DEFAULT, true, &keys(1..=4)).await;
    let mark = queue.mark().await.unwrap();
    // Nothing that is known to be lost: there is nothing, or it is too early to say.
    let lost = async |steps: &[StepKey]| {
        let lost = queue
            .lost(&mark, "", true, TenantId::DEFAULT, steps)
            .await
            .unwrap();
        lost.unwrap_or_default()
    };
    assert_eq!(lost(&keys(1..=4)).await, []);
    let mut taken = Vec::new();
    while taken.len() < 3 {
        taken.extend(receive(&queue, &on(&[DEFAULT]), 3 - taken.len()).await);
    }
    assert_eq!(lost(&keys(1..=4)).await, []);
    queue.bury(&taken[0], "no such run").await.unwrap();
    queue.acknowledge(&taken[1..2]).await.unwrap();
    assert_eq!(receive(&queue, &on(&[DEFAULT]), 1).await.len(), 1);
    assert_eq!(lost(&keys([1, 3, 4])).await, []);
    // Of a lane that nobody has used, and of no steps, nothing is lost either way.
    let lost = queue
        .lost(&mark, "unused", false, TenantId::DEFAULT, &[])
        .await
        .unwrap();
    assert_eq!(lost, Some(Vec::new()));
}

/// A queue in use answers, and lives its first life.
pub async fn its_health_is_known<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add(&queue, DEFAULT, false, &keys([1])).await;
    let mut health = queue.health();
    ends(health.wait_for(|health| health.available && health.incarnation.is_some()))
        .await
        .unwrap();
    health.mark_unchanged();
    assert_eq!(drain(&queue, &on(&[DEFAULT]), 1).await, [1]);
    assert!(timeout(A_WHILE, health.changed()).await.is_err());
}

/// Many entries over several queues, with enqueuers and receivers at work together.
pub async fn a_hundred_thousand_entries_each_come_once<B: Backend>() {
    const ENTRIES: i64 = 100_000;
    let (_backend, queue) = B::start(LONG).await;
    let enqueuers: Vec<_> = [DEFAULT, "left", "right", HIGH_PRIORITY]
        .into_iter()
        .zip(0..)
        .map(|(name, quarter)| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let first = quarter * ENTRIES / 4;
                for start in (first..first + ENTRIES / 4).step_by(500) {
                    let steps = keys(start..start + 500);
                    add(&queue, name, start % 3 == 0, &steps).await;
                }
            })
        })
        .collect();
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..4 {
        let (queue, seen) = (Arc::clone(&queue), seen.clone());
        tokio::spawn(async move {
            let subscription = match number {
                0 => on(&["left", DEFAULT]),
                1 => on(&["right", DEFAULT]),
                _ => everything(),
            };
            while let Ok(taken) = queue.receive(&subscription, 256).await {
                queue.acknowledge(&taken).await.unwrap();
                for delivery in taken {
                    let _ = seen.send(delivery.key.run.0);
                }
            }
        });
    }
    let mut numbers = Vec::new();
    while numbers.len() < ENTRIES as usize {
        numbers.push(ends(arrived.recv()).await.unwrap());
    }
    for enqueuer in enqueuers {
        enqueuer.await.unwrap();
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..ENTRIES));
    nothing_comes(&queue, &everything()).await;
    for depth in queue.depths().await.unwrap() {
        assert_eq!((depth.waiting, depth.delivered), (0, 0), "{depth:?}");
    }
    queue.close();
}
