//! What a batch does when one of its items goes wrong.

use std::sync::Arc;

use store::{Error, accounts::Accounts};
use tempfile::TempDir;

use crate::{Options, SqliteStore, transaction::Tx};

fn open() -> (TempDir, Arc<SqliteStore>) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(directory.path())).unwrap();
    (directory, Arc::new(store))
}

fn put(tx: &mut Tx<'_>, name: &str) -> store::Result<()> {
    tx.execute("INSERT INTO fact (name, value) VALUES (?1, '')", [name])
        .map(drop)
}

/// Holds the writer until all of `calls` wait, so that they share a batch.
async fn together<F>(store: &Arc<SqliteStore>, calls: Vec<F>) -> Vec<store::Result<()>>
where
    F: FnMut(&mut Tx<'_>) -> store::Result<()> + Send + 'static,
{
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let held = tokio::spawn({
        let store = Arc::clone(store);
        async move {
            store
                .writer
                .call(move |_| {
                    let _ = gate.recv();
                    Ok(())
                })
                .await
        }
    });
    tokio::task::yield_now().await;
    let waiting: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.writer.call(call).await })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(go);
    held.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for call in waiting {
        answers.push(call.await.unwrap());
    }
    answers
}

type Item = Box<dyn FnMut(&mut Tx<'_>) -> store::Result<()> + Send>;

fn good(name: String) -> Item {
    Box::new(move |tx| put(tx, &name))
}

#[tokio::test]
async fn an_item_that_fails_after_writing_harms_no_other() {
    let (_directory, store) = open();
    let mut items: Vec<Item> = (0..20).map(|n| good(format!("before {n}"))).collect();
    items.push(Box::new(|tx| {
        put(tx, "half")?;
        Err(Error::Internal("on purpose".to_owned()))
    }));
    items.push(Box::new(|tx| {
        put(tx, "unfinished")?;
        panic!("on purpose")
    }));
    items.extend((0..20).map(|n| good(format!("after {n}"))));
    let answers = together(&store, items).await;
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(
            answer.is_err(),
            index == 20 || index == 21,
            "{index}: {answer:?}"
        );
    }
    for name in ["before 0", "before 19", "after 0", "after 19"] {
        assert!(store.fact(name).await.unwrap().is_some(), "{name}");
    }
    for name in ["half", "unfinished"] {
        assert!(store.fact(name).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_there_is_space() {
    let (_directory, store) = open();
    let pages = |limit: &'static str| -> Item {
        Box::new(move |tx| {
            tx.connection
                .execute_batch(limit)
                .map_err(crate::error::from_sqlite)
        })
    };
    store
        .writer
        .call(pages("PRAGMA max_page_count = 1"))
        .await
        .unwrap();
    let large = "x".repeat(1 << 20);
    let item = {
        let large = large.clone();
        move |tx: &mut Tx<'_>| put(tx, &large)
    };
    let answer = store.writer.call(item.clone()).await;
    assert!(
        matches!(&answer, Err(error) if error.is_retryable()),
        "{answer:?}"
    );
    assert!(store.fact(&large).await.unwrap().is_none());
    store
        .writer
        .call(pages("PRAGMA max_page_count = 1000000"))
        .await
        .unwrap();
    store.writer.call(item).await.unwrap();
    assert!(store.fact(&large).await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_queue_says_busy() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(directory.path());
    options.queue_limit = 4;
    let store = Arc::new(SqliteStore::open(options).unwrap());
    let items = (0..40).map(|n| good(format!("{n}"))).collect();
    let answers = together(&store, items).await;
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Busy(4))))
        .count();
    // Beside the four that wait, the writer may have taken some before it was held.
    assert!(busy > 0, "{busy}");
    store.settle_fact("later", "1").await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_and_closing_lets_go() {
    let (directory, store) = open();
    let answer = SqliteStore::open(Options::new(directory.path()));
    assert!(matches!(answer, Err(Error::InUse { .. })));
    store.settle_fact("kept", "1").await.unwrap();
    store.close().await;
    assert!(store.settle_fact("refused", "1").await.is_err());
    let again = SqliteStore::open(Options::new(directory.path())).unwrap();
    assert_eq!(again.fact("kept").await.unwrap().as_deref(), Some("1"));
}
