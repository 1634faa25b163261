//! What saving an application and saving a configuration object have in common.

use std::path::Path;

use model::{
    configuration::Configuration,
    id::TenantId,
    validate::{Problem, Severity},
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::definitions::{Definition, Kind, Save};
use vault::Purpose;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    view::{Caller, Found, Saved},
};

/// The longest document, in bytes.
pub(crate) const MAX_DOCUMENT: usize = 16 << 20;

impl From<&Problem> for Fault {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.to_owned(),
            at: problem.path.clone(),
            message: problem.message.clone(),
        }
    }
}

pub(crate) fn faults(problems: &[Problem], severity: Severity) -> Vec<Fault> {
    problems
        .iter()
        .filter(|problem| problem.severity == severity)
        .map(Fault::from)
        .collect()
}

pub(crate) fn unreadable(what: &'static str, code: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Invalid {
        what,
        faults: vec![Fault {
            code: code.to_owned(),
            at: String::new(),
            message: error.to_string(),
        }],
    }
}

/// The name to save under: the address's, which the document must not contradict, or
/// the document's.
pub(crate) fn agreed_name(
    what: &'static str,
    address: Option<&str>,
    document: Option<String>,
) -> Result<String> {
    let named = address.map(str::to_owned).or_else(|| document.clone());
    if named.is_some_and(|name| name.contains(char::is_control)) {
        return Err(Error::Invalid {
            what,
            faults: vec![Fault {
                code: "PF-A002".to_owned(),
                at: "/name".to_owned(),
                message:
                    "the name holds control characters, such as a line end: choose one without"
                        .to_owned(),
            }],
        });
    }
    match (address, document) {
        (Some(address), Some(document)) if address != document => Err(Error::Invalid {
            what,
            faults: vec![Fault {
                code: "PF-A002".to_owned(),
                at: "/name".to_owned(),
                message: format!(
                    "the document is named `{document}`, but was sent to `{address}`: make both the same"
                ),
            }],
        }),
        (Some(name), _) => Ok(Path::new(name).to_string_lossy().into_owned()),
        (None, Some(name)) => Ok(name),
        (None, None) => Err(Error::Invalid {
            what,
            faults: vec![Fault {
                code: "PF-A002".to_owned(),
                at: "/name".to_owned(),
                message: "the document has neither a `name` nor a `friendly_name` that is a text: add one"
                    .to_owned(),
            }],
        }),
    }
}

/// Refuses a document of the other kind, which would be stored and mean nothing.
pub(crate) fn refuse_other_kind(kind: Kind, document: &Value) -> Result<()> {
    let has = |key: &str| document.get(key).is_some_and(|value| !value.is_null());
    let steps = has("steps") || has("app_variables");
    let data = has("configuration_data") || is_list_of_variables(document);
    let (what, code, message) = match kind {
        Kind::Application if data && !steps => (
            "application",
            "PF-A025",
            "this looks like a configuration object: it has variables and no `steps`; send it to /api/v1/configurations, or use `pfctl configuration upload`",
        ),
        Kind::Configuration if steps && !data => (
            "configuration object",
            "PF-C009",
            "this looks like an application: it has `steps` or `app_variables` and no `configuration_data`; send it to /api/v1/applications, or use `pfctl application upload`",
        ),
        _ => return Ok(()),
    };
    Err(unreadable(what, code, &message))
}

fn is_list_of_variables(document: &Value) -> bool {
    let entries = document.as_array().map_or(&[][..], Vec::as_slice);
    let is_variable = |entry: &Value| entry.get("name").is_some() && entry.get("value").is_some();
    !entries.is_empty() && entries.iter().all(is_variable)
}

/// Whether a document may be given a name: it has none. One of the wrong type is a fault of the
/// document, not to be written over.
pub(crate) fn lacks_name(name: Option<&Value>) -> bool {
    name.is_none_or(|name| name.is_null() || name.is_string())
}

impl Engine {
    /// Saves a document. `None`: one of those that it relies on has changed since.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that a saved document is made of"
    )]
    pub(crate) async fn save_definition(
        &self,
        caller: &Caller,
        kind: Kind,
        name: String,
        friendly_name: String,
        document: String,
        (expected, relies): (Option<i64>, Vec<(String, i64)>),
        found: Found,
    ) -> Result<Option<Saved>> {
        let stored = self.store.definition(caller.tenant, kind, &name).await?;
        let created = stored.is_none();
        let before = stored.as_ref().map(|stored| stored.revision);
        if let Some(stored) = stored
            && expected.is_none_or(|number| number == stored.number)
            && self.means_the_same(kind, &stored.document, &document)
        {
            return Ok(Some(Saved {
                created,
                changed: false,
                definition: stored,
                found,
            }));
        }
        let saved = self
            .store
            .save(Save {
                tenant: caller.tenant,
                kind,
                name: name.clone(),
                friendly_name,
                folder: String::new(),
                document,
                by: caller.name.clone(),
                at: self.now(),
                expected,
                relies,
                origin: None,
            })
            .await;
        let definition = match saved {
            Err(store::Error::Conflict { name: other, .. }) if other != name => return Ok(None),
            saved => saved?,
        };
        self.prepared.forget_current();
        self.tell_changed();
        Ok(Some(Saved {
            created: created && definition.number == 1,
            changed: before != Some(definition.revision),
            definition,
            found,
        }))
    }

    /// Whether two documents differ in nothing but white space, the order of keys, and
    /// the ciphertext of equal values.
    pub(crate) fn means_the_same(&self, kind: Kind, one: &str, other: &str) -> bool {
        one == other
            || self
                .meaning(kind, one)
                .is_some_and(|one| self.meaning(kind, other) == Some(one))
    }

    pub(crate) fn meaning(&self, kind: Kind, document: &str) -> Option<Value> {
        let value = serde_json::from_str(document).ok()?;
        if kind == Kind::Application {
            return Some(value);
        }
        let mut configuration = Configuration::from_value(value).ok()?;
        for (_, value) in configuration.encrypted_values_mut() {
            let Some(sealed) = value.as_str().filter(|text| vault::is_ours(text)) else {
                continue;
            };
            let plain = self.vault.open(sealed, Purpose::Configuration).ok()?;
            *value = serde_json::from_str(plain.expose_secret()).ok()?;
        }
        Some(configuration.into_value())
    }

    pub(crate) async fn find(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
    ) -> Result<Definition> {
        if let Some(found) = self.store.definition(tenant, kind, name).await? {
            return Ok(found);
        }
        let what = match kind {
            Kind::Application => "application",
            Kind::Configuration => "configuration object",
        };
        Err(Error::NotFound {
            what,
            name: name.to_owned(),
            hint: self.nearest(tenant, kind, name).await?,
        })
    }

    /// "; did you mean `…`?" for the name that is most like `name`.
    async fn nearest(&self, tenant: TenantId, kind: Kind, name: &str) -> Result<String> {
        let page = self.store.definitions(tenant, kind, "", None, 1000).await?;
        let best = page
            .items
            .into_iter()
            .map(|one| (strsim::jaro_winkler(name, &one.name), one.name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(match best {
            Some((likeness, name)) if likeness > 0.8 => format!("; did you mean `{name}`?"),
            _ => String::new(),
        })
    }

    pub(crate) async fn delete_by_name(
        &self,
        caller: &Caller,
        kind: Kind,
        name: &str,
        expected: Option<i64>,
    ) -> Result<()> {
        if !self
            .store
            .delete_definition(caller.tenant, kind, name, expected)
            .await?
        {
            self.find(caller.tenant, kind, name).await?;
        }
        self.prepared.forget_current();
        self.tell_changed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_of_the_other_kind_are_told_apart() {
        let (application, configuration) = (Kind::Application, Kind::Configuration);
        let variable = json!({"name": "a", "value": 1});
        for (document, refused) in [
            (json!({"steps": []}), Some(configuration)),
            (json!({"app_variables": []}), Some(configuration)),
            (json!({"configuration_data": []}), Some(application)),
            (json!([variable]), Some(application)),
            // Neither, or both: whoever sends it knows.
            (json!({"name": "a"}), None),
            (json!([]), None),
            (json!({"steps": null}), None),
            (json!({"steps": [], "configuration_data": []}), None),
        ] {
            for kind in [application, configuration] {
                let answer = refuse_other_kind(kind, &document);
                assert_eq!(
                    answer.is_err(),
                    refused == Some(kind),
                    "{kind:?}: {document}"
                );
            }
        }
    }
}
