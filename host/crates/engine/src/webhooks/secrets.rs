//! The secrets of a webhook: one, and while it is changed a second one beside it.

use model::clock::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use vault::Purpose;

use crate::{
    Engine,
    error::{Error, Fault, Result},
};

/// The fewest characters of a secret.
const SHORTEST: usize = 8;
/// The most.
const LONGEST: usize = 1024;

/// A secret as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Secret {
    /// The ciphertext.
    pub(super) value: String,
    /// Since when it is one, in microseconds.
    pub(super) since: i64,
    /// Until when it counts; for ever where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
}

/// What is wrong with a secret that somebody chose; it is not repeated.
pub(super) fn check(secret: &str) -> Option<Fault> {
    let fits = (SHORTEST..=LONGEST).contains(&secret.chars().count());
    let plain = !secret.contains(char::is_control) && secret.trim() == secret;
    (!fits || !plain).then(|| {
        super::fault(
            "/secret",
            format!(
                "a secret has {SHORTEST} to {LONGEST} characters, no control characters, and no space at its ends"
            ),
        )
    })
}

/// The secrets in the column of a webhook, the newest first.
pub(super) fn read(text: &str) -> Result<Vec<Secret>> {
    serde_json::from_str(text)
        .map_err(|error| Error::Internal(format!("the secrets of a webhook: {error}")))
}

pub(super) fn write(secrets: &[Secret]) -> Result<String> {
    serde_json::to_string(secrets).map_err(|error| Error::Internal(error.to_string()))
}

/// Those that count at that moment.
pub(super) fn valid(secrets: &[Secret], now: Timestamp) -> impl Iterator<Item = &Secret> {
    secrets
        .iter()
        .filter(move |secret| secret.until.is_none_or(|until| until > now.0))
}

/// A secret that nobody can foresee.
pub(super) fn generate() -> Result<String> {
    let (one, two) = (crate::random()?, crate::random()?);
    Ok(format!("{one:032x}{two:032x}"))
}

impl Engine {
    pub(super) fn seal_secret(&self, plain: &str) -> Result<Secret> {
        let value = self
            .vault
            .seal(plain, Purpose::Webhook)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Secret {
            value,
            since: self.now().0,
            until: None,
        })
    }

    pub(super) fn open_secret(&self, secret: &Secret) -> Result<SecretString> {
        self.vault
            .open(&secret.value, Purpose::Webhook)
            .map_err(|error| Error::Internal(format!("the secret of a webhook: {error}")))
    }

    /// What was received, as it is kept.
    pub(super) fn seal_received(&self, text: &str) -> Result<String> {
        self.vault
            .seal(text, Purpose::Webhook)
            .map_err(|error| Error::Internal(error.to_string()))
    }

    pub(super) fn open_received(&self, sealed: &str) -> Result<String> {
        let opened = self
            .vault
            .open(sealed, Purpose::Webhook)
            .map_err(|error| Error::Internal(format!("a kept delivery: {error}")))?;
        Ok(opened.expose_secret().to_owned())
    }
}
