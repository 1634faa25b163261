//! The contract suite on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::sync::Arc;

use store_postgres::{Options, PostgresStore};
use store_tests::{Store, postgres::Database};

async fn open() -> (Store, Database) {
    let database = Database::new().await;
    let mut options = Options::new(&database.url);
    // Many tests at once share a server.
    options.connections = 4;
    let store = PostgresStore::open(options).await.unwrap();
    (Arc::new(store), database)
}

store_tests::contract!(super::open);
