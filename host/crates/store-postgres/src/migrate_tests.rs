use store_tests::postgres::Database;

use super::*;

const fn migration(number: i64, expands: bool, sql: &'static str) -> Migration {
    Migration {
        number,
        name: "test",
        expands,
        sql,
    }
}

const FIRST: Migration = migration(1, false, "CREATE TABLE first (x integer)");
const LATER: Migration = migration(2, true, "CREATE TABLE later (x integer)");

const THIRD: Migration = migration(3, true, "CREATE TABLE third (x integer)");
const CONTRACTS: Migration = migration(3, false, "ALTER TABLE first DROP COLUMN x");
const BROKEN: Migration = migration(
    2,
    true,
    "CREATE TABLE later (x integer); CREATE TABLE first (x integer)",
);
const CHANGED: Migration = migration(1, false, "CREATE TABLE first (y integer)");

async fn apply_to(database: &Database, migrations: &'static [Migration]) -> Result<()> {
    let mut connection = database.connect().await;
    apply_all(&mut connection, migrations).await
}

async fn tables(database: &Database, name: &str) -> i64 {
    database
        .number(&format!(
            "SELECT count(*) FROM pg_class WHERE relname = '{name}'"
        ))
        .await
}

#[tokio::test]
async fn migrations_are_applied_once_and_the_new_ones_later() {
    let database = Database::new().await;
    apply_to(&database, &[FIRST]).await.unwrap();
    apply_to(&database, &[FIRST]).await.unwrap();
    apply_to(&database, &[FIRST, LATER]).await.unwrap();
    assert_eq!(
        database.number("SELECT max(number) FROM migration").await,
        2
    );
    assert_eq!(tables(&database, "later").await, 1);
}

#[tokio::test]
async fn unknown_migrations_are_accepted_while_they_expand() {
    for (ahead, accepted) in [
        (&[FIRST, LATER] as &[_], true),
        (&[FIRST, LATER, THIRD], true),
        (&[FIRST, LATER, CONTRACTS], false),
    ] {
        let database = Database::new().await;
        apply_to(&database, ahead).await.unwrap();
        let answer = apply_to(&database, &[FIRST]).await;
        assert_eq!(answer.is_ok(), accepted, "{answer:?}");
        if let Err(error) = answer {
            assert!(matches!(error, Error::Unsuitable(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing() {
    let database = Database::new().await;
    apply_to(&database, &[FIRST]).await.unwrap();
    let broken = apply_to(&database, &[FIRST, BROKEN]).await;
    broken.unwrap_err();
    assert_eq!(tables(&database, "later").await, 0);
    assert_eq!(
        database.number("SELECT max(number) FROM migration").await,
        1
    );
}

#[tokio::test]
async fn a_changed_migration_is_noticed() {
    let database = Database::new().await;
    apply_to(&database, &[FIRST]).await.unwrap();
    let changed = apply_to(&database, &[CHANGED]).await;
    assert!(matches!(changed, Err(Error::Corrupt(_))), "{changed:?}");
}
