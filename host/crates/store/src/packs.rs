//! SyncPacks: stored versions, their components, and which one is active.

use async_trait::async_trait;
use bytes::Bytes;
use model::{clock::Timestamp, id::TenantId};

use crate::{Result, definitions::Save, schedules::SaveSchedule};

/// Where a stored version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PackState {
    /// Stored; not compiled.
    Imported = 0,
    /// Being compiled.
    Installing = 1,
    /// Compiled: may be activated.
    Installed = 2,
    /// Could not be compiled; the version's `error` says why.
    Failed = 3,
}

/// A version to be stored.
#[derive(Clone, Debug)]
pub struct Import {
    /// Whose it is.
    pub tenant: TenantId,
    /// The pack's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// The manifest: a JSON text.
    pub manifest: String,
    /// The whole file.
    pub file: Bytes,
    /// Who imports it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A stored version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackVersion {
    /// Its number.
    pub id: i64,
    /// The pack's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The SHA-256 of the file, in hexadecimal: the name of its component.
    pub digest: String,
    /// The manifest: a JSON text.
    pub manifest: String,
    /// Where it stands.
    pub state: PackState,
    /// Why it could not be installed.
    pub error: Option<String>,
    /// Whether it is the active version.
    pub active: bool,
    /// The grants given at its activation: a JSON array.
    pub grants: String,
    /// Who imported it.
    pub imported_by: String,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// When it was installed.
    pub installed_at: Option<Timestamp>,
    /// When it was activated last.
    pub activated_at: Option<Timestamp>,
}

/// An activation: this version becomes the active one of its pack.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Whose it is.
    pub tenant: TenantId,
    /// The version's number.
    pub id: i64,
    /// The grants given: a JSON array.
    pub grants: String,
    /// The documents that it brings. A document of that name which a person has saved
    /// is kept as it is.
    pub definitions: Vec<Save>,
    /// The schedules that it brings. One of that name which a person has saved is kept.
    pub schedules: Vec<SaveSchedule>,
    /// When.
    pub at: Timestamp,
}

/// A compiled component, for processes that did not compile it. It is native code: who
/// takes it checks the code of authenticity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Names the engine that can execute it.
    pub fingerprint: String,
    /// The code of authenticity.
    pub mac: Bytes,
    /// The native code.
    pub code: Bytes,
}

/// Stored packs.
#[async_trait]
pub trait Packs: Send + Sync + 'static {
    /// Stores a version. The same file again is the version that there is.
    ///
    /// # Errors
    /// [`crate::Error::InUse`] when the version exists with another file and is
    /// installed or active.
    async fn import(&self, import: Import) -> Result<PackVersion>;

    /// All versions of all packs, by name and then by the time of import.
    async fn packs(&self, tenant: TenantId) -> Result<Vec<PackVersion>>;

    /// One version.
    async fn pack(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> Result<Option<PackVersion>>;

    /// Says where a version stands.
    async fn set_pack_state(
        &self,
        id: i64,
        state: PackState,
        error: Option<&str>,
        at: Timestamp,
    ) -> Result<()>;

    /// Makes a version the active one, with its documents, in one commit. Answers the
    /// names of documents that were kept because a person had changed them.
    async fn activate(&self, activation: Activation) -> Result<Vec<String>>;

    /// Makes no version of the pack active. Says whether one was.
    async fn deactivate(&self, tenant: TenantId, name: &str) -> Result<bool>;

    /// Deletes a version. Says whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::InUse`] when it is active, or a run that has not ended is pinned to it.
    async fn delete_pack(&self, tenant: TenantId, name: &str, version: &str) -> Result<bool>;

    /// The file of that digest.
    async fn component(&self, digest: &str) -> Result<Option<Bytes>>;

    /// The compiled component of that digest for that engine.
    async fn artefact(&self, digest: &str, fingerprint: &str) -> Result<Option<Artefact>>;

    /// Keeps a compiled component as long as its file is kept.
    async fn put_artefact(&self, digest: &str, artefact: Artefact) -> Result<()>;
}
