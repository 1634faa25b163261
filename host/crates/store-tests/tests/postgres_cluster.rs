//! Several processes on one PostgreSQL, and what befalls it: two stores on one
//! database stand for two processes.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::future::join_all;
use model::{
    clock::Timestamp,
    id::{Ordinal, RunId, Token, WorkerId},
    state::{RunState, StepState},
};
use sqlx::Connection as _;
use store::{
    Error,
    runs::{Completed, Idempotency, Submitted},
};
use store_postgres::{Options, PostgresStore};
use store_tests::{
    Store,
    build::{
        EXPIRES, NOW, chain, claim, end, execute, graph, key, reclaim, run, save, states, submit,
        summary, worker,
    },
    postgres::Database,
};

fn options(database: &Database) -> Options {
    let mut options = Options::new(&database.url);
    options.connections = 3;
    options
}

async fn open(database: &Database) -> Store {
    Arc::new(PostgresStore::open(options(database)).await.unwrap())
}

/// Every step of every run is claimed and ended by both stores at once, in opposite
/// orders: one result per step, no deadlock that a caller hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_the_same_runs_store_one_result_per_step() {
    const RUNS: usize = 60;
    const STEPS: u32 = 8;
    let database = Database::new().await;
    let stores = [open(&database).await, open(&database).await];
    // A fan of six steps between two, so that joins are counted by both.
    let mut edges: Vec<_> = (1..STEPS - 1).map(|step| (0, step)).collect();
    edges.extend((1..STEPS - 1).map(|step| (step, STEPS - 1)));
    let plan = graph(STEPS as usize, &edges);
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(submit(&stores[0], run(&plan)).await.0);
    }
    let results = Arc::new(Mutex::new(BTreeMap::<(i64, u32), u32>::new()));
    for layer in [vec![0], (1..STEPS - 1).collect(), vec![STEPS - 1]] {
        let mut calls = Vec::new();
        for (number, store) in stores.iter().enumerate() {
            let mut order: Vec<_> = runs
                .iter()
                .flat_map(|&run| layer.iter().map(move |&step| (run, step)))
                .collect();
            if number == 1 {
                order.reverse();
            }
            for (run, step) in order {
                let (store, plan) = (Arc::clone(store), Arc::clone(&plan));
                let results = Arc::clone(&results);
                calls.push(tokio::spawn(async move {
                    let worker = WorkerId(number as i64 + 1);
                    let claimed = claim(&store, key(run, step), worker).await;
                    // Whoever lost the claim tries to end the step all the same.
                    let token = claimed.map_or(Token(2), |claimed| claimed.token);
                    let end = end(key(run, step), token, StepState::Success, &plan);
                    if store.complete(end).await.unwrap() != Completed::Fenced {
                        *results.lock().unwrap().entry((run.0, step)).or_default() += 1;
                    }
                }));
            }
        }
        for call in join_all(calls).await {
            call.unwrap();
        }
    }
    let results = results.lock().unwrap().clone();
    assert_eq!(results.len(), RUNS * STEPS as usize);
    assert!(results.values().all(|&count| count == 1));
    for run in runs {
        let found = summary(&stores[1], run).await;
        assert_eq!((found.state, found.ended), (RunState::Success, STEPS));
        // One event for the submit, two for each step.
        assert_eq!(found.seq, 1 + 2 * i64::from(STEPS));
    }
    let payloads = database
        .number("SELECT count(*) FROM payload WHERE step >= 0")
        .await;
    assert_eq!(payloads, (RUNS * STEPS as usize) as i64);
}

/// One process's worker is cut off, another process gives its step away and runs it:
/// what the first one then stores, in whichever order, is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_commits_nothing() {
    let database = Database::new().await;
    let (zombie, leader) = (open(&database).await, open(&database).await);
    let plan = chain(2);
    let lazy = worker(&zombie, NOW.plus_micros(10)).await;
    let (number, _) = submit(&zombie, run(&plan)).await;
    let old = claim(&zombie, key(number, 0), lazy).await.unwrap().token;
    let given = reclaim(&leader, NOW.plus_micros(20), 10).await;
    assert_eq!(given.len(), 1);
    assert!(
        zombie
            .renew(lazy, NOW.plus_micros(20), NOW.plus_micros(99))
            .await
            .unwrap()
            .is_none()
    );
    let mut late = end(key(number, 0), old, StepState::Failed, &plan);
    late.log = Some("[]".into());
    late.claim = Some(lazy);
    assert_eq!(
        zombie.complete(late.clone()).await.unwrap(),
        Completed::Fenced
    );
    let (ready, _) = execute(&leader, key(number, 0), StepState::Success, &plan).await;
    assert_eq!(ready, [Ordinal(1)]);
    assert_eq!(zombie.complete(late).await.unwrap(), Completed::Fenced);
    zombie
        .append_log(key(number, 0), old, EXPIRES, "[]".into())
        .await
        .unwrap();
    assert!(
        leader
            .log(number, EXPIRES, None, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        states(&leader, number).await,
        [(0, StepState::Success), (1, StepState::Ready)]
    );
}

/// A worker's row that was forgotten by one process comes back with a claim by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_another_process_forgot_is_still_reclaimed() {
    let database = Database::new().await;
    let (first, second) = (open(&database).await, open(&database).await);
    let gone = worker(&first, NOW).await;
    for _ in 0..3 {
        assert!(reclaim(&second, NOW, 10).await.is_empty());
        let (number, _) = submit(&first, run(&chain(1))).await;
        claim(&first, key(number, 0), gone).await.unwrap();
        assert_eq!(reclaim(&second, NOW, 10).await.len(), 1);
        first.cancel(number, NOW).await.unwrap();
    }
}

/// The same keys through both at once, in opposite orders: one run for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_makes_one_run_on_all_processes() {
    const KEYS: usize = 200;
    let database = Database::new().await;
    let stores = [open(&database).await, open(&database).await];
    let plan = chain(1);
    let mut calls = Vec::new();
    for (number, store) in stores.iter().enumerate() {
        for at in 0..KEYS {
            let at = if number == 0 { at } else { KEYS - 1 - at };
            let mut new = run(&plan);
            new.idempotency = Some(Idempotency {
                key: format!("key {at}"),
                digest: [7; 16],
            });
            let store = Arc::clone(store);
            calls.push(tokio::spawn(async move {
                let made = match store.submit(new).await.unwrap() {
                    Submitted::New { run, .. } | Submitted::Existing { run, .. } => run,
                    Submitted::Orphan => panic!("it has no parent"),
                };
                (at, made)
            }));
        }
    }
    let mut runs = BTreeMap::new();
    for call in calls {
        let (at, made) = call.await.unwrap();
        assert_eq!(*runs.entry(at).or_insert(made), made, "key {at}");
    }
    assert_eq!(runs.len(), KEYS);
    assert_eq!(
        database.number("SELECT count(*) FROM run").await,
        KEYS as i64
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM payload WHERE step = -1")
            .await,
        KEYS as i64
    );
}

/// Documents saved by both at once: each save is a revision or a conflict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saves_on_all_processes_take_turns() {
    let database = Database::new().await;
    let stores = [open(&database).await, open(&database).await];
    let calls = (0..40).map(|number| {
        let store = Arc::clone(&stores[number % 2]);
        tokio::spawn(async move { store.save(save("app", &number.to_string())).await })
    });
    let mut numbers = Vec::new();
    for call in join_all(calls.collect::<Vec<_>>()).await {
        numbers.push(call.unwrap().unwrap().number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    let mut expecting = save("new", "1");
    expecting.expected = Some(0);
    let both = join_all(stores.iter().map(|store| store.save(expecting.clone()))).await;
    let refused = both
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Conflict { found: 1, .. })));
    // Equal documents make no revision, but only one caller found none.
    assert_eq!(refused.count(), 1, "{both:?}");
}

/// One item that PostgreSQL refuses, among many that share its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_item_harms_no_other() {
    let database = Database::new().await;
    let mut options = options(&database);
    options.lanes = 1;
    let store: Store = Arc::new(PostgresStore::open(options).await.unwrap());
    let plan = chain(1);
    let calls = (0..200).map(|number| {
        let (store, mut new) = (Arc::clone(&store), run(&plan));
        if number % 50 == 20 {
            // No text of PostgreSQL holds this character.
            new.queue = "\0".into();
        }
        tokio::spawn(async move { store.submit(new).await })
    });
    for (number, call) in join_all(calls.collect::<Vec<_>>())
        .await
        .into_iter()
        .enumerate()
    {
        let answer = call.unwrap();
        if number % 50 == 20 {
            assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
        } else {
            assert!(matches!(answer, Ok(Submitted::New { .. })), "{answer:?}");
        }
    }
    assert_eq!(database.number("SELECT count(*) FROM run").await, 196);
}

/// Every connection is cut again and again while runs go through: a caller gets its
/// answer (or a retryable error), what was acknowledged is there, nothing is half there
/// or twice, and the store goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_leave_nothing_half_written() {
    let database = Arc::new(Database::new().await);
    let store = open(&database).await;
    let plan = chain(3);
    let until = Instant::now() + Duration::from_secs(6);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (store, plan) = (Arc::clone(&store), Arc::clone(&plan));
            tokio::spawn(async move {
                let (mut done, mut refused) = (Vec::new(), 0);
                while Instant::now() < until {
                    match one_run(&store, &plan).await {
                        Ok(run) => done.push(run),
                        Err(error) => {
                            assert!(error.is_retryable(), "{error:?}");
                            refused += 1;
                        }
                    }
                }
                (done, refused)
            })
        })
        .collect();
    let mut cut = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(150)).await;
        cut += database.cut_connections().await;
    }
    let (mut done, mut refused) = (Vec::new(), 0);
    for caller in callers {
        let (runs, errors) = caller.await.unwrap();
        done.extend(runs);
        refused += errors;
    }
    println!(
        "{} runs, {refused} refused, {cut} connections cut",
        done.len()
    );
    assert!(cut > 20 && done.len() > 50, "{cut} {}", done.len());
    // Each takes some reads; the statements below look at all of them.
    for run in done.iter().step_by(10) {
        assert_eq!(summary(&store, *run).await.state, RunState::Success);
        let steps: Vec<_> = (0..3).map(Ordinal).collect();
        let outputs = store.outputs(*run, EXPIRES, &steps).await.unwrap();
        assert!(outputs.iter().all(Option::is_some), "{run:?}");
    }
    let ended = database.number("SELECT count(*) FROM run WHERE state = 2");
    assert!(ended.await >= done.len() as i64);
    for (what, sql) in HALVES {
        assert_eq!(database.number(sql).await, 0, "{what}");
    }
    // By itself, at once.
    execute_one(&store).await;
}

/// What a commit that was made by half would leave.
const HALVES: [(&str, &str); 4] = [
    (
        "runs without parameters",
        "SELECT count(*) FROM run WHERE NOT EXISTS
           (SELECT 1 FROM payload WHERE run_id = run.id AND payload.step = -1)",
    ),
    (
        "runs without steps",
        "SELECT count(*) FROM run WHERE NOT EXISTS (SELECT 1 FROM step WHERE run_id = run.id)",
    ),
    (
        "ended steps without an output",
        "SELECT count(*) FROM step WHERE state = 4 AND NOT EXISTS
           (SELECT 1 FROM payload WHERE run_id = step.run_id AND payload.step = step.step)",
    ),
    (
        "runs that have counted other than their steps",
        "SELECT count(*) FROM run WHERE steps - remaining <>
           (SELECT count(*) FROM step WHERE run_id = run.id AND state = 4)",
    ),
];

async fn one_run(store: &Store, plan: &Arc<model::flow::Graph>) -> store::Result<RunId> {
    let mut new = run(plan);
    new.claim = Some(WorkerId(1));
    let Submitted::New { run, .. } = store.submit(new).await? else {
        panic!("not new")
    };
    for step in 0..3 {
        let mut end = end(key(run, step), Token(1), StepState::Success, plan);
        end.claim = Some(WorkerId(1));
        let mut refused = false;
        loop {
            match store.complete(end.clone()).await {
                Ok(Completed::Stored { .. }) => break,
                // Only a try that was answered by an error may have been committed.
                Ok(Completed::Fenced) if refused => break,
                Ok(Completed::Fenced) => panic!("fenced by itself"),
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
            refused = true;
        }
    }
    Ok(run)
}

async fn execute_one(store: &Store) {
    let plan = chain(1);
    let (number, _) = submit(store, run(&plan)).await;
    let (_, ended) = execute(store, key(number, 0), StepState::Success, &plan).await;
    assert_eq!(ended, Some(RunState::Success));
}

/// However many start at once, each finds the tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_migrate_at_once() {
    let database = Database::new().await;
    let opened = join_all((0..8).map(|_| {
        let mut options = options(&database);
        options.acquire_timeout = Duration::from_secs(30);
        tokio::spawn(async move { PostgresStore::open(options).await })
    }))
    .await;
    for store in opened {
        let store: Store = Arc::new(store.unwrap().unwrap());
        execute_one(&store).await;
    }
    let sql = "SELECT count(*) - count(DISTINCT number) FROM migration";
    assert_eq!(database.number(sql).await, 0, "each was applied once");
}

/// A process of version N + 1 has added what this one does not know, while it runs and
/// before it starts; what it took away makes it refuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_that_only_expands_is_accepted() {
    let database = Database::new().await;
    let running = open(&database).await;
    let add = |number: i32, expands: bool| {
        format!(
            "ALTER TABLE run ADD COLUMN newer_{number} text;
             ALTER TABLE step ADD COLUMN newer_{number} integer NOT NULL DEFAULT 1;
             CREATE TABLE newer_{number} (id bigint);
             INSERT INTO migration (number, name, expands, checksum)
             VALUES ({number}, 'newer', {expands}, 'x')"
        )
    };
    execute_one(&running).await;
    database.execute(&add(1001, true)).await;
    // Its prepared statements were made before.
    execute_one(&running).await;
    database.execute(&add(1002, true)).await;
    execute_one(&open(&database).await).await;
    database.execute(&add(1003, false)).await;
    let refused = PostgresStore::open(options(&database)).await.err().unwrap();
    assert!(
        matches!(&refused, Error::Unsuitable(why) if why.contains("`newer`")),
        "{refused}"
    );
    assert!(!refused.is_retryable());
}

/// Accepted is durable: a database that answers too early is not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synchronous_commit_off_is_refused() {
    let database = Database::new().await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off"
        ))
        .await;
    let refused = PostgresStore::open(options(&database)).await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the database cannot be used: synchronous_commit is off: PostgreSQL would answer \
         before a run is on disk; set it to on for this database or role"
    );
    assert!(!refused.is_retryable());
    assert_eq!(
        database
            .number("SELECT count(*) FROM pg_class WHERE relname = 'run'")
            .await,
        0,
        "nothing was made"
    );
}

/// No server, and no such database: retryable is only what may pass by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_says_why() {
    let database = Database::new().await;
    let nobody = Options::new("postgres://postgres@127.0.0.1:1/nothing");
    let refused = PostgresStore::open(nobody).await.err().unwrap();
    assert!(
        matches!(refused, Error::Unavailable(_)),
        "no server: {refused}"
    );
    let other = Options::new(format!("{}_not_there", database.url));
    let refused = PostgresStore::open(other).await.err().unwrap();
    assert!(
        matches!(refused, Error::Unsuitable(_)),
        "no database: {refused}"
    );
    let mut options = options(&database);
    options.url = "postgres://secret:word@host:notaport/x".to_owned();
    let refused = PostgresStore::open(options).await.err().unwrap();
    assert!(!refused.to_string().contains("word"), "{refused}");
}

/// Writes wait to a limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_busy() {
    let database = Database::new().await;
    let mut options = options(&database);
    options.queue_limit = 8;
    options.lanes = 1;
    let store: Store = Arc::new(PostgresStore::open(options).await.unwrap());
    let plan = chain(1);
    let calls = (0..400).map(|_| {
        let (store, new) = (Arc::clone(&store), run(&plan));
        tokio::spawn(async move { store.submit(new).await })
    });
    let answers = join_all(calls.collect::<Vec<_>>()).await;
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Err(Error::Busy(8)))));
    assert!(busy.count() > 0);
    execute_one(&store).await;
}

/// Closing writes what waits, and nothing after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_commits_what_waits() {
    let database = Database::new().await;
    let store = Arc::new(PostgresStore::open(options(&database)).await.unwrap());
    let plan = chain(1);
    let erased: Store = Arc::clone(&store) as Store;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (store, new) = (Arc::clone(&erased), run(&plan));
            tokio::spawn(async move { store.submit(new).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut accepted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    assert_eq!(database.number("SELECT count(*) FROM run").await, accepted);
}

/// Tables are made ahead, and go when their day is past and no run refers to them; one
/// that another process dropped is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_come_ahead_and_go() {
    let database = Database::new().await;
    let (first, second) = (open(&database).await, open(&database).await);
    execute_one(&first).await;
    let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'payload'::regclass";
    assert_eq!(database.number(days).await, 3, "the day and two ahead");
    let later = EXPIRES.plus_micros(10 * Timestamp::DAY);
    assert_eq!(second.expire(later, 10).await.unwrap(), 1);
    assert_eq!(database.number(days).await, 0);
    // It believes that the partition is there.
    execute_one(&first).await;
    assert_eq!(database.number(days).await, 3);
    assert_eq!(database.number("SELECT count(*) FROM log").await, 0);
}

/// The database's clock, for those who judge leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_databases_time_can_be_asked_for() {
    let database = Database::new().await;
    let store = open(&database).await;
    let first = store.time().await.unwrap().unwrap();
    let second = store.time().await.unwrap().unwrap();
    assert!(second > first && second.micros_since(first) < 10_000_000);
}

/// As the URL says; a certificate that nobody vouches for is not taken where it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_the_urls_to_say() {
    let database = Database::new().await;
    let with = |mode: &str| {
        let mut options = options(&database);
        options.url = format!("{}?sslmode={mode}", database.url);
        async move { PostgresStore::open(options).await }
    };
    let encrypted_connections = "
        SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE datname = current_database() AND application_name = 'powerflow' AND ssl";
    let plain: Store = Arc::new(with("disable").await.unwrap());
    execute_one(&plain).await;
    assert_eq!(database.number(encrypted_connections).await, 0);
    assert!(with("verify-full").await.is_err());
    let offered = database.number("SELECT (current_setting('ssl') = 'on')::integer::bigint");
    let encrypted = with("require").await;
    assert_eq!(encrypted.is_ok(), offered.await == 1);
    if let Ok(store) = encrypted {
        let store: Store = Arc::new(store);
        execute_one(&store).await;
        assert!(database.number(encrypted_connections).await > 0);
    }
}

/// A write that came too late to change anything keeps nobody waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writes_nothing_holds_no_lock() {
    let database = Database::new().await;
    let store = open(&database).await;
    let plan = chain(1);
    let (number, _) = submit(&store, run(&plan)).await;
    let late = end(key(number, 0), Token(7), StepState::Success, &plan);
    assert_eq!(store.complete(late).await.unwrap(), Completed::Fenced);
    let cancelled = tokio::time::timeout(Duration::from_secs(5), store.cancel(number, NOW)).await;
    assert_eq!(cancelled.unwrap().unwrap()[0].running, []);
}

/// Three processes execute the runs of one key, and wake whoever is next: never more at a time
/// than may, and each of them in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_a_limit() {
    let database = Database::new().await;
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(open(&database).await);
    }
    store_tests::races::race(&stores, 90, 4).await;
}

/// Steps with two keys each, ended by two processes in batches while others ask for the same
/// keys in another order: no deadlock that a caller hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_are_handed_on_without_a_deadlock() {
    let database = Database::new().await;
    let first = Arc::new(PostgresStore::open(options(&database)).await.unwrap());
    let second = Arc::new(PostgresStore::open(options(&database)).await.unwrap());
    let stores: [Store; 2] = [first.clone(), second.clone()];
    store_tests::races::cross(&stores, 200).await;
    // None that was tried again either. Connections tell when they end.
    drop(stores);
    first.close().await;
    second.close().await;
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let deadlocks: i64 = sqlx::query_scalar(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(deadlocks, 0);
}
