//! Local accounts and facts.

use async_trait::async_trait;
use model::clock::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use store::{
    Error, Result,
    accounts::{Account, Accounts, Session},
};

use crate::{SqliteStore, error::OrRefused};

#[async_trait]
impl Accounts for SqliteStore {
    async fn account(&self, name: &str) -> Result<Option<Account>> {
        let name = name.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT name, password_hash, role, enabled, changed_at FROM account
                     WHERE name = ?1",
                )
                .and_then(|mut statement| statement.query_row([name], account).optional())
                .or_refused()
            })
            .await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT name, password_hash, role, enabled, changed_at FROM account
                     ORDER BY name",
                )
                .and_then(|mut statement| statement.query_map([], account)?.collect())
                .or_refused()
            })
            .await
    }

    async fn save_account(&self, account: Account) -> Result<()> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM session WHERE account = ?1
                     AND (NOT ?2 OR account_changed_at <> ?3)",
                    params![account.name, account.enabled, account.changed_at.0],
                )?;
                tx.execute(
                    "INSERT INTO account (name, password_hash, role, enabled, changed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash,
                       role = excluded.role, enabled = excluded.enabled,
                       changed_at = excluded.changed_at",
                    params![
                        account.name,
                        account.password_hash,
                        account.role,
                        account.enabled,
                        account.changed_at.0
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn session(&self, digest: &[u8; 32]) -> Result<Option<Session>> {
        let digest = *digest;
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT account, account_changed_at, created_at, used_at FROM session
                     WHERE digest = ?1",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row([&digest[..]], |row| {
                            Ok(Session {
                                digest,
                                account: row.get(0)?,
                                account_changed_at: Timestamp(row.get(1)?),
                                created_at: Timestamp(row.get(2)?),
                                used_at: Timestamp(row.get(3)?),
                            })
                        })
                        .optional()
                })
                .or_refused()
            })
            .await
    }

    async fn begin_session(
        &self,
        session: Session,
        oldest: Timestamp,
        unused: Timestamp,
    ) -> Result<()> {
        self.writer
            .call(move |tx| {
                tx.execute(
                    "DELETE FROM session WHERE created_at < ?1 OR used_at < ?2",
                    params![oldest.0, unused.0],
                )?;
                tx.execute(
                    "INSERT INTO session (digest, account, account_changed_at, created_at, used_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        &session.digest[..],
                        session.account,
                        session.account_changed_at.0,
                        session.created_at.0,
                        session.used_at.0
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn use_session(&self, digest: &[u8; 32], at: Timestamp) -> Result<()> {
        let digest = *digest;
        self.writer
            .call(move |tx| {
                tx.execute(
                    "UPDATE session SET used_at = max(used_at, ?2) WHERE digest = ?1",
                    params![&digest[..], at.0],
                )
                .map(drop)
            })
            .await
    }

    async fn end_session(&self, digest: &[u8; 32]) -> Result<()> {
        let digest = *digest;
        self.writer
            .call(move |tx| {
                tx.execute("DELETE FROM session WHERE digest = ?1", [&digest[..]])
                    .map(drop)
            })
            .await
    }

    async fn fact(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached("SELECT value FROM fact WHERE name = ?1")
                    .and_then(|mut statement| {
                        statement.query_row([name], |row| row.get(0)).optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn settle_fact(&self, name: &str, value: &str) -> Result<String> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT OR IGNORE INTO fact (name, value) VALUES (?1, ?2)",
                    params![name, value],
                )?;
                tx.first("SELECT value FROM fact WHERE name = ?1", [&name], |row| {
                    row.get(0)
                })?
                .ok_or_else(|| Error::Corrupt(format!("the fact {name} was not stored")))
            })
            .await
    }

    async fn replace_fact(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)",
                    params![name, value],
                )
                .map(drop)
            })
            .await
    }
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get(0)?,
        password_hash: row.get(1)?,
        role: row.get(2)?,
        enabled: row.get(3)?,
        changed_at: Timestamp(row.get(4)?),
    })
}
