//! Importing, installing, activating and deleting SyncPacks.

use bytes::Bytes;
use model::{
    application::Application,
    configuration::Configuration,
    id::TenantId,
    validate::{Lookup, Registry as _},
};
use store::{
    definitions::{Kind, Save},
    packs::{Activation, Import, PackState, PackVersion},
    schedules::SaveSchedule,
};
use syncpack::version_number;

use crate::{
    Engine,
    bindings::Receiver,
    catalogue::Manifest,
    error::{Error, Fault, Result},
    grants,
    parts::refuse_part,
    view::{Activated, Brought, Caller, GrantDecision, Grants},
};

fn refused(error: &syncpack::Error) -> Error {
    let problems = error.problems();
    if problems.is_empty() {
        return Error::NotASyncPack {
            code: error.code().to_owned(),
            message: error.to_string(),
        };
    }
    Error::Invalid {
        what: "SyncPack",
        faults: problems
            .iter()
            .map(|problem| Fault {
                code: problem.code.to_owned(),
                at: problem.path.clone(),
                message: problem.message.clone(),
            })
            .collect(),
    }
}

async fn read(file: &Bytes) -> Result<syncpack::Archive> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || syncpack::Archive::read(&file))
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
        .map_err(|error| refused(&error))
}

async fn validate(file: &Bytes) -> Result<()> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || syncpack::validate_component(&file))
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
        .map_err(|error| refused(&error))
}

impl Engine {
    /// Stores a SyncPack's file as a version of its pack.
    ///
    /// # Errors
    /// [`Error::NotASyncPack`] or [`Error::Invalid`] with what is wrong with the file,
    /// [`Error::InUse`] when the version exists with another file.
    pub async fn import_pack(&self, caller: &Caller, file: Bytes) -> Result<PackVersion> {
        let archive = read(&file).await?;
        refuse_part(&archive.metadata.manifest.meta.name, "its name is taken")?;
        // Read is what stands outside; what a damaged file breaks inside would be found
        // only by the compiler, when it is stored and somebody wants to use it.
        validate(&file).await?;
        crate::schedules::read_brought(&archive.metadata.schedules)?;
        let manifest = &archive.metadata.manifest;
        let import = Import {
            tenant: caller.tenant,
            name: manifest.meta.name.clone(),
            version: manifest.meta.version.clone(),
            digest: archive.digest.clone(),
            manifest: serde_json::to_string(manifest)
                .map_err(|error| Error::Internal(error.to_string()))?,
            file,
            by: caller.name.clone(),
            at: self.now(),
        };
        // Whatever the sections say, the engine must be able to read it.
        Manifest::parse(&import.manifest)?;
        self.store.import(import).await.map_err(|error| match error {
            store::Error::InUse { .. } => Error::InUse(format!(
                "{error}; raise `version` in the SyncPack's meta.json and build it again, or deactivate and delete that version first"
            )),
            error => error.into(),
        })
    }

    /// Compiles a version. `None`: the newest.
    ///
    /// # Errors
    /// [`Error::PackState`] with the compiler's words; they are stored with the version.
    pub async fn install_pack(
        &self,
        tenant: TenantId,
        name: &str,
        version: Option<&str>,
    ) -> Result<PackVersion> {
        let stored = self.version(tenant, name, version).await?;
        if stored.state == PackState::Installed
            && matches!(self.runtime.load(&stored.digest), Ok(Some(_)))
        {
            return Ok(stored);
        }
        let file = self.file(&stored).await?;
        self.store
            .set_pack_state(stored.id, PackState::Installing, None, self.now())
            .await?;
        let installed = self.compile(&stored.digest, file).await;
        let (state, error) = match &installed {
            Ok(()) => (PackState::Installed, None),
            Err(error) => (PackState::Failed, Some(error.to_string())),
        };
        self.store
            .set_pack_state(stored.id, state, error.as_deref(), self.now())
            .await?;
        if let Some(error) = error {
            return Err(Error::PackState(format!(
                "`{name}` {} cannot be installed: {error}",
                stored.version
            )));
        }
        self.version(tenant, name, Some(&stored.version)).await
    }

    /// Makes a version the active one; installs it first if that was not done. A version of
    /// `None` is the newest, or the active one where grants are added. Grants of `None`: of
    /// each request what was decided last about exactly the same, see `grants::standing`.
    pub async fn activate_pack(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&str>,
        grants: Option<Grants>,
    ) -> Result<Activated> {
        let snapshot = self.catalogue.active(caller.tenant);
        let before = snapshot.pack(name);
        let version = version.or_else(|| {
            let adds = grants.as_ref().is_some_and(|grants| grants.add);
            before.filter(|_| adds).map(|pack| &*pack.version)
        });
        let stored = self.version(caller.tenant, name, version).await?;
        let manifest = Manifest::parse(&stored.manifest)?;
        check_platform(name, manifest.requires_platform.as_deref())?;
        // What can be refused before anything is compiled.
        if let Some(grants) = &grants {
            grants::check(name, &manifest.grants, &grants.given)?;
        }
        let stored = self
            .install_pack(caller.tenant, name, Some(&stored.version))
            .await?;
        let (definitions, schedules) = self.brought(caller, &stored).await?;
        let comes: Vec<_> = schedules.iter().map(|save| save.name.clone()).collect();
        let receiver = Receiver {
            tenant: caller.tenant,
            pack: name,
            manifest: &manifest,
            brought: &definitions,
        };
        let standing = grants::standing(&manifest.grants, &self.pack(caller.tenant, name).await?)?;
        let (mut given, later) = self.decide(&receiver, standing, grants).await?;
        let not_granted = grants::not_granted(&manifest.grants, &given);
        let had = before.map_or_else(Vec::new, |pack| pack.grants());
        let previous = before.map(|pack| pack.version.clone());
        let before = self.revisions(&definitions).await?;
        let names: Vec<_> = definitions
            .iter()
            .map(|save| (save.kind, save.name.clone()))
            .collect();
        let kept = self
            .store
            .activate(self.activation(caller.tenant, stored.id, &given, definitions, schedules)?)
            .await?;
        if !later.is_empty() {
            self.add_made(caller.tenant, &mut given, later).await?;
            self.store
                .activate(self.activation(
                    caller.tenant,
                    stored.id,
                    &given,
                    Vec::new(),
                    Vec::new(),
                )?)
                .await?;
        }
        let taken_away = grants::beyond(&had, &given, false);
        let newly_granted = grants::beyond(&given, &had, true);
        self.reload_packs(caller.tenant).await?;
        self.tell_changed();
        if !comes.is_empty() {
            self.tell_scheduled();
        }
        let written = names.into_iter().zip(before);
        let written = written.filter(|((_, name), _)| !kept.contains(name));
        let brought = self.anew(caller.tenant, written).await?;
        Ok(Activated {
            pack: self
                .version(caller.tenant, name, Some(&stored.version))
                .await?,
            kept,
            not_granted,
            previous,
            newly_granted,
            taken_away,
            brought,
            schedules: comes,
        })
    }

    /// Those of these documents, each with its revision before, that have another one now.
    async fn anew(
        &self,
        tenant: TenantId,
        documents: impl Iterator<Item = ((Kind, String), Option<i64>)> + Send,
    ) -> Result<Vec<Brought>> {
        let mut anew = Vec::new();
        for ((kind, name), before) in documents {
            let found = self.store.definition(tenant, kind, &name).await?;
            let found = found.filter(|found| Some(found.revision) != before);
            anew.extend(found.map(|found| Brought {
                application: kind == Kind::Application,
                name,
                revision: found.number,
            }));
        }
        Ok(anew)
    }

    fn activation(
        &self,
        tenant: TenantId,
        id: i64,
        grants: &[GrantDecision],
        definitions: Vec<Save>,
        schedules: Vec<SaveSchedule>,
    ) -> Result<Activation> {
        Ok(Activation {
            tenant,
            id,
            grants: serde_json::to_string(grants)
                .map_err(|error| Error::Internal(error.to_string()))?,
            definitions,
            schedules,
            at: self.now(),
        })
    }

    /// The newest revisions of documents that are about to be saved.
    async fn revisions(&self, saves: &[Save]) -> Result<Vec<Option<i64>>> {
        let mut revisions = Vec::with_capacity(saves.len());
        for save in saves {
            let found = self
                .store
                .definition(save.tenant, save.kind, &save.name)
                .await?;
            revisions.push(found.map(|found| found.revision));
        }
        Ok(revisions)
    }

    /// The uploaded file of a version.
    async fn file(&self, stored: &PackVersion) -> Result<Bytes> {
        self.store.component(&stored.digest).await?.ok_or_else(|| {
            Error::PackState(format!(
                "the file of `{}` is gone; upload it again",
                stored.name
            ))
        })
    }

    /// The documents that a version brings, sealed and named.
    async fn brought(
        &self,
        caller: &Caller,
        stored: &PackVersion,
    ) -> Result<(Vec<Save>, Vec<SaveSchedule>)> {
        let file = self.file(stored).await?;
        let archive = read(&file).await?;
        let origin = format!("{}@{}", stored.name, stored.version);
        let schedules = self
            .brought_schedules(caller, &origin, &archive.metadata.schedules)
            .await?;
        let mut saves = Vec::new();
        let save = |kind, name: String, friendly_name: String, document| Save {
            tenant: caller.tenant,
            kind,
            name,
            friendly_name,
            folder: String::new(),
            document,
            by: caller.name.clone(),
            at: self.now(),
            expected: None,
            relies: Vec::new(),
            origin: Some(origin.clone()),
        };
        for document in archive.metadata.applications {
            let mut application = Application::from_value(document)
                .map_err(|error| Error::Internal(error.to_string()))?;
            let Some(name) = application.name_or_derived(None) else {
                continue;
            };
            if application.name().is_none() {
                application.set_name(&name);
            }
            let friendly_name = application.friendly_name().unwrap_or(&name).to_owned();
            saves.push(save(
                Kind::Application,
                name,
                friendly_name,
                application.to_pretty(),
            ));
        }
        for document in archive.metadata.configurations {
            let mut configuration = Configuration::from_value(document)
                .map_err(|error| Error::Internal(error.to_string()))?;
            let Some(name) = configuration
                .name()
                .or(configuration.friendly_name())
                .map(str::to_owned)
            else {
                continue;
            };
            let mut faults = Vec::new();
            let before = self
                .store
                .definition(caller.tenant, Kind::Configuration, &name)
                .await?;
            self.refuse_foreign(&mut configuration, before.as_ref(), &mut faults)
                .await?;
            self.seal_values(&mut configuration, &mut faults)?;
            if !faults.is_empty() {
                return Err(Error::Invalid {
                    what: "configuration object of the SyncPack",
                    faults,
                });
            }
            let friendly_name = configuration.friendly_name().unwrap_or(&name).to_owned();
            saves.push(save(
                Kind::Configuration,
                name,
                friendly_name,
                configuration.to_pretty(),
            ));
        }
        self.keep_what_means_the_same(&mut saves).await?;
        Ok((saves, schedules))
    }

    /// Each sealing differs: what means the same as what is stored is no new revision.
    async fn keep_what_means_the_same(&self, saves: &mut [Save]) -> Result<()> {
        for save in saves {
            let found = self
                .store
                .definition(save.tenant, save.kind, &save.name)
                .await?;
            if let Some(found) = found
                && self.means_the_same(save.kind, &found.document, &save.document)
            {
                save.document = found.document;
            }
        }
        Ok(())
    }

    /// Makes no version of a pack active: its steps leave the registry. Answers the
    /// applications that name such steps, which cannot run until it is active again.
    pub async fn deactivate_pack(&self, caller: &Caller, name: &str) -> Result<Vec<String>> {
        refuse_part(name, "it stays active")?;
        self.version(caller.tenant, name, None).await?;
        let before = self.catalogue.active(caller.tenant);
        if !self.store.deactivate(caller.tenant, name).await? {
            return Err(Error::PackState(format!(
                "no version of `{name}` is active"
            )));
        }
        self.reload_packs(caller.tenant).await?;
        self.tell_changed();
        self.applications_where(caller.tenant, |application| {
            application.steps().any(|step| {
                let of_pack = |lookup: &Lookup| matches!(lookup, Lookup::Found { syncpack, .. } if syncpack == name);
                step.file()
                    .is_some_and(|file| of_pack(&before.step(step.syncpack(), file)))
            })
        })
        .await
    }

    /// Deletes a version, or all versions of a pack.
    ///
    /// # Errors
    /// [`Error::InUse`] when one is active or a run that has not ended is pinned to it.
    pub async fn delete_pack(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&str>,
    ) -> Result<()> {
        let versions = self.pack(caller.tenant, name).await?;
        for stored in versions
            .iter()
            .filter(|one| version.is_none_or(|wanted| wanted == one.version))
        {
            self.store
                .delete_pack(caller.tenant, name, &stored.version)
                .await?;
            self.catalogue.forget(stored.id);
            self.runtime.forget(&stored.digest);
        }
        self.prepared.forget_applications();
        Ok(())
    }

    /// Every stored version of every pack.
    pub async fn packs(&self, tenant: TenantId) -> Result<Vec<PackVersion>> {
        Ok(self.store.packs(tenant).await?)
    }

    /// Every stored version of one pack.
    pub async fn pack(&self, tenant: TenantId, name: &str) -> Result<Vec<PackVersion>> {
        let all = self.store.packs(tenant).await?;
        let versions: Vec<PackVersion> = all.into_iter().filter(|one| one.name == name).collect();
        if versions.is_empty() {
            return Err(Error::not_found("SyncPack", name));
        }
        Ok(versions)
    }

    /// One version; `None`: the one of the highest number.
    async fn version(
        &self,
        tenant: TenantId,
        name: &str,
        version: Option<&str>,
    ) -> Result<PackVersion> {
        let versions = self.pack(tenant, name).await?;
        let found = match version {
            Some(wanted) => versions.iter().find(|one| one.version == wanted),
            None => versions.iter().max_by(|a, b| {
                version_number(&a.version)
                    .cmp(&version_number(&b.version))
                    .then(a.imported_at.cmp(&b.imported_at))
            }),
        };
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = versions.iter().map(|one| one.version.as_str()).collect();
            Error::NotFound {
                what: "version of the SyncPack",
                name: format!("{name} {}", version.unwrap_or_default()),
                hint: format!("; stored: {}", known.join(", ")),
            }
        })
    }
}

fn check_platform(pack: &str, required: Option<&str>) -> Result<()> {
    let Some(required) = required else {
        return Ok(());
    };
    let wanted = semver::VersionReq::parse(required).map_err(|error| {
        Error::PackState(format!(
            "`{pack}` names a minimum platform version `{required}` that cannot be read: {error}"
        ))
    })?;
    let ours = env!("CARGO_PKG_VERSION");
    let fits = version_number(ours).is_some_and(|ours| wanted.matches(&ours));
    if fits {
        Ok(())
    } else {
        Err(Error::PackState(format!(
            "`{pack}` needs PowerFlow {required}; this is {ours}: update PowerFlow, or take an older version of the pack"
        )))
    }
}
