//! What a pack may reach in a run: what its manifest asks for and an administrator
//! gave, with the configuration object's values in place of its variables.

use std::collections::HashMap;

use connectors::http::{Egress, Grant, Grants, Timeouts};
use model::descriptor::{Capability, GrantRequest};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::{
    catalogue::Pack,
    error::{Error, Result},
    prepared::Configured,
    view::GrantDecision,
};

/// The grants that were given to a pack version. They hold from the moment when they
/// are given or taken, for runs in flight too.
#[derive(Default)]
pub(crate) struct Given {
    decisions: RwLock<Vec<GrantDecision>>,
    /// Made from them, by the revision of the configuration object.
    http: Mutex<HashMap<Option<i64>, runtime::HttpAccess>>,
}

impl Given {
    pub(crate) fn new(decisions: Vec<GrantDecision>) -> Self {
        Self {
            decisions: RwLock::new(decisions),
            http: Mutex::default(),
        }
    }

    /// Takes over other decisions.
    pub(crate) fn replace(&self, other: Self) {
        *self.decisions.write() = other.decisions.into_inner();
        self.http.lock().clear();
    }

    fn of(&self, id: &str) -> Option<GrantDecision> {
        self.decisions
            .read()
            .iter()
            .find(|one| one.id == id)
            .cloned()
    }
}

impl Pack {
    /// The grants of this pack that another version keeps: those that it asks for in the
    /// same words. What it wants beyond that is for an administrator to see.
    pub(crate) fn grants_that_last(&self, requested: &[GrantRequest]) -> Vec<GrantDecision> {
        let same = |decision: &GrantDecision| {
            let asked = |list: &[GrantRequest]| {
                list.iter()
                    .find(|request| request.id == decision.id)
                    .map(|request| request.capability.clone())
            };
            asked(requested).is_some_and(|one| asked(&self.requested) == Some(one))
        };
        let decisions = self.given.decisions.read();
        decisions.iter().filter(|one| same(one)).cloned().collect()
    }

    /// The ids of the grants of this pack that are not among these.
    pub(crate) fn grants_missing_in(&self, given: &[GrantDecision]) -> Vec<String> {
        let decisions = self.given.decisions.read();
        decisions
            .iter()
            .filter(|before| !given.iter().any(|after| after.id == before.id))
            .map(|before| before.id.clone())
            .collect()
    }

    /// Whether this pack may use the cache.
    pub(crate) fn may_cache(&self) -> bool {
        self.requested.iter().any(|request| {
            request.capability == Capability::Cache && self.given.of(&request.id).is_some()
        })
    }

    /// What this pack may reach over HTTP in a run with that configuration object.
    pub(crate) fn access(
        &self,
        tenant: i64,
        configured: Option<&Configured>,
        timeouts: Timeouts,
    ) -> runtime::HttpAccess {
        let key = configured.map(|one| one.revision);
        let mut kept = self.given.http.lock();
        if kept.len() > 1024 {
            kept.clear();
        }
        let made = kept.entry(key).or_insert_with(|| {
            let declared = || {
                self.requested
                    .iter()
                    .filter_map(|request| self.http_grant(request, configured))
            };
            runtime::HttpAccess {
                egress: Egress {
                    tenant,
                    pack: self.name.as_str().into(),
                    grants: Grants::new(
                        declared().filter_map(|(grant, given)| given.then_some(grant)),
                    ),
                    tls: None,
                },
                declared: Grants::new(declared().map(|(grant, _)| grant)),
                timeouts,
            }
        });
        made.clone()
    }

    /// A grant that the manifest asks for, and whether it was given. One whose host is
    /// a configuration variable that this run lacks covers nothing.
    fn http_grant(
        &self,
        request: &GrantRequest,
        configured: Option<&Configured>,
    ) -> Option<(Grant, bool)> {
        let Capability::Http {
            host,
            ports,
            methods,
        } = &request.capability
        else {
            return None;
        };
        let decision = self.given.of(&request.id);
        let host = resolve_host(host, configured)?;
        let methods = methods.as_ref().map(|names| {
            names
                .iter()
                .filter_map(|name| name.to_ascii_uppercase().parse().ok())
                .collect()
        });
        match Grant::parse(request.id.as_str(), &host) {
            Ok(grant) => Some((
                grant
                    .with_ports(ports.clone())
                    .with_methods(methods)
                    .with_private_network(decision.as_ref().is_some_and(|one| one.private_network)),
                decision.is_some(),
            )),
            Err(error) => {
                tracing::warn!(pack = %self.name, grant = %request.id, %error, "a grant covers nothing");
                None
            }
        }
    }
}

fn resolve_host(host: &str, configured: Option<&Configured>) -> Option<String> {
    let Some(variable) = host
        .strip_prefix("${config.")
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return Some(host.to_owned());
    };
    let value = configured?.resolved.get(variable)?;
    match serde_json::from_str(&value.json).ok()? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Checks decisions against what the manifest asks for; answers the ids that were
/// asked for and not given.
pub(crate) fn check(
    pack: &str,
    requested: &[GrantRequest],
    given: &[GrantDecision],
) -> Result<Vec<String>> {
    for decision in given {
        let Some(request) = requested.iter().find(|request| request.id == decision.id) else {
            let known: Vec<&str> = requested
                .iter()
                .map(|request| request.id.as_str())
                .collect();
            return Err(Error::Grant(format!(
                "`{pack}` does not ask for a grant `{}`; it asks for: {}",
                decision.id,
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        };
        if decision.private_network && request.capability == Capability::Cache {
            return Err(Error::Grant(format!(
                "the grant `{}` is for the cache: private addresses have no meaning there",
                decision.id
            )));
        }
    }
    Ok(requested
        .iter()
        .filter(|request| !given.iter().any(|decision| decision.id == request.id))
        .map(|request| request.id.clone())
        .collect())
}
