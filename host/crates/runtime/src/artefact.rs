//! Compiled components on disk.
//!
//! An artefact is native code, which the process will execute, so it is trusted only with a code of
//! authenticity under the service key. The code covers the component's digest and the engine's
//! fingerprint as well: an artefact cannot stand in for another one, or for another engine's.

use std::fs::File;
use std::hash::{Hash as _, Hasher};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::Error;
use crate::error::chain;

/// A code of authenticity and the native code that it stands for.
type Exported = (Vec<u8>, Vec<u8>);

/// The folder of artefacts of one engine.
pub(crate) struct Folder {
    path: PathBuf,
    key: [u8; 32],
    fingerprint: String,
    counter: AtomicU64,
}

impl Folder {
    pub(crate) fn open(
        path: &Path,
        service_key: &[u8; 32],
        engine: &Engine,
    ) -> Result<Self, Error> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| Error::Folder {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            key: blake3::derive_key("PowerFlow 2026-11 compiled component", service_key),
            fingerprint: fingerprint(engine),
            counter: AtomicU64::new(0),
        })
    }

    /// Stores an artefact: complete or not at all.
    pub(crate) fn write(&self, digest: &str, code: &[u8]) -> Result<(), Error> {
        let mut mac = self.mac(digest, code.len() as u64);
        mac.update(code);
        self.replace(&self.file(digest, "mac")?, mac.finalize().as_bytes())?;
        self.replace(&self.file(digest, "cwasm")?, code)
    }

    /// Maps an artefact, or nothing when there is none that this engine may execute.
    pub(crate) fn read(
        &self,
        engine: &Engine,
        digest: &str,
    ) -> Result<Option<(Component, u64)>, Error> {
        let path = self.file(digest, "cwasm")?;
        let fault = |source| Error::Folder {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        let length = file.metadata().map_err(fault)?.len();
        let mut mac = self.mac(digest, length);
        let mut part = vec![0; 256 << 10];
        loop {
            match file.read(&mut part).map_err(fault)? {
                0 => break,
                read => mac.update(&part[..read]),
            };
        }
        let stored = std::fs::read(self.file(digest, "mac")?).unwrap_or_default();
        // Comparing hashes of blake3 takes constant time.
        let genuine = <[u8; 32]>::try_from(stored).is_ok_and(|stored| mac.finalize() == stored);
        if !genuine {
            tracing::warn!(
                digest,
                "a compiled component does not carry the service's code of authenticity; it will be compiled again"
            );
            return Ok(None);
        }
        match map(engine, &file, &path) {
            Ok(component) => Ok(Some((component, length))),
            Err(error) => {
                tracing::warn!(
                    digest,
                    error = chain(&error),
                    "a compiled component cannot be loaded; it will be compiled again"
                );
                Ok(None)
            }
        }
    }

    /// An artefact, behind its code of authenticity, for another process of this service.
    pub(crate) fn export(&self, digest: &str) -> Result<Option<Exported>, Error> {
        let read = |extension| {
            let path = self.file(digest, extension)?;
            match std::fs::read(&path) {
                Ok(content) => Ok(Some(content)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(source) => Err(Error::Folder { path, source }),
            }
        };
        Ok(read("mac")?.zip(read("cwasm")?))
    }

    /// Stores what another process of this service has compiled; says whether it is genuine.
    pub(crate) fn adopt(&self, digest: &str, mac: &[u8], code: &[u8]) -> Result<bool, Error> {
        let mut expected = self.mac(digest, code.len() as u64);
        expected.update(code);
        // Comparing hashes of blake3 takes constant time.
        if !<[u8; 32]>::try_from(mac).is_ok_and(|mac| expected.finalize() == mac) {
            tracing::warn!(
                digest,
                "a compiled component from the store does not carry the service's code of authenticity; it will be compiled here"
            );
            return Ok(false);
        }
        self.write(digest, code)?;
        Ok(true)
    }

    /// Names the engine.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn remove(&self, digest: &str) -> Result<(), Error> {
        for extension in ["cwasm", "mac"] {
            let path = self.file(digest, extension)?;
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(Error::Folder { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mac(&self, digest: &str, length: u64) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        for text in [self.fingerprint.as_str(), digest] {
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text.as_bytes());
        }
        mac.update(&length.to_le_bytes());
        mac
    }

    fn file(&self, digest: &str, extension: &str) -> Result<PathBuf, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if digest.is_empty() || digest.len() > 128 || !digest.bytes().all(plain) {
            return Err(Error::Digest(digest.chars().take(80).collect()));
        }
        Ok(self
            .path
            .join(format!("{digest}.{}.{extension}", self.fingerprint)))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let new = self
            .path
            .join(format!(".{}-{number}.new", std::process::id()));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| std::fs::rename(&new, path));
        written.map_err(|source| {
            let _ = std::fs::remove_file(&new);
            Error::Folder {
                path: path.to_owned(),
                source,
            }
        })
    }
}

/// Maps the file that was checked, not whatever its name leads to by now.
#[expect(
    unsafe_code,
    reason = "executing native code from a file cannot be safe in itself"
)]
fn map(engine: &Engine, file: &File, _name: &Path) -> wasmtime::Result<Component> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the bytes of this very file carry the code of authenticity under the service key, so
    // this service made them with `Component::serialize`. Only this user can write the folder; files
    // in it are replaced by renaming, never written in place.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Names everything that decides whether an engine can execute an artefact: wasmtime's version, the
/// target, and each setting that changes code.
fn fingerprint(engine: &Engine) -> String {
    struct Stable(blake3::Hasher);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Stable(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..16].to_owned()
}
