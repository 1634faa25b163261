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
use model::id::{Ordinal, RunId, StepKey};
use tokio::time::{sleep, timeout};

use crate::{DEFAULT, Delivery, Error, HIGH_PRIORITY, Limits, Queue, Subscription};

mod deliveries;

pub use deliveries::*;

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
            entries_come_in_the_order_of_priority_and_subscription,
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
        all: false,
    }
}

fn everything() -> Subscription {
    Subscription {
        queues: Vec::new(),
        all: true,
    }
}

/// The answer of what must end; a minute is for the slowest of machines.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), future)
        .await
        .expect("it must end, but did not within a minute")
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

/// Order: queue `priority.high`, then high entries, then the subscription's order.
pub async fn entries_come_in_the_order_of_priority_and_subscription<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    queue.enqueue(DEFAULT, false, &keys(1..=2)).await.unwrap();
    queue.enqueue(DEFAULT, true, &keys([3])).await.unwrap();
    queue.enqueue("other", false, &keys([4])).await.unwrap();
    queue.enqueue("other", true, &keys([5])).await.unwrap();
    queue
        .enqueue(HIGH_PRIORITY, false, &keys([6]))
        .await
        .unwrap();
    let subscription = on(&["other", DEFAULT, HIGH_PRIORITY]);
    assert_eq!(drain(&queue, &subscription, 6).await, [6, 5, 3, 4, 1, 2]);
}

/// First in, first out, over many calls of each.
pub async fn entries_of_a_queue_come_first_in_first_out<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for start in (0..2_000).step_by(100) {
        let steps = keys(start..start + 100);
        queue.enqueue(DEFAULT, false, &steps).await.unwrap();
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
    queue.enqueue(DEFAULT, false, &[first]).await.unwrap();
    queue.enqueue(DEFAULT, false, &keys(1..=9)).await.unwrap();
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
        queue.enqueue(DEFAULT, false, &steps).await.unwrap();
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
    queue.enqueue("later", false, &keys([1])).await.unwrap();
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
        queue.enqueue(name, false, &keys([number])).await.unwrap();
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
    queue.enqueue("new", false, &keys([1])).await.unwrap();
    let taken = ends(receiver).await.unwrap();
    assert_eq!((&*taken[0].queue, taken[0].key), ("new", key(1)));
    let depths = queue.depths().await.unwrap();
    let depth = depths.iter().find(|depth| &*depth.queue == "new").unwrap();
    assert_eq!((depth.waiting, depth.delivered), (0, 1));
}

/// What nobody listens on stays where it is.
pub async fn an_unserved_queue_keeps_its_entries<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    queue.enqueue("orphan", false, &keys(1..=3)).await.unwrap();
    queue.enqueue(DEFAULT, false, &keys([4])).await.unwrap();
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
        queue.enqueue(name, false, &keys([number])).await.unwrap();
    }
    assert_eq!(drain(&queue, &on(&["celery"]), 1).await, [1]);
    assert_eq!(drain(&queue, &on(&[""]), 1).await, [2]);
    let taken = receive(&queue, &on(&[DEFAULT]), 1).await;
    assert_eq!((&*taken[0].queue, taken[0].key), (DEFAULT, key(3)));
}

/// An empty batch is no entry.
pub async fn nothing_enqueued_wakes_nobody<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    queue.enqueue(DEFAULT, false, &[]).await.unwrap();
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
        let (enqueued, ()) = tokio::join!(queue.enqueue(DEFAULT, false, &step), dropped);
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
    queue.enqueue("c", false, &keys(1..=2)).await.unwrap();
    let taken = receive(&queue, &on(&["c"]), 1).await;
    sleep(A_WHILE).await;
    queue.close();
    for receiver in waiting {
        assert!(matches!(ends(receiver).await.unwrap(), Err(Error::Closed)));
    }
    let later = ends(queue.receive(&on(&["c"]), 1)).await;
    assert!(matches!(later, Err(Error::Closed)));
    let later = queue.enqueue("a", false, &keys([3])).await;
    assert!(matches!(later, Err(Error::Closed)));
    // What was being worked on when it closed can still be answered.
    queue.acknowledge(&taken).await.unwrap();
}

/// Waiting, delivered or dead: the reconciler need not enqueue it.
pub async fn what_the_queue_holds_is_not_lost<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    queue.enqueue(DEFAULT, true, &keys(1..=4)).await.unwrap();
    let mark = queue.mark().await.unwrap();
    // Nothing that is known to be lost: there is nothing, or it is too early to say.
    let lost = async |steps: &[StepKey]| {
        let lost = queue.lost(&mark, "", true, steps).await.unwrap();
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
    let lost = queue.lost(&mark, "unused", false, &[]).await.unwrap();
    assert_eq!(lost, Some(Vec::new()));
}

/// A queue in use answers, and lives its first life.
pub async fn its_health_is_known<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    queue.enqueue(DEFAULT, false, &keys([1])).await.unwrap();
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
                    queue.enqueue(name, start % 3 == 0, &steps).await.unwrap();
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
