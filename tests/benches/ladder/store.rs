//! `store_commit_single` and `store_commit_coalesced`: step results per second, on the disk when
//! they are answered, by one caller and by 256.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::store::runs::{Completed, Completion, NewRun, Priority, Runs, Submitted};
use anyhow::{Context, bail};
use bytes::Bytes;
use model::clock::Timestamp;
use model::flow::{Graph, Route};
use model::id::{Ordinal, RunRef, StepKey, TenantId, Token, WorkerId};
use model::state::StepState;
use store_sqlite::{Options, SqliteStore};

use crate::figure::{Bench, Better, median};
use crate::pace;

const STEPS: usize = 3;
const CALLERS: usize = 256;
const AT: Timestamp = Timestamp(1_800_000_000_000_000);
const EXPIRES: Timestamp = Timestamp(AT.0 + 30 * Timestamp::DAY);
const WORKER: WorkerId = WorkerId(1);
/// What a step's result adds to the write-ahead log at the least: a page of each of two tables.
const APPEND: usize = 2 * 8192;

struct Bed {
    store: SqliteStore,
    graph: Arc<Graph>,
    payload: Bytes,
    names: AtomicU64,
}

pub(crate) fn rungs(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut single, mut coalesced, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut appends, mut plain) = (Vec::new(), Vec::new());
    let runs = bench.amount(20_000);
    for _ in 0..bench.rounds() {
        let folder = tempfile::tempdir_in(harness::place::target())?;
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let bed = Arc::new(Bed::open(&folder.path().join("store"))?);
        single.push(threads.block_on(one_by_one(&bed, bench))?);
        let (rate, cost) = threads.block_on(together(&bed, runs))?;
        cpu.push(cost);
        coalesced.push(rate);
        threads.block_on(bed.store.close());
        let times = pace::synced_appends(folder.path(), APPEND, bench.time())?;
        appends.push(times.len() as f64 / times.iter().sum::<f64>() * 1e3);
        plain.push(one_transaction(folder.path(), runs as i64)?);
    }
    let rate = median(coalesced);
    bench.costs.insert("store_commit_coalesced", rate);
    bench.costs.insert("store_cpu_ms", median(cpu));
    let alone = median(single);
    bench.costs.insert("store_commit_single", alone);
    bench.add(
        "store_commit_single",
        alone,
        "results/s",
        Better::More,
        Some(("fdatasync'd appends of 16 KiB", median(appends))),
    );
    bench.add(
        "store_commit_coalesced",
        rate,
        "results/s",
        Better::More,
        Some(("the same rows in one plain transaction", median(plain))),
    );
    Ok(())
}

impl Bed {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let edges = (1..STEPS as u32).map(|to| (Ordinal(to - 1), Ordinal(to)));
        Ok(Self {
            store: SqliteStore::open(Options::new(folder))?,
            graph: Arc::new(Graph::new(STEPS, edges)),
            payload: Bytes::from(format!("{{\"event\":\"{}\"}}", "x".repeat(488))),
            names: AtomicU64::new(1),
        })
    }

    /// A new run whose first step is claimed.
    async fn begin(&self) -> anyhow::Result<(StepKey, Token)> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let run = NewRun {
            tenant: TenantId::DEFAULT,
            reference: RunRef::new(AT, (u128::from(number) << 24) | (u128::from(number) << 62)),
            application: 1,
            application_revision: 1,
            configuration_revision: None,
            pins: 1,
            queue: "default".into(),
            priority: Priority::Normal,
            log_level: 20,
            trigger: "api:isadmin".into(),
            parent: None,
            input: self.payload.clone(),
            graph: self.graph.clone(),
            created_at: AT,
            expires_at: EXPIRES,
            idempotency: None,
            claim: Some(WORKER),
            trace: None,
            part: None,
            kept: Vec::new(),
        };
        match self.store.submit(run).await? {
            Submitted::New {
                run,
                claimed: Some((step, token)),
                ..
            } => Ok((StepKey { run, step }, token)),
            other => bail!("the step was not claimed: {other:?}"),
        }
    }

    /// Stores the results of a run's steps; answers how many.
    async fn finish(&self, mut key: StepKey, mut token: Token) -> anyhow::Result<u64> {
        for count in 1.. {
            let completion = Completion {
                key,
                token,
                state: StepState::Success,
                output: Some(self.payload.clone()),
                error: None,
                log: None,
                at: AT,
                graph: self.graph.clone(),
                route: Route::All,
                claim: Some(WORKER),
                expires_at: EXPIRES,
                parent: None,
                limited: false,
            };
            match self.store.complete(completion).await? {
                Completed::Stored {
                    claimed: Some((step, next)),
                    ..
                } => (key.step, token) = (step, next),
                Completed::Stored { ended: Some(_), .. } => return Ok(count),
                other => bail!("the result was not stored: {other:?}"),
            }
        }
        Ok(0)
    }
}

/// Only the results count; the submits between them are left out of the time.
async fn one_by_one(bed: &Bed, bench: &Bench) -> anyhow::Result<f64> {
    let (started, mut count, mut busy) = (Instant::now(), 0, 0.0);
    while started.elapsed() < bench.time() {
        let (key, token) = bed.begin().await?;
        let before = Instant::now();
        count += bed.finish(key, token).await?;
        busy += before.elapsed().as_secs_f64();
    }
    Ok(count as f64 / busy)
}

/// Results per second, and the CPU-milliseconds of one.
async fn together(bed: &Arc<Bed>, runs: usize) -> anyhow::Result<(f64, f64)> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let bed = bed.clone();
        let share = runs / CALLERS;
        tasks.spawn(async move {
            let mut begun = Vec::with_capacity(share);
            for _ in 0..share {
                begun.push(bed.begin().await?);
            }
            anyhow::Ok(begun)
        });
    }
    let mut begun = Vec::new();
    while let Some(part) = tasks.join_next().await {
        begun.push(part??);
    }
    let before = pace::own_cpu_ms()?;
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for part in begun {
        let bed = bed.clone();
        tasks.spawn(async move {
            let mut count = 0;
            for (key, token) in part {
                count += bed.finish(key, token).await?;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(part) = tasks.join_next().await {
        count += part??;
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    Ok((rate, (pace::own_cpu_ms()? - before) / count as f64))
}

/// The rows that a result changes, by SQLite alone: one connection, one transaction, one fsync.
fn one_transaction(folder: &Path, runs: i64) -> anyhow::Result<f64> {
    let connection = rusqlite::Connection::open(folder.join("plain.db"))?;
    connection.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA cache_size = -8192;
         CREATE TABLE run (id INTEGER PRIMARY KEY, seq INTEGER, remaining INTEGER, head TEXT) STRICT;
         CREATE TABLE step (id INTEGER PRIMARY KEY, state INTEGER, token INTEGER, seq INTEGER,
           worker INTEGER, ready_at INTEGER, started_at INTEGER, finished_at INTEGER, result INTEGER) STRICT;
         CREATE TABLE payload (id INTEGER PRIMARY KEY, data BLOB) STRICT;
         BEGIN",
    )?;
    let payload = vec![b'x'; 500];
    for run in 1..=runs {
        let head = "h".repeat(160);
        connection.execute(
            "INSERT INTO run VALUES (?1, 1, 3, ?2)",
            rusqlite::params![run, head],
        )?;
    }
    connection.execute_batch("COMMIT; BEGIN")?;
    let mut read = connection.prepare(
        "SELECT s.state, s.token, r.seq, r.remaining FROM run r LEFT JOIN step s ON s.id = ?1 WHERE r.id = ?2",
    )?;
    let mut store = connection.prepare("INSERT INTO payload (data) VALUES (?1)")?;
    let mut end = connection
        .prepare("UPDATE step SET state = 4, seq = 3, finished_at = 1, result = 1 WHERE id = ?1")?;
    let mut next = connection.prepare(
        "INSERT INTO step VALUES (?1, 2, 1, 2, 1, 1800000000000000, 1800000000000000, NULL, NULL)",
    )?;
    let mut count = connection.prepare("UPDATE run SET seq = ?2, remaining = ?3 WHERE id = ?1")?;
    let started = Instant::now();
    for step in 1..=STEPS as i64 {
        for run in 1..=runs {
            let id = (run << 24) | step;
            let _: i64 = read
                .query_row([id, run], |row| row.get(2))
                .context("the run's row")?;
            store.insert([&payload])?;
            end.execute([id - 1])?;
            next.execute([id])?;
            count.execute([run, step, STEPS as i64 - step])?;
        }
    }
    connection.execute_batch("COMMIT")?;
    Ok((runs * STEPS as i64) as f64 / started.elapsed().as_secs_f64())
}
