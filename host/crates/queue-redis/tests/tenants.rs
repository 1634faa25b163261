//! Several tenants on one Redis: between processes, when something is lost, and what stays
//! behind.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

mod support;

use std::time::Duration;

use model::id::TenantId;
use queue::{DEFAULT, Queue};
use queue_redis::RedisQueue;
use support::{LONG, Server, ends, keys, receive};

async fn take(queue: &RedisQueue, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let taken = receive(queue, &[DEFAULT], count - numbers.len()).await;
        queue.acknowledge(&taken).await.unwrap();
        numbers.extend(taken.iter().map(|delivery| delivery.key.run.0));
    }
    numbers
}

/// The turn is the server's: it does not matter which process takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_come_in_turn_whichever_process_takes() {
    let server = Server::start();
    let one = server.queue("one", LONG).await;
    let two = server.queue("two", LONG).await;
    for tenant in [1, 2, 3] {
        let steps = keys(tenant * 1_000..tenant * 1_000 + 100);
        let added = two.enqueue(DEFAULT, false, TenantId(tenant), &steps);
        added.await.unwrap();
    }
    let mut taken = [0_i32; 3];
    for batch in [1, 2, 4, 1, 9, 30, 1] {
        for queue in [&one, &two] {
            for number in take(queue, batch).await {
                taken[(number / 1_000 - 1) as usize] += 1;
            }
            let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
            assert!(most - least <= 1, "{taken:?}");
        }
    }
    take(&one, 300 - 96).await;
    for depth in one.depths().await.unwrap() {
        assert_eq!((depth.waiting, depth.delivered), (0, 0), "{depth:?}");
    }
}

/// Tenants that wait no more leave nothing that grows with their number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_that_wait_no_more_leave_no_keys() {
    let server = Server::start();
    let queue = server.queue("one", LONG).await;
    for tenant in 2..102 {
        let steps = keys(tenant * 10..tenant * 10 + 2);
        let added = queue.enqueue(DEFAULT, tenant % 2 == 0, TenantId(tenant), &steps);
        added.await.unwrap();
    }
    take(&queue, 200).await;
    let subscription = support::on(&[DEFAULT]);
    let nothing = queue.receive(&subscription, 1);
    let nothing = tokio::time::timeout(Duration::from_millis(500), nothing).await;
    assert!(nothing.is_err());
    for pattern in ["of:*", "turn:*", "turns"] {
        let pattern = format!("{{powerflow}}:{pattern}");
        assert_eq!(server.ask(&["KEYS", &pattern]), "", "{pattern}");
    }
    server.assert_nothing_left();
    // Who has waited has taken the bells.
    assert_eq!(server.number(&["XLEN", "{powerflow}:bell:default"]), 0);
}

/// The reconciler's question, about an entry that is really gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_another_tenant_that_the_queue_lost_is_found() {
    let server = Server::start();
    let queue = server.queue("one", LONG).await;
    let tenant = TenantId(5);
    let steps = keys(0..4);
    queue.enqueue(DEFAULT, false, tenant, &steps).await.unwrap();
    let mark = queue.mark().await.unwrap();
    let lost = || queue.lost(&mark, DEFAULT, false, tenant, &steps[..2]);
    server.ask(&["LPOP", "{powerflow}:of:5:normal:default"]);
    assert_eq!(lost().await.unwrap(), None, "three wait");
    let held = receive(&queue, &[DEFAULT], 1).await;
    assert_eq!(held[0].key, steps[1]);
    assert_eq!(lost().await.unwrap(), None, "two wait");
    assert_eq!(take(&queue, 2).await, [2, 3]);
    assert_eq!(lost().await.unwrap(), Some(vec![steps[0]]));
    // What came later than the mark holds nothing up.
    let later = keys(9..10);
    queue.enqueue(DEFAULT, false, tenant, &later).await.unwrap();
    assert_eq!(lost().await.unwrap(), Some(vec![steps[0]]));
    server.ask(&["FLUSHALL"]);
    let nothing = ends(queue.lost(&mark, DEFAULT, false, tenant, &steps)).await;
    assert_eq!(nothing.unwrap(), Some(Vec::new()), "another life");
}

/// A version before knows no bells: a queue that it has made gets one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_without_a_bell_gets_one() {
    let server = Server::start();
    let one = server.queue("one", LONG).await;
    let two = server.queue("two", LONG).await;
    one.enqueue(DEFAULT, false, TenantId::DEFAULT, &keys(0..1))
        .await
        .unwrap();
    assert_eq!(server.ask(&["DEL", "{powerflow}:bell:default"]), "1");
    assert_eq!(take(&two, 1).await, [0]);
    let waiting = tokio::spawn(async move { take(&two, 1).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.ask(&["DEL", "{powerflow}:bell:default"]), "1");
    tokio::time::sleep(Duration::from_millis(200)).await;
    one.enqueue(DEFAULT, false, TenantId(4), &keys(1..2))
        .await
        .unwrap();
    assert_eq!(ends(waiting).await.unwrap(), [1]);
}
