//! The form of a ciphertext, and its making and opening.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{Error, Purpose, key::Key};

const MARK: &str = "pfenc:1:";
const MARK_OF_ANY_VERSION: &str = "pfenc:";
const ID_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;

/// Whether a text has the form of our ciphertext. Says nothing about whether it opens.
pub fn is_ours(text: &str) -> bool {
    key_id_of(text).is_some()
}

/// Whether a text begins as our ciphertext does. One that does and is not [`is_ours`] was
/// damaged on its way.
pub fn claims_to_be_ours(text: &str) -> bool {
    text.trim_start().starts_with(MARK_OF_ANY_VERSION)
}

/// Whether a longer text may hold ciphertext of ours: a cheap look before a thorough one.
pub fn may_hold_ours(text: &str) -> bool {
    text.contains(MARK)
}

/// The id of the key that a ciphertext of ours was made with.
pub fn key_id_of(text: &str) -> Option<&str> {
    Some(split(text)?.0)
}

/// Key id and payload, still encoded.
fn split(text: &str) -> Option<(&str, &str)> {
    let (id, payload) = text.strip_prefix(MARK)?.split_once(':')?;
    let is_id = id.len() == ID_LENGTH
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_payload = payload.len() >= (NONCE_LENGTH + TAG_LENGTH) * 4 / 3
        && payload
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (is_id && is_payload).then_some((id, payload))
}

/// What is authenticated along: the mark, the key and the purpose.
fn context(id: &str, purpose: Purpose) -> String {
    format!("{MARK}{id}:{}", purpose.label())
}

pub(crate) fn seal(key: &Key, plaintext: &str, purpose: Purpose) -> Result<String, Error> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(Error::Random)?;
    let context = context(key.id(), purpose);
    let payload = Payload {
        msg: plaintext.as_bytes(),
        aad: context.as_bytes(),
    };
    // Fails only for messages beyond 256 GiB, which no caller can hold.
    let ciphertext = XChaCha20Poly1305::new((&*key.sealing()).into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::Tampered)?;
    let sealed = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &ciphertext].concat());
    Ok(format!("{MARK}{}:{sealed}", key.id()))
}

pub(crate) fn open(key: &Key, sealed: &str, purpose: Purpose) -> Result<SecretString, Error> {
    let (id, payload) = split(sealed).ok_or(Error::NotOurs)?;
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| Error::Tampered)?;
    let (nonce, ciphertext) = bytes
        .split_first_chunk::<NONCE_LENGTH>()
        .ok_or(Error::Tampered)?;
    let context = context(id, purpose);
    let payload = Payload {
        msg: ciphertext,
        aad: context.as_bytes(),
    };
    let plaintext = XChaCha20Poly1305::new((&*key.sealing()).into())
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Error::Tampered)?;
    // Wiped when it is no text, which only a ciphertext of other software can cause.
    let plaintext = Zeroizing::new(plaintext);
    let text = std::str::from_utf8(&plaintext).map_err(|_| Error::Tampered)?;
    Ok(SecretString::from(text))
}
