//! Verified credentials, remembered for a short time: verifying a password takes tens of
//! milliseconds, a remembered one well under a microsecond.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use engine::Caller;
use model::{clock::Timestamp, id::TenantId};
use parking_lot::RwLock;
use store::accounts::{Account, Accounts};
use tokio::sync::Semaphore;

use super::{
    basic::Basic,
    password::{DECOY, matches},
};
use crate::{permission::Permission, state::AuthSettings};

/// More remembered credentials than this are forgotten.
const MAX: usize = 10_000;

/// Who a caller proved to be.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    /// [`Account::changed_at`] of the password that proved it.
    pub(crate) password_of: Timestamp,
    /// What the role allows; `None` for a role that does not exist.
    pub(crate) permission: Option<Permission>,
}

/// Why a caller is nobody.
#[derive(Debug)]
pub(crate) enum Denied {
    /// No such account, a wrong password, or a disabled account: not said which.
    Wrong,
    /// Too many passwords wait to be verified.
    Busy,
    /// The store does not answer.
    Store(store::Error),
}

#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    account: Arc<Account>,
    until: Instant,
    checked: Instant,
}

/// Verifies callers and remembers them, keyed by a digest of name and password under a
/// key that lives as long as the process.
pub(crate) struct Credentials {
    accounts: Arc<dyn Accounts>,
    pub(crate) settings: AuthSettings,
    key: [u8; 32],
    known: RwLock<HashMap<[u8; 32], Known>>,
    verifications: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Credentials {
    pub(crate) fn new(accounts: Arc<dyn Accounts>, settings: AuthSettings) -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // Without randomness nothing is remembered; see `remember`.
            tracing::error!("the operating system gives no randomness: logins are not remembered");
        }
        Self {
            accounts,
            key,
            known: RwLock::default(),
            verifications: Arc::new(Semaphore::new(settings.verifications.clamp(1, 64))),
            waiting: AtomicUsize::new(0),
            settings,
        }
    }

    /// Who the caller is.
    pub(crate) async fn verify(&self, basic: Basic) -> Result<Arc<Identity>, Denied> {
        let digest = self.digest(&basic);
        if let Some(identity) = self.recall(&digest, &basic.name).await {
            return Ok(identity);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.settings.waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Denied::Busy);
        }
        let _left = Left(&self.waiting);
        let permit = Arc::clone(&self.verifications)
            .acquire_owned()
            .await
            .map_err(|_| Denied::Busy)?;
        // The same caller may have been verified while this request waited.
        if let Some(identity) = self.recall(&digest, &basic.name).await {
            return Ok(identity);
        }
        let account = self
            .accounts
            .account(&basic.name)
            .await
            .map_err(Denied::Store)?;
        let hash = account
            .as_ref()
            .map_or_else(|| DECOY.to_owned(), |account| account.password_hash.clone());
        let right = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            matches(&basic.password, &hash)
        })
        .await
        .unwrap_or(false);
        match account {
            Some(account) if right && account.enabled => Ok(self.remember(digest, account)),
            _ => Err(Denied::Wrong),
        }
    }

    /// The identity of a remembered credential, unless its account was changed.
    async fn recall(&self, digest: &[u8; 32], name: &str) -> Option<Arc<Identity>> {
        let now = Instant::now();
        let known = {
            let all = self.known.read();
            let known = all.get(digest).filter(|known| now < known.until)?;
            if now.duration_since(known.checked) < self.settings.recheck {
                return Some(Arc::clone(&known.identity));
            }
            known.clone()
        };
        match self.accounts.account(name).await {
            Ok(Some(account)) if account == *known.account => {
                if let Some(known) = self.known.write().get_mut(digest) {
                    known.checked = now;
                }
                Some(known.identity)
            }
            Ok(_) => {
                self.known.write().remove(digest);
                None
            }
            // A store that is away for a moment logs nobody out.
            Err(_) => Some(known.identity),
        }
    }

    fn remember(&self, digest: [u8; 32], account: Account) -> Arc<Identity> {
        let now = Instant::now();
        let identity = Arc::new(Identity {
            caller: Caller {
                name: account.name.clone(),
                tenant: TenantId::DEFAULT,
                trace: None,
            },
            password_of: account.changed_at,
            permission: Permission::of_role(&account.role),
        });
        if self.key != [0; 32] {
            let mut all = self.known.write();
            if all.len() >= MAX {
                all.retain(|_, known| now < known.until);
                if all.len() >= MAX {
                    all.clear();
                }
            }
            let known = Known {
                identity: Arc::clone(&identity),
                account: Arc::new(account),
                until: now + self.settings.remember,
                checked: now,
            };
            all.insert(digest, known);
        }
        identity
    }

    fn digest(&self, basic: &Basic) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(basic.name.len() as u64).to_le_bytes());
        hasher.update(basic.name.as_bytes());
        hasher.update(basic.password.as_bytes());
        hasher.finalize().into()
    }
}

/// Takes one off the count of waiting requests, also when the request is given up.
struct Left<'a>(&'a AtomicUsize);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
