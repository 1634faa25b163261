//! A hostile SyncPack beside a healthy application: each abuse ends in its typed error, and the
//! healthy one hardly notices.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use harness::abuse;
use harness::packs::{BENCH, HOSTILE};
use harness::service::Plan;

/// How many healthy runs are measured.
const RUNS: usize = 200;
/// How long each step may take.
const TIMEOUT: &str = "10s";
/// What a debug build on a busy machine keeps to. What a release build keeps to is for the benchmarks
/// to say: `beside_abuse_p99` of the ladder.
const BOUND: Duration = Duration::from_secs(3);

#[test]
fn a_healthy_application_hardly_notices_a_hostile_one() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.step_timeout", TIMEOUT)
        .with("log.level", "warn");
    let mut service = support::serve_plan(&plan, &[BENCH, HOSTILE]);
    let mut client = service.client().unwrap();
    for _ in 0..20 {
        abuse::healthy(&mut client).unwrap();
    }
    let mut seen = abuse::beside(&service, RUNS).unwrap();
    seen.times.sort();
    let times = &seen.times;
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{} healthy runs beside {:?} rounds of {} abuses: p50 {:?}, p99 {:?}, most {:?}",
        times.len(),
        seen.rounds,
        abuse::ABUSES.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(99) < BOUND, "p99 {:?}", at(99));
    service.process().expect_running().unwrap();
    service.stop().unwrap();
}
