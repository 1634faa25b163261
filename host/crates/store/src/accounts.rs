//! Local accounts, and small facts that the service keeps about itself.

use async_trait::async_trait;
use model::clock::Timestamp;

use crate::Result;

/// A local account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The password's hash in the PHC string format.
    pub password_hash: String,
    /// Its role, by name.
    pub role: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// When the password was changed last.
    pub changed_at: Timestamp,
}

/// Local accounts and facts.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The account of that name.
    async fn account(&self, name: &str) -> Result<Option<Account>>;

    /// All accounts by name.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// Saves an account.
    async fn save_account(&self, account: Account) -> Result<()>;

    /// A fact, such as the id of the key that secrets are encrypted with.
    async fn fact(&self, name: &str) -> Result<Option<String>>;

    /// Saves a fact if there is none of that name; answers the one that holds.
    async fn settle_fact(&self, name: &str, value: &str) -> Result<String>;

    /// Saves a fact, whatever it was before.
    async fn replace_fact(&self, name: &str, value: &str) -> Result<()>;
}
