//! How fast the store commits, beside what PostgreSQL itself does in the same run:
//! `cargo run --release -p powerflow-store-postgres --example postgres_commit_rate -- URL [SECONDS]`.
//!
//! `URL` names an empty database; it is filled. `LANES` in the environment changes how
//! many connections write.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement may panic on what it did not expect"
)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
use sqlx::{Connection, Executor, PgConnection};
use store::runs::{Claim, Completed, Completion, NewRun, Priority, Runs, Submitted};
use store_postgres::{Options, PostgresStore};

const STEPS: usize = 3;
const CALLERS: usize = 256;
const AT: Timestamp = Timestamp(1_800_000_000_000_000);
const EXPIRES: Timestamp = Timestamp(AT.0 + 30 * Timestamp::DAY);
const WORKER: WorkerId = WorkerId(1);

struct Bench {
    url: String,
    time: Duration,
    store: PostgresStore,
    graph: Arc<Graph>,
    payload: Bytes,
    names: AtomicU64,
}

fn main() {
    let mut given = std::env::args_os()
        .skip(1)
        .filter_map(|text| text.into_string().ok());
    let url = given.next().expect("the URL of an empty database");
    let seconds = given.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(measure(url, Duration::from_secs(seconds)));
}

async fn measure(url: String, time: Duration) {
    let mut options = Options::new(&url);
    if let Some(lanes) = std::env::var("LANES").ok().and_then(|v| v.parse().ok()) {
        options.lanes = lanes;
    }
    println!("{options:?}");
    let edges = (1..STEPS as u32).map(|to| (Ordinal(to - 1), Ordinal(to)));
    let bench = Arc::new(Bench {
        url,
        time,
        store: PostgresStore::open(options).await.unwrap(),
        graph: Arc::new(Graph::new(STEPS, edges)),
        payload: Bytes::from(format!("{{\"event\":\"{}\"}}", "x".repeat(488))),
        names: AtomicU64::new(1),
    });
    let mut connection = PgConnection::connect(&bench.url).await.unwrap();
    connection
        .execute("CREATE TABLE raw (id bigint GENERATED ALWAYS AS IDENTITY, data bytea)")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let raw_one = bench.rate(1, raw).await;
    let raw_many = bench.rate(32, raw).await;
    let single = bench.rate(1, results).await;
    let coalesced = bench.rate(CALLERS, results).await;
    let runs_one = bench.rate(1, whole_runs).await;
    let runs_many = bench.rate(CALLERS, whole_runs).await;
    let claimed = bench.rate(CALLERS, claimed_runs).await;
    println!("single-row commits, 1 connection     {raw_one:9.0} /s");
    println!("single-row commits, 32 connections   {raw_many:9.0} /s");
    line("results, 1 caller", single, raw_one, "1 raw");
    line("results, 256 callers", coalesced, raw_many, "32 raw");
    line("3-step runs, 1 caller", runs_one, raw_one, "1 raw");
    line("3-step runs, 256 callers", runs_many, raw_many, "32 raw");
    line("the same, first step claimed", claimed, raw_many, "32 raw");
    bench.store.close().await;
}

fn line(name: &str, rate: f64, raw: f64, of: &str) {
    println!("{name:36} {rate:9.0} /s   {:.2} of {of}", rate / raw);
}

impl Bench {
    /// What all callers together count in a second of `work`. Each call of it answers
    /// how many it counted and how long that took; a pause between does not count.
    async fn rate<F, Fut>(self: &Arc<Self>, callers: usize, work: F) -> f64
    where
        F: Fn(Arc<Self>, Arc<AtomicBool>) -> Fut,
        Fut: Future<Output = (u64, Duration)> + Send + 'static,
    {
        let over = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..callers)
            .map(|_| tokio::spawn(work(Arc::clone(self), Arc::clone(&over))))
            .collect();
        tokio::time::sleep(self.time).await;
        over.store(true, Ordering::Relaxed);
        let mut rate = 0.0;
        for caller in callers {
            let (count, time) = caller.await.unwrap();
            rate += count as f64 / time.as_secs_f64();
        }
        rate
    }

    fn run(&self, claim: Option<WorkerId>) -> NewRun {
        let number = u128::from(self.names.fetch_add(1, Ordering::Relaxed));
        NewRun {
            tenant: TenantId::DEFAULT,
            reference: RunRef::new(AT, number << 24 | number << 62),
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
            graph: Arc::clone(&self.graph),
            created_at: AT,
            expires_at: EXPIRES,
            idempotency: None,
            claim,
            trace: None,
            part: None,
            kept: Vec::new(),
        }
    }

    async fn begin(&self, claim: Option<WorkerId>) -> StepKey {
        match self.store.submit(self.run(claim)).await.unwrap() {
            Submitted::New { run, .. } => StepKey {
                run,
                step: Ordinal(0),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Stores the results of a run's steps; answers how many.
    async fn finish(&self, mut key: StepKey, mut token: Token) -> u64 {
        for count in 1.. {
            let completion = Completion {
                key,
                token,
                state: StepState::Success,
                output: Some(self.payload.clone()),
                error: None,
                log: None,
                at: AT,
                graph: Arc::clone(&self.graph),
                route: Route::All,
                claim: Some(WORKER),
                expires_at: EXPIRES,
                parent: None,
                limited: false,
            };
            match self.store.complete(completion).await.unwrap() {
                Completed::Stored {
                    claimed: Some((step, next)),
                    ..
                } => (key.step, token) = (step, next),
                Completed::Stored { ended: Some(_), .. } => return count,
                other => panic!("not stored: {other:?}"),
            }
        }
        0
    }
}

/// Commits of one row each, on a connection of its own.
async fn raw(bench: Arc<Bench>, over: Arc<AtomicBool>) -> (u64, Duration) {
    let mut connection = PgConnection::connect(&bench.url).await.unwrap();
    let (started, mut count) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        sqlx::query("INSERT INTO raw (data) VALUES ($1)")
            .bind(&bench.payload[..])
            .execute(&mut connection)
            .await
            .unwrap();
        count += 1;
    }
    (count, started.elapsed())
}

/// Results only: the submits between them are left out of the time.
async fn results(bench: Arc<Bench>, over: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut count, mut time) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let mut begun = Vec::new();
        for _ in 0..20 {
            begun.push(bench.begin(Some(WORKER)).await);
        }
        let started = Instant::now();
        for key in begun {
            count += bench.finish(key, Token(1)).await;
        }
        time += started.elapsed();
    }
    (count, time)
}

/// Runs of which the submit claims the first step: four commits each.
async fn whole_runs(bench: Arc<Bench>, over: Arc<AtomicBool>) -> (u64, Duration) {
    let (started, mut count) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let key = bench.begin(Some(WORKER)).await;
        bench.finish(key, Token(1)).await;
        count += 1;
    }
    (count, started.elapsed())
}

/// Runs whose first step comes from a queue: five commits each.
async fn claimed_runs(bench: Arc<Bench>, over: Arc<AtomicBool>) -> (u64, Duration) {
    let (started, mut count) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let claim = Claim {
            key: bench.begin(None).await,
            worker: WORKER,
            at: AT,
        };
        let claimed = bench.store.claim(claim).await.unwrap().unwrap();
        bench.finish(claim.key, claimed.token).await;
        count += 1;
    }
    (count, started.elapsed())
}
