//! Which configuration objects a grant holds for whose host is a configuration variable.
//!
//! Whoever may write configuration objects may let a variable name another host, or make
//! an object of his own with secrets of another. So such a grant is given for objects and
//! the hosts that they name when it is given; for another host it is not given.

use std::collections::BTreeSet;

use model::{
    application::Application, configuration::Configuration, descriptor::Capability, id::TenantId,
};
use store::definitions::{Kind, Save};

use crate::{
    Engine,
    catalogue::Manifest,
    error::{Error, Result},
    grants::{check, host_variable},
    view::{Give, GrantDecision, Grants, HoldsFor},
};

/// A pack that is given grants.
pub(crate) struct Receiver<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) pack: &'a str,
    pub(crate) manifest: &'a Manifest,
    /// The documents that the activation brings.
    pub(crate) brought: &'a [Save],
}

/// Objects that a grant is given for, and that the activation makes.
pub(crate) struct Later {
    grant: String,
    variable: String,
    name: String,
    host: String,
}

/// A configuration object as it will be after the activation, as far as a grant is concerned.
struct Object {
    /// `None`: the activation makes it.
    id: Option<i64>,
    host: Option<String>,
}

impl Engine {
    /// What comes of grants that are given to a pack with these decisions so far.
    pub(crate) async fn decide(
        &self,
        to: &Receiver<'_>,
        before: Vec<GrantDecision>,
        grants: Option<Grants>,
    ) -> Result<(Vec<GrantDecision>, Vec<Later>)> {
        let Some(grants) = grants else {
            return Ok((before, Vec::new()));
        };
        check(to.pack, &to.manifest.grants, &grants.given)?;
        let mut decisions = if grants.add {
            before.clone()
        } else {
            Vec::new()
        };
        let mut later = Vec::new();
        for give in &grants.given {
            let had = before.iter().find(|one| one.id == give.id);
            let (mut objects, new) = self.objects(to, give, had).await?;
            later.extend(new);
            let earlier = decisions.iter().position(|one| one.id == give.id);
            let earlier = earlier.map(|at| decisions.remove(at));
            let mut private_network = give.private_network;
            if let Some(earlier) = earlier {
                private_network |= earlier.private_network;
                // Without objects named, it is decided anew for which.
                let stay = give.configurations.is_some();
                objects.extend(
                    earlier
                        .configurations
                        .into_iter()
                        .filter(|one| stay && !later.iter().any(|new| new.is(&give.id, &one.name))),
                );
            }
            let mut seen = BTreeSet::new();
            objects.retain(|one| seen.insert(one.id));
            decisions.push(GrantDecision {
                id: give.id.clone(),
                private_network,
                configurations: objects,
            });
        }
        Ok((decisions, later))
    }

    /// The objects that a grant is given for: those that exist, and those to come.
    async fn objects(
        &self,
        to: &Receiver<'_>,
        give: &Give,
        had: Option<&GrantDecision>,
    ) -> Result<(Vec<HoldsFor>, Vec<Later>)> {
        let Some(variable) =
            to.manifest
                .grants
                .iter()
                .find_map(|request| match &request.capability {
                    Capability::Http { host, .. } if request.id == give.id => host_variable(host),
                    _ => None,
                })
        else {
            return Ok((Vec::new(), Vec::new()));
        };
        let names = match &give.configurations {
            Some(names) if names.is_empty() => {
                return Err(Error::Grant(format!(
                    "the grant `{}` is given for no configuration object: name one, or leave the list out",
                    give.id
                )));
            }
            Some(names) => names.iter().cloned().collect(),
            None => self.objects_of(to, had).await?,
        };
        let (mut objects, mut later) = (Vec::new(), Vec::new());
        for name in names {
            let refused = |why: &str| {
                Error::Grant(format!(
                    "the grant `{}` cannot be given for the configuration object `{name}`: {why}",
                    give.id
                ))
            };
            let found = self.object(to, &name, variable).await;
            // Those that nobody named may be anything.
            let explicit = give.configurations.is_some();
            match found {
                Ok(Some(Object {
                    id,
                    host: Some(host),
                })) => match id {
                    Some(id) => objects.push(HoldsFor { id, name, host }),
                    None => later.push(Later {
                        grant: give.id.clone(),
                        variable: variable.to_owned(),
                        name,
                        host,
                    }),
                },
                Ok(None) if explicit => return Err(refused("there is none of that name")),
                Ok(Some(_)) if explicit => {
                    return Err(refused(&format!(
                        "its variable `{variable}` names no host: set it to a host or an http(s) URL first"
                    )));
                }
                Err(error @ Error::CannotRun { .. }) if explicit => {
                    return Err(refused(&error.to_string()));
                }
                Ok(_) | Err(Error::CannotRun { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((objects, later))
    }

    /// The objects that belong to a pack: those that it brings, those that applications
    /// with its steps are aligned with, and those that it had the grant for. Any other may
    /// be anybody's, so it must be named.
    async fn objects_of(
        &self,
        to: &Receiver<'_>,
        had: Option<&GrantDecision>,
    ) -> Result<BTreeSet<String>> {
        let mut names: BTreeSet<String> = had
            .into_iter()
            .flat_map(|one| one.configurations.iter().map(|object| object.name.clone()))
            .collect();
        let aligned = |document: &str| {
            let application = Application::parse(document).ok()?;
            let uses = application.steps().any(|step| match step.syncpack() {
                Some(pack) => pack == to.pack,
                None => step.file().is_some_and(|file| to.manifest.has_step(file)),
            });
            uses.then(|| application.configuration().map(str::to_owned))?
        };
        for save in to.brought {
            match save.kind {
                Kind::Configuration => names.extend([save.name.clone()]),
                Kind::Application => names.extend(aligned(&save.document)),
            }
        }
        let mut after = None::<String>;
        loop {
            let page = self
                .store
                .definitions(to.tenant, Kind::Application, "", after.as_deref(), 200)
                .await?;
            names.extend(page.items.iter().filter_map(|one| aligned(&one.document)));
            after = page.next;
            if after.is_none() {
                return Ok(names);
            }
        }
    }

    async fn object(
        &self,
        to: &Receiver<'_>,
        name: &str,
        variable: &str,
    ) -> Result<Option<Object>> {
        let found = self
            .store
            .definition(to.tenant, Kind::Configuration, name)
            .await?;
        // What a person saved is kept.
        let kept = found.as_ref().is_some_and(|found| found.origin.is_none());
        let brought = to
            .brought
            .iter()
            .find(|save| save.kind == Kind::Configuration && save.name == name && !kept);
        let host = match (brought, &found) {
            (Some(save), _) => {
                let configuration = Configuration::parse(&save.document)
                    .map_err(|error| Error::Internal(error.to_string()))?;
                let configured = self.configured_as(0, 0, name, &configuration)?;
                configured.host(variable)
            }
            (None, Some(found)) => self.configure(found)?.host(variable),
            (None, None) => return Ok(None),
        };
        Ok(Some(Object {
            id: found.map(|found| found.id),
            host: host.map(|(_, recorded)| recorded),
        }))
    }

    /// Adds the objects that the activation has made, if they name the hosts that were looked at.
    pub(crate) async fn add_made(
        &self,
        tenant: TenantId,
        decisions: &mut [GrantDecision],
        later: Vec<Later>,
    ) -> Result<()> {
        for one in later {
            let found = self
                .store
                .definition(tenant, Kind::Configuration, &one.name)
                .await?;
            let Some(found) = found else { continue };
            let host = self.configure(&found)?.host(&one.variable);
            if host.is_some_and(|(_, recorded)| recorded == one.host)
                && let Some(decision) = decisions.iter_mut().find(|each| each.id == one.grant)
            {
                decision.configurations.push(HoldsFor {
                    id: found.id,
                    name: one.name,
                    host: one.host,
                });
            }
        }
        Ok(())
    }
}

impl Later {
    fn is(&self, grant: &str, name: &str) -> bool {
        self.grant == grant && self.name == name
    }
}
