//! What saving an application and saving a configuration object have in common.

use std::path::Path;

use model::{
    id::TenantId,
    validate::{Problem, Severity},
};
use serde_json::Value;
use store::definitions::{Definition, Kind, Save};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    view::{Caller, Saved},
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
                message: "the document has neither `name` nor `friendly_name`: add one".to_owned(),
            }],
        }),
    }
}

/// Whether a document may be given a name: it has none. One of the wrong type is a fault of the
/// document, not to be written over.
pub(crate) fn lacks_name(name: Option<&Value>) -> bool {
    name.is_none_or(|name| name.is_null() || name.is_string())
}

impl Engine {
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
        expected: Option<i64>,
        warnings: Vec<Fault>,
    ) -> Result<Saved> {
        let definition = self
            .store
            .save(Save {
                tenant: caller.tenant,
                kind,
                name,
                friendly_name,
                folder: String::new(),
                document,
                by: caller.name.clone(),
                at: self.now(),
                expected,
                origin: None,
            })
            .await?;
        self.prepared.forget_current();
        Ok(Saved {
            created: definition.number == 1,
            definition,
            warnings,
        })
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
        Ok(())
    }
}
