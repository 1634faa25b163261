//! What is found out about a commit whose answer did not come.

use sqlx::Connection;
use store_tests::{
    build::{EXPIRES, graph, run},
    postgres::Database,
};

use super::was_committed;
use crate::{Options, PostgresStore, runs::submit};

#[tokio::test]
async fn the_server_says_what_became_of_a_transaction() {
    let database = Database::new().await;
    let (mut first, mut second) = (database.connect().await, database.connect().await);
    for commit in [true, false] {
        let mut transaction = first.begin().await.unwrap();
        let number = submit::transaction(&mut transaction).await.unwrap();
        let under_way = was_committed(&mut second, number).await.unwrap();
        assert_eq!(under_way, None);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let ended = was_committed(&mut second, number).await.unwrap();
        assert_eq!(ended, Some(commit));
    }
}

#[tokio::test]
async fn runs_that_were_accepted_are_not_accepted_again() {
    let database = Database::new().await;
    let store = PostgresStore::open(Options::new(&database.url))
        .await
        .unwrap();
    store.partitions.ensure([EXPIRES.day()]).await.unwrap();
    let mut connection = database.connect().await;
    let plan = graph(3, &[(0, 2)]);
    let new = [run(&plan), run(&plan)];
    let new: Vec<_> = new.iter().collect();
    let mut answers = Vec::new();
    for again in [false, true] {
        let answer = submit::submit(&mut connection, &new, again).await.unwrap();
        let answer: Vec<_> = answer.into_iter().map(Result::unwrap).collect();
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(database.number("SELECT count(*) FROM run").await, 2);
}
