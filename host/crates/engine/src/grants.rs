//! What a pack may reach in a run: what its manifest asks for and an administrator
//! gave, with the configuration object's values in place of its variables.

use std::{collections::HashMap, sync::Arc};

use connectors::http::{Egress, Grant, Grants, Timeouts};
use model::descriptor::{Capability, GrantRequest};
use parking_lot::{Mutex, RwLock};
use store::packs::PackVersion;

use crate::{
    catalogue::{Manifest, Pack},
    error::{Error, Result},
    prepared::Configured,
    view::{Give, GrantDecision, HoldsFor},
};

/// The grants that were given to a pack version. They hold from the moment when they
/// are given or taken, for runs in flight too.
#[derive(Default)]
pub(crate) struct Given {
    decisions: RwLock<Vec<GrantDecision>>,
    /// Made from them, by the revision of the configuration object.
    http: Mutex<HashMap<Option<i64>, Made>>,
}

/// An object, and a host as a grant records it.
type Bound = (i64, String);

/// What a pack may reach in runs with one revision of a configuration object.
struct Made {
    access: runtime::HttpAccess,
    /// The grants whose host is a configuration variable, with what it names.
    bound: HashMap<Arc<str>, Bound>,
}

/// Whether a grant was given for what names its host.
fn holds(decision: &GrantDecision, bound: Option<&Bound>) -> bool {
    bound.is_none_or(|(id, host)| {
        let mut objects = decision.configurations.iter();
        objects.any(|held| held.id == *id && held.host == *host)
    })
}

impl Given {
    pub(crate) fn new(decisions: Vec<GrantDecision>) -> Self {
        Self {
            decisions: RwLock::new(decisions),
            http: Mutex::default(),
        }
    }

    /// Takes over other decisions, which hold for what executes too; says whether they differ.
    pub(crate) fn replace(&self, other: Self) -> bool {
        let decisions = other.decisions.into_inner();
        let kept = self.http.lock();
        let changed = *self.decisions.read() != decisions;
        *self.decisions.write() = decisions;
        if changed {
            for Made { access, bound } in kept.values() {
                let declared = access.declared.now();
                let given = declared.iter().filter_map(|grant| {
                    let decision = self.of(&grant.id)?;
                    holds(&decision, bound.get(&grant.id)).then_some(())?;
                    Some(Grant::clone(grant).with_private_network(decision.private_network))
                });
                access.egress.grants.replace(given);
            }
        }
        drop(kept);
        changed
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
    /// The grants that were given to it.
    pub(crate) fn grants(&self) -> Vec<GrantDecision> {
        self.given.decisions.read().clone()
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
            // What executes must hear of what is taken away.
            kept.retain(|_, made| made.access.egress.grants.are_shared());
        }
        let made = kept.entry(key).or_insert_with(|| {
            let declared = || {
                self.requested
                    .iter()
                    .filter_map(|request| self.http_grant(request, configured))
            };
            let without_host = self.requested.iter().filter_map(|request| {
                let Capability::Http { host, .. } = &request.capability else {
                    return None;
                };
                let variable = host_variable(host)?;
                let lacks = configured.is_none_or(|one| one.host(variable).is_none());
                lacks.then(|| (request.id.as_str().into(), variable.into()))
            });
            let bound: HashMap<_, _> = self
                .requested
                .iter()
                .filter_map(|request| {
                    Some((request.id.as_str().into(), bound(request, configured)?))
                })
                .collect();
            let named_by = configured.map_or_else(HashMap::new, |configured| {
                let named = bound
                    .keys()
                    .map(|id: &Arc<str>| (id.clone(), configured.name.clone()));
                named.collect()
            });
            let access = runtime::HttpAccess {
                without_host: without_host.collect(),
                egress: Egress {
                    tenant,
                    pack: self.name.as_str().into(),
                    grants: Grants::new(
                        declared().filter_map(|(grant, given)| given.then_some(grant)),
                    ),
                    tls: None,
                },
                declared: Grants::new(declared().map(|(grant, _)| grant)),
                named_by,
                timeouts,
            };
            Made { access, bound }
        });
        made.access.clone()
    }

    /// A grant that the manifest asks for, and whether it was given. One whose host is
    /// a configuration variable is given for objects and the hosts that they named then; one
    /// whose variable this run lacks covers nothing.
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
        let host = match host_variable(host) {
            None => host.clone(),
            Some(variable) => configured?.host(variable)?.0,
        };
        let decision = self
            .given
            .of(&request.id)
            .filter(|one| holds(one, bound(request, configured).as_ref()));
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

/// What a version that asks for `requested` may do when nobody says anything about it: of
/// each request, what was decided last about exactly the same one, whichever version of the
/// pack asked for it. What no version has asked for in these words is for an administrator
/// to see.
pub(crate) fn standing(
    requested: &[GrantRequest],
    versions: &[PackVersion],
) -> Result<Vec<GrantDecision>> {
    let mut newest: Vec<&PackVersion> = versions
        .iter()
        .filter(|version| version.activated_at.is_some())
        .collect();
    newest.sort_by_key(|version| std::cmp::Reverse((version.active, version.activated_at)));
    let mut decided = Vec::with_capacity(newest.len());
    for version in newest {
        let asked = Manifest::parse(&version.manifest)?.grants;
        decided.push((asked, decisions(version)?));
    }
    let of = |request: &GrantRequest| {
        let (_, given) = decided.iter().find(|(asked, _)| {
            asked
                .iter()
                .any(|one| one.id == request.id && one.capability == request.capability)
        })?;
        given.iter().find(|one| one.id == request.id).cloned()
    };
    Ok(requested.iter().filter_map(of).collect())
}

/// The grants that were given to a stored version.
pub(crate) fn decisions(version: &PackVersion) -> Result<Vec<GrantDecision>> {
    serde_json::from_str(&version.grants).map_err(|error| {
        Error::Internal(format!(
            "the grants of `{}` cannot be read: {error}",
            version.name
        ))
    })
}

/// What is given in `these` and not in `other`: ids, and `ID=OBJECT` for a configuration
/// object. A grant that leads to private addresses too is more than one that does not.
pub(crate) fn beyond(these: &[GrantDecision], other: &[GrantDecision], hosts: bool) -> Vec<String> {
    let mut beyond = Vec::new();
    for one in these {
        let known = other
            .iter()
            .find(|known| known.id == one.id && (known.private_network || !one.private_network));
        let Some(known) = known else {
            beyond.push(one.id.clone());
            continue;
        };
        let same = |a: &HoldsFor, b: &HoldsFor| a.id == b.id && (!hosts || a.host == b.host);
        let objects = one
            .configurations
            .iter()
            .filter(|object| !known.configurations.iter().any(|other| same(object, other)));
        beyond.extend(objects.map(|object| format!("{}={}", one.id, object.name)));
    }
    beyond
}

/// The configuration variable that names the host of a grant.
pub(crate) fn host_variable(host: &str) -> Option<&str> {
    host.strip_prefix("${config.")?.strip_suffix('}')
}

/// What names the host of a grant, where a configuration variable does.
fn bound(request: &GrantRequest, configured: Option<&Configured>) -> Option<Bound> {
    let Capability::Http { host, .. } = &request.capability else {
        return None;
    };
    let configured = configured?;
    let (_, recorded) = configured.host(host_variable(host)?)?;
    Some((configured.id, recorded))
}

/// Checks what is given against what the manifest asks for.
pub(crate) fn check(pack: &str, requested: &[GrantRequest], given: &[Give]) -> Result<()> {
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
        let by_variable = matches!(
            &request.capability,
            Capability::Http { host, .. } if host_variable(host).is_some()
        );
        if decision.configurations.is_some() && !by_variable {
            return Err(Error::Grant(format!(
                "the grant `{}` is not given per configuration object, because no configuration variable names its host: give it without one",
                decision.id
            )));
        }
    }
    Ok(())
}

/// The ids that are asked for and not given.
pub(crate) fn not_granted(requested: &[GrantRequest], given: &[GrantDecision]) -> Vec<String> {
    requested
        .iter()
        .filter(|request| !given.iter().any(|decision| decision.id == request.id))
        .map(|request| request.id.clone())
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use model::clock::Timestamp;
    use serde_json::{Value, json};
    use store::packs::PackState;

    use super::*;

    fn version(host: &str, activated: Option<i64>, active: bool, grants: &Value) -> PackVersion {
        PackVersion {
            id: 1,
            name: "pack".to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
            manifest: json!({"grants": [{"id": "sn", "kind": "http", "host": host}]}).to_string(),
            state: PackState::Installed,
            error: None,
            active,
            grants: grants.to_string(),
            imported_by: String::new(),
            imported_at: Timestamp(0),
            installed_at: None,
            activated_at: activated.map(Timestamp),
        }
    }

    fn asked(version: &PackVersion) -> Vec<GrantRequest> {
        Manifest::parse(&version.manifest).unwrap().grants
    }

    #[test]
    fn what_was_decided_last_about_the_same_request_stands() {
        let given = json!([{"id": "sn", "private_network": true}]);
        let first = version("a.example", Some(1), false, &given);
        let other = version("b.example", Some(2), true, &json!([]));
        let standing = |one: &PackVersion, all: &[&PackVersion]| {
            let all: Vec<PackVersion> = all.iter().map(|one| (*one).clone()).collect();
            super::standing(&asked(one), &all).unwrap()
        };
        // Back to a version that was given it: another request says nothing about it.
        let back = standing(&first, &[&first, &other]);
        assert!(back.len() == 1 && back[0].private_network, "{back:?}");
        assert!(standing(&other, &[&first, &other]).is_empty());
        // Taken away from a newer one that asked for the same, it is not given back.
        let denied = version("a.example", Some(3), false, &json!([]));
        assert!(standing(&first, &[&first, &other, &denied]).is_empty());
        // Nor is a version's word of any weight that was never active.
        let never = version("a.example", None, false, &given);
        assert!(standing(&never, &[&other, &never]).is_empty());
    }

    #[test]
    fn private_addresses_are_more() {
        let decision = |id: &str, private_network| GrantDecision {
            id: id.to_owned(),
            private_network,
            configurations: Vec::new(),
        };
        let wide = [decision("a", true), decision("b", false)];
        let narrow = [decision("a", false)];
        assert_eq!(beyond(&wide, &narrow, true), ["a", "b"]);
        assert_eq!(beyond(&narrow, &wide, true), [""; 0]);
    }

    #[test]
    fn objects_are_told_too() {
        let decision = |objects: &[(i64, &str)]| GrantDecision {
            configurations: objects
                .iter()
                .map(|(id, host)| HoldsFor {
                    id: *id,
                    name: format!("o{id}"),
                    host: (*host).to_owned(),
                })
                .collect(),
            ..given_sn(false)
        };
        let (before, now) = ([decision(&[(1, "a"), (2, "b")])], [decision(&[(1, "c")])]);
        assert_eq!(beyond(&before, &now, false), ["sn=o2"]);
        assert_eq!(beyond(&now, &before, true), ["sn=o1"]);
    }

    fn given_sn(private_network: bool) -> GrantDecision {
        GrantDecision {
            id: "sn".to_owned(),
            private_network,
            configurations: Vec::new(),
        }
    }

    #[test]
    fn what_executes_has_the_grants_of_its_object_and_host() {
        let request = r#"{"id": "sn", "kind": "http", "host": "${config.url}"}"#;
        let pack = pack_that_asks(request, Vec::new());
        let configured =
            Configured::of(7, json!([{"name": "url", "value": "https://h.example/x"}]));
        let executes = pack.access(1, Some(&configured), Timeouts::default());
        let given = |id, host: &str| GrantDecision {
            configurations: vec![HoldsFor {
                id,
                name: "o".to_owned(),
                host: host.to_owned(),
            }],
            ..given_sn(false)
        };
        for (decision, holds) in [
            (given_sn(true), false),
            (given(7, "h.example:443"), true),
            (given(8, "h.example:443"), false),
            (given(7, "h.example:80"), false),
            (given(7, "other.example:443"), false),
        ] {
            pack.given.replace(Given::new(vec![decision.clone()]));
            assert_eq!(
                executes.egress.grants.now().len(),
                usize::from(holds),
                "{decision:?}"
            );
            let fresh = pack_that_asks(request, vec![decision]);
            let access = fresh.access(1, Some(&configured), Timeouts::default());
            assert_eq!(access.egress.grants.now().len(), usize::from(holds));
            let none = fresh.access(1, None, Timeouts::default());
            assert!(none.egress.grants.now().is_empty());
        }
    }

    fn pack_that_asks(request: &str, given: Vec<GrantDecision>) -> Pack {
        Pack {
            name: "p".to_owned(),
            version: "1".to_owned(),
            digest: String::new(),
            author: String::new(),
            steps: std::collections::BTreeMap::new(),
            requested: vec![serde_json::from_str(request).unwrap()],
            given: Given::new(given),
            program: tokio::sync::OnceCell::new(),
        }
    }

    #[test]
    fn what_executes_has_the_grants_of_now() {
        let request = r#"{"id": "sn", "kind": "http", "host": "h.example"}"#;
        let pack = pack_that_asks(request, vec![given_sn(false)]);
        let executes = pack.access(1, None, Timeouts::default());
        let given = || {
            let now = executes.egress.grants.now();
            let told = now.iter().map(|grant| grant.private_network);
            told.collect::<Vec<_>>()
        };
        assert_eq!(given(), [false]);
        assert!(!pack.given.replace(Given::new(vec![given_sn(false)])));
        assert!(pack.given.replace(Given::new(vec![given_sn(true)])));
        assert_eq!(given(), [true]);
        assert!(pack.given.replace(Given::new(Vec::new())));
        assert!(given().is_empty());
        // It can be given again.
        assert!(pack.given.replace(Given::new(vec![given_sn(false)])));
        assert_eq!(given(), [false]);
    }
}
