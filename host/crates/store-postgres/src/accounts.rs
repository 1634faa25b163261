//! Local accounts and facts.

use async_trait::async_trait;
use model::clock::Timestamp;
use sqlx::{Row, postgres::PgRow};
use store::{
    Error, Result,
    accounts::{Account, Accounts},
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
            "INSERT INTO account (name, password_hash, role, enabled, changed_at)
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
