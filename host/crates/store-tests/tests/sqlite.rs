//! The contract suite on SQLite.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::sync::Arc;

use store_sqlite::{Options, SqliteStore};
use store_tests::{
    Store,
    build::{EXPIRES, chain, execute, key, run, submit},
};
use tempfile::TempDir;

#[expect(
    clippy::unused_async,
    reason = "other backends are opened over a connection"
)]
async fn open() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(directory.path())).unwrap();
    (Arc::new(store), directory)
}

store_tests::contract!(super::open);

#[tokio::test]
async fn a_dropped_partition_gives_its_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("powerflow.db");
    let plan = chain(1);
    let store = Arc::new(SqliteStore::open(Options::new(directory.path())).unwrap());
    let erased: Store = Arc::clone(&store) as Store;
    for _ in 0..200 {
        let mut new = run(&plan);
        new.input = vec![b'x'; 30_000].into();
        let (number, _) = submit(&erased, new).await;
        execute(
            &erased,
            key(number, 0),
            model::state::StepState::Success,
            &plan,
        )
        .await;
    }
    drop(erased);
    store.close().await;
    drop(store);
    let full = std::fs::metadata(&file).unwrap().len();
    let store = Arc::new(SqliteStore::open(Options::new(directory.path())).unwrap());
    let erased: Store = Arc::clone(&store) as Store;
    let later = EXPIRES.plus_micros(model::clock::Timestamp::DAY);
    assert_eq!(erased.expire(later, 1_000).await.unwrap(), 200);
    drop(erased);
    store.close().await;
    let empty = std::fs::metadata(&file).unwrap().len();
    assert!(full > 6_000_000 && empty < 2_000_000, "{full} then {empty}");
}
