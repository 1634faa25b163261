//! Faults in the middle of 2,000 runs on a cluster with servers of its own. After each: every
//! accepted run ended well, one result for each step, each correlation once outside, and nothing
//! left in Redis.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::relay::{Lost, Relay};
use harness::service::{Plan, Service};
use support::endurance::{Endurance, check_redis};

const RUNS: usize = 2000;
/// How long a server that goes away is away.
const AWAY: Duration = Duration::from_secs(20);
/// Longer than a worker's lease, and than what follows from its end takes.
const PAST_LEASE: Duration = Duration::from_secs(8);
/// What was accepted when a fault ended has ended so long after it: leases, the look for what
/// the queue lost, and the work itself, on a busy machine.
const RECOVERED: Duration = Duration::from_mins(1);

fn pause(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

fn endure(fault: impl FnOnce(&mut Cluster)) {
    let mut endurance = Endurance::set(RUNS);
    let seen = endurance.endure(|cluster, _| fault(cluster));
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    endurance.stop();
}

/// How an API is started again where it was.
fn again(cluster: &Cluster, api: &Service) -> Plan {
    let mut plan = cluster.plan("api", 0).unwrap();
    plan.port = api.url().rsplit_once(':').unwrap().1.parse().ok();
    plan
}

#[test]
fn a_worker_is_killed() {
    endure(|cluster| cluster.workers.remove(0).kill().unwrap());
}

#[test]
fn a_worker_sleeps_past_its_lease_and_commits_nothing_afterwards() {
    let mut endurance = Endurance::set(RUNS);
    let (mut number, mut awake) = (0, 0);
    let seen = endurance.endure(|cluster, _| {
        let worker = cluster.workers[0].process();
        let sql = format!("SELECT id FROM worker WHERE pid = {}", worker.id());
        number = cluster.postgres.number(&sql).unwrap();
        worker.signal("STOP").unwrap();
        thread::sleep(PAST_LEASE);
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        awake = cluster.postgres.number(sql).unwrap();
        worker.signal("CONT").unwrap();
    });
    assert!(
        seen.again > 0,
        "the worker held nothing when it fell asleep"
    );
    let late = endurance.cluster.postgres.number(&format!(
        "SELECT count(*) FROM step
         WHERE worker = {number} AND started_at < {awake} AND finished_at >= {awake}"
    ));
    assert_eq!(
        late.unwrap(),
        0,
        "results of attempts under the lease that had ended"
    );
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    endurance.stop();
}

#[test]
fn an_api_is_killed_between_acceptance_and_answer() {
    let mut endurance = Endurance::set(RUNS);
    let seen = endurance.endure(|cluster, progress| {
        let mut unanswered = 0;
        for kill in 1..=20 {
            pause(0.3);
            let api = cluster.apis.remove(0);
            let plan = again(cluster, &api);
            api.kill().unwrap();
            // What was answered has been noted by then.
            pause(0.1);
            let accepted = cluster.postgres.number("SELECT count(*) FROM run").unwrap();
            let answered = progress.accepted.load(Ordering::SeqCst) as i64;
            unanswered = unanswered.max(accepted - answered);
            println!("kill {kill}: {accepted} accepted, {answered} answered");
            cluster.apis.push(plan.start().unwrap());
            if kill >= 5 && unanswered > 0 {
                break;
            }
        }
        assert!(unanswered > 0, "no kill came between acceptance and answer");
    });
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    endurance.stop();
}

#[test]
fn redis_is_flushed() {
    endure(|cluster| {
        for _ in 0..3 {
            cluster.redis.ask(&["FLUSHALL"]).unwrap();
            pause(1.0);
        }
    });
}

#[test]
fn redis_loses_a_part_of_what_it_held() {
    endure(|cluster| {
        for _ in 0..3 {
            for key in cluster.redis.ask(&["KEYS", "*normal:*"]).unwrap().lines() {
                cluster.redis.ask(&["XTRIM", key, "MAXLEN", "0"]).unwrap();
            }
            pause(0.5);
        }
    });
}

#[test]
fn redis_is_killed_and_starts_empty() {
    endure(|cluster| {
        for _ in 0..2 {
            cluster.redis.kill().unwrap();
            cluster.redis.launch().unwrap();
            pause(2.0);
        }
    });
}

#[test]
fn redis_is_away() {
    endure(|cluster| {
        cluster.redis.kill().unwrap();
        thread::sleep(AWAY);
        cluster.redis.launch().unwrap();
    });
}

#[test]
fn postgresql_is_restarted() {
    endure(|cluster| {
        cluster.postgres.stop().unwrap();
        cluster.postgres.launch().unwrap();
    });
}

#[test]
fn connections_to_postgresql_are_cut() {
    endure(|cluster| {
        for _ in 0..5 {
            let cut = cluster.postgres.cut_connections().unwrap();
            assert!(cut > 0);
            pause(0.7);
        }
    });
}

#[test]
fn postgresql_is_away() {
    endure(|cluster| {
        cluster.postgres.stop().unwrap();
        thread::sleep(AWAY);
        cluster.postgres.launch().unwrap();
    });
}

/// A file system in memory; taken off again when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not permitted.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output()
            .unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr);
            println!("not tested: a disk cannot be mounted: {}", why.trim());
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Fills it to the last byte; the file that does.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        let block = vec![0; 1 << 20];
        for size in [1 << 20, 4096] {
            while std::io::Write::write_all(&mut file, &block[..size]).is_ok() {}
        }
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn the_disk_under_postgresql_is_full() {
    let folder = support::folder();
    let Some(disk) = Disk::mount(&folder.path().join("postgres"), "600m") else {
        return;
    };
    let mut endurance = Endurance::set_in(folder, &Size::default(), RUNS);
    let log = endurance.folder().join("api-0/service.log");
    let seen = endurance.endure(|cluster, progress| {
        let ballast = disk.fill();
        let full = Instant::now();
        while full.elapsed() < Duration::from_secs(10) {
            // Where even the log is written no more, the server ends by itself.
            if !cluster.postgres.runs() {
                println!("PostgreSQL ended by itself");
                break;
            }
            pause(0.1);
        }
        if cluster.postgres.runs() {
            // Callers are told to come again, and the operator is told why.
            let refused = progress.refusals.lock().unwrap();
            assert!(
                refused.keys().any(|why| why.contains("PF-0503")),
                "{refused:?}"
            );
            let log = fs::read_to_string(&log).unwrap();
            assert!(log.contains("No space left on device"), "{log}");
        }
        fs::remove_file(ballast).unwrap();
        if !cluster.postgres.runs() {
            cluster.postgres.launch().unwrap();
        }
    });
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    endurance.stop();
}

#[test]
fn a_worker_s_clock_is_set_an_hour_forward_and_back() {
    let size = Size {
        workers: 1,
        ..Size::default()
    };
    let mut endurance = Endurance::set_in(support::folder(), &size, RUNS);
    let library = faketime();
    let time = endurance.folder().join("time");
    fs::write(&time, "+0\n").unwrap();
    let mut plan = endurance.cluster.plan("worker", 1).unwrap();
    for (name, value) in [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", time.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ] {
        plan.environment.push((name.to_owned(), value.to_owned()));
    }
    let mut service = plan.start().unwrap();
    let maps = format!("/proc/{}/maps", service.process().id());
    assert!(fs::read_to_string(maps).unwrap().contains("libfaketime"));
    let log = plan.folder.join("service.log");
    endurance.cluster.workers.push(service);
    let seen = endurance.endure(|_, _| {
        for moved in [3600, -3600, 0] {
            fs::write(&time, format!("{moved:+}\n")).unwrap();
            // Another program under the same library says what the worker is told.
            let mut date = Command::new("date");
            let told = date.arg("+%s").envs(plan.environment.clone()).output();
            let told: i64 = String::from_utf8(told.unwrap().stdout)
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            let date = Command::new("date").arg("+%s").output().unwrap().stdout;
            let now: i64 = String::from_utf8(date).unwrap().trim().parse().unwrap();
            assert!((told - now - moved).abs() < 5, "{told} {now} {moved}");
            pause(2.0);
        }
    });
    // Nothing happened at all.
    assert_eq!(seen.again, 0, "steps were executed again");
    assert!(seen.standstill < Duration::from_secs(2), "{seen:?}");
    let workers = "SELECT count(DISTINCT worker) FROM step";
    assert_eq!(endurance.cluster.postgres.number(workers).unwrap(), 2);
    let log = fs::read_to_string(log).unwrap();
    assert!(!log.contains("lease"), "{log}");
    endurance.stop();
}

/// Where the library is that lets a process believe in another time of day.
fn faketime() -> String {
    let found = fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let library = entry.path().join("faketime/libfaketimeMT.so.1");
            library.is_file().then_some(library)
        });
    found
        .expect("libfaketime is not installed: `cargo xtask test` installs it")
        .display()
        .to_string()
}

/// A worker that reaches PostgreSQL through somebody who loses answers.
fn worker_behind(cluster: &Cluster, relay: &Relay) -> Service {
    let mut plan = cluster.plan("worker", 1).unwrap();
    plan.environment[0].1 = cluster.postgres.url_through(relay.port());
    plan.start().unwrap()
}

#[test]
fn answers_to_commits_are_lost() {
    let size = Size {
        workers: 0,
        ..Size::default()
    };
    let mut endurance = Endurance::set_in(support::folder(), &size, RUNS);
    let relay = Relay::start(endurance.cluster.postgres.port()).unwrap();
    let worker = worker_behind(&endurance.cluster, &relay);
    endurance.cluster.workers.push(worker);
    let seen = endurance.endure(|_, _| {
        relay.lose(Lost::Commit, 20, Duration::ZERO);
        while relay.lost() < 20 {
            pause(0.05);
        }
    });
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    assert_eq!(seen.again, 0, "the server says what became of a commit");
    endurance.stop();
}

/// The worker's lease is renewed all the time: what a commit claimed for it whose outcome it
/// never learns is taken back from nobody, unless it looks for that itself.
#[test]
fn what_became_of_a_commit_is_never_learnt() {
    let size = Size {
        workers: 0,
        ..Size::default()
    };
    let mut endurance = Endurance::set_in(support::folder(), &size, RUNS);
    let relay = Relay::start(endurance.cluster.postgres.port()).unwrap();
    let worker = worker_behind(&endurance.cluster, &relay);
    let log = endurance.folder().join("worker-1/service.log");
    endurance.cluster.workers.push(worker);
    let seen = endurance.endure(|_, _| {
        // Longer than the store asks for the outcome.
        relay.lose(Lost::Commit, 1, Duration::from_secs(33));
        while relay.lost() < 1 {
            pause(0.05);
        }
        pause(33.0);
    });
    assert!(seen.recovery < RECOVERED, "{seen:?}");
    assert!(seen.again > 0, "every outcome was learnt");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("without its knowledge"), "{log}");
    endurance.stop();
}

/// One process that accepts and executes: a run's first step is claimed with its acceptance.
#[test]
fn answers_to_acceptances_are_lost() {
    let size = Size {
        apis: 0,
        workers: 0,
        schedulers: 1,
    };
    let folder = support::folder();
    let incidents = support::incidents::Incidents::start(folder.path(), 300, 7);
    let mut cluster = Cluster::start(folder.path(), &size, &support::endurance::SETTINGS).unwrap();
    let relay = Relay::start(cluster.postgres.port()).unwrap();
    let mut plan = cluster.plan("serve", 0).unwrap();
    plan.environment[0].1 = cluster.postgres.url_through(relay.port());
    let service = support::serve_plan(&plan, &[harness::packs::INCIDENT_SYNC]);
    support::lead_to(&service, &incidents.simulators);
    let mut client = service.client().unwrap();
    cluster.apis.push(service);
    let mut lost = 0;
    for (index, event) in incidents.events.iter().enumerate() {
        if index % 30 == 0 {
            relay.lose(Lost::Acceptance, 1, Duration::from_millis(700));
        }
        let mut first = true;
        loop {
            let answer = support::incidents::post(&mut client, event, index).unwrap();
            if answer.status == 202 {
                break;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            lost += usize::from(std::mem::take(&mut first));
            pause(0.1);
        }
    }
    assert!(lost > 5, "{lost} answers were lost");
    println!(
        "{lost} of {} acceptances were not answered",
        incidents.events.len()
    );
    let started = Instant::now();
    let waiting = "SELECT count(*) FROM run WHERE finished_at IS NULL";
    while cluster.postgres.number(waiting).unwrap() > 0 {
        assert!(started.elapsed() < RECOVERED, "runs that nobody carries on");
        pause(0.1);
    }
    println!("all had ended {:?} later", started.elapsed());
    let again = support::endurance::check_store(&cluster.postgres, 300, 4);
    println!("{again} steps were given back");
    incidents.check_effects();
    check_redis(&cluster);
    cluster.stop().unwrap();
}
