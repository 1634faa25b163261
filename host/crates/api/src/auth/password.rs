//! Passwords: hashing, verifying, making one up.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};

/// A hash that no password has, with the parameters of those that we make: verifying
/// against it takes as long as verifying against an account's.
pub(crate) const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$\
                                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Letters and digits that are not mistaken for each other: 32 of them.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The password could not be hashed: the operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(String);

/// A password's hash for [`store::accounts::Account`]: Argon2id, in the PHC string
/// format. Takes tens of milliseconds of CPU: call it where that may block.
pub fn hash_password(password: &str) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| HashError(error.to_string()))
}

/// Whether the password is that of the hash. As slow as [`hash_password`].
pub(crate) fn matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// A new password of 24 characters with 120 random bits.
pub(crate) fn generate() -> Result<String, HashError> {
    let mut random = [0_u8; 24];
    getrandom::fill(&mut random).map_err(|error| HashError(error.to_string()))?;
    Ok(random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let hash = hash_password("früh am Morgen").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(matches("früh am Morgen", &hash));
        assert!(!matches("fruh am Morgen", &hash));
        assert!(!matches("", &hash));
        assert!(!matches("x", "no hash"));
    }

    #[test]
    fn the_decoy_is_a_hash_like_ours() {
        let parsed = PasswordHash::new(DECOY).unwrap();
        let ours = hash_password("x").unwrap();
        let ours = PasswordHash::new(&ours).unwrap();
        assert_eq!(parsed.algorithm, ours.algorithm);
        assert_eq!(parsed.params, ours.params);
        assert!(!matches("", DECOY));
    }

    #[test]
    fn made_up_passwords_differ() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
    }
}
