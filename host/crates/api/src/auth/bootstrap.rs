//! The first account.

use std::path::{Path, PathBuf};

use model::clock::Timestamp;
use store::accounts::{Account, Accounts};

use super::password::{self, HashError};
use crate::permission::Permission;

/// The fewest characters of an administrator's password.
const SHORTEST: usize = 12;

/// What became of the first account.
#[derive(Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The password that was made up because there was neither an account nor a file.
    /// It is kept nowhere: show it once.
    pub generated: Option<String>,
}

/// Why there is no first account.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The password file cannot be read.
    #[error("the password file {path} cannot be read: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The password file holds no password.
    #[error("the password file {0} is empty; write the administrator's password into it")]
    Empty(PathBuf),
    /// The password in the file is too short.
    #[error(
        "the password in {0} has fewer than {SHORTEST} characters; write a longer one into it, such as the output of `head -c 18 /dev/urandom | base64`"
    )]
    Short(PathBuf),
    /// No hash could be made.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store did not take it.
    #[error("the administrator's account cannot be saved: {0}")]
    Store(#[from] store::Error),
}

/// Makes sure that there is an administrator of that name.
///
/// With a password file, its first line is the account's password after every start.
/// Without one, the account keeps its password, and a new account gets a made-up one.
pub async fn ensure_admin(
    accounts: &dyn Accounts,
    name: &str,
    password_file: Option<&Path>,
    now: Timestamp,
) -> Result<Bootstrap, Error> {
    let existing = accounts.account(name).await?;
    let (password, generated) = match (password_file, &existing) {
        (Some(path), _) => (read(path)?, None),
        (None, Some(_)) => return Ok(Bootstrap { generated: None }),
        (None, None) => {
            let made_up = password::generate()?;
            (made_up.clone(), Some(made_up))
        }
    };
    if let Some(account) = &existing
        && password::matches(&password, &account.password_hash)
    {
        return Ok(Bootstrap { generated: None });
    }
    let new = existing.is_none();
    accounts
        .save_account(Account {
            name: name.to_owned(),
            password_hash: password::hash_password(&password)?,
            role: Permission::Administrator.name().to_owned(),
            enabled: existing.is_none_or(|account| account.enabled),
            changed_at: now,
        })
        .await?;
    let action = if new { "create" } else { "password" };
    tracing::info!(target: "audit", action, what = "account", name, "an account was written at the start");
    Ok(Bootstrap { generated })
}

fn read(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })?;
    match text.lines().next() {
        Some(line) if line.trim().is_empty() => Err(Error::Empty(path.to_owned())),
        Some(line) if line.chars().count() < SHORTEST => Err(Error::Short(path.to_owned())),
        Some(line) => Ok(line.to_owned()),
        None => Err(Error::Empty(path.to_owned())),
    }
}
