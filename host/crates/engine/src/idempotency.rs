//! What tells a request that is sent twice from another one with the same key.

use model::run_request::RunRequest as Request;
use store::runs::Idempotency;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    inputs::Input,
    prepared::Runnable,
};

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 255;

impl Engine {
    /// The key with a digest of the request.
    pub(crate) fn idempotency(
        &self,
        key: String,
        runnable: &Runnable,
        request: &Request,
        queue: &str,
        input: &Input,
        stored: &str,
    ) -> Result<Idempotency> {
        if input.secret.is_empty() {
            return digest(key, runnable, request, queue, stored, blake3::Hasher::new());
        }
        // Each sealing differs, so the plain values count; under a key, so that nobody can
        // find out a short one from the digest in the store.
        let hasher = blake3::Hasher::new_keyed(&self.vault.derive("idempotency"));
        let plain = input.parameters.to_json();
        digest(key, runnable, request, queue, &plain, hasher)
    }
}

fn digest(
    key: String,
    runnable: &Runnable,
    request: &Request,
    queue: &str,
    input: &str,
    mut hasher: blake3::Hasher,
) -> Result<Idempotency> {
    if key.is_empty() || key.chars().count() > MAX_KEY {
        return Err(Error::CannotRun {
            application: runnable.name.to_string(),
            faults: vec![Fault {
                code: "PF-R012".to_owned(),
                at: "Idempotency-Key".to_owned(),
                message: format!("an idempotency key has 1 to {MAX_KEY} characters"),
            }],
        });
    }
    for part in [
        &*runnable.name,
        request.configuration.as_deref().unwrap_or(""),
        queue,
        input,
    ] {
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part.as_bytes());
    }
    hasher.update(&[request.level.code()]);
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok(Idempotency { key, digest })
}
