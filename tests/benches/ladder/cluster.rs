//! The rungs of a cluster: one process that answers requests, workers, one that keeps order, and
//! servers of its own, all on this machine.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::cluster::{Cluster, Size};
use harness::packs::{BENCH, INCIDENT_SYNC, Pack};
use harness::process::family_cpu;
use harness::servers::{Postgres, Redis};
use harness::simulators;
use serde_json::{Value, json};

use crate::figure::{Bench, Better, median, percentile};
use crate::service::{CHAIN, bodies, body};
use crate::sync::{APPLICATION, WARM_UP, check, plainly};
use crate::{load, schedules};

const PATIENCE: Duration = Duration::from_mins(10);
/// Each look starts a program; what it costs is little beside what is measured.
const GLANCE: Duration = Duration::from_millis(100);

/// What is left to do, as one number.
const UNFINISHED: &str = "SELECT count(*) FROM run WHERE finished_at IS NULL";

struct Bed {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Bed {
    fn new(workers: usize, settings: &[(&str, &str)], packs: &[Pack]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let size = Size {
            workers,
            ..Size::default()
        };
        let mut all = vec![("log.level", "warn")];
        all.extend(settings);
        let cluster = Cluster::start(folder.path(), &size, &all)?;
        for pack in packs {
            cluster.api().upload(&pack.build()?)?;
            cluster.api().activate(pack.name, pack.grants)?;
        }
        Ok(Self { cluster, folder })
    }

    fn number(&self, sql: &str) -> anyhow::Result<i64> {
        self.cluster.postgres.number(sql)
    }

    fn newest(&self) -> anyhow::Result<i64> {
        self.number("SELECT coalesce(max(id), 0) FROM run")
    }

    /// Waits until no run is under way.
    fn wait(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.number(UNFINISHED)? > 0 {
            for process in self
                .cluster
                .apis
                .iter_mut()
                .chain(&mut self.cluster.workers)
            {
                process.process().expect_running()?;
            }
            if started.elapsed() > PATIENCE {
                bail!("runs have not ended after {} s", PATIENCE.as_secs());
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// From the first start to the last end of the runs after number `after`, in seconds.
    fn span(&self, after: i64, count: usize) -> anyhow::Result<f64> {
        let row = self.cluster.postgres.execute(
            "powerflow",
            &format!(
                "SELECT max(finished_at) - min(started_at), count(*),
                   count(*) FILTER (WHERE failed > 0 OR cancelled > 0 OR warned > 0)
                 FROM run WHERE id > {after}"
            ),
        )?;
        let fields: Vec<i64> = row
            .split('|')
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        match fields.as_slice() {
            [micros, runs, 0] if *runs == count as i64 => Ok(*micros as f64 / 1e6),
            _ => bail!("of {count} runs the store says {row}"),
        }
    }

    /// CPU time of everything: processes, PostgreSQL and Redis.
    fn cpu(&mut self) -> anyhow::Result<Duration> {
        let cluster = &mut self.cluster;
        let mut total = family_cpu(cluster.postgres.process()?.id())?;
        total += family_cpu(cluster.redis.process()?.id())?;
        for process in cluster
            .apis
            .iter()
            .chain(&cluster.workers)
            .chain(&cluster.schedulers)
        {
            total += process.usage()?.cpu;
        }
        Ok(total)
    }
}

/// What PostgreSQL and Redis make by themselves, by their own benchmarks.
pub(crate) fn raw(bench: &mut Bench) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(harness::place::target())?;
    let postgres = Postgres::start(folder.path())?;
    postgres.execute(
        "powerflow",
        "CREATE TABLE raw (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text NOT NULL)",
    )?;
    let script = folder.path().join("insert.sql");
    std::fs::write(
        &script,
        format!("INSERT INTO raw (data) VALUES ('{}');\n", "x".repeat(500)),
    )?;
    let seconds = bench.time().as_secs();
    for (name, clients) in [("postgres_commit_single", 1), ("postgres_commit_32", 32)] {
        let rate = postgres.benchmark(&script, clients, seconds)?;
        bench.costs.insert(name, rate);
        bench.add(name, rate, "commits/s", Better::More, None);
    }
    let redis = Redis::start(folder.path())?;
    let output = Command::new("redis-benchmark")
        .args(["-p", &redis.port().to_string(), "-q", "--csv", "-n"])
        .arg(bench.amount(200_000).to_string())
        .args(["-c", "50", "XADD", "raw", "*", "k", "0123456789ab"])
        .output()
        .context("redis-benchmark cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text
        .lines()
        .filter_map(|line| {
            line.split(',')
                .nth(1)?
                .trim_matches('"')
                .parse::<f64>()
                .ok()
        })
        .next_back()
        .with_context(|| format!("redis-benchmark said {text}"))?;
    bench.add("redis_roundtrip", rate, "XADD/s", Better::More, None);
    bench.note("postgres_commit_*: rows of 500 bytes by pgbench, one a commit, by 1 and 32 clients; redis_roundtrip: redis-benchmark with 50 clients.");
    Ok(())
}

pub(crate) fn w1(bench: &mut Bench) -> anyhow::Result<()> {
    let runs = bench.amount(10_000);
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        // Compiled and taken over by a worker before; the runs wait until one is there again.
        let mut bed = Bed::new(1, &[], &[BENCH])?;
        warm_up(&bed)?;
        let worker = bed.cluster.workers.pop().context("there is no worker")?;
        worker.stop()?;
        let before = bed.newest()?;
        load::submit(bed.cluster.api(), &bodies(runs, None))?;
        let cpu = bed.cpu()?;
        let worker = bed.cluster.plan("worker", 0)?.start()?;
        bed.cluster.workers.push(worker);
        bed.wait()?;
        costs.push((bed.cpu()?.saturating_sub(cpu)).as_secs_f64() * 1e3 / runs as f64);
        rates.push(runs as f64 / bed.span(before, runs)?);
        bed.cluster.stop()?;
    }
    let commits = bench.cost("postgres_commit_32", raw)? / 3.0;
    let limit = Some(("a third of postgres_commit_32", commits));
    bench.add("w1", median(rates), "runs/s", Better::More, limit);
    bench.add("w1_cpu_ms", median(costs), "CPU-ms", Better::Less, None);
    bench.note("w1: accepted while no worker runs; then one is started. w1_cpu_ms: of every process, PostgreSQL and Redis, the worker's start included, accepting not.");
    Ok(())
}

pub(crate) fn schedules(bench: &mut Bench) -> anyhow::Result<()> {
    let count = bench.amount(5_000);
    let mut seconds = Vec::new();
    for _ in 0..bench.rounds() {
        let bed = Bed::new(1, &[("worker.queues", "default")], &[BENCH])?;
        warm_up(&bed)?;
        let now = "extract(epoch FROM clock_timestamp())";
        let ask = |sql: &str| bed.number(sql);
        let api = bed.cluster.api();
        seconds.push(schedules::measure(api, CHAIN, count, now, GLANCE, ask)?);
        bed.cluster.stop()?;
    }
    schedules::add(bench, seconds, count);
    Ok(())
}

fn warm_up(bed: &Bed) -> anyhow::Result<()> {
    let mut client = bed.cluster.api().client()?;
    for number in 0..WARM_UP {
        load::run_one(&mut client, &body(number, None))?;
    }
    Ok(())
}

pub(crate) fn at_once(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = (0..bench.rounds())
        .map(|_| synchronise(bench, Duration::ZERO))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let of = |get: fn(&Round) -> f64| median(rounds.iter().map(get).collect());
    let limit = Some(("the same requests by a plain client", of(|one| one.plain)));
    bench.add(
        "w2_0ms",
        of(|one| one.rate),
        "events/s",
        Better::More,
        limit,
    );
    bench.add(
        "w2_cpu_ms",
        of(|one| one.cpu_ms),
        "CPU-ms",
        Better::Less,
        None,
    );
    bench.note("w2_*: one worker; from the first request to the last run's end. w2_cpu_ms: of every process, PostgreSQL, Redis and the simulators.");
    Ok(())
}

pub(crate) fn with_latency(bench: &mut Bench) -> anyhow::Result<()> {
    let rounds = (0..bench.rounds())
        .map(|_| synchronise(bench, Duration::from_millis(50)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let of = |get: fn(&Round) -> f64| median(rounds.iter().map(get).collect());
    let limit = Some((
        "the same requests by 512 plain threads",
        of(|one| one.plain),
    ));
    bench.add(
        "w2_50ms",
        of(|one| one.rate),
        "events/s",
        Better::More,
        limit,
    );
    Ok(())
}

struct Round {
    rate: f64,
    cpu_ms: f64,
    plain: f64,
}

fn synchronise(bench: &Bench, latency: Duration) -> anyhow::Result<Round> {
    let events: Vec<Value> =
        ::simulators::events::generate(WARM_UP + bench.amount(10_000), 1).collect();
    let mut bed = Bed::new(1, &[], &[])?;
    let simulators = simulators::Plan {
        unique_correlation: true,
        ..simulators::Plan::default()
    }
    .start(bed.folder.path())?;
    simulators.load(&events)?;
    let api = bed.cluster.api();
    api.upload(&INCIDENT_SYNC.build()?)?;
    api.configure(INCIDENT_SYNC.name, &simulators.configuration())?;
    api.activate(INCIDENT_SYNC.name, INCIDENT_SYNC.grants)?;
    let bodies: Vec<Vec<u8>> = events
        .iter()
        .map(|event| {
            json!({"name": APPLICATION, "params": {"event": event}})
                .to_string()
                .into_bytes()
        })
        .collect();
    let (warm, rest) = bodies.split_at(WARM_UP);
    load::submit(bed.cluster.api(), warm)?;
    bed.wait()?;
    simulators.set_latency(latency)?;
    let before = bed.newest()?;
    let cpu = bed.cpu()? + simulators.usage()?.cpu;
    load::submit(bed.cluster.api(), rest)?;
    bed.wait()?;
    let cpu = (bed.cpu()? + simulators.usage()?.cpu).saturating_sub(cpu);
    let seconds = bed.span(before, rest.len())?;
    check(&simulators, &events)?;
    simulators.clear()?;
    simulators.load(&events)?;
    let threads = if latency.is_zero() {
        load::CONNECTIONS
    } else {
        512
    };
    let started = Instant::now();
    plainly(&simulators, &events[WARM_UP..], threads)?;
    let plain = rest.len() as f64 / started.elapsed().as_secs_f64();
    bed.cluster.stop()?;
    Ok(Round {
        rate: rest.len() as f64 / seconds,
        cpu_ms: cpu.as_secs_f64() * 1e3 / rest.len() as f64,
        plain,
    })
}

pub(crate) fn idle_and_two(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut p50, mut p99, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let bed = Bed::new(1, &[], &[BENCH])?;
        warm_up(&bed)?;
        let mut client = bed.cluster.api().client()?;
        let times = (0..bench.amount(500))
            .map(|number| load::run_one(&mut client, &body(number, None)))
            .collect::<anyhow::Result<Vec<f64>>>()?;
        bed.cluster.stop()?;
        p50.push(percentile(times.clone(), 0.5));
        p99.push(percentile(times, 0.99));
        ratios.push(waiting(bench, 2)? / waiting(bench, 1)?);
    }
    let commit = 4e3 / bench.cost("postgres_commit_single", raw)?;
    let limit = Some(("four commits by one client", commit));
    bench.add("idle_p50", median(p50), "ms", Better::Less, limit);
    bench.add("idle_p99", median(p99), "ms", Better::Less, limit);
    bench.add(
        "two_workers",
        median(ratios),
        "times",
        Better::More,
        Some(("two", 2.0)),
    );
    bench.note("two_workers: how much faster two workers of eight slots each are than one where each run waits 20 ms.");
    Ok(())
}

/// Runs a second of steps that wait 20 ms, on workers of eight slots each.
fn waiting(bench: &Bench, workers: usize) -> anyhow::Result<f64> {
    let mut bed = Bed::new(workers, &[("worker.slots", "8")], &[BENCH])?;
    let runs = bench.amount(4_000);
    let body = json!({"name": "bench_wait", "params": {}})
        .to_string()
        .into_bytes();
    load::submit(bed.cluster.api(), &vec![body.clone(); 32])?;
    bed.wait()?;
    let before = bed.newest()?;
    load::submit(bed.cluster.api(), &vec![body; runs])?;
    bed.wait()?;
    let seconds = bed.span(before, runs)?;
    bed.cluster.stop()?;
    Ok(runs as f64 / seconds)
}

pub(crate) fn queued(bench: &mut Bench) -> anyhow::Result<()> {
    let bed = Bed::new(0, &[], &[BENCH])?;
    let used = || {
        let text = bed.cluster.redis.ask(&["INFO", "memory"])?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.and_then(|value| value.trim().parse::<f64>().ok())
            .context("Redis tells no used_memory")
    };
    load::submit(bed.cluster.api(), &bodies(100, None))?;
    let before = used()?;
    load::submit(bed.cluster.api(), &bodies(10_000, None))?;
    let bytes = (used()? - before) / 10_000.0;
    bed.cluster.stop()?;
    bench.add(
        "redis_bytes_per_event",
        bytes,
        "bytes",
        Better::Less,
        Some(("an entry of 12 bytes", 12.0)),
    );
    Ok(())
}
