//! How fast the store commits: `cargo run --release -p powerflow-store-sqlite --example commit_rate`.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement may panic on what it did not expect"
)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use model::{
    clock::Timestamp,
    flow::{Graph, Route},
    id::{Ordinal, RunRef, StepKey, TenantId, Token, WorkerId},
    state::StepState,
};
use store::runs::{Claim, Completed, Completion, NewRun, Priority, RunHeader, Runs, Submitted};
use store_sqlite::{Options, SqliteStore};

const STEPS: usize = 3;
const CALLERS: usize = 256;
const DAY: i64 = Timestamp::DAY;

struct Bench {
    store: Arc<SqliteStore>,
    graph: Arc<Graph>,
    payload: Bytes,
    names: AtomicU64,
    queue: Arc<str>,
    trigger: Arc<str>,
}

impl Bench {
    fn open(directory: &Path) -> Arc<Self> {
        let mut options = Options::new(directory);
        if let Some(pages) = std::env::var("PAGES").ok().and_then(|v| v.parse().ok()) {
            options.checkpoint_pages = pages;
        }
        let edges = (1..STEPS as u32).map(|to| (Ordinal(to - 1), Ordinal(to)));
        Arc::new(Self {
            store: Arc::new(SqliteStore::open(options).unwrap()),
            graph: Arc::new(Graph::new(STEPS, edges)),
            payload: Bytes::from(format!("{{\"event\":\"{}\"}}", "x".repeat(488))),
            names: AtomicU64::new(1),
            queue: "default".into(),
            trigger: "api:isadmin".into(),
        })
    }

    fn run(&self, claim: Option<WorkerId>) -> NewRun {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let at = Timestamp(1_800_000_000_000_000 + number as i64);
        NewRun {
            tenant: TenantId::DEFAULT,
            reference: RunRef::new(at, u128::from(number) << 24 | u128::from(number) << 62),
            application: 1,
            application_revision: 1,
            configuration_revision: None,
            pins: 1,
            queue: Arc::clone(&self.queue),
            priority: Priority::Normal,
            log_level: 20,
            trigger: Arc::clone(&self.trigger),
            parent: None,
            input: self.payload.clone(),
            graph: Arc::clone(&self.graph),
            created_at: at,
            expires_at: at.plus_micros(30 * DAY),
            idempotency: None,
            claim,
            trace: None,
            part: None,
            kept: Vec::new(),
        }
    }

    async fn submit(&self) -> StepKey {
        let Submitted::New { run, ready, .. } = self.store.submit(self.run(None)).await.unwrap()
        else {
            unreachable!("no key was given")
        };
        StepKey {
            run,
            step: ready[0],
        }
    }

    async fn claim(&self, key: StepKey) -> (Token, RunHeader) {
        let claim = Claim {
            key,
            worker: WorkerId(1),
            at: Timestamp(1_800_000_100_000_000),
        };
        let claimed = self.store.claim(claim).await.unwrap().unwrap();
        (claimed.token, claimed.header)
    }

    /// Completes the chain from a claimed step; answers how many completions it took.
    async fn chain(&self, mut key: StepKey, mut token: Token, expires_at: Timestamp) -> u64 {
        let mut count = 0;
        loop {
            let completion = Completion {
                key,
                token,
                state: StepState::Success,
                output: Some(self.payload.clone()),
                error: None,
                log: None,
                at: Timestamp(1_800_000_200_000_000),
                graph: Arc::clone(&self.graph),
                route: Route::All,
                claim: Some(WorkerId(1)),
                expires_at,
                parent: None,
                limited: false,
            };
            count += 1;
            match self.store.complete(completion).await.unwrap() {
                Completed::Stored {
                    claimed: Some((step, next)),
                    ..
                } => (key.step, token) = (step, next),
                Completed::Stored { ended: Some(_), .. } => return count,
                other => unreachable!("{other:?}"),
            }
        }
    }
}

fn rate(name: &str, count: u64, took: Duration) {
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{name:<44} {:>9.0} /s  {each:>7.1} µs each",
        count as f64 / took.as_secs_f64()
    );
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

async fn spread<T, F>(
    bench: &Arc<Bench>,
    work: Vec<T>,
    run: impl Fn(Arc<Bench>, T) -> F,
) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    T: Send + 'static,
{
    let mut results = Vec::with_capacity(work.len());
    let mut tasks = tokio::task::JoinSet::new();
    for item in work {
        if tasks.len() >= CALLERS {
            results.push(tasks.join_next().await.unwrap().unwrap());
        }
        tasks.spawn(run(Arc::clone(bench), item));
    }
    while let Some(result) = tasks.join_next().await {
        results.push(result.unwrap());
    }
    results
}

async fn coalesced(bench: &Arc<Bench>, runs: u64) {
    let (started, busy) = (Instant::now(), cpu());
    let keys = spread(bench, (0..runs).collect(), |bench, _| async move {
        bench.submit().await
    })
    .await;
    rate("submit, 256 callers", runs, started.elapsed());
    println!(
        "{:>70.1} µs CPU",
        cpu().saturating_sub(busy).as_secs_f64() * 1e6 / runs as f64
    );

    let (started, busy) = (Instant::now(), cpu());
    let claims = spread(bench, keys, |bench, key| async move {
        let (token, header) = bench.claim(key).await;
        (key, token, header.expires_at)
    })
    .await;
    rate("claim, 256 callers", runs, started.elapsed());
    println!(
        "{:>70.1} µs CPU",
        cpu().saturating_sub(busy).as_secs_f64() * 1e6 / runs as f64
    );

    let (started, busy) = (Instant::now(), cpu());
    let counts = spread(bench, claims, |bench, (key, token, expires)| async move {
        bench.chain(key, token, expires).await
    })
    .await;
    let count = counts.iter().sum();
    rate(
        "complete + claim of the next, 256 callers",
        count,
        started.elapsed(),
    );
    println!(
        "{:>70.1} µs CPU",
        cpu().saturating_sub(busy).as_secs_f64() * 1e6 / count as f64
    );
}

async fn single(bench: &Arc<Bench>) {
    let mut times = Vec::new();
    for _ in 0..1000 {
        let started = Instant::now();
        let Submitted::New {
            run,
            claimed: Some((step, token)),
            ..
        } = bench
            .store
            .submit(bench.run(Some(WorkerId(1))))
            .await
            .unwrap()
        else {
            unreachable!("a claim was asked for")
        };
        let expires_at = bench.run(None).expires_at;
        bench.chain(StepKey { run, step }, token, expires_at).await;
        times.push(started.elapsed());
    }
    let total: Duration = times.iter().sum();
    times.sort();
    rate("single commits, one caller", 4 * times.len() as u64, total);
    println!(
        "  three-step run (4 commits): p50 {:?} p99 {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}

/// The same rows in one transaction of one thread, without our code.
fn raw(directory: &Path, runs: i64) {
    let connection = rusqlite::Connection::open(directory.join("raw.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA cache_size = -8192;",
        )
        .unwrap();
    connection
        .execute_batch(include_str!("../migrations/0001_initial.sql"))
        .unwrap();
    connection
        .execute_batch("CREATE TABLE p (id INTEGER PRIMARY KEY, data BLOB, error BLOB) STRICT")
        .unwrap();
    let payload = vec![b'x'; 500];
    connection.execute_batch("BEGIN").unwrap();
    for run in 1..=runs {
        connection
            .execute(
                "INSERT INTO run (id, state, seq, remaining, expires_at, input, tenant_id, uuid,
                   application_id, application_revision, pins, queue, priority, log_level,
                   created_at, steps, started_by)
                 VALUES (?1, 0, 1, 3, 1, ?1, 1, randomblob(16), 1, 1, 1, 'default', 0, 20,
                   1800000000000000, 3, 'api:isadmin')",
                [run],
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT; BEGIN").unwrap();
    let mut read = connection
        .prepare(
            "SELECT s.state, s.token, r.seq, r.remaining FROM run r LEFT JOIN step s
             ON s.id = ?1 WHERE r.id = ?2",
        )
        .unwrap();
    let mut store = connection
        .prepare("INSERT INTO p (data, error) VALUES (?1, NULL)")
        .unwrap();
    let mut end = connection
        .prepare("UPDATE step SET state = 4, seq = 3, finished_at = 1, result = 1 WHERE id = ?1")
        .unwrap();
    let mut next = connection
        .prepare(
            "INSERT INTO step (id, state, token, seq, worker, ready_at, started_at)
             VALUES (?1, 2, 1, 2, 1, 1800000000000000, 1800000000000000)",
        )
        .unwrap();
    let mut count = connection
        .prepare("UPDATE run SET seq = ?2, remaining = ?3 WHERE id = ?1")
        .unwrap();
    let started = Instant::now();
    for step in 1..=3 {
        for run in 1..=runs {
            let id = run << 24 | step;
            let _: i64 = read.query_row([id, run], |row| row.get(2)).unwrap();
            store.insert([&payload]).unwrap();
            end.execute([id - 1]).unwrap();
            next.execute([id]).unwrap();
            count.execute([run, step, 3 - step]).unwrap();
        }
    }
    connection.execute_batch("COMMIT").unwrap();
    rate(
        "raw: five statements, one transaction",
        runs as u64 * 3,
        started.elapsed(),
    );
}

fn main() {
    let runs: u64 = std::env::args_os()
        .nth(1)
        .and_then(|count| count.to_str()?.parse().ok())
        .unwrap_or(20_000);
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = Bench::open(&directory.path().join("coalesced"));
        for _ in 0..3 {
            coalesced(&bench, runs).await;
        }
        bench.store.close().await;
        let file = directory.path().join("coalesced/powerflow.db");
        let size = std::fs::metadata(file).unwrap().len();
        println!(
            "bytes per three-step run with 4 payloads of 500 bytes: {}",
            size / (3 * runs)
        );
        let bench = Bench::open(&directory.path().join("single"));
        single(&bench).await;
        bench.store.close().await;
    });
    raw(directory.path(), runs as i64);
}
