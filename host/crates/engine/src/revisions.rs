//! Revisions of documents: what was saved when, how two differ, and the way back to one.

use model::{
    application::{Application, Step},
    configuration::Configuration,
    descriptor::ParameterType,
    difference::{self, Difference},
    id::TenantId,
    validate::{Lookup, Registry as _},
};
use serde_json::{Map, Value};
use store::{
    Page,
    definitions::{Definition, Kind, Revision},
};

use crate::{
    Engine,
    error::{Error, Result},
    view::{Caller, Saved},
};

/// A page ends early once the documents that it was made of have so many bytes.
const MOST_READ: usize = 16 << 20;
/// What a restored application keeps of the one that it replaces: what it is aligned with is
/// no part of its definition.
const ALIGNMENT: [&str; 2] = ["configuration", "queue"];

/// One revision in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionEntry {
    /// Its number, from 1.
    pub number: i64,
    /// Who saved it.
    pub by: String,
    /// When.
    pub at: model::clock::Timestamp,
    /// The pack version that brought it.
    pub origin: Option<String>,
    /// Whether it is the newest.
    pub current: bool,
    /// What it changed of the one before, in a line without values.
    pub note: String,
}

impl Engine {
    /// The revisions of a document, the newest first.
    pub async fn document_revisions(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RevisionEntry>> {
        let current = self.find(tenant, kind, name).await?;
        let first = match after {
            None => current.number,
            Some(after) => {
                let number: Option<i64> = after.parse().ok();
                number.ok_or_else(|| Error::Position(after.to_owned()))? - 1
            }
        };
        let mut items = Vec::new();
        let mut read = 0;
        let mut newer: Option<Revision> = None;
        // Numbers have no gaps: a revision is never deleted before its document is.
        for number in (0..=first.min(current.number)).rev() {
            let found = match number {
                0 => None,
                _ => self.store.revision_numbered(current.id, number).await?,
            };
            if let Some(newer) = newer.take() {
                let note = match &found {
                    None => "created".to_owned(),
                    Some(older) => self.difference_between(tenant, kind, older, &newer)?.note(),
                };
                items.push(RevisionEntry {
                    number: newer.number,
                    by: newer.by,
                    at: newer.at,
                    origin: newer.origin,
                    current: newer.number == current.number,
                    note,
                });
            }
            if items.len() == limit.clamp(1, 200) || read > MOST_READ && !items.is_empty() {
                let next = (number > 0).then(|| (number + 1).to_string());
                return Ok(Page { items, next });
            }
            read += found.as_ref().map_or(0, |found| found.document.len());
            newer = found;
        }
        Ok(Page { items, next: None })
    }

    /// One revision of a document; encrypted values are ciphertext.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the document or for the number.
    pub async fn document_revision(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        number: i64,
    ) -> Result<Revision> {
        let current = self.find(tenant, kind, name).await?;
        self.numbered(&current, number).await
    }

    async fn numbered(&self, current: &Definition, number: i64) -> Result<Revision> {
        let found = self.store.revision_numbered(current.id, number).await?;
        found.ok_or_else(|| Error::NotFound {
            what: "revision",
            name: number.to_string(),
            hint: format!(
                " of `{}`: they are numbered from 1 to {}",
                current.name, current.number
            ),
        })
    }

    /// How one revision of a document differs from another; secrets are masked.
    ///
    /// # Errors
    /// As [`Engine::document_revision`].
    pub async fn difference(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        (old, new): (i64, i64),
    ) -> Result<Difference> {
        let current = self.find(tenant, kind, name).await?;
        let old = self.numbered(&current, old).await?;
        let new = self.numbered(&current, new).await?;
        self.difference_between(tenant, kind, &old, &new)
    }

    fn difference_between(
        &self,
        tenant: TenantId,
        kind: Kind,
        old: &Revision,
        new: &Revision,
    ) -> Result<Difference> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Error::Internal(format!(
                "a stored revision of `{}` cannot be read: {error}",
                new.name
            ))
        };
        if kind == Kind::Application {
            let read = |one: &Revision| {
                Application::parse(&one.document).map_err(|error| unreadable(&error))
            };
            let catalogue = self.catalogue.active(tenant);
            let secret = |step: Step<'_>, parameter: &str| {
                let Some((pack, file)) = step.executes() else {
                    return false;
                };
                let Lookup::Found { descriptor, .. } = catalogue.step(pack, file) else {
                    return false;
                };
                let declared = descriptor.parameter(parameter);
                declared.is_some_and(|one| one.param_type == ParameterType::Secret)
            };
            return Ok(difference::applications(&read(old)?, &read(new)?, &secret));
        }
        // Each sealing differs: the values count.
        let read = |one: &Revision| {
            let value = match self.meaning(kind, &one.document) {
                Some(opened) => opened,
                None => serde_json::from_str(&one.document).map_err(|error| unreadable(&error))?,
            };
            Configuration::from_value(value).map_err(|error| unreadable(&error))
        };
        Ok(difference::configurations(&read(old)?, &read(new)?))
    }

    /// Saves a revision of the past again, as the newest. What an application is aligned with
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] with everything that keeps it from running or
    /// from being saved today; [`Error::Conflict`] when `expected` is not the newest revision,
    /// or somebody saves one at the same moment.
    pub async fn restore(
        &self,
        caller: &Caller,
        kind: Kind,
        name: &str,
        number: i64,
        expected: Option<i64>,
    ) -> Result<Saved> {
        let current = self.find(caller.tenant, kind, name).await?;
        let old = self.numbered(&current, number).await?;
        let expected = expected.or(Some(current.number));
        if kind == Kind::Configuration {
            return self
                .save_configuration(caller, Some(name), &old.document, expected)
                .await;
        }
        let document = aligned_as(&current.document, old.document)?;
        let found = self.validate_application(caller.tenant, &document).await?;
        if !found.faults.is_empty() {
            return Err(Error::Invalid {
                what: "revision, as things are now,",
                faults: found.faults,
            });
        }
        self.save_application(caller, Some(name), &document, expected)
            .await
    }
}

/// An application with the alignment of another; its text itself where both have the same.
fn aligned_as(current: &str, old: String) -> Result<String> {
    let read = |text: &str| -> Result<Map<String, Value>> {
        serde_json::from_str(text).map_err(|error| {
            Error::Internal(format!("a stored application cannot be read: {error}"))
        })
    };
    let (current, mut document) = (read(current)?, read(&old)?);
    if ALIGNMENT
        .iter()
        .all(|key| current.get(*key) == document.get(*key))
    {
        return Ok(old);
    }
    for key in ALIGNMENT {
        match current.get(key) {
            Some(value) => {
                document.insert(key.to_owned(), value.clone());
            }
            None => {
                document.shift_remove(key);
            }
        }
    }
    Ok(Application::from_value(Value::Object(document))
        .map_err(|error| Error::Internal(error.to_string()))?
        .to_pretty())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_restored_application_stays_aligned_as_it_is() {
        let old = r#"{"name": "a",  "configuration": "acme", "steps": []}"#;
        let same = r#"{"configuration": "acme", "name": "b"}"#;
        assert_eq!(aligned_as(same, old.to_owned()).unwrap(), old);
        let other = r#"{"queue": "q"}"#;
        let restored: Value =
            serde_json::from_str(&aligned_as(other, old.to_owned()).unwrap()).unwrap();
        assert_eq!(
            restored,
            serde_json::json!({"name": "a", "steps": [], "queue": "q"})
        );
    }
}
