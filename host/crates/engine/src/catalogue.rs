//! The packs that steps come from: the active ones, and those that runs are pinned to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use model::{
    descriptor::{GrantRequest, StepDescriptor},
    id::TenantId,
    operator,
    validate::{Lookup, Registry},
};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;
use store::packs::{Artefact, PackVersion};

use crate::{
    Engine,
    error::{Error, Result},
    grants::{self, Given},
};

/// One version of a pack, ready to execute.
pub(crate) struct Pack {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) author: String,
    pub(crate) steps: BTreeMap<String, Step>,
    pub(crate) requested: Vec<GrantRequest>,
    pub(crate) given: Given,
    pub(crate) program: tokio::sync::OnceCell<Arc<runtime::Program>>,
}

/// A step of a pack.
pub(crate) struct Step {
    pub(crate) descriptor: Arc<StepDescriptor>,
    /// The descriptor as the manifest has it.
    pub(crate) document: Value,
}

/// What the engine reads of a manifest.
#[derive(Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) author: String,
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    pub(crate) grants: Vec<GrantRequest>,
    #[serde(default)]
    pub(crate) requires_platform: Option<String>,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::Internal(format!("a stored manifest cannot be read: {error}")))
    }

    /// Whether the pack has a step of that id.
    pub(crate) fn has_step(&self, file: &str) -> bool {
        self.steps.iter().any(|step| step["name"] == file)
    }
}

impl Pack {
    /// The pack of a stored version.
    pub(crate) fn load(stored: &PackVersion) -> Result<Self> {
        let manifest = Manifest::parse(&stored.manifest)?;
        let mut steps = BTreeMap::new();
        for document in manifest.steps {
            let descriptor: StepDescriptor =
                serde_json::from_value(document.clone()).map_err(|error| {
                    Error::Internal(format!(
                        "a step of `{}` cannot be read: {error}",
                        stored.name
                    ))
                })?;
            let name = descriptor.name.clone();
            let descriptor = Arc::new(descriptor);
            steps.insert(
                name,
                Step {
                    descriptor,
                    document,
                },
            );
        }
        let given = grants::decisions(stored)?;
        Ok(Self {
            name: stored.name.clone(),
            version: stored.version.clone(),
            digest: stored.digest.clone(),
            author: manifest.author,
            steps,
            requested: manifest.grants,
            given: Given::new(given),
            program: tokio::sync::OnceCell::new(),
        })
    }
}

/// Packs by name, one version of each.
#[derive(Default)]
pub(crate) struct Snapshot {
    packs: BTreeMap<String, Arc<Pack>>,
}

impl Snapshot {
    pub(crate) fn new(packs: impl IntoIterator<Item = Arc<Pack>>) -> Self {
        Self {
            packs: packs
                .into_iter()
                .map(|pack| (pack.name.clone(), pack))
                .collect(),
        }
    }

    pub(crate) fn pack(&self, name: &str) -> Option<&Arc<Pack>> {
        self.packs.get(name)
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = &Arc<Pack>> {
        self.packs.values()
    }
}

impl Registry for Snapshot {
    fn step(&self, syncpack: Option<&str>, file: &str) -> Lookup {
        let found = |pack: &Arc<Pack>| {
            pack.steps.get(file).map(|step| Lookup::Found {
                syncpack: pack.name.clone(),
                descriptor: step.descriptor.clone(),
            })
        };
        if let Some(name) = syncpack {
            return match self.packs.get(name) {
                None => Lookup::UnknownPack,
                Some(pack) => found(pack).unwrap_or(Lookup::UnknownStep),
            };
        }
        // What executes operators is never meant by a step's name alone.
        let having: Vec<&Arc<Pack>> = self
            .packs
            .values()
            .filter(|pack| pack.name != operator::PACK && pack.steps.contains_key(file))
            .collect();
        match having.as_slice() {
            [] => Lookup::UnknownStep,
            [pack] => found(pack).unwrap_or(Lookup::UnknownStep),
            several => Lookup::Ambiguous(several.iter().map(|pack| pack.name.clone()).collect()),
        }
    }

    fn steps(&self, syncpack: Option<&str>) -> Vec<String> {
        self.packs
            .values()
            .filter(|pack| syncpack.map_or(pack.name != operator::PACK, |name| name == pack.name))
            .flat_map(|pack| pack.steps.keys().cloned())
            .collect()
    }

    fn packs(&self) -> Vec<String> {
        let names = self.packs.keys();
        names
            .filter(|name| *name != operator::PACK)
            .cloned()
            .collect()
    }
}

/// The active packs of each tenant, and every version that was needed so far.
#[derive(Default)]
pub(crate) struct Catalogue {
    active: RwLock<HashMap<TenantId, Arc<Snapshot>>>,
    versions: RwLock<HashMap<i64, Arc<Pack>>>,
    /// One reads the active packs at a time, so that what was read first cannot bring a
    /// grant back that was taken away since.
    reading: tokio::sync::Mutex<()>,
}

impl Catalogue {
    /// The active packs.
    pub(crate) fn active(&self, tenant: TenantId) -> Arc<Snapshot> {
        self.active.read().get(&tenant).cloned().unwrap_or_default()
    }

    /// The pack of a stored version, one for all who ask. Its grants are those of the
    /// first look; see [`Catalogue::refresh`].
    pub(crate) fn version(&self, stored: &PackVersion) -> Result<Arc<Pack>> {
        let mut versions = self.versions.write();
        if let Some(known) = versions.get(&stored.id)
            && known.digest == stored.digest
        {
            return Ok(known.clone());
        }
        let fresh = Arc::new(Pack::load(stored)?);
        versions.insert(stored.id, fresh.clone());
        Ok(fresh)
    }

    /// The same with its grants brought up to date: only where they were just changed,
    /// so that an older read cannot bring a revoked grant back. Says whether they differ.
    fn refresh(&self, stored: &PackVersion) -> Result<(Arc<Pack>, bool)> {
        let pack = self.version(stored)?;
        let changed = pack.given.replace(Pack::load(stored)?.given);
        Ok((pack, changed))
    }

    pub(crate) fn forget(&self, id: i64) {
        self.versions.write().remove(&id);
    }
}

impl Engine {
    /// Reads again which packs are active.
    pub(crate) async fn reload_packs(&self, tenant: TenantId) -> Result<()> {
        let _reading = self.catalogue.reading.lock().await;
        let mut packs = Vec::new();
        for stored in self.store.packs(tenant).await? {
            // Whatever its state says: a missing artefact is compiled again by need.
            if stored.active {
                let (pack, changed) = self.catalogue.refresh(&stored)?;
                if changed {
                    self.runtime.disconnect(tenant, &pack.name);
                }
                packs.push(pack);
            }
        }
        self.catalogue
            .active
            .write()
            .insert(tenant, Arc::new(Snapshot::new(packs)));
        self.prepared.forget_applications();
        Ok(())
    }

    /// Loads the compiled components of the active packs, so that no step waits for one.
    pub(crate) async fn load_programs(&self, tenant: TenantId) {
        self.load_programs_where(tenant, |_| true).await;
    }

    /// The same for those of which `wanted` says so by their name.
    pub(crate) async fn load_programs_where(
        &self,
        tenant: TenantId,
        wanted: impl Fn(&str) -> bool,
    ) {
        for pack in self
            .catalogue
            .active(tenant)
            .packs()
            .filter(|pack| wanted(&pack.name))
        {
            if let Err(error) = self.executable(pack).await {
                tracing::warn!(%error, "a component is not ready yet");
            }
        }
    }

    /// Compiles a component and shares what came of it with the other processes.
    pub(crate) async fn compile(
        &self,
        digest: &str,
        file: bytes::Bytes,
    ) -> std::result::Result<(), runtime::InstallError> {
        self.runtime.install(digest, file).await?;
        tracing::info!(digest, "compiled a component");
        if self.settings.exclusive {
            return Ok(());
        }
        // Without it the others compile for themselves.
        let shared = match self.runtime.artefact(digest)? {
            None => return Ok(()),
            Some((mac, code)) => self.store.put_artefact(
                digest,
                Artefact {
                    fingerprint: self.runtime.fingerprint().to_owned(),
                    mac,
                    code,
                },
            ),
        };
        if let Err(error) = shared.await {
            tracing::warn!(%error, digest, "a compiled component could not be shared");
        }
        Ok(())
    }

    /// Takes over what another process has compiled; says whether there was something.
    async fn adopt(&self, digest: &str) -> Result<bool> {
        if self.settings.exclusive {
            return Ok(false);
        }
        let fingerprint = self.runtime.fingerprint();
        let Some(shared) = self.store.artefact(digest, fingerprint).await? else {
            return Ok(false);
        };
        let (runtime, digest) = (self.runtime.clone(), digest.to_owned());
        tokio::task::spawn_blocking(move || runtime.adopt(&digest, &shared.mac, &shared.code))
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
            .map_err(|error| Error::Internal(error.to_string()))
    }

    /// The compiled component of a pack: mapped, or compiled again where the artefact
    /// is missing, is of another version of the platform, or was tampered with.
    pub(crate) async fn program(&self, pack: &Pack) -> Result<Arc<runtime::Program>> {
        pack.program
            .get_or_try_init(|| async {
                let failed = |error: &dyn std::fmt::Display| {
                    Error::PackState(format!(
                        "`{}` {} cannot be loaded: {error}",
                        pack.name, pack.version
                    ))
                };
                if let Some(program) = self
                    .runtime
                    .load(&pack.digest)
                    .map_err(|error| failed(&error))?
                {
                    return Ok(program);
                }
                if !self.adopt(&pack.digest).await? {
                    let file = self
                        .store
                        .component(&pack.digest)
                        .await?
                        .ok_or_else(|| failed(&"its file is gone; upload it again"))?;
                    self.compile(&pack.digest, file)
                        .await
                        .map_err(|error| failed(&error))?;
                }
                self.runtime
                    .load(&pack.digest)
                    .map_err(|error| failed(&error))?
                    .ok_or_else(|| failed(&"the artefact vanished"))
            })
            .await
            .cloned()
    }
}
