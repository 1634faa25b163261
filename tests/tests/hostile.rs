//! A hostile SyncPack beside a healthy application: each abuse ends in its typed error, and the
//! healthy one hardly notices.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::http::Client;
use harness::packs::{BENCH, HOSTILE};
use harness::service::{Plan, Service};
use serde_json::{Value, json};

/// Each abuse with the codes that it may end in; where there is none it ends well.
const ABUSES: [(&str, &[&str]); 20] = [
    ("loop", &["timeout"]),
    ("sleep", &["timeout"]),
    // Which limit comes first depends on how fast the machine is, here and below.
    ("host-calls", &["timeout", "host-call-limit"]),
    ("clock-calls", &["timeout", "host-call-limit"]),
    ("resources", &["timeout", "resource-limit"]),
    ("memory", &["out-of-memory", "timeout"]),
    // The linker puts a pack's stack before its data: what overflows it leaves the memory.
    ("stack", &["stack-overflow", "trap"]),
    ("panic", &["trap"]),
    ("exit", &["exit"]),
    (
        "gigabyte",
        &["out-of-memory", "output-too-large", "timeout"],
    ),
    ("random-gigabyte", &["trap"]),
    ("deep", &["invalid-output"]),
    ("no-json", &["invalid-output"]),
    ("bytes", &["invalid-output"]),
    ("outside", &["invalid-output"]),
    ("long-error", &["ccc"]),
    ("sockets", &[]),
    ("ambient", &[]),
    ("log-flood", &["timeout"]),
    ("stdout-flood", &["timeout"]),
];
/// How many healthy runs are measured.
const RUNS: usize = 200;
/// How long each step may take.
const TIMEOUT: &str = "10s";
/// What a debug build on a busy machine keeps to; a release build on two free cores keeps to 50 ms.
const BOUND: Duration = Duration::from_secs(3);

fn abuse(client: &mut Client, step: &str) -> Value {
    let body = json!({"name": step, "syncpack": HOSTILE.name});
    let accepted = client
        .send_json("POST", "/api/v1/steps/run", &body)
        .unwrap();
    support::ended(client, accepted["task_id"].as_str().unwrap())
}

fn serve(plan: &Plan) -> Service {
    let service = support::serve_plan(plan, &[BENCH, HOSTILE]);
    let mut client = service.client().unwrap();
    for _ in 0..20 {
        healthy(&mut client);
    }
    service
}

fn healthy(client: &mut Client) -> Duration {
    let body = json!({"name": "bench_chain_of_three", "params": {"event": {"id": 1}}}).to_string();
    let started = Instant::now();
    let headers = [("content-type", "application/json")];
    let response = client
        .send(
            "POST",
            "/api/v1/applications/run?wait=30",
            &headers,
            body.as_bytes(),
        )
        .unwrap();
    let took = started.elapsed();
    let run = response.json().unwrap();
    assert_eq!(run["state"], "success", "{run}");
    took
}

#[test]
fn a_healthy_application_hardly_notices_a_hostile_one() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.step_timeout", TIMEOUT)
        .with("log.level", "warn");
    let mut service = serve(&plan);
    let done = AtomicBool::new(false);
    let template = service.client().unwrap();
    let (mut times, rounds) = thread::scope(|scope| {
        let abusers: Vec<_> = (0..2)
            .map(|first| {
                let (mut client, done) = (template.another(), &done);
                scope.spawn(move || {
                    let mut rounds = 0;
                    while rounds == 0 || !done.load(Ordering::Relaxed) {
                        for (step, codes) in ABUSES.iter().skip(first).step_by(2) {
                            let run = abuse(&mut client, step);
                            check(step, codes, &run);
                        }
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        let mut client = template.another();
        let mut times: Vec<Duration> = (0..RUNS).map(|_| healthy(&mut client)).collect();
        // What is measured is measured beside abuse, to the end of its first round.
        while !abusers.iter().all(thread::ScopedJoinHandle::is_finished) {
            done.store(true, Ordering::Relaxed);
            times.push(healthy(&mut client));
        }
        let rounds: Vec<u32> = abusers.into_iter().map(|one| one.join().unwrap()).collect();
        (times, rounds)
    });
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{} healthy runs beside {rounds:?} rounds of {} abuses: p50 {:?}, p99 {:?}, most {:?}",
        times.len(),
        ABUSES.len(),
        at(50),
        at(99),
        times[times.len() - 1]
    );
    assert!(at(99) < BOUND, "p99 {:?}", at(99));
    service.process().expect_running().unwrap();
    service.stop().unwrap();
}

/// An abuse ended as it should: its step failed with one of the codes and a message that says why.
fn check(name: &str, codes: &[&str], run: &Value) {
    let step = &run["steps"][0];
    if codes.is_empty() {
        assert_eq!(run["state"], "success", "{name}: {run}");
        return;
    }
    if name.ends_with("-flood") && run["state"] == "success" {
        // Dammed within the time.
        return;
    }
    assert_eq!(run["state"], "failed", "{name}: {run}");
    let error = &step["error"];
    let code = error["code"].as_str().unwrap();
    assert!(
        codes.iter().any(|known| code.contains(known)),
        "{name}: {error}"
    );
    assert_ne!(error["message"], "", "{name}: {error}");
}
