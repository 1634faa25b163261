//! Payloads and logs, in one pair of partitions per day on which runs expire.
//!
//! Rows are inserted through the parent, which finds the partition; they are read from
//! the partition by its name, because a prepared statement over the parent locks every
//! partition there is each time it is executed.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use sqlx::{Executor, PgConnection, postgres::PgPool};
use store::Result;

use crate::transaction::{Work, transact};

/// Two numbers that name an advisory lock: making and dropping partitions take turns.
const LOCK: (i32, i32) = (0x7066, 1);
/// How long dropping one waits for those who use it, in ms, while others wait behind it.
const PATIENCE: u32 = 2_000;

/// The days of which this process knows that there are partitions.
pub(crate) struct Partitions {
    pool: PgPool,
    ahead: i64,
    known: Mutex<HashSet<i64>>,
}

impl Partitions {
    pub(crate) fn new(pool: PgPool, ahead: i64) -> Self {
        Self {
            pool,
            ahead: ahead.max(0),
            known: Mutex::default(),
        }
    }

    /// Makes the partitions of these days if there are none, and those of some days
    /// behind the newest, so that the next midnight finds its own.
    pub(crate) async fn ensure(&self, days: impl IntoIterator<Item = i64>) -> Result<()> {
        let unknown: Vec<i64> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            days.into_iter()
                .filter(|day| !known.contains(day))
                .collect()
        };
        let Some(&newest) = unknown.iter().max() else {
            return Ok(());
        };
        let mut days = unknown;
        days.extend(newest + 1..=newest + self.ahead);
        days.sort_unstable();
        days.dedup();
        transact!(self.pool, connection => make(connection, &days).await)?;
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(days);
        Ok(())
    }

    /// Forgets which days there are: another process may have dropped some.
    pub(crate) fn forget(&self) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Drops the oldest partitions from before `today` that no run refers to. Says
    /// whether there were some.
    pub(crate) async fn drop_oldest(&self, today: i64) -> Result<bool> {
        self.forget();
        transact!(self.pool, connection => drop_one(connection, today).await)
    }
}

async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind(LOCK.0)
        .bind(LOCK.1)
        .execute(connection)
        .await
        .map(drop)
}

async fn make(connection: &mut PgConnection, days: &[i64]) -> Work<()> {
    lock(connection).await?;
    let missing: Vec<i64> = sqlx::query_scalar(
        "SELECT day FROM unnest($1::bigint[]) AS asked (day)
         WHERE NOT EXISTS (SELECT 1 FROM partition WHERE partition.day = asked.day)",
    )
    .bind(days)
    .fetch_all(&mut *connection)
    .await?;
    for day in missing {
        for table in ["payload", "log"] {
            // Attached, and not made as a partition: that would stop all who write.
            let sql = format!(
                "CREATE TABLE \"{table}_{day}\" (LIKE {table} INCLUDING DEFAULTS);
                 ALTER TABLE {table} ATTACH PARTITION \"{table}_{day}\" FOR VALUES IN ({day});"
            );
            connection.execute(&*sql).await?;
        }
        sqlx::query("INSERT INTO partition (day) VALUES ($1::bigint)")
            .bind(day)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The oldest day before `$1` on which no run expires.
const ABANDONED: &str = "
  SELECT day::bigint FROM partition
  WHERE day < $1 AND NOT EXISTS (
    SELECT 1 FROM run
    WHERE expires_at >= partition.day * $2 AND expires_at < (partition.day + 1) * $2)
  ORDER BY day LIMIT 1";

async fn abandoned(connection: &mut PgConnection, today: i64) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(ABANDONED)
        .bind(today)
        .bind(model::clock::Timestamp::DAY)
        .fetch_optional(connection)
        .await
}

async fn drop_one(connection: &mut PgConnection, today: i64) -> Work<bool> {
    lock(connection).await?;
    let Some(day) = abandoned(connection, today).await? else {
        return Ok(false);
    };
    // The parents first, as writers lock them. Whoever writes has ended then, and what
    // it has written is seen by the second look.
    connection
        .execute(&*format!(
            "SET LOCAL lock_timeout = {PATIENCE};
             LOCK TABLE ONLY payload, ONLY log IN ACCESS EXCLUSIVE MODE;"
        ))
        .await?;
    if abandoned(connection, today).await? != Some(day) {
        return Ok(false);
    }
    connection
        .execute(&*format!(
            "DROP TABLE \"payload_{day}\", \"log_{day}\";
             DELETE FROM partition WHERE day = {day};"
        ))
        .await?;
    Ok(true)
}

/// The name of a day's payload partition, quoted.
pub(crate) fn payload(day: i64) -> String {
    format!("\"payload_{day}\"")
}

/// The name of a day's log partition, quoted.
pub(crate) fn log(day: i64) -> String {
    format!("\"log_{day}\"")
}
