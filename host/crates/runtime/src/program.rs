//! A component, linked and ready to be instantiated.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::{Guest, GuestPre};
use crate::error::chain;
use crate::state::{State, Whole};
use crate::{Error, InstallError};

/// An installed component. It stays usable after [`crate::Runtime::forget`] for whoever holds it.
pub struct Program {
    pub(crate) digest: String,
    /// Tells programs apart, those of one digest that were loaded twice as well.
    pub(crate) number: u64,
    pub(crate) pre: GuestPre<State>,
    pub(crate) artefact_bytes: u64,
}

impl Program {
    pub(crate) fn new(digest: String, pre: GuestPre<State>, artefact_bytes: u64) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            digest,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            pre,
            artefact_bytes,
        }
    }

    /// The digest that it was installed under.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Size of its native code and data in bytes.
    pub fn artefact_bytes(&self) -> u64 {
        self.artefact_bytes
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("digest", &self.digest)
            .field("artefact_bytes", &self.artefact_bytes)
            .finish_non_exhaustive()
    }
}

/// Everything that a component may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>, Error> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)
        .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker))
        .and_then(|()| Guest::add_to_linker::<_, Whole>(&mut linker, |state| state))
        .map_err(|error| Error::Engine(chain(&error)))?;
    Ok(linker)
}

/// Links a component; tells what of the world is not met.
pub(crate) fn link(
    linker: &Linker<State>,
    component: &Component,
) -> Result<GuestPre<State>, InstallError> {
    let pre = linker
        .instantiate_pre(component)
        .map_err(|error| InstallError::Import(chain(&error)))?;
    GuestPre::new(pre).map_err(|error| InstallError::Export(chain(&error)))
}
