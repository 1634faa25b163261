//! Encryption of what must stay secret at rest: the key file, the ciphertexts that
//! configuration values are kept as, and sub-keys for other purposes.
//!
//! This crate knows nothing of the store and of configuration objects. It never
//! prints, logs or serialises a key or a plaintext; both are wiped when dropped.
//!
//! A ciphertext is `pfenc:1:<key id>:<base64url(nonce ‖ ciphertext ‖ tag)>`,
//! XChaCha20-Poly1305 with a random 24-byte nonce. It is bound to its [`Purpose`] and
//! to its key id, and to nothing else: copy-as, rename, export and import on a system
//! with the same key move a ciphertext between objects as it stands, so the name of
//! the object that holds it must not be part of what is authenticated. Which ciphertext
//! an object may take over, and which hosts its values may reach, is for the engine to say.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test may panic on what it did not expect"
    )
)]

mod cipher;
mod error;
mod key;
mod key_file;

use std::path::Path;

pub use cipher::{claims_to_be_ours, is_ours, key_id_of, may_hold_ours};
pub use error::Error;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::key::Key;

/// What a ciphertext is for. One purpose's is refused where another's is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A value of a configuration object or of an application's variables.
    Configuration,
    /// A parameter that a run was given.
    RunParameter,
    /// A secret that webhooks are signed with, or what one received.
    Webhook,
    /// What the service keeps for itself, such as the credentials of an identity provider.
    Service,
}

impl Purpose {
    /// The text that is authenticated with each ciphertext. It never changes.
    const fn label(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::RunParameter => "run-parameter",
            Self::Webhook => "webhook",
            Self::Service => "service",
        }
    }
}

/// The keys of this service.
pub struct Vault {
    current: Key,
    /// Keys before a rotation: they open, and no longer seal.
    older: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("key_id", &self.current.id())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens the key file, or makes one at the first start.
    ///
    /// `expected` is the key id that the store remembers; `None` for a new store. A
    /// file is only made when there is none *and* nothing is expected: a new key
    /// beside a store that is encrypted under another would lose its secrets for good.
    /// A key that was rotated out but is still in the file counts as expected.
    pub fn open_or_create(path: &Path, expected: Option<&str>) -> Result<Self, Error> {
        let keys = match (key_file::read(path)?, expected) {
            (Some(keys), _) => keys,
            (None, Some(expected)) => {
                return Err(Error::Missing {
                    path: path.to_owned(),
                    expected: expected.to_owned(),
                });
            }
            (None, None) => key_file::create(path)?,
        };
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or_else(|| Error::Malformed {
            path: path.to_owned(),
            line: 1,
            what: "it holds no key".to_owned(),
        })?;
        let vault = Self {
            current,
            older: keys.collect(),
        };
        match expected {
            Some(expected) if vault.key(expected).is_none() => Err(Error::WrongKey {
                path: path.to_owned(),
                found: vault.key_id().to_owned(),
                expected: expected.to_owned(),
            }),
            _ => Ok(vault),
        }
    }

    /// The id of the key that seals: 16 hexadecimal digits.
    pub fn key_id(&self) -> &str {
        self.current.id()
    }

    /// Whether a key of that id is here, current or older.
    pub fn has_key(&self, id: &str) -> bool {
        self.key(id).is_some()
    }

    fn key(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id() == id)
    }

    /// Encrypts under the current key. Two ciphertexts of one text differ.
    pub fn seal(&self, plaintext: &str, purpose: Purpose) -> Result<String, Error> {
        cipher::seal(&self.current, plaintext, purpose)
    }

    /// Decrypts what [`Vault::seal`] made for this purpose, with this system's keys.
    pub fn open(&self, sealed: &str, purpose: Purpose) -> Result<SecretString, Error> {
        let id = key_id_of(sealed).ok_or(Error::NotOurs)?;
        let key = self
            .key(id)
            .ok_or_else(|| Error::UnknownKey { id: id.to_owned() })?;
        cipher::open(key, sealed, purpose)
    }

    /// A key for another purpose, such as `artefact-mac` or `credential-cache`. It
    /// follows from the current key, tells nothing about it, and changes with it.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.current.derive(purpose)
    }
}

#[cfg(test)]
mod tests;
