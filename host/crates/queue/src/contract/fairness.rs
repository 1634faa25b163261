//! Who is served when there is more than can be: queues by weight, tenants in turn.

use std::collections::HashMap;

use super::{
    A_WHILE, Arc, Backend, DEFAULT, HIGH_PRIORITY, LONG, Queue, SHORT, Subscription, add, add_for,
    drain, ends, everything, key, keys, nothing_comes, on, receive, sleep,
};

fn weighted(queues: &[(&str, u32)]) -> Subscription {
    let names: Vec<&str> = queues.iter().map(|(name, _)| *name).collect();
    let weights = queues
        .iter()
        .map(|(name, weight)| ((*name).into(), *weight));
    Subscription {
        weights: weights.collect(),
        ..on(&names)
    }
}

/// A thousand's number: which queue or tenant an entry belongs to.
const EACH: i64 = 10_000;

async fn fill(queue: &Arc<dyn Queue>, names: &[&str], each: i64) {
    for (name, number) in names.iter().zip(0..) {
        let steps = keys(number * EACH..number * EACH + each);
        add(queue, name, false, &steps).await;
    }
}

/// Drains in batches of these sizes; after each, no queue is ahead of another by more than
/// one visit. Answers how often each was served.
async fn drain_by_weight(
    queue: &Arc<dyn Queue>,
    subscription: &Subscription,
    weights: &[i64],
    batches: &[usize],
) -> Vec<i64> {
    let mut served = vec![0; weights.len()];
    for batch in batches {
        for number in drain(queue, subscription, *batch).await {
            served[(number / EACH) as usize] += 1;
        }
        for (one, weight) in served.iter().zip(weights) {
            for (other, other_weight) in served.iter().zip(weights) {
                let ahead = one * other_weight - other * weight;
                assert!(ahead <= weight * other_weight, "{served:?} by {weights:?}");
            }
        }
    }
    served
}

/// Filled queues share in proportion, over batches of any size, and exactly after whole rounds.
pub async fn filled_queues_are_served_by_weight<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    fill(&queue, &["a", "b", "c"], 1_000).await;
    let subscription = weighted(&[("b", 2), ("a", 4), ("c", 1)]);
    let batches = [
        1, 1, 1, 5, 2, 60, 1, 3, 3, 7, 100, 16, 250, 1, 1, 1, 1, 1, 14,
    ];
    let total: usize = batches.iter().sum();
    assert_eq!(total, 469);
    let served = drain_by_weight(&queue, &subscription, &[4, 2, 1], &batches).await;
    assert_eq!(served, [268, 134, 67]);
}

/// Another weight counts from the next entry on, and nothing is lost by it.
pub async fn weights_change_while_entries_wait<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    fill(&queue, &["a", "b"], 500).await;
    let even = weighted(&[("a", 1), ("b", 1)]);
    let served = drain_by_weight(&queue, &even, &[1, 1], &[10, 30, 1, 1, 58]).await;
    assert_eq!(served, [50, 50]);
    let uneven = weighted(&[("a", 1), ("b", 9)]);
    let served = drain_by_weight(&queue, &uneven, &[1, 9], &[10, 30, 1, 1, 58]).await;
    assert_eq!(served, [10, 90]);
    let mut rest = drain(&queue, &weighted(&[("a", 3), ("b", 1)]), 800).await;
    rest.sort_unstable();
    assert!(
        rest.iter()
            .copied()
            .eq((60..500).chain(EACH + 140..EACH + 500))
    );
}

/// Weights need no list of queues.
pub async fn a_receiver_of_all_queues_serves_them_by_weight<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    fill(&queue, &["a", "b", "c"], 300).await;
    let subscription = Subscription {
        weights: [("b".into(), 3)].into(),
        ..everything()
    };
    let batches = [1, 1, 1, 7, 20, 50, 20];
    let served = drain_by_weight(&queue, &subscription, &[1, 3, 1], &batches).await;
    assert_eq!(served, [20, 60, 20]);
}

/// A share that is not needed is not kept free, nor saved up.
pub async fn what_an_empty_queue_does_not_need_the_others_get<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let subscription = weighted(&[("a", 9), ("b", 1), ("never", 90)]);
    add(&queue, "b", false, &keys(EACH..EACH + 100)).await;
    add(&queue, "a", false, &keys(0..3)).await;
    let numbers = drain(&queue, &subscription, 53).await;
    assert_eq!(numbers.iter().filter(|number| **number < EACH).count(), 3);
    add(&queue, "a", false, &keys(3..100)).await;
    let served = drain_by_weight(&queue, &subscription, &[9, 1], &[20]).await;
    assert_eq!(served, [18, 2]);
}

/// Weight 0: only while nothing else waits.
pub async fn a_queue_of_weight_nought_comes_after_all_others<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    fill(&queue, &["idle", "a", "b"], 20).await;
    let subscription = weighted(&[("idle", 0), ("a", 1), ("b", 5)]);
    let numbers = drain(&queue, &subscription, 60).await;
    assert!(numbers[..40].iter().all(|number| *number >= EACH));
    assert!(numbers[40..].iter().copied().eq(0..20));
}

/// High entries come first, and one queue's do not starve another's.
pub async fn the_high_entries_of_several_queues_share_too<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    fill(&queue, &["a", "b"], 50).await;
    add(&queue, "a", true, &keys(1_000..1_100)).await;
    add(&queue, "b", true, &keys(EACH + 1_000..EACH + 1_100)).await;
    let subscription = weighted(&[("a", 1), ("b", 3)]);
    let numbers = drain(&queue, &subscription, 80).await;
    assert!(numbers.iter().all(|number| number % EACH >= 1_000));
    let of_a = numbers.iter().filter(|number| **number < EACH).count();
    assert_eq!(of_a, 20);
}

/// One entry of each that waits, and each one's own first in first out; in both lanes.
pub async fn tenants_come_in_turn<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for high in [false, true] {
        for (tenant, count) in [(2, 40), (1, 100), (7, 3), (3, 40)] {
            let first = tenant * EACH;
            add_for(&queue, tenant, DEFAULT, high, &keys(first..first + count)).await;
        }
        let mut numbers = Vec::new();
        for batch in [1, 2, 1, 5, 40, 1, 100, 33] {
            numbers.extend(drain(&queue, &on(&[DEFAULT]), batch).await);
        }
        let mut served: HashMap<i64, i64> = HashMap::new();
        for (place, number) in (1..).zip(&numbers) {
            let (tenant, next) = (number / EACH, number % EACH);
            let before = served.entry(tenant).or_default();
            assert_eq!(*before, next, "tenant {tenant} is not served in its order");
            *before += 1;
            let of = |tenant| served.get(&tenant).copied().unwrap_or_default();
            if place <= 12 {
                assert!((of(7) - of(2)).abs() <= 1, "{numbers:?}");
            }
            if place <= 3 * 40 {
                assert!((of(1) - of(2)).abs() <= 1 && (of(2) - of(3)).abs() <= 1);
            }
        }
        assert_eq!(numbers.len(), 183);
        nothing_comes(&queue, &on(&[DEFAULT])).await;
    }
}

/// However much another has waiting.
pub async fn a_tenant_does_not_wait_for_the_backlog_of_another<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for (large, small) in [(1, 2), (3, 1), (4, 5)] {
        for start in (0..6_000).step_by(1_000) {
            let steps = keys(large * EACH + start..large * EACH + start + 1_000);
            add_for(&queue, large, DEFAULT, false, &steps).await;
        }
        drain(&queue, &on(&[DEFAULT]), 100).await;
        add_for(&queue, small, DEFAULT, false, &keys([small * EACH])).await;
        let numbers = drain(&queue, &on(&[DEFAULT]), 3).await;
        assert!(numbers.contains(&(small * EACH)), "{numbers:?}");
        drain(&queue, &on(&[DEFAULT]), 6_001 - 103).await;
    }
}

/// Priority goes before turns and weights.
pub async fn what_is_high_comes_first_whoever_its_tenant_is<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add_for(&queue, 2, DEFAULT, false, &keys(0..5)).await;
    add_for(&queue, 1, DEFAULT, false, &keys(5..10)).await;
    add_for(&queue, 3, "other", true, &keys([11])).await;
    add_for(&queue, 2, HIGH_PRIORITY, false, &keys([12])).await;
    add_for(&queue, 3, HIGH_PRIORITY, true, &keys([13])).await;
    let subscription = weighted(&[(DEFAULT, 50), ("other", 1), (HIGH_PRIORITY, 1)]);
    assert_eq!(drain(&queue, &subscription, 3).await, [13, 12, 11]);
    assert_eq!(drain(&queue, &subscription, 10).await.len(), 10);
}

/// A receiver that sleeps is woken for a tenant that was never there before.
pub async fn a_receiver_waits_for_any_tenant<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    for tenant in [5, 6, 1, 5] {
        let receiver = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { drain(&queue, &on(&["later", DEFAULT]), 1).await })
        };
        sleep(A_WHILE).await;
        assert!(!receiver.is_finished());
        add_for(&queue, tenant, "later", tenant == 6, &keys([tenant])).await;
        assert_eq!(ends(receiver).await.unwrap(), [tenant]);
    }
}

/// Several receivers at once: each entry comes once, whoever its tenant is.
pub async fn receivers_share_the_entries_of_several_tenants<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    let receivers: Vec<_> = (0..8)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { drain(&queue, &on(&[DEFAULT]), 250).await })
        })
        .collect();
    for start in (0..2_000).step_by(10) {
        let tenant = start / 10 % 5 + 1;
        add_for(&queue, tenant, DEFAULT, false, &keys(start..start + 10)).await;
    }
    let mut numbers = Vec::new();
    for receiver in receivers {
        numbers.extend(ends(receiver).await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

/// The end of a lease, as for the first tenant.
pub async fn a_delivery_of_another_tenant_comes_again_and_first<B: Backend>() {
    let (_backend, queue) = B::start(SHORT).await;
    let subscription = on(&[DEFAULT]);
    add_for(&queue, 2, DEFAULT, false, &keys([1])).await;
    assert_eq!(receive(&queue, &subscription, 1).await[0].deliveries, 1);
    add_for(&queue, 3, DEFAULT, false, &keys([2])).await;
    sleep(SHORT.lease * 2).await;
    let mut taken = receive(&queue, &subscription, 2).await;
    if taken.len() < 2 {
        taken.extend(receive(&queue, &subscription, 1).await);
    }
    let seen: Vec<_> = taken.iter().map(|d| (d.key.run.0, d.deliveries)).collect();
    assert_eq!(seen, [(1, 2), (2, 1)]);
}

/// Set aside by a worker or by the queue, and revived: it is its tenant's entry again.
pub async fn a_dead_letter_keeps_its_tenant<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add_for(&queue, 9, DEFAULT, false, &keys(0..2)).await;
    for reason in ["no such run", "größer als erlaubt"] {
        let taken = receive(&queue, &on(&[DEFAULT]), 1).await;
        queue.bury(&taken[0], reason).await.unwrap();
    }
    let letters = queue.dead_letters(DEFAULT).await.unwrap();
    let seen: Vec<_> = letters.iter().map(|l| (l.key, l.reason.as_str())).collect();
    assert_eq!(
        seen,
        [(key(0), "no such run"), (key(1), "größer als erlaubt")]
    );
    add(&queue, DEFAULT, false, &keys(100..200)).await;
    assert_eq!(queue.revive(DEFAULT).await.unwrap(), 2);
    // Behind the other's backlog it would come last.
    let numbers = drain(&queue, &on(&[DEFAULT]), 6).await;
    assert!(numbers.contains(&0) && numbers.contains(&1), "{numbers:?}");
    assert!(queue.dead_letters(DEFAULT).await.unwrap().is_empty());
    assert_eq!(queue.revive(DEFAULT).await.unwrap(), 0);
}

/// Waiting, delivered or dead, as for the first tenant.
pub async fn what_the_queue_holds_of_another_tenant_is_not_lost<B: Backend>() {
    let (_backend, queue) = B::start(LONG).await;
    add_for(&queue, 7, DEFAULT, true, &keys(1..=4)).await;
    let mark = queue.mark().await.unwrap();
    let lost = async |steps: &[_]| {
        let lost = queue.lost(&mark, "", true, model::id::TenantId(7), steps);
        lost.await.unwrap().unwrap_or_default()
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
}

/// Many tenants cost no more than their entries: the first round serves each once.
pub async fn thousands_of_tenants_are_served_in_turn<B: Backend>() {
    const TENANTS: i64 = 2_000;
    let (_backend, queue) = B::start(LONG).await;
    for tenant in 1..=TENANTS {
        let steps = keys(tenant * 10..tenant * 10 + 3);
        add_for(&queue, tenant, DEFAULT, false, &steps).await;
    }
    let depths = queue.depths().await.unwrap();
    let depth = depths.iter().find(|depth| &*depth.queue == DEFAULT);
    assert_eq!(depth.map(|depth| depth.waiting), Some(3 * TENANTS as u64));
    for _ in 0..3 {
        let numbers = drain(&queue, &on(&[DEFAULT]), TENANTS as usize).await;
        let mut tenants: Vec<_> = numbers.iter().map(|number| number / 10).collect();
        tenants.sort_unstable();
        assert!(tenants.iter().copied().eq(1..=TENANTS));
    }
    nothing_comes(&queue, &on(&[DEFAULT])).await;
    for depth in queue.depths().await.unwrap() {
        assert_eq!((depth.waiting, depth.delivered), (0, 0), "{depth:?}");
    }
}
