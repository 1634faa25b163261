//! Random applications, of which an earlier one may start later ones.

use serde_json::{Value, json};

use crate::{chance::Chance, check::MOST_ATTEMPTS};

/// The pack that brings the steps, and the built-in one that executes conditions.
pub(crate) const PACKS: [(&str, &str); 2] = [
    (
        "simulated",
        r#"{"author": "a", "steps": [{"name": "Work"}, {"name": "Once", "idempotent": false},
            {"name": "Start", "kind": "trigger"}]}"#,
    ),
    (
        "flow_control",
        r#"{"author": "a", "steps": [{"name": "Condition"}, {"name": "Transform"}]}"#,
    ),
];

/// The name of an application.
pub(crate) fn name(number: u64) -> String {
    format!("app{number}")
}

/// The application of that number among `of`.
pub(crate) fn document(chance: &mut Chance, number: u64, of: u64) -> Value {
    let mut steps: Vec<Value> = Vec::new();
    let count = chance.of(1..10);
    while (steps.len() as u64) < count {
        let at = steps.len();
        match chance.of(0..10) {
            0 => condition(chance, &mut steps, at),
            1 => handled(chance, &mut steps, at),
            2 => {
                let seconds = chance.of(0..4000) as f64 / 1000.0;
                let mut delay = json!({"operator": "delay", "seconds": seconds});
                connect(chance, &mut delay, at);
                steps.push(delay);
            }
            3 if chance.happens(500) => {
                let mut asking = asking(chance);
                connect(chance, &mut asking, at);
                steps.push(asking);
            }
            3..6 if number + 1 < of => {
                let mut start = start(chance, number, of);
                connect(chance, &mut start, at);
                steps.push(start);
            }
            _ => {
                let mut work = work(chance);
                connect(chance, &mut work, at);
                steps.push(work);
            }
        }
    }
    for (at, step) in steps.iter_mut().enumerate() {
        step["name"] = json!(format!("s{at}"));
    }
    let queue = chance.pick(&["default", "other", "priority.high"]);
    json!({"name": name(number), "queue": queue, "steps": steps})
}

fn work(chance: &mut Chance) -> Value {
    let file = if chance.happens(100) { "Once" } else { "Work" };
    let mut work = json!({"file": file, "syncpack": "simulated"});
    if chance.happens(400) {
        work["task_retry"] = json!({
            "max_attempts": chance.of(2..u64::from(MOST_ATTEMPTS) + 1),
            "initial_delay": chance.of(0..2000) as f64 / 1000.0,
            "backoff": 2,
            "on": [if chance.happens(500) { "any" } else { "retryable" }],
        });
    }
    if chance.happens(150) {
        work["task_on_error"] = json!("continue");
    }
    if chance.happens(200) {
        let most = chance.of(1..4);
        work["task_concurrency"] = json!({"key": format!("c{most}"), "limit": most});
        work["most"] = json!(most);
    }
    if chance.happens(120) {
        let (name, rate) = chance.pick(&RATES).copied().unwrap_or(RATES[0]);
        work["task_rate"] =
            json!({"key": name, "limit": rate.limit, "per": rate.per, "burst": rate.burst});
    }
    if chance.happens(120) {
        let (count, parallel) = (chance.of(0..12), chance.of(1..5));
        let item = json!({ "parallel": parallel });
        work["task_for_each"] = json!({
            "items": vec![item; count as usize],
            "parallel": parallel,
            "on_failure": if chance.happens(500) { "fail" } else { "ignore" },
        });
        work["index"] = json!("${index}");
    }
    work
}

/// Starts under a key in a span of time.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) limit: u64,
    /// Seconds.
    pub(crate) per: u64,
    burst: u64,
}

/// The rates that steps may have, by their keys.
pub(crate) const RATES: [(&str, Rate); 3] = [
    ("r1", rate(1, 2, 1)),
    ("r2", rate(4, 1, 2)),
    ("r3", rate(5, 3, 5)),
];

const fn rate(limit: u64, per: u64, burst: u64) -> Rate {
    Rate { limit, per, burst }
}

/// A step that waits for a decision or a message, for some seconds.
fn asking(chance: &mut Chance) -> Value {
    let within = chance.of(0..60_000) as f64 / 1000.0;
    if chance.happens(500) {
        let on_timeout = chance.pick(&["fail", "approve", "reject"]);
        return json!({"operator": "approval", "question": "May it?", "within": within,
            "on_timeout": on_timeout});
    }
    json!({"operator": "wait_for_webhook", "key": signal_key(chance), "within": within})
}

/// A key under which steps wait for messages.
pub(crate) fn signal_key(chance: &mut Chance) -> String {
    format!("message {}", chance.of(0..3))
}

fn start(chance: &mut Chance, number: u64, of: u64) -> Value {
    let count = chance.of(1..4);
    let children = (0..count).map(|_| json!({"application": name(chance.of(number + 1..of))}));
    let children: Vec<Value> = children.collect();
    let mut request = json!({
        "children": children,
        "wait": chance.happens(750),
        "on_failure": if chance.happens(500) { "fail" } else { "ignore" },
    });
    if chance.happens(400) {
        request["parallel"] = json!(chance.of(1..3));
    }
    json!({"file": "Start", "syncpack": "simulated", "start": request})
}

/// Connects a step with some of those before it.
fn connect(chance: &mut Chance, step: &mut Value, at: usize) {
    let mut from = Vec::new();
    for _ in 0..chance.of(0..3).min(at as u64) {
        let one = format!("s{}", chance.of(0..at as u64));
        if !from.contains(&one) {
            from.push(one);
        }
    }
    step["data_from"] = json!(from);
}

/// A condition with two branches.
fn condition(chance: &mut Chance, steps: &mut Vec<Value>, at: usize) {
    let branch = |label: &str, to: usize| {
        let mut branch = json!({"label": label, "steps": [format!("s{to}")]});
        if label == "one" {
            branch["when"] = json!({"equal": [1, 1]});
        }
        branch
    };
    let mut condition = json!({
        "operator": "condition",
        "branches": [branch("one", at + 1), branch("else", at + 2)],
    });
    connect(chance, &mut condition, at);
    steps.push(condition);
    steps.push(work(chance));
    steps.push(work(chance));
}

/// A step with another that runs when it fails.
fn handled(chance: &mut Chance, steps: &mut Vec<Value>, at: usize) {
    let mut work = work(chance);
    connect(chance, &mut work, at);
    work["task_on_error"] = json!([format!("s{}", at + 1)]);
    steps.push(work);
    steps.push(json!({"file": "Work", "syncpack": "simulated"}));
}
