//! Schedules: what documents mean, and when they are due.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use model::{
    clock::Timestamp,
    schedule::{CatchUp, Compiled, GRACE, Missed, Overlap, Planned, Schedule, plan, rfc3339},
    validate::Severity,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn schedule(more: &Value) -> Schedule {
    let mut document = json!({"application_id": "sync", "entry_id": "nightly"});
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    Schedule::from_value(document).unwrap()
}

fn compiled(more: &Value) -> Compiled {
    let (compiled, problems) = schedule(more).compile();
    compiled.unwrap_or_else(|| panic!("{more}: {problems:?}"))
}

/// `(code, path)` of each error.
fn errors(more: &Value) -> Vec<(&'static str, String)> {
    let (compiled, problems) = schedule(more).compile();
    let errors: Vec<_> = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| (problem.code, problem.path))
        .collect();
    assert_eq!(compiled.is_none(), !errors.is_empty());
    errors
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// The first occurrences after a moment.
fn occurrences(compiled: &Compiled, after: &str, count: usize) -> Vec<String> {
    let (mut after, anchor) = (at(after), at(after));
    let mut found = Vec::new();
    for _ in 0..count {
        let Some(next) = compiled.timing.next(after, anchor) else {
            break;
        };
        found.push(rfc3339(next));
        after = next;
    }
    found
}

#[test]
fn the_predecessors_form_is_understood() {
    let five =
        |info: Value| json!({"schedule": {"schedule_type": "crontab", "schedule_info": info}});
    let all = compiled(&five(json!({
        "minute": "*", "hour": "*", "day_of_month": "*", "day_of_week": "*", "month_of_year": "*"})));
    assert_eq!(
        occurrences(&all, "2027-01-01T00:00:30Z", 2),
        ["2027-01-01T00:01:00Z", "2027-01-01T00:02:00Z"]
    );
    // Numbers, names in full, ranges over the end, missing fields.
    for (info, first) in [
        (json!({"minute": 5}), "2027-01-01T00:05:00Z"),
        (
            json!({"minute": "0", "hour": "9", "day_of_week": "monday"}),
            "2027-01-04T09:00:00Z",
        ),
        (
            json!({"minute": "0", "hour": "0", "day_of_week": "sat-mon"}),
            "2027-01-02T00:00:00Z",
        ),
        (
            json!({"minute": "*/30", "hour": "*/30"}),
            "2027-01-01T00:30:00Z",
        ),
        (
            json!({"minute": "0", "hour": "22-4/3"}),
            "2027-01-01T01:00:00Z",
        ),
        (
            json!({"minute": "0", "hour": "0", "day_of_month": "*/30"}),
            "2027-01-31T00:00:00Z",
        ),
        (
            json!({"minute": "0", "hour": "0", "day_of_month": "1", "month_of_year": "mar,jun"}),
            "2027-03-01T00:00:00Z",
        ),
    ] {
        let first_found = occurrences(&compiled(&five(info.clone())), "2027-01-01T00:00:00Z", 1);
        assert_eq!(first_found, [first], "{info}");
    }
    let every = compiled(
        &json!({"schedule": {"schedule_type": "frequency", "schedule_info": {"run_every": 3600.0}}}),
    );
    assert_eq!(
        occurrences(&every, "2027-01-01T00:00:30Z", 2),
        ["2027-01-01T01:00:30Z", "2027-01-01T02:00:30Z"]
    );
    assert_eq!(every.timing.describe(), "Every hour");
}

/// The predecessor wants both day fields to fit, cron one of them.
#[test]
fn both_day_fields_mean_what_their_form_means() {
    let fields = compiled(
        &json!({"schedule": {"schedule_type": "crontab", "schedule_info":
        {"minute": "0", "hour": "0", "day_of_month": "13", "day_of_week": "fri", "month_of_year": "*"}}}),
    );
    assert_eq!(
        occurrences(&fields, "2027-01-01T00:00:00Z", 2),
        ["2027-08-13T00:00:00Z", "2028-10-13T00:00:00Z"]
    );
    let expression = compiled(&json!({"cron": "0 0 13 * FRI"}));
    assert_eq!(
        occurrences(&expression, "2027-01-02T00:00:00Z", 2),
        ["2027-01-08T00:00:00Z", "2027-01-13T00:00:00Z"]
    );
}

#[test]
fn clocks_that_are_set_forward_and_back() {
    let berlin = |cron: &str| compiled(&json!({"cron": cron, "time_zone": "Europe/Berlin"}));
    // 2027-03-28: 02:00 becomes 03:00 at 01:00 UTC. What falls into the gap runs after it, once.
    assert_eq!(
        occurrences(&berlin("30 2 * * *"), "2027-03-27T00:00:00Z", 3),
        [
            "2027-03-27T01:30:00Z",
            "2027-03-28T01:00:00Z",
            "2027-03-29T00:30:00Z"
        ]
    );
    // 2027-10-31: 03:00 becomes 02:00 at 01:00 UTC. A time that comes twice runs once,
    assert_eq!(
        occurrences(&berlin("30 2 * * *"), "2027-10-30T12:00:00Z", 2),
        ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]
    );
    // and what runs all day goes on in both hours, and misses none in the gap.
    assert_eq!(
        occurrences(&berlin("*/30 * * * *"), "2027-10-31T00:00:00Z", 4),
        [
            "2027-10-31T00:30:00Z",
            "2027-10-31T01:00:00Z",
            "2027-10-31T01:30:00Z",
            "2027-10-31T02:00:00Z"
        ]
    );
    assert_eq!(
        occurrences(&berlin("*/30 * * * *"), "2027-03-28T00:30:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"]
    );
    // Several hours, and several minutes of one, are as single ones.
    assert_eq!(
        occurrences(&berlin("30 2,14 * * *"), "2027-10-30T20:00:00Z", 2),
        ["2027-10-31T00:30:00Z", "2027-10-31T13:30:00Z"]
    );
    assert_eq!(
        occurrences(&berlin("30 2,14 * * *"), "2027-03-27T20:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-28T12:30:00Z"]
    );
    assert_eq!(
        occurrences(&berlin("*/20 2 * * *"), "2027-10-30T20:00:00Z", 4),
        [
            "2027-10-31T00:00:00Z",
            "2027-10-31T00:20:00Z",
            "2027-10-31T00:40:00Z",
            "2027-11-01T01:00:00Z"
        ]
    );
    assert_eq!(
        occurrences(&berlin("*/20 2 * * *"), "2027-03-27T20:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"]
    );
    // Where clocks are set at midnight, and the day comes twice.
    let nuuk = compiled(&json!({"cron": "30 23 * * SAT", "time_zone": "America/Nuuk"}));
    assert_eq!(
        occurrences(&nuuk, "2027-10-24T12:00:00Z", 3),
        [
            "2027-10-31T00:30:00Z",
            "2027-11-07T01:30:00Z",
            "2027-11-14T01:30:00Z"
        ]
    );
    // The local time stays over the year.
    let nine = berlin("0 9 * * *");
    assert_eq!(
        occurrences(&nine, "2027-01-15T00:00:00Z", 1),
        ["2027-01-15T08:00:00Z"]
    );
    assert_eq!(
        occurrences(&nine, "2027-07-15T00:00:00Z", 1),
        ["2027-07-15T07:00:00Z"]
    );
}

#[test]
fn start_and_end_bound_it() {
    let bounded = compiled(
        &json!({"frequency": 600, "start": "2027-01-01T00:05:00Z", "end": "2027-01-01T00:25:00Z"}),
    );
    assert_eq!(
        occurrences(&bounded, "2026-12-31T00:00:00Z", 9),
        [
            "2027-01-01T00:05:00Z",
            "2027-01-01T00:15:00Z",
            "2027-01-01T00:25:00Z"
        ]
    );
    let local = compiled(
        &json!({"cron": "@daily", "time_zone": "Europe/Berlin", "start": "2027-06-01T00:00"}),
    );
    assert_eq!(
        occurrences(&local, "2027-01-01T00:00:00Z", 1),
        ["2027-05-31T22:00:00Z"]
    );
}

#[test]
fn it_is_told_in_words() {
    for (document, words) in [
        (json!({"frequency": 300}), "Every 5 minutes"),
        (json!({"frequency": 60}), "Every minute"),
        (
            json!({"frequency": 47_200}),
            "Every 13 hours 6 minutes 40 seconds",
        ),
        (json!({"frequency": 1.5}), "Every 1.5 seconds"),
        (json!({"cron": "*/4 * * * *"}), "At every 4 minutes (UTC)"),
        (
            json!({"cron": "0 9 * * MON", "time_zone": "europe/berlin"}),
            "At 09:00, on Monday (Europe/Berlin)",
        ),
    ] {
        assert_eq!(compiled(&document).timing.describe(), words, "{document}");
    }
}

#[test]
fn every_problem_is_listed_at_its_place() {
    let wrong = json!({"application_id": 7, "entry_id": "a\u{1}", "params": [], "enabled": "yes",
        "overlap": "skp", "catch_up": "some", "catch_up_limit": 0, "time_zone": "Europe/Berln",
        "cron": "61 25 * * fun", "start": "soon"});
    let paths: Vec<_> = errors(&wrong).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        paths,
        [
            "/application_id",
            "/entry_id",
            "/params",
            "/time_zone",
            "/cron",
            "/cron",
            "/cron",
            "/start",
            "/enabled",
            "/overlap",
            "/catch_up",
            "/catch_up_limit",
        ]
    );
}

#[test]
fn each_fault_has_its_code() {
    for (document, code, path) in [
        (json!({}), "PF-S005", ""),
        (
            json!({"cron": "* * * * *", "frequency": 1}),
            "PF-S005",
            "/frequency",
        ),
        (json!({"cron": "* * * *"}), "PF-S006", "/cron"),
        (json!({"cron": ", * * * *"}), "PF-S006", "/cron"),
        (json!({"cron": "0,, * * * *"}), "PF-S006", "/cron"),
        (json!({"cron": "*/0 * * * *"}), "PF-S006", "/cron"),
        (json!({"cron": "5/5 * * * *"}), "PF-S006", "/cron"),
        (json!({"cron": "0 0 * * 1#6"}), "PF-S006", "/cron"),
        (json!({"cron": "0 0 * * 8"}), "PF-S006", "/cron"),
        (json!({"cron": "-1 * * * *"}), "PF-S006", "/cron"),
        (json!({"cron": "0 0 30 2 *"}), "PF-S011", "/cron"),
        (json!({"frequency": 0.5}), "PF-S008", "/frequency"),
        (json!({"frequency": 1e300}), "PF-S008", "/frequency"),
        (json!({"frequency": "300"}), "PF-S003", "/frequency"),
        (
            json!({"frequency": 60, "start": "2027-01-02T00:00:00Z", "end": "2027-01-01T00:00:00Z"}),
            "PF-S010",
            "/end",
        ),
        (
            json!({"frequency": 60, "params": {"loglevel": 11}}),
            "PF-S013",
            "/params",
        ),
        (
            json!({"frequency": 60, "entry_id": " x"}),
            "PF-S004",
            "/entry_id",
        ),
        (
            json!({"frequency": 60, "application_id": " "}),
            "PF-S002",
            "/application_id",
        ),
        (
            json!({"schedule": {"schedule_type": "weekly", "schedule_info": {}}}),
            "PF-S005",
            "/schedule/schedule_type",
        ),
        (
            json!({"schedule": {"schedule_type": "frequency", "schedule_info": {}}}),
            "PF-S005",
            "/schedule/schedule_info/run_every",
        ),
        (
            json!({"schedule": {"schedule_type": "crontab"}}),
            "PF-S005",
            "/schedule/schedule_info",
        ),
        (
            json!({"schedule": {"schedule_type": "crontab", "schedule_info": {"minute": "61", "hour": []}}}),
            "PF-S003",
            "/schedule/schedule_info/hour",
        ),
        (
            json!({"schedule": {"schedule_type": "crontab", "schedule_info": {"minute": "61"}}}),
            "PF-S006",
            "/schedule/schedule_info/minute",
        ),
    ] {
        let found = errors(&document);
        assert!(
            found.iter().any(|(a, b)| (*a, &**b) == (code, path)),
            "{document}: {found:?}"
        );
    }
}

#[test]
fn what_is_unknown_is_kept_and_slips_are_told() {
    let document = schedule(
        &json!({"frequency": 60, "ours": {"a": 1}, "overlapp": "skip",
        "total_runs": 33, "last_run": {"href": "/api/v1/tasks/isapp-1"}}),
    );
    let (compiled, problems) = document.compile();
    assert!(compiled.is_some());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (problems[0].code, &*problems[0].path),
        ("PF-S012", "/overlapp")
    );
    let text = document.to_pretty();
    assert!(
        text.contains("\"ours\"") && !text.contains("total_runs"),
        "{text}"
    );
}

#[test]
fn a_schedule_without_a_name_gets_the_same_one_each_time() {
    for blank in [json!(null), json!(""), json!("  ")] {
        let compiled = compiled(&json!({"entry_id": blank, "frequency": 300}));
        assert_eq!(compiled.name, "sync: Every 5 minutes");
        // With other parameters it is another, the same each time.
        let named = |params| {
            self::compiled(&json!({"entry_id": blank, "frequency": 300, "params": params})).name
        };
        assert_eq!(named(json!({})), "sync: Every 5 minutes");
        assert_eq!(named(json!({"a": 1})), named(json!({"a": 1})));
        assert_ne!(named(json!({"a": 1})), named(json!({"a": 2})));
    }
}

/// A frequency whose next occurrence is `due` seconds from some moment, looked at `now`.
fn planned(due: i64, now: i64, overlap: Overlap, policy: (CatchUp, usize)) -> Planned {
    let compiled = compiled(&json!({"frequency": 3600}));
    plan(
        &compiled.timing,
        Timestamp(0),
        Timestamp::from_seconds(due),
        Timestamp::from_seconds(now),
        overlap,
        policy,
    )
}

#[test]
fn a_downtime_is_caught_up_as_the_policy_says() {
    const H: i64 = 3600;
    let time = Timestamp::from_seconds;
    let run = |hours: &[i64]| -> Vec<_> {
        hours
            .iter()
            .map(|h| (time(h * H), Some(time((h + 1) * H))))
            .collect()
    };
    let missed = |first: i64, last: i64, count, next: i64| {
        Some(Missed {
            first: time(first * H),
            last: time(last * H),
            count,
            next: Some(time(next * H)),
        })
    };
    let allow = Overlap::Allow;
    // On time, whatever the policy.
    for policy in [CatchUp::None, CatchUp::Last, CatchUp::All] {
        let plan = planned(H, H + 5, allow, (policy, 10));
        assert_eq!((plan.missed, plan.run), (None, run(&[1])));
        assert_eq!(planned(H, H - 1, allow, (policy, 10)), Planned::default());
    }
    // Five were missed, the last of them half an hour ago.
    let now = 5 * H + 1800;
    let of = |policy, limit| {
        let plan = planned(H, now, allow, (policy, limit));
        (plan.missed, plan.run)
    };
    assert_eq!(of(CatchUp::None, 10), (missed(1, 5, 5, 6), vec![]));
    assert_eq!(of(CatchUp::Last, 10), (missed(1, 4, 4, 5), run(&[5])));
    assert_eq!(of(CatchUp::All, 10), (None, run(&[1, 2, 3, 4, 5])));
    assert_eq!(of(CatchUp::All, 2), (missed(1, 3, 3, 4), run(&[4, 5])));
    // One is on time: it is the last.
    let plan = planned(H, 5 * H + 30, allow, (CatchUp::Last, 10));
    assert_eq!((plan.missed, plan.run), (missed(1, 4, 4, 5), run(&[5])));
    let plan = planned(H, 5 * H + 30, allow, (CatchUp::None, 10));
    assert_eq!((plan.missed, plan.run), (missed(1, 4, 4, 5), run(&[5])));
    // Each would cancel the one before.
    let plan = planned(H, now, Overlap::Cancel, (CatchUp::All, 10));
    assert_eq!((plan.missed, plan.run), (missed(1, 4, 4, 5), run(&[5])));
}

const CRONS: [&str; 10] = [
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "0 2,3 * * *",
    "15 */2 * * *",
    "0 0 * * *",
    "59 23 L * *",
    "0 0 13 * FRI",
    "*/20 1-3 * * SUN",
    "0 12 29 2 *",
];
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Chatham",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Occurrences increase, are the same from wherever between two one asks, and each
    /// is one of the schedule in its own time zone.
    #[test]
    fn occurrences_increase(cron in 0..CRONS.len(), zone in 0..ZONES.len(),
        from in 1_700_000_000_000_000_i64..2_100_000_000_000_000, part in 0.0..1.0_f64) {
        let compiled = compiled(&json!({"cron": CRONS[cron], "time_zone": ZONES[zone]}));
        let anchor = Timestamp(0);
        let mut last = Timestamp(from);
        for _ in 0..40 {
            let next = compiled.timing.next(last, anchor).unwrap();
            prop_assert!(next > last);
            let between = last.plus_micros(((next.0 - last.0 - 1) as f64 * part) as i64);
            prop_assert_eq!(compiled.timing.next(between, anchor), Some(next));
            last = next;
        }
    }

    /// The phase of a frequency depends on nothing but where it begins.
    #[test]
    fn a_frequency_keeps_its_phase(period in 1_u32..100_000, anchor in 0_i64..2_000_000_000_000_000,
        asked in 0_i64..2_000_000_000_000_000) {
        let compiled = compiled(&json!({"frequency": period}));
        let next = compiled.timing.next(Timestamp(asked), Timestamp(anchor)).unwrap();
        let period = i64::from(period) * 1_000_000;
        prop_assert!(next.0 > asked && next.0 > anchor);
        prop_assert_eq!((next.0 - anchor) % period, 0);
        prop_assert!(next.0 - period <= asked.max(anchor));
    }

    /// However long nobody looked, each occurrence is either left out or run, once, and
    /// what follows is the first of the future.
    #[test]
    fn nothing_is_lost_and_nothing_twice(period in 1_u32..5000, away in 0_i64..200_000, limit in 1_usize..50,
        policy in 0..3_usize, cancel in any::<bool>()) {
        let compiled = compiled(&json!({"frequency": period}));
        let timing = &compiled.timing;
        let anchor = Timestamp(0);
        let due = timing.next(anchor, anchor).unwrap();
        let now = due.plus_micros(away * 1_000_000);
        let overlap = if cancel { Overlap::Cancel } else { Overlap::Allow };
        let planned = plan(timing, anchor, due, now, overlap, (CatchUp::WORDS[policy].1, limit));
        let all: Vec<_> = timing.between(due.plus_micros(-1), now, anchor).collect();
        let left_out = planned.missed.map_or(0, |missed| missed.count as usize);
        if left_out < 10_000 {
            prop_assert_eq!(left_out + planned.run.len(), all.len());
        }
        let newest: Vec<_> = planned.run.iter().map(|(at, _)| *at).collect();
        prop_assert_eq!(&newest[..], &all[all.len() - newest.len()..]);
        for (at, next) in &planned.run {
            prop_assert_eq!(*next, timing.next(*at, anchor));
        }
        let (first, next) = (planned.missed.map(|m| m.first), planned.missed.and_then(|m| m.next));
        if let Some(first) = first {
            prop_assert_eq!(first, due);
            prop_assert_eq!(next, newest.first().copied().or(timing.next(now, anchor)));
        } else {
            prop_assert_eq!(newest[0], due);
        }
        // What is on time runs, whatever the policy.
        let on_time = all.iter().filter(|at| now.micros_since(**at) <= GRACE).count();
        prop_assert!(cancel || newest.len() >= on_time);
    }
}
