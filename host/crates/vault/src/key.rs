//! A key: 32 random bytes that never encrypt anything themselves. What is used
//! follows from them by BLAKE3 in key derivation mode, one context for each use.

use zeroize::Zeroizing;

use crate::Error;

/// Contexts of the derivation. They are part of the format and never change.
const ID_CONTEXT: &str = "powerflow-vault 2026-11-22 key id v1";
const SEAL_CONTEXT: &str = "powerflow-vault 2026-11-22 sealing key v1";
const DERIVE_CONTEXT: &str = "powerflow-vault 2026-11-22 sub-key v1";

pub(crate) struct Key {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl Key {
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(Error::Random)?;
        Ok(Self::new(bytes))
    }

    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let digest = blake3::derive_key(ID_CONTEXT, bytes.as_slice());
        let id = digest
            .iter()
            .take(8)
            .fold(String::with_capacity(16), |id, byte| {
                id + &format!("{byte:02x}")
            });
        Self { id, bytes }
    }

    /// The first eight bytes of a digest of the key, in hexadecimal.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) fn sealing(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(SEAL_CONTEXT, self.bytes.as_slice()))
    }

    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        // The key has a fixed length, so key and purpose cannot run into each other.
        let mut material = Zeroizing::new(Vec::with_capacity(32 + purpose.len()));
        material.extend_from_slice(self.bytes.as_slice());
        material.extend_from_slice(purpose.as_bytes());
        Zeroizing::new(blake3::derive_key(DERIVE_CONTEXT, &material))
    }
}
