//! A process that writes is killed at any moment: what it had acknowledged is there.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use model::{
    id::{Ordinal, RunId, Token, WorkerId},
    state::StepState,
};
use store::runs::{Completed, Submitted};
use store_sqlite::{Options, SqliteStore};
use store_tests::{
    Store,
    build::{EXPIRES, chain, end, key, run, states},
};

const CHILD: &str = "POWERFLOW_CRASH_DIRECTORY";
const ROUNDS: usize = 12;

fn open(directory: &Path) -> Store {
    Arc::new(SqliteStore::open(Options::new(directory)).unwrap())
}

/// Not a case of its own: what the killed process runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&directory));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        tasks.spawn(write_runs(Arc::clone(&store)));
    }
    tasks.join_next().await.unwrap().unwrap();
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn write_runs(store: Store) {
    let plan = chain(3);
    loop {
        let mut new = run(&plan);
        new.claim = Some(WorkerId(1));
        // Names come from a counter that starts anew with each process.
        let salt = u128::from(std::process::id()) << 34 | u128::from(u32::from(rand_tag()));
        new.reference =
            model::id::RunRef::new(new.created_at, new.reference.uuid().as_u128() ^ salt << 24);
        let Submitted::New { run, .. } = store.submit(new).await.unwrap() else {
            panic!("not new")
        };
        say(&format!("\nack {} 0 .\n", run.0));
        for step in 0..3 {
            let mut end = end(key(run, step), Token(1), StepState::Success, &plan);
            end.claim = Some(WorkerId(1));
            let answer = store.complete(end).await.unwrap();
            assert_ne!(answer, Completed::Fenced);
            say(&format!("\nack {} {} .\n", run.0, step + 1));
        }
    }
}

fn rand_tag() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u16
}

/// Reads acknowledgements until `count` have come, kills the process, reads the rest.
fn killed_after(directory: &Path, count: usize, acknowledged: &mut BTreeMap<i64, u32>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // A last line without its dot was cut off.
        let Some(rest) = line.strip_prefix("ack ").and_then(|l| l.strip_suffix(" .")) else {
            continue;
        };
        let (run, steps) = rest.split_once(' ').unwrap();
        let entry = acknowledged.entry(run.parse().unwrap()).or_insert(0);
        *entry = (*entry).max(steps.parse().unwrap());
        seen += 1;
        if seen == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= count, "the process ended by itself after {seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let count = 1 + usize::from(rand_tag()) % 700;
        killed_after(directory.path(), count, &mut acknowledged);
        let database = directory.path().join("powerflow.db");
        let connection = rusqlite::Connection::open(database).unwrap();
        let check: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok", "round {round}");
        drop(connection);
        let store = open(directory.path());
        for (&run, &ended) in &acknowledged {
            let found = states(&store, RunId(run)).await;
            let succeeded = found.iter().filter(|step| step.1 == StepState::Success);
            assert!(succeeded.count() >= ended as usize, "run {run}: {found:?}");
            assert!(store.input(RunId(run), EXPIRES).await.unwrap().is_some());
            let steps: Vec<_> = (0..ended).map(Ordinal).collect();
            let outputs = store.outputs(RunId(run), EXPIRES, &steps).await.unwrap();
            assert!(outputs.iter().all(Option::is_some), "run {run}");
        }
    }
    assert!(acknowledged.len() > ROUNDS, "{}", acknowledged.len());
}
