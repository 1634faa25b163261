//! Two versions side by side: each process of a cluster under load is restarted as the next
//! version, which adds a migration, and some go back. No request fails and no run is lost.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::balancer::Balancer;
use harness::cluster::{Cluster, NEXT, Size};
use harness::http::Client;
use harness::place;
use harness::service::{ADMIN, Service};
use support::endurance::{Endurance, situation};
use support::incidents::Progress;

/// So many that the last restart is over before the last run is submitted.
const RUNS: usize = 5000;
/// So slowly that they last for all restarts, however fast the machine is.
const PACE: Duration = Duration::from_millis(60);
const SIZE: Size = Size {
    apis: 2,
    workers: 2,
    schedulers: 1,
};
/// What a reader asks for.
const READ: [&str; 4] = [
    "/api/v1/runs?limit=5",
    "/api/v1/applications",
    "/api/v1/workers",
    "/api/v1/about",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    Present,
    Next,
}

fn of<'c>(cluster: &'c mut Cluster, role: &str) -> &'c mut Vec<Service> {
    match role {
        "api" => &mut cluster.apis,
        "worker" => &mut cluster.workers,
        _ => &mut cluster.schedulers,
    }
}

/// Ends a process in order and starts that version of it where it was.
fn restart(cluster: &mut Cluster, role: &'static str, number: usize, version: Version) {
    let old = of(cluster, role).remove(number);
    let port = old.url().rsplit_once(':').unwrap().1.parse().unwrap();
    old.stop().unwrap();
    let mut plan = cluster.plan(role, number).unwrap();
    plan.port = Some(port);
    if version == Version::Next {
        plan.program = place::program(NEXT).unwrap();
    }
    let new = plan.start().unwrap();
    of(cluster, role).insert(number, new);
    println!("{role} {number} is of the {version:?} version");
}

fn until(what: &str, cluster: &Cluster, progress: &Progress, reached: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !reached() {
        assert!(
            started.elapsed() < support::PATIENCE,
            "{what} did not come: {}",
            situation(cluster, progress)
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs go on ending: with the processes as they are now.
fn goes_on(cluster: &Cluster, progress: &Progress) {
    let before = progress.finished.load(Ordering::Relaxed);
    until("the end of further runs", cluster, progress, || {
        let finished = progress.finished.load(Ordering::Relaxed);
        let at_work = !progress.given_up.load(Ordering::Relaxed);
        assert!(
            at_work && finished < RUNS,
            "there was no load any more: {}",
            situation(cluster, progress)
        );
        finished > before + 50
    });
}

fn roll(cluster: &mut Cluster, progress: &Progress, balancer: &Balancer) {
    let migrations = |cluster: &Cluster| {
        let sql = "SELECT count(*) FROM migration";
        cluster.postgres.number(sql).unwrap()
    };
    let before = migrations(cluster);
    let order = [
        ("worker", 0, Version::Next),
        ("api", 0, Version::Next),
        ("scheduler", 0, Version::Next),
        // A change of mind: the versions of before work with what the next one has made.
        ("worker", 0, Version::Present),
        ("api", 0, Version::Present),
        ("worker", 0, Version::Next),
        ("api", 0, Version::Next),
        ("worker", 1, Version::Next),
        ("api", 1, Version::Next),
    ];
    for (role, number, version) in order {
        restart(cluster, role, number, version);
        until("readiness at the balancer", cluster, progress, || {
            balancer.ready() == SIZE.apis
        });
        goes_on(cluster, progress);
    }
    assert_eq!(migrations(cluster), before + 1);
    let accepted = progress.accepted.load(Ordering::Relaxed);
    println!("{accepted} of {RUNS} were accepted when the last process was of the next version");
    assert!(accepted < RUNS, "there was no load to the end");
}

#[test]
fn a_cluster_is_upgraded_under_load_without_a_failed_request() {
    let mut endurance = Endurance::set_with(&SIZE, RUNS, &[("server.drain_delay", "1s")]);
    let cluster = &endurance.cluster;
    let password = cluster.api().password().to_owned();
    let ports = cluster.apis.iter().map(|api| {
        let (_, port) = api.url().rsplit_once(':').unwrap();
        port.parse().unwrap()
    });
    let balancer = Balancer::start(ports.collect()).unwrap();
    let entry = Client::new(&balancer.url())
        .unwrap()
        .with_basic(ADMIN, &password)
        .without_keeping();
    endurance.entry = Some(entry.another());
    endurance.progress.pace = PACE;
    let (read, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = entry.another();
            while !done.load(Ordering::Relaxed) {
                for path in READ {
                    client.get(path).unwrap();
                    read.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let _end = support::endurance::End(&done);
        endurance.endure(|cluster, progress| roll(cluster, progress, &balancer))
    });
    println!("{} requests were read, {seen:?}", read.into_inner());
    let refusals = endurance.progress.refusals.lock().unwrap().clone();
    assert!(refusals.is_empty(), "{refusals:?}");
    assert_eq!(seen.again, 0, "steps were executed again");
    endurance.stop();
}
