use proptest::prelude::*;
use serde_json::json;

use super::*;

fn problems(entry: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check(entry.as_object().unwrap(), "", &mut problems);
    assert!(problems.iter().all(|one| one.code == code::LIMIT));
    problems.into_iter().map(|one| one.path).collect()
}

fn rate_of(limit: u32, per: u64, burst: u32) -> Rate {
    Rate {
        limit,
        per: Duration::from_micros(per),
        burst,
    }
}

#[test]
fn what_is_said_is_read() {
    let entry = json!({
        "task_concurrency": {"key": "device ${appvar.device}", "limit": 2},
        "task_rate": {"key": "api", "limit": 90, "per": 60, "burst": 31},
    });
    assert_eq!(problems(&entry), [""; 0]);
    let entry = entry.as_object().unwrap();
    let (key, limit) = concurrency(entry).unwrap();
    assert_eq!((key, limit), (&json!("device ${appvar.device}"), 2));
    let (key, said) = rate(entry).unwrap();
    assert_eq!((key, said), (&json!("api"), rate_of(90, 60_000_000, 31)));
    assert_eq!(said.interval(), 1_000_000);
    let none = json!({"task_concurrency": null, "task_rate": null});
    assert_eq!(problems(&none), [""; 0]);
    assert!(concurrency(none.as_object().unwrap()).is_none());
    let usual = json!({"task_rate": {"key": "api", "limit": 3, "per": 0.5}});
    assert_eq!(rate(usual.as_object().unwrap()).unwrap().1.burst, 1);
}

#[test]
fn each_fault_is_told_at_its_place() {
    let long = "k".repeat(LONGEST_KEY + 1);
    for (entry, expected) in [
        (json!({"task_concurrency": 3}), vec!["/task_concurrency"]),
        (json!({"task_concurrency": true}), vec!["/task_concurrency"]),
        (json!({"task_rate": []}), vec!["/task_rate"]),
        // Both of its keys are missing.
        (
            json!({"task_concurrency": {}}),
            vec!["/task_concurrency", "/task_concurrency"],
        ),
        (
            json!({"task_concurrency": {"key": "", "limit": 0}}),
            vec!["/task_concurrency/key", "/task_concurrency/limit"],
        ),
        (
            json!({"task_concurrency": {"key": long, "limit": 1.5}}),
            vec!["/task_concurrency/key", "/task_concurrency/limit"],
        ),
        (
            json!({"task_concurrency": {"key": 5, "limit": "2"}}),
            vec!["/task_concurrency/key", "/task_concurrency/limit"],
        ),
        (
            json!({"task_concurrency": {"key": "a", "limit": 2, "per": 1}}),
            vec!["/task_concurrency/per"],
        ),
        (
            json!({"task_rate": {"key": "a", "limit": 2, "per": 0}}),
            vec!["/task_rate/per"],
        ),
        (
            json!({"task_rate": {"key": "a", "limit": 2, "per": 1, "burst": 3}}),
            vec!["/task_rate/burst"],
        ),
        (
            json!({"task_rate": {"key": "a", "limit": 1_000_001, "per": "1", "brust": 1}}),
            vec!["/task_rate/brust", "/task_rate/limit", "/task_rate/per"],
        ),
        (
            json!({"operator": "delay", "seconds": 1, "task_rate": {"key": "a", "limit": 1, "per": 1}}),
            vec!["/task_rate"],
        ),
    ] {
        let mut found = problems(&entry);
        found.sort();
        assert_eq!(found, expected, "{entry}");
    }
}

#[test]
fn without_a_burst_starts_are_even() {
    let rate = rate_of(4, 1_000_000, 1);
    let mut arrival = Arrival::default();
    let mut starts = Vec::new();
    let mut now = Timestamp(50_000_000);
    for _ in 0..5 {
        now = now.max(rate.next(arrival));
        starts.push(now.0 - 50_000_000);
        arrival = rate.start(arrival, now).unwrap();
        assert!(rate.start(arrival, now).is_none());
    }
    assert_eq!(starts, [0, 250_000, 500_000, 750_000, 1_000_000]);
}

#[test]
fn a_burst_is_taken_from_what_follows() {
    let rate = rate_of(5, 900_000, 3);
    let now = Timestamp(7_000_000);
    let mut arrival = Arrival::default();
    for _ in 0..3 {
        arrival = rate.start(arrival, now).unwrap();
    }
    assert!(rate.start(arrival, now).is_none());
    assert_eq!(rate.next(arrival), now.plus_micros(300_000));
}

proptest! {
    /// Whoever asks whenever: no span holds more than the limit, and no moment more than the
    /// burst.
    #[test]
    fn no_span_holds_more_than_the_limit(
        limit in 1_u32..40, part in 0.0..=1.0_f64, per in 1_000_u64..5_000_000,
        steps in proptest::collection::vec(0_i64..400_000, 1..400),
    ) {
        let burst = 1 + (f64::from(limit - 1) * part) as u32;
        let rate = rate_of(limit, per, burst);
        let (mut arrival, mut now) = (Arrival::default(), Timestamp(1_000_000_000));
        let mut starts: Vec<i64> = Vec::new();
        for step in steps {
            now = now.plus_micros(step);
            // As often at once as there may be starts.
            while let Some(next) = rate.start(arrival, now) {
                arrival = next;
                starts.push(now.0);
            }
            prop_assert!(rate.next(arrival) > now);
        }
        for (at, first) in starts.iter().enumerate() {
            let inside = starts[at..].iter().take_while(|one| **one < first + per as i64);
            prop_assert!(inside.count() <= limit as usize);
            let together = starts[at..].iter().take_while(|one| *one == first);
            prop_assert!(together.count() <= burst as usize);
        }
    }

    /// Whoever always waits for the next moment is let start at it, and in a span of
    /// `limit - burst + 1` intervals as often.
    #[test]
    fn the_next_moment_is_one_to_start(
        limit in 1_u32..1_000, burst in 1_u32..1_000, per in 1_000_u64..100_000_000,
        count in 1_usize..200,
    ) {
        let rate = rate_of(limit, per, burst.min(limit));
        let (mut arrival, mut now) = (Arrival::default(), Timestamp(1_000_000_000));
        let first = now;
        for _ in 0..count {
            now = now.max(rate.next(arrival));
            let next = rate.start(arrival, now);
            prop_assert!(next.is_some());
            arrival = next.unwrap();
        }
        let paced = (count as i64 - i64::from(rate.burst)).max(0);
        prop_assert_eq!(now.0 - first.0, paced * rate.interval());
    }
}
