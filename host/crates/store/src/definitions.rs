//! Applications and configuration objects: named documents whose every save is a revision.

use async_trait::async_trait;
use model::{clock::Timestamp, id::TenantId};

use crate::{Page, Result};

/// What a document defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An application.
    Application = 1,
    /// A configuration object.
    Configuration = 2,
}

/// A document to be saved.
#[derive(Clone, Debug)]
pub struct Save {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it defines.
    pub kind: Kind,
    /// Its name, unique in the tenant and kind.
    pub name: String,
    /// Its friendly name, for lists and search.
    pub friendly_name: String,
    /// The folder that it lies in; empty for the root.
    pub folder: String,
    /// The document: a JSON text, kept byte by byte. Values to be encrypted are already.
    pub document: String,
    /// Who saves it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The revision number that the caller has seen: `Some(0)` when it expects none to
    /// exist, `None` when it overwrites whatever there is.
    pub expected: Option<i64>,
    /// Applications that were looked at to decide that this one may be saved, with the rows of
    /// their newest revisions; 0: there was none. One that has changed since refuses the save, as a conflict
    /// of its name, whoever saves at the same moment: such saves take turns.
    pub relies: Vec<(String, i64)>,
    /// The pack version that brought it: `name@version`; `None` for a person's save.
    pub origin: Option<String>,
}

/// A document with its newest revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its friendly name.
    pub friendly_name: String,
    /// Its folder.
    pub folder: String,
    /// The row of the newest revision: what runs are pinned to.
    pub revision: i64,
    /// The newest revision's number as people see it, from 1.
    pub number: i64,
    /// The pack version that brought it.
    pub origin: Option<String>,
    /// Who saved the newest revision.
    pub edited_by: String,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When the newest revision was saved.
    pub edited_at: Timestamp,
    /// The newest revision's document.
    pub document: String,
}

/// One revision of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its row.
    pub id: i64,
    /// The definition that it belongs to.
    pub definition: i64,
    /// The definition's name.
    pub name: String,
    /// Its number as people see it, from 1.
    pub number: i64,
    /// Who saved it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The pack version that brought it.
    pub origin: Option<String>,
    /// The document.
    pub document: String,
}

/// Named documents.
#[async_trait]
pub trait Definitions: Send + Sync + 'static {
    /// Saves a new revision; a document equal to the newest one makes none.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn save(&self, save: Save) -> Result<Definition>;

    /// The document of that name.
    async fn definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Definition>>;

    /// One revision, by its row.
    async fn revision(&self, id: i64) -> Result<Option<Revision>>;

    /// One revision of a definition, by its number as people see it.
    async fn revision_numbered(&self, definition: i64, number: i64) -> Result<Option<Revision>>;

    /// The documents of a definition's revisions in which `text` occurs, the newest first; at
    /// most so many as a person can look through.
    async fn revisions_with(&self, definition: i64, text: &str) -> Result<Vec<String>>;

    /// Documents by name, those that contain `search` in either name (case-insensitive;
    /// empty: all), after the name `after`.
    async fn definitions(
        &self,
        tenant: TenantId,
        kind: Kind,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>>;

    /// Deletes the document; its past runs keep the revision that they ran. Says
    /// whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when `expected` is not what there is.
    async fn delete_definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool>;
}
