//! Numbered migrations, embedded in the binary.
//!
//! Migrations expand first and contract later, so that a binary of version N works on
//! a database of version N + 1 while both run: one unknown migration that only
//! expands is accepted, anything further is refused.

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use store::{Error, Result};

use crate::error::OrRefused;

struct Migration {
    number: i64,
    name: &'static str,
    /// Whether binaries that do not know it may go on.
    expands: bool,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "initial",
        expands: false,
        sql: include_str!("../migrations/0001_initial.sql"),
    },
    Migration {
        number: 2,
        name: "processes",
        expands: true,
        sql: include_str!("../migrations/0002_processes.sql"),
    },
    Migration {
        number: 3,
        name: "control",
        expands: true,
        sql: include_str!("../migrations/0003_control.sql"),
    },
    Migration {
        number: 4,
        name: "traces",
        expands: true,
        sql: include_str!("../migrations/0004_traces.sql"),
    },
    Migration {
        number: 5,
        name: "waits",
        expands: true,
        sql: include_str!("../migrations/0005_waits.sql"),
    },
    Migration {
        number: 6,
        name: "schedules",
        expands: true,
        sql: include_str!("../migrations/0006_schedules.sql"),
    },
    Migration {
        number: 7,
        name: "pauses",
        expands: true,
        sql: include_str!("../migrations/0007_pauses.sql"),
    },
    Migration {
        number: 8,
        name: "asks",
        expands: true,
        sql: include_str!("../migrations/0008_asks.sql"),
    },
    Migration {
        number: 9,
        name: "limits",
        expands: true,
        sql: include_str!("../migrations/0009_limits.sql"),
    },
    Migration {
        number: 10,
        name: "webhooks",
        expands: true,
        sql: include_str!("../migrations/0010_webhooks.sql"),
    },
    Migration {
        number: 11,
        name: "bulk",
        expands: true,
        sql: include_str!("../migrations/0011_bulk.sql"),
    },
    Migration {
        number: 12,
        name: "weights",
        expands: true,
        sql: include_str!("../migrations/0012_weights.sql"),
    },
    Migration {
        number: 13,
        name: "timeline",
        expands: true,
        sql: include_str!("../migrations/0013_timeline.sql"),
    },
    Migration {
        number: 14,
        name: "sessions",
        expands: true,
        sql: include_str!("../migrations/0014_sessions.sql"),
    },
];

/// Brings the database to this binary's version.
pub(crate) fn apply(connection: &mut Connection) -> Result<()> {
    apply_all(connection, MIGRATIONS)
}

fn apply_all(connection: &mut Connection, migrations: &[Migration]) -> Result<()> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .or_refused()?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migration (
               number INTEGER PRIMARY KEY,
               name TEXT NOT NULL,
               expands INTEGER NOT NULL,
               checksum TEXT NOT NULL
             ) STRICT",
        )
        .or_refused()?;
    let applied = applied(&transaction)?;
    refuse_foreign(&applied, migrations)?;
    for migration in &migrations[applied.len().min(migrations.len())..] {
        transaction.execute_batch(migration.sql).or_refused()?;
        transaction
            .execute(
                "INSERT INTO migration (number, name, expands, checksum) VALUES (?1, ?2, ?3, ?4)",
                params![
                    migration.number,
                    migration.name,
                    migration.expands,
                    checksum(migration.sql)
                ],
            )
            .or_refused()?;
        transaction
            .pragma_update(None, "user_version", migration.number)
            .or_refused()?;
    }
    transaction.commit().or_refused()
}

struct Applied {
    number: i64,
    name: String,
    expands: bool,
    checksum: String,
}

fn applied(connection: &Connection) -> Result<Vec<Applied>> {
    let mut statement = connection
        .prepare("SELECT number, name, expands, checksum FROM migration ORDER BY number")
        .or_refused()?;
    statement
        .query_map([], |row| {
            Ok(Applied {
                number: row.get(0)?,
                name: row.get(1)?,
                expands: row.get(2)?,
                checksum: row.get(3)?,
            })
        })
        .and_then(Iterator::collect)
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
    if unknown.len() > 1 || unknown.iter().any(|row| !row.expands) {
        let newest = unknown.last().map_or(0, |row| row.number);
        return Err(Error::Unsuitable(format!(
            "it is at migration {newest}, this version of PowerFlow knows {}: \
             start the newer version",
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
mod tests {
    use super::*;

    fn later(number: i64, expands: bool) -> Migration {
        Migration {
            number,
            name: "later",
            expands,
            sql: "CREATE TABLE IF NOT EXISTS later (x)",
        }
    }

    fn first() -> Migration {
        Migration {
            number: 1,
            name: "first",
            expands: false,
            sql: "CREATE TABLE first (x)",
        }
    }

    #[test]
    fn migrations_are_applied_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection).unwrap();
        apply(&mut connection).unwrap();
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(version, MIGRATIONS.len() as i64);
    }

    #[test]
    fn one_expanding_step_ahead_is_accepted_and_no_more() {
        for (ahead, accepted) in [
            (vec![later(2, true)], true),
            (vec![later(2, false)], false),
            (vec![later(2, true), later(3, true)], false),
        ] {
            let mut connection = Connection::open_in_memory().unwrap();
            let mut all = vec![first()];
            all.extend(ahead);
            apply_all(&mut connection, &all).unwrap();
            let answer = apply_all(&mut connection, &[first()]);
            assert_eq!(answer.is_ok(), accepted, "{answer:?}");
        }
    }

    #[test]
    fn a_failing_migration_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = Migration {
            sql: "CREATE TABLE later (x); CREATE TABLE first (x)",
            ..later(2, true)
        };
        apply_all(&mut connection, &[first()]).unwrap();
        apply_all(&mut connection, &[first(), broken]).unwrap_err();
        let tables: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'later'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_changed_migration_is_noticed() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply_all(&mut connection, &[first()]).unwrap();
        let changed = Migration {
            sql: "CREATE TABLE first (y)",
            ..first()
        };
        let answer = apply_all(&mut connection, &[changed]);
        assert!(matches!(answer, Err(Error::Corrupt(_))), "{answer:?}");
    }
}
