use store_tests::postgres::Database;

use super::*;

const fn migration(number: i64, expands: bool, sql: &'static str) -> Migration {
    Migration {
        number,
        name: "test",
        expands,
        hot: false,
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

/// As beside a backup, or a report that somebody reads at leisure.
#[tokio::test]
async fn a_migration_that_waits_for_a_table_holds_nobody_up() {
    const ALTERS: Migration = migration(2, true, "ALTER TABLE first ADD COLUMN y integer");
    let database = Database::new().await;
    apply_to(&database, &[FIRST]).await.unwrap();
    let mut reader = database.connect().await;
    reader
        .execute("BEGIN; LOCK TABLE first IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let mut writer = database.connect().await;
    let mut migrator = database.connect().await;
    let migrating = apply_all(&mut migrator, &[FIRST, ALTERS]);
    let working = async {
        for number in 0..50 {
            let sql = format!("INSERT INTO first (x) VALUES ({number})");
            writer.execute(&*sql).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let columns = "SELECT count(*) FROM pg_attribute
          WHERE attrelid = 'first'::regclass AND attnum > 0";
        assert_eq!(database.number(columns).await, 1, "the reader was there");
        reader.execute("COMMIT").await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrating, working);
    migrated.unwrap();
    assert_eq!(database.number("SELECT count(y) FROM first").await, 0);
}

/// Commits lock `run` before `step`; a migration changes them in any order, under load that
/// never pauses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_of_the_hot_tables_does_not_starve() {
    const TABLES: Migration = migration(
        1,
        false,
        "CREATE TABLE run (x integer); CREATE TABLE step (x integer);
         INSERT INTO run VALUES (1); INSERT INTO step VALUES (1)",
    );
    const ALTERS: Migration = Migration {
        hot: true,
        ..migration(
            2,
            true,
            "ALTER TABLE step ADD COLUMN y integer; ALTER TABLE run ADD COLUMN y integer",
        )
    };
    let database = Database::new().await;
    apply_to(&database, &[TABLES]).await.unwrap();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut connection, done) = (database.connect().await, done.clone());
        writers.spawn(async move {
            let mut commits = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // As a commit of several round trips is.
                connection
                    .execute("BEGIN; SELECT x FROM run FOR KEY SHARE")
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
                connection.execute("SELECT x FROM step").await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
                connection.execute("COMMIT").await.unwrap();
                commits += 1;
            }
            commits
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let migrated = tokio::time::timeout(
        Duration::from_secs(20),
        apply_to(&database, &[TABLES, ALTERS]),
    );
    migrated.await.expect("it never got its locks").unwrap();
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    while let Some(commits) = writers.join_next().await {
        assert!(commits.unwrap() > 5);
    }
}
