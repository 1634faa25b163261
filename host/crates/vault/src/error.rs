//! What can go wrong, each with what to do about it. None is retryable: keys and
//! ciphertexts do not get better by themselves.

use std::{io, path::PathBuf};

/// Why the vault refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key file could not be read or written.
    #[error("the key file {path} cannot be {act}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read`, `written`.
        act: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is a symbolic link, a directory or something else that is no plain file.
    #[error(
        "the key file {path} is {what}; it must be a plain file, so that nobody can swap it for \
         another: give the path of the file itself",
        path = path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Others than its owner may use it.
    #[error(
        "the key file {path} has mode {mode:04o}, so others than its owner may use it: run \
         `chmod 600 {path}`, and replace the key if somebody may have read it",
        path = path.display()
    )]
    LooseMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is not what this version writes.
    #[error("the key file {path} is damaged in line {line}: {what}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The store is encrypted, and the key file is not there.
    #[error(
        "the key file {path} is missing, but the store is encrypted under key {expected}: restore \
         the file with that key from a backup (a node of a cluster needs the same file as the \
         others: set data.key_file), or start with another data directory",
        path = path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The id of the key that the store remembers.
        expected: String,
    },
    /// The key is not the one that the store is encrypted under.
    #[error(
        "the key file {path} holds key {found}, but the store is encrypted under key {expected}: \
         put the file with key {expected} back (a node of a cluster needs the same file as the \
         others), or start with the store that belongs to key {found}",
        path = path.display()
    )]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// The id of the current key in the file.
        found: String,
        /// The id of the key that the store remembers.
        expected: String,
    },
    /// No ciphertext of this service.
    #[error("this is no value that PowerFlow encrypted; it must be entered again")]
    NotOurs,
    /// A ciphertext of a system with another key.
    #[error("this value is encrypted under key {id}, which is not here; it must be entered again")]
    UnknownKey {
        /// The id of the key.
        id: String,
    },
    /// Changed, cut, or made for another purpose.
    #[error(
        "this encrypted value was changed or is not for this purpose; it must be entered again"
    )]
    Tampered,
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Random(getrandom::Error),
}
