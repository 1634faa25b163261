//! `w1`, `idle_*` and `rss_*`: the whole service with steps that do nothing.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::abuse;
use harness::packs::{BENCH, HOSTILE};
use harness::service::{Plan, Service};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::figure::{Bench, Better, median, percentile};
use crate::load;
use crate::{pace, store, wasm};

/// Three chained steps, each of which adds a field.
pub(crate) const CHAIN: &str = "bench_chain_of_three";
/// The same with a transform and a condition between the steps.
const OPERATORS: &str = "bench_operators";
/// The queue that a service listens on that shall let all others wait.
const HELD: &str = "held";
const WARM_UP: usize = 300;
/// How long a hostile step may go on.
const ABUSE_TIMEOUT: &str = "5s";
/// Runs that are queued before the memory is read for the first time: what the first ones bring
/// about once, such as buffers and connections, is no cost of a queued run.
const QUEUED_BEFORE: usize = 1_000;
const PATIENCE: Duration = Duration::from_mins(10);

/// A run of the chain with an event of 500 bytes.
pub(crate) fn body(number: usize, queue: Option<&str>) -> Vec<u8> {
    body_of(CHAIN, number, queue)
}

pub(crate) fn body_of(application: &str, number: usize, queue: Option<&str>) -> Vec<u8> {
    let event = json!({"id": number, "text": "x".repeat(500 - 20 - number.to_string().len())});
    let mut params = json!({"event": event});
    if let Some(queue) = queue {
        params["queue"] = queue.into();
    }
    json!({"name": application, "params": params})
        .to_string()
        .into_bytes()
}

pub(crate) fn bodies(count: usize, queue: Option<&str>) -> Vec<Vec<u8>> {
    (0..count).map(|number| body(number, queue)).collect()
}

/// A service with the pack active, which listens on all queues or only on [`HELD`].
pub(crate) fn start(folder: &Path, held: bool) -> anyhow::Result<Service> {
    let mut plan = Plan::new(folder)?.with("log.level", "warn");
    if held {
        plan = plan.with("worker.queues", HELD);
    }
    plan.start()
}

/// A service that is warm and serves all queues but [`crate::schedules`]'s.
pub(crate) fn prepared(folder: &Path) -> anyhow::Result<Service> {
    prepare(folder)?;
    start(folder, true)
}

pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    let service = start(folder, false)?;
    service.upload(&BENCH.build()?)?;
    service.activate(BENCH.name, BENCH.grants)?;
    warm_up(&service, None)?;
    // The built-in SyncPack is compiled once, behind everything else: measured beside that, all
    // would look slower and larger than it is. A preview waits for it.
    let operator = json!({"operator": {"operator": "transform", "template": "x"}, "data": {}});
    service
        .client()?
        .send_json("POST", "/api/v1/operators/preview", &operator)?;
    service.stop()
}

fn warm_up(service: &Service, queue: Option<&str>) -> anyhow::Result<()> {
    let mut client = service.client()?;
    for number in 0..WARM_UP {
        load::run_one(&mut client, &body(number, queue))?;
    }
    Ok(())
}

/// The store's file, for reading beside the service.
pub(crate) fn open(folder: &Path) -> anyhow::Result<Connection> {
    let path = folder.join("data/powerflow.db");
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// Waits until no run is under way.
pub(crate) fn wait_for_all(connection: &Connection, service: &mut Service) -> anyhow::Result<()> {
    let mut unfinished =
        connection.prepare("SELECT EXISTS (SELECT 1 FROM run WHERE finished_at IS NULL)")?;
    let started = Instant::now();
    while unfinished.query_row([], |row| row.get::<_, bool>(0))? {
        service.process().expect_running()?;
        if started.elapsed() > PATIENCE {
            bail!("runs have not ended after {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// From the first claim to the last commit of the runs from number `after` on, in seconds; how many
/// there are, and how many of them did not succeed.
pub(crate) fn span(connection: &Connection, after: i64) -> anyhow::Result<(f64, i64, i64)> {
    let row = connection.query_row(
        "SELECT (MAX(finished_at) - MIN(started_at)) / 1e6, COUNT(*), TOTAL(failed > 0 OR cancelled > 0 OR warned > 0)
         FROM run WHERE id > ?1",
        [after],
        |row| Ok((row.get::<_, Option<f64>>(0)?.unwrap_or_default(), row.get(1)?, row.get::<_, f64>(2)? as i64)),
    );
    row.context("the runs that were measured")
}

pub(crate) fn newest(connection: &Connection) -> anyhow::Result<i64> {
    Ok(connection.query_row("SELECT COALESCE(MAX(id), 0) FROM run", [], |row| row.get(0))?)
}

/// Queued runs of an application: how many a second, and the CPU-milliseconds of each.
fn queued(bench: &Bench, application: &str) -> anyhow::Result<(f64, f64)> {
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    let runs = bench.amount(10_000);
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        prepare(folder.path())?;
        let (rate, cost) = run_queued(folder.path(), application, runs)?;
        rates.push(rate);
        costs.push(cost);
    }
    Ok((median(rates), median(costs)))
}

/// The same once, in a folder that is prepared.
pub(crate) fn run_queued(
    folder: &Path,
    application: &str,
    runs: usize,
) -> anyhow::Result<(f64, f64)> {
    let held = start(folder, true)?;
    // What starting costs a process is no cost of the runs.
    let starting = held.usage()?.cpu;
    let before = newest(&open(folder)?)?;
    let bodies: Vec<_> = (0..runs).map(|at| body_of(application, at, None)).collect();
    load::submit(&held, &bodies)?;
    held.stop()?;
    let mut service = start(folder, false)?;
    let connection = open(folder)?;
    wait_for_all(&connection, &mut service)?;
    let cpu = service.usage()?.cpu.saturating_sub(starting);
    let (seconds, count, wrong) = span(&connection, before)?;
    if count != runs as i64 || wrong > 0 {
        bail!("of {runs} runs there are {count}, {wrong} without success");
    }
    drop(connection);
    service.stop()?;
    let cost = cpu.as_secs_f64() * 1e3 / runs as f64;
    Ok((runs as f64 / seconds, cost))
}

pub(crate) fn w1(bench: &mut Bench) -> anyhow::Result<()> {
    let (rate, cost) = queued(bench, CHAIN)?;
    bench.costs.insert("w1", rate);
    let calls = bench.cost("wasm_call", wasm::rung)? / 3.0;
    let commits = bench.cost("store_commit_coalesced", store::rungs)? / 3.0;
    let limit = if calls < commits {
        ("a third of wasm_call", calls)
    } else {
        ("a third of store_commit_coalesced", commits)
    };
    bench.add("w1", rate, "runs/s", Better::More, Some(limit));
    let layers = 3.0
        * (bench.cost("wasm_cpu_ms", wasm::rung)? + bench.cost("store_cpu_ms", store::rungs)?);
    bench.add(
        "w1_cpu_ms",
        cost,
        "CPU-ms",
        Better::Less,
        Some(("three calls and three results by themselves", layers)),
    );
    bench.note("w1: the runs were accepted by a service that listens on another queue; its successor begins with them queued. Times are those of the store: first step started, last run finished. w1_cpu_ms is that successor's CPU without what a start costs.");
    Ok(())
}

pub(crate) fn w1_operators(bench: &mut Bench) -> anyhow::Result<()> {
    let (rate, cost) = queued(bench, OPERATORS)?;
    let chain = bench.cost("w1", w1)?;
    let limit = (
        "three fifths of w1: five steps instead of three",
        chain * 0.6,
    );
    bench.add("w1_operators", rate, "runs/s", Better::More, Some(limit));
    bench.add("w1_operators_cpu_ms", cost, "CPU-ms", Better::Less, None);
    Ok(())
}

pub(crate) fn idle(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut p50, mut p99, mut disk50, mut disk99) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        prepare(folder.path())?;
        let service = start(folder.path(), false)?;
        warm_up(&service, None)?;
        let mut client = service.client()?;
        let mut times = Vec::new();
        for number in 0..bench.amount(500) {
            times.push(load::run_one(&mut client, &body(number, None))?);
        }
        service.stop()?;
        let appends = pace::synced_appends(folder.path(), 2 * 8192, bench.time())?;
        let commits: Vec<f64> = appends
            .chunks_exact(4)
            .map(|four| four.iter().sum())
            .collect();
        p50.push(percentile(times.clone(), 0.5));
        p99.push(percentile(times, 0.99));
        disk50.push(percentile(commits.clone(), 0.5));
        disk99.push(percentile(commits, 0.99));
    }
    let name = "four fdatasync'd appends of 16 KiB";
    bench.add(
        "idle_p50",
        median(p50),
        "ms",
        Better::Less,
        Some((name, median(disk50))),
    );
    bench.add(
        "idle_p99",
        median(p99),
        "ms",
        Better::Less,
        Some((name, median(disk99))),
    );
    bench.note("idle_*: from sending the request to its answer with `wait`, one run at a time.");
    Ok(())
}

/// The same chain while the hostile pack does its worst.
pub(crate) fn beside_abuse(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let mut abuses = 0;
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let service = Plan::new(folder.path())?
            .with("worker.step_timeout", ABUSE_TIMEOUT)
            .with("log.level", "warn")
            .start()?;
        for pack in [BENCH, HOSTILE] {
            service.upload(&pack.build()?)?;
            service.activate(pack.name, pack.grants)?;
        }
        warm_up(&service, None)?;
        let seen = abuse::beside(&service, bench.amount(500))?;
        service.stop()?;
        let times: Vec<f64> = seen
            .times
            .iter()
            .map(|one| one.as_secs_f64() * 1e3)
            .collect();
        p50.push(percentile(times.clone(), 0.5));
        p99.push(percentile(times, 0.99));
        abuses += seen.rounds.iter().sum::<u32>() as usize * abuse::ABUSES.len() / 2;
    }
    bench.add("beside_abuse_p50", median(p50), "ms", Better::Less, None);
    bench.add("beside_abuse_p99", median(p99), "ms", Better::Less, None);
    bench.note(format!("beside_abuse_*: as idle_*, while two clients went through {abuses} abuses of a hostile pack (`tests/guests/hostile`), each of which ended in its typed error; its steps' time-out was {ABUSE_TIMEOUT}."));
    Ok(())
}

pub(crate) fn memory(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut idle, mut ten, mut hundred) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        prepare(folder.path())?;
        let service = start(folder.path(), true)?;
        warm_up(&service, Some(HELD))?;
        idle.push(resident(&service)?);
        load::submit(&service, &bodies(QUEUED_BEFORE, None))?;
        let base = resident(&service)?;
        load::submit(&service, &bodies(10_000, None))?;
        ten.push(resident(&service)? - base);
        load::submit(&service, &bodies(90_000, None))?;
        hundred.push(resident(&service)? - base);
        service.stop()?;
    }
    bench.add("rss_idle", median(idle), "MB", Better::Less, None);
    let ids = |count: f64| Some(("16 bytes for each", count * 16.0 / 1e6));
    bench.add(
        "rss_queued_10k",
        median(ten),
        "MB",
        Better::Less,
        ids(10_000.0),
    );
    bench.add(
        "rss_queued_100k",
        median(hundred),
        "MB",
        Better::Less,
        ids(100_000.0),
    );
    bench.note(format!("rss_*: resident memory of the service when it no longer changes; idle after {WARM_UP} runs; queued as growth over {QUEUED_BEFORE} queued runs."));
    Ok(())
}

/// The resident memory of a service that is left alone, in MB: the allocator gives back what it does
/// not need bit by bit, so it is read until it has stayed the same for some seconds.
fn resident(service: &Service) -> anyhow::Result<f64> {
    const SAME: f64 = 0.1;
    let (mut last, mut calm) = (f64::MAX, 0);
    for _ in 0..40 {
        thread::sleep(Duration::from_secs(1));
        let now = service.usage()?.resident_mb;
        calm = if (now - last).abs() < SAME {
            calm + 1
        } else {
            0
        };
        last = now;
        if calm == 4 {
            break;
        }
    }
    Ok(last)
}
