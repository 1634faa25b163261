//! Numbered migrations, embedded in the binary.
//!
//! Migrations expand first and contract later, so that a binary of version N works on
//! a database of version N + 1 while both run: unknown migrations that only expand are
//! accepted, one that does not is refused.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection, Row};
use store::{Error, Result};

use crate::{error, error::OrRefused};

/// `powerflo` in ASCII: the advisory lock that one process at a time migrates under.
const LOCK: i64 = 0x706f_7765_7266_6c6f;

/// How long a migration waits for a table that others use. Whoever comes after it waits
/// behind it, so that runs would stand still for as long as, say, a backup takes.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";
/// The tables that every commit uses, locked in the order in which commits do. A migration
/// that changed `step` first and then waited for `run` would stand in a deadlock with each
/// commit that came meanwhile; under load none of its tries would succeed.
///
/// The first statement is in the way of nobody but the vacuum, which gives way after
/// `deadlock_timeout`, 1 s, and not to anybody who waits for less.
const LOCK_HOT: &str = "
  SET LOCAL lock_timeout = '3s';
  LOCK TABLE run, step IN SHARE UPDATE EXCLUSIVE MODE;
  SET LOCAL lock_timeout = '500ms';
  LOCK TABLE run, step IN ACCESS EXCLUSIVE MODE;";
/// How long it lets others pass before it asks again.
const LET_PASS: Duration = Duration::from_secs(1);

struct Migration {
    number: i64,
    name: &'static str,
    /// Whether binaries that do not know it may go on.
    expands: bool,
    /// Whether it changes `run` or `step`, which are there before it.
    hot: bool,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "initial",
        expands: false,
        hot: false,
        sql: include_str!("../migrations/0001_initial.sql"),
    },
    Migration {
        number: 2,
        name: "processes",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0002_processes.sql"),
    },
    Migration {
        number: 3,
        name: "control",
        expands: true,
        hot: true,
        sql: include_str!("../migrations/0003_control.sql"),
    },
    Migration {
        number: 4,
        name: "traces",
        expands: true,
        hot: true,
        sql: include_str!("../migrations/0004_traces.sql"),
    },
    Migration {
        number: 5,
        name: "waits",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0005_waits.sql"),
    },
    Migration {
        number: 6,
        name: "schedules",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0006_schedules.sql"),
    },
    Migration {
        number: 7,
        name: "pauses",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0007_pauses.sql"),
    },
    Migration {
        number: 8,
        name: "asks",
        expands: true,
        hot: true,
        sql: include_str!("../migrations/0008_asks.sql"),
    },
    Migration {
        number: 9,
        name: "limits",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0009_limits.sql"),
    },
    Migration {
        number: 10,
        name: "webhooks",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0010_webhooks.sql"),
    },
    Migration {
        number: 11,
        name: "bulk",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0011_bulk.sql"),
    },
    Migration {
        number: 12,
        name: "weights",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0012_weights.sql"),
    },
    Migration {
        number: 13,
        name: "timeline",
        expands: true,
        hot: true,
        sql: include_str!("../migrations/0013_timeline.sql"),
    },
    Migration {
        number: 14,
        name: "sessions",
        expands: true,
        hot: false,
        sql: include_str!("../migrations/0014_sessions.sql"),
    },
    #[cfg(feature = "next")]
    Migration {
        number: 1_000,
        name: "next",
        expands: true,
        hot: true,
        sql: include_str!("../migrations/next.sql"),
    },
];

/// Brings the database to this binary's version.
pub(crate) async fn apply(connection: &mut PgConnection) -> Result<()> {
    apply_all(connection, MIGRATIONS).await
}

async fn apply_all(connection: &mut PgConnection, migrations: &'static [Migration]) -> Result<()> {
    while !try_all(connection, migrations).await? {
        tracing::warn!("a migration waits until others let go of its tables");
        tokio::time::sleep(LET_PASS).await;
    }
    Ok(())
}

/// Applies what is missing, or nothing; `false` when a table was not to be had.
async fn try_all(connection: &mut PgConnection, migrations: &'static [Migration]) -> Result<bool> {
    // Nearly every start finds all of them, and needs neither the lock nor the right to
    // change tables.
    let found = applied(&mut *connection).await?;
    refuse_foreign(&found, migrations)?;
    if found.len() >= migrations.len() {
        return Ok(true);
    }
    let mut transaction = connection.begin().await.or_refused()?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .or_refused()?;
    transaction
        .execute(
            "CREATE TABLE IF NOT EXISTS migration (
               number bigint PRIMARY KEY,
               name text NOT NULL,
               expands boolean NOT NULL,
               checksum text NOT NULL,
               applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
             )",
        )
        .await
        .or_refused()?;
    // Another process may have held the lock before.
    let found = applied(&mut transaction).await?;
    refuse_foreign(&found, migrations)?;
    transaction.execute(LOCK_TIMEOUT).await.or_refused()?;
    let pending = &migrations[found.len().min(migrations.len())..];
    // A new database has no such tables, and nobody who uses them.
    if !found.is_empty() && pending.iter().any(|migration| migration.hot) {
        match transaction.execute(LOCK_HOT).await {
            Err(error) if error::is_locked(&error) => {
                transaction.rollback().await.or_refused()?;
                return Ok(false);
            }
            locked => locked.or_refused()?,
        };
    }
    for migration in pending {
        match transaction.execute(migration.sql).await {
            Err(error) if error::is_locked(&error) => {
                transaction.rollback().await.or_refused()?;
                return Ok(false);
            }
            done => done.or_refused()?,
        };
        sqlx::query(
            "INSERT INTO migration (number, name, expands, checksum) VALUES ($1, $2, $3, $4)",
        )
        .bind(migration.number)
        .bind(migration.name)
        .bind(migration.expands)
        .bind(checksum(migration.sql))
        .execute(&mut *transaction)
        .await
        .or_refused()?;
        tracing::info!(number = migration.number, name = migration.name, "migrated");
    }
    transaction.commit().await.or_refused()?;
    Ok(true)
}

struct Applied {
    number: i64,
    name: String,
    expands: bool,
    checksum: String,
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>> {
    // Asked first: in a transaction, an error would end it.
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('migration') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .or_refused()?;
    if !exists {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT number, name, expands, checksum FROM migration ORDER BY number")
        .fetch_all(connection)
        .await;
    let rows = match rows {
        Err(error) if error::is_without_table(&error) => Vec::new(),
        rows => rows.or_refused()?,
    };
    rows.iter()
        .map(|row| {
            Ok(Applied {
                number: row.try_get(0)?,
                name: row.try_get(1)?,
                expands: row.try_get(2)?,
                checksum: row.try_get(3)?,
            })
        })
        .collect::<sqlx::Result<_>>()
        .or_refused()
}

fn refuse_foreign(applied: &[Applied], known: &[Migration]) -> Result<()> {
    for (row, migration) in applied.iter().zip(known) {
        if row.number != migration.number || row.checksum != checksum(migration.sql) {
            return Err(Error::Corrupt(format!(
                "migration {} `{}` was applied with another content than this version knows",
                row.number, row.name
            )));
        }
    }
    let unknown = applied.get(known.len()..).unwrap_or_default();
    if let Some(row) = unknown.iter().find(|row| !row.expands) {
        return Err(Error::Unsuitable(format!(
            "it was migrated to {} `{}`, which this version of PowerFlow cannot work with \
             (it knows {}): start the newer version",
            row.number,
            row.name,
            known.len()
        )));
    }
    Ok(())
}

fn checksum(sql: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(sql.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
