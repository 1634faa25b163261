//! Local accounts and facts.

use async_trait::async_trait;
use model::clock::Timestamp;
use sqlx::{Row, postgres::PgRow};
use store::{
    Error, Result,
    accounts::{Account, Accounts, Session},
};

use crate::{PostgresStore, error::OrRefused};

#[async_trait]
impl Accounts for PostgresStore {
    async fn account(&self, name: &str) -> Result<Option<Account>> {
        // No text of PostgreSQL holds it.
        if name.contains('\0') {
            return Ok(None);
        }
        sqlx::query(
            "SELECT name, password_hash, role, enabled, changed_at FROM account
             WHERE name = $1",
        )
        .bind(name)
        .try_map(|row: PgRow| account(&row))
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        sqlx::query(
            "SELECT name, password_hash, role, enabled, changed_at FROM account ORDER BY name",
        )
        .try_map(|row: PgRow| account(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn save_account(&self, account: Account) -> Result<()> {
        sqlx::query(
            "WITH ended AS (DELETE FROM session WHERE account = $1
               AND (NOT $4 OR account_changed_at <> $5))
             INSERT INTO account (name, password_hash, role, enabled, changed_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash,
               role = excluded.role, enabled = excluded.enabled,
               changed_at = excluded.changed_at",
        )
        .bind(account.name)
        .bind(account.password_hash)
        .bind(account.role)
        .bind(account.enabled)
        .bind(account.changed_at.0)
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }

    async fn session(&self, digest: &[u8; 32]) -> Result<Option<Session>> {
        sqlx::query(
            "SELECT account, account_changed_at, created_at, used_at FROM session
             WHERE digest = $1",
        )
        .bind(&digest[..])
        .try_map(|row: PgRow| {
            Ok(Session {
                digest: *digest,
                account: row.try_get(0)?,
                account_changed_at: Timestamp(row.try_get(1)?),
                created_at: Timestamp(row.try_get(2)?),
                used_at: Timestamp(row.try_get(3)?),
            })
        })
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn begin_session(
        &self,
        session: Session,
        oldest: Timestamp,
        unused: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "WITH gone AS (DELETE FROM session WHERE created_at < $1 OR used_at < $2)
             INSERT INTO session (digest, account, account_changed_at, created_at, used_at)
             VALUES ($3, $4, $5, $6, $7)",
        )
        .bind(oldest.0)
        .bind(unused.0)
        .bind(&session.digest[..])
        .bind(session.account)
        .bind(session.account_changed_at.0)
        .bind(session.created_at.0)
        .bind(session.used_at.0)
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }

    async fn use_session(&self, digest: &[u8; 32], at: Timestamp) -> Result<()> {
        sqlx::query("UPDATE session SET used_at = greatest(used_at, $2) WHERE digest = $1")
            .bind(&digest[..])
            .bind(at.0)
            .execute(&self.pool)
            .await
            .map(drop)
            .or_refused()
    }

    async fn end_session(&self, digest: &[u8; 32]) -> Result<()> {
        sqlx::query("DELETE FROM session WHERE digest = $1")
            .bind(&digest[..])
            .execute(&self.pool)
            .await
            .map(drop)
            .or_refused()
    }

    async fn fact(&self, name: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT value FROM fact WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn settle_fact(&self, name: &str, value: &str) -> Result<String> {
        sqlx::query("INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await
            .or_refused()?;
        self.fact(name)
            .await?
            .ok_or_else(|| Error::Corrupt(format!("the fact {name} was not stored")))
    }

    async fn replace_fact(&self, name: &str, value: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO fact (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = $2",
        )
        .bind(name)
        .bind(value)
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }
}

fn account(row: &PgRow) -> sqlx::Result<Account> {
    Ok(Account {
        name: row.try_get(0)?,
        password_hash: row.try_get(1)?,
        role: row.try_get(2)?,
        enabled: row.try_get(3)?,
        changed_at: Timestamp(row.try_get(4)?),
    })
}
