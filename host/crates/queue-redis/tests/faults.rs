//! What the queue survives, on real servers that really fail.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use model::id::TenantId;
use queue::{DEFAULT, Error, Limits, Queue, Subscription};
use queue_redis::RedisQueue;
use support::{LONG, Server, drain_all, ends, enqueue, key, keys, on, receive};
use tokio::time::sleep;

/// Leases that a test waits for.
const SHORT: Limits = Limits {
    lease: Duration::from_secs(2),
    max_deliveries: 3,
};

/// What the reconciler does: with each new life, everything that is not done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_flushed_in_the_middle_is_noticed_and_made_anew() {
    let server = Server::start();
    let queue = server.queue("worker", SHORT).await;
    let other = server.queue("other", SHORT).await;
    let mut health = other.health();
    let first = health.wait_for(|health| health.incarnation.is_some());
    let first = ends(first).await.unwrap().incarnation;

    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..500))
        .await
        .unwrap();
    let held = receive(&queue, &[DEFAULT], 100).await;
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.receive(&on(&["quiet"]), 1).await })
    };
    sleep(Duration::from_millis(200)).await;
    assert_eq!(server.ask(&["FLUSHALL"]), "OK");

    let changed = health.wait_for(|health| health.incarnation != first);
    ends(changed).await.unwrap();
    // What was held is nobody's any more, and saying so harms nothing.
    queue.acknowledge(&held).await.unwrap();
    assert_eq!(drain_all_after_enqueue(&queue, &other).await, 0);
    other
        .enqueue("quiet", false, TenantId::DEFAULT, &keys(7..8))
        .await
        .unwrap();
    let taken = ends(waiting).await.unwrap().unwrap();
    queue.acknowledge(&taken).await.unwrap();
    server.assert_nothing_left();
}

/// One stream of a queue that nobody names is lost, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_stream_of_a_queue_without_name_is_made_anew() {
    let server = Server::start();
    let queue = server.queue("worker", SHORT).await;
    let other = server.queue("other", SHORT).await;
    let all = Subscription {
        all: true,
        ..Subscription::default()
    };
    queue
        .enqueue("acme", false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    let held = ends(queue.receive(&all, 1)).await.unwrap();
    queue.acknowledge(&held).await.unwrap();
    let streams = server.ask(&["KEYS", "{powerflow}:*:acme"]);
    let streams: Vec<_> = streams.lines().collect();
    assert_eq!(streams.len(), 3, "{streams:?}");
    for stream in &streams {
        assert_eq!(server.ask(&["DEL", stream]), "1");
    }
    let depths = other.depths().await.unwrap();
    assert!(
        depths
            .iter()
            .all(|depth| depth.waiting + depth.delivered == 0)
    );

    // Nobody enqueues: whoever listens makes them.
    let listening = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.receive(&all, 1).await })
    };
    ends(async {
        while server.number(&["EXISTS", streams[0], streams[1]]) != 2 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    other
        .enqueue("acme", false, TenantId::DEFAULT, &keys(1..2))
        .await
        .unwrap();
    let taken = ends(listening).await.unwrap().unwrap();
    assert_eq!(taken[0].key, key(1));
    queue.acknowledge(&taken).await.unwrap();
    server.assert_nothing_left();
}

async fn drain_all_after_enqueue(queue: &RedisQueue, other: &RedisQueue) -> usize {
    other
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..500))
        .await
        .unwrap();
    drain_all(queue, &[DEFAULT], 500).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_and_started_empty_is_another_life() {
    let mut server = Server::start();
    let queue = server.impatient_queue("worker", SHORT).await;
    let mut health = queue.health();
    let first = health.wait_for(|health| health.incarnation.is_some());
    let first = ends(first).await.unwrap().incarnation;
    enqueue(&queue, DEFAULT, &keys(0..50)).await;
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { drain_all(&queue, &["again"], 50).await })
    };
    sleep(Duration::from_millis(100)).await;

    server.kill();
    let away = health.wait_for(|health| !health.available);
    ends(away).await.unwrap();
    let asked = Instant::now();
    let refused = queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(!receiver.is_finished());

    server.run();
    let back = health.wait_for(|health| health.available && health.incarnation != first);
    ends(back).await.unwrap();
    enqueue(&queue, "again", &keys(0..50)).await;
    ends(receiver).await.unwrap();
    server.assert_nothing_left();
}

/// Five seconds in which the server takes connections and answers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_waited_for() {
    let server = Server::start();
    let queue = server.impatient_queue("worker", SHORT).await;
    enqueue(&queue, DEFAULT, &keys(0..100)).await;
    let taken = receive(&queue, &[DEFAULT], 10).await;
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { drain_all(&queue, &["later"], 100).await })
    };
    sleep(Duration::from_millis(100)).await;
    server.signal("STOP");
    let stopped = Instant::now();
    let mut refusals = 0;
    while stopped.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        let refused = queue
            .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
            .await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        refusals += 1;
        sleep(Duration::from_millis(200)).await;
    }
    assert!(refusals >= 1);
    // Their leases have ended in the meantime: there is nothing to say to the server.
    queue.acknowledge(&taken).await.unwrap();
    server.signal("CONT");
    enqueue(&queue, "later", &keys(0..100)).await;
    ends(receiver).await.unwrap();
    // The ten and what was sent while it hung come, too.
    drain_all(&queue, &[DEFAULT], 100).await;
    ends(async {
        let rest = |depth: &queue::Depth| depth.waiting + depth.delivered > 0;
        while queue
            .depths()
            .await
            .map_or(true, |depths| depths.iter().any(rest))
        {
            let subscription = on(&[DEFAULT]);
            let rest = queue.receive(&subscription, 100);
            if let Ok(rest) = tokio::time::timeout(Duration::from_millis(500), rest).await {
                let _ = queue.acknowledge(&rest.unwrap()).await;
            }
        }
    })
    .await;
    server.assert_nothing_left();
}

/// A consumer that is gone: another takes what it held after the lease, and it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_process_held_goes_to_another_after_its_lease() {
    let server = Server::start();
    let lost = server.queue("lost", SHORT).await;
    lost.enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..20))
        .await
        .unwrap();
    let taken_at = Instant::now();
    let mut held = 0;
    while held < 20 {
        held += receive(&lost, &[DEFAULT], 20).await.len();
    }
    // It stays as it is, as a process that is stopped does: it answers nothing.
    let other = server.queue("other", SHORT).await;
    let taken = receive(&other, &[DEFAULT], 20).await;
    assert!(taken_at.elapsed() >= SHORT.lease);
    assert!(taken.iter().all(|delivery| delivery.deliveries == 2));
    other.acknowledge(&taken).await.unwrap();
    let rest = 20 - taken.len();
    if rest > 0 {
        drain_all(&other, &[DEFAULT], rest).await;
    }
    server.assert_nothing_left();
}

/// The first to answer late: its lease has ended and another holds the entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_the_lease_is_ignored() {
    let server = Server::start();
    let late = server.queue("late", SHORT).await;
    late.enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    let old = receive(&late, &[DEFAULT], 1).await;
    let other = server.queue("other", SHORT).await;
    let new = receive(&other, &[DEFAULT], 1).await;
    assert_eq!(new[0].deliveries, 2);
    late.acknowledge(&old).await.unwrap();
    late.bury(&old[0], "too late").await.unwrap();
    assert_eq!(other.depths().await.unwrap()[0].delivered, 1);
    other.acknowledge(&new).await.unwrap();
    server.assert_nothing_left();
}

/// What no receiver took is another process's before the lease ends, and does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_receiver_took_is_given_back() {
    let server = Server::start();
    let limits = Limits {
        lease: Duration::from_mins(2),
        max_deliveries: 3,
    };
    let gone = server.queue("gone", limits).await;
    let subscription = on(&[DEFAULT]);
    let mut receiver = gone.receive(&subscription, 5);
    assert!((&mut receiver).now_or_never().is_none());
    sleep(Duration::from_millis(200)).await;
    gone.enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    sleep(Duration::from_millis(200)).await;
    // The entry lies ready for a receiver that goes at this moment.
    drop(receiver);
    let other = server.queue("other", limits).await;
    let asked = Instant::now();
    let taken = receive(&other, &[DEFAULT], 5).await;
    assert!(asked.elapsed() < limits.lease / 2, "{:?}", asked.elapsed());
    assert_eq!((taken[0].key, taken[0].deliveries), (key(0), 1));
    other.acknowledge(&taken).await.unwrap();
    server.assert_nothing_left();
}

/// A poisonous entry over two processes: dead, looked at, revived, done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_entry_is_set_aside_and_revived() {
    let server = Server::start();
    let one = server.queue("one", SHORT).await;
    let two = server.queue("two", SHORT).await;
    one.enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(3..4))
        .await
        .unwrap();
    for (queue, deliveries) in [(&one, 1), (&two, 2), (&one, 3)] {
        let taken = receive(queue, &[DEFAULT], 1).await;
        assert_eq!(taken[0].deliveries, deliveries);
    }
    let letters = ends(async {
        loop {
            let subscription = on(&[DEFAULT]);
            let looked = two.receive(&subscription, 1);
            let _ = tokio::time::timeout(Duration::from_millis(200), looked).await;
            let letters = two.dead_letters(DEFAULT).await.unwrap();
            if !letters.is_empty() {
                return letters;
            }
        }
    })
    .await;
    assert_eq!(letters[0].key, key(3));
    assert!(letters[0].reason.contains("delivered 3 times"));
    assert_eq!(two.revive(DEFAULT).await.unwrap(), 1);
    assert_eq!(drain_all(&two, &[DEFAULT], 1).await, 0);
    server.assert_nothing_left();
}

/// The reconciler's question, when an entry is really gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_the_queue_lost_is_found() {
    let server = Server::start();
    let queue = server.queue("worker", LONG).await;
    let steps = keys(0..10);
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &steps)
        .await
        .unwrap();
    // Somebody deletes an entry; and step 99 was never enqueued.
    let stream = "{powerflow}:normal:default";
    let first = server.ask(&["XRANGE", stream, "-", "+", "COUNT", "1"]);
    server.ask(&["XDEL", stream, first.lines().next().unwrap()]);
    let asked: Vec<_> = steps.iter().copied().chain([key(99)]).collect();
    let mark = queue.mark().await.unwrap();
    let lost = async || {
        queue
            .lost(&mark, DEFAULT, false, TenantId::DEFAULT, &asked)
            .await
            .unwrap()
    };
    assert_eq!(lost().await, None);
    let mut taken = Vec::new();
    while taken.len() < 9 {
        taken.extend(receive(&queue, &[DEFAULT], 9 - taken.len()).await);
    }
    // What came after the mark does not matter.
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(50..60))
        .await
        .unwrap();
    assert_eq!(lost().await, Some(vec![key(0), key(99)]));
    queue.bury(&taken[0], "broken").await.unwrap();
    queue.acknowledge(&taken[1..2]).await.unwrap();
    assert_eq!(lost().await, Some(vec![key(0), taken[1].key, key(99)]));
    // Of a life that is over, nothing is said: everything is enqueued anyway.
    server.ask(&["FLUSHALL"]);
    assert_eq!(lost().await, Some(Vec::new()));
}

/// Consumers that are gone and hold nothing do not pile up; a closed queue leaves none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_queue_leaves_no_consumer_and_no_delivery() {
    let server = Server::start();
    let queue = server.queue("worker", LONG).await;
    queue
        .enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..3))
        .await
        .unwrap();
    drain_all(&queue, &[DEFAULT], 3).await;
    let stream = "{powerflow}:normal:default";
    let consumers = || server.ask(&["XINFO", "CONSUMERS", stream, "workers"]);
    assert!(consumers().contains("worker"));
    queue.close();
    ends(async {
        while !consumers().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    server.assert_nothing_left();
}
