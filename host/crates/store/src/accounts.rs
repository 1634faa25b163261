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

/// A login with a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hash of its token, which only the browser has.
    pub digest: [u8; 32],
    /// Whose it is.
    pub account: String,
    /// [`Account::changed_at`] at the login: another password ends the session.
    pub account_changed_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, about: not each use is written.
    pub used_at: Timestamp,
}

/// Local accounts, their sessions, and facts.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The account of that name.
    async fn account(&self, name: &str) -> Result<Option<Account>>;

    /// All accounts by name.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// Saves an account. Its sessions end if it is disabled, or they are of another password.
    async fn save_account(&self, account: Account) -> Result<()>;

    /// The session of that token, whether or not it is still good.
    async fn session(&self, digest: &[u8; 32]) -> Result<Option<Session>>;

    /// Begins a session, and forgets those that began before `oldest` or were last used before
    /// `unused`.
    async fn begin_session(
        &self,
        session: Session,
        oldest: Timestamp,
        unused: Timestamp,
    ) -> Result<()>;

    /// Notes that a session was used. One that has ended stays so.
    async fn use_session(&self, digest: &[u8; 32], at: Timestamp) -> Result<()>;

    /// Ends a session; one that there is not has ended.
    async fn end_session(&self, digest: &[u8; 32]) -> Result<()>;

    /// A fact, such as the id of the key that secrets are encrypted with.
    async fn fact(&self, name: &str) -> Result<Option<String>>;

    /// Saves a fact if there is none of that name; answers the one that holds.
    async fn settle_fact(&self, name: &str, value: &str) -> Result<String>;

    /// Saves a fact, whatever it was before.
    async fn replace_fact(&self, name: &str, value: &str) -> Result<()>;
}
