//! Applications compiled into plans and configuration objects resolved, kept for the
//! runs that follow. Revisions never change, so what is kept by revision stays true;
//! what is kept by name is dropped at every save and activation.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{
    application::Application,
    configuration::{Configuration, Resolved},
    id::TenantId,
    mask::Masker,
    plan::Plan,
    retention,
    validate::{Problem, Severity},
};
use parking_lot::RwLock;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::definitions::{Definition, Kind};

use crate::{
    Engine,
    catalogue::{Pack, Snapshot},
    definitions::faults,
    error::{Error, Fault, Result},
    worker::Chain,
};

/// More entries than this in one map: all are dropped and made again by need.
const MOST: usize = 4096;
/// The same for whole documents.
const MOST_DOCUMENTS: usize = 256;

/// An application revision with the pack versions that it is pinned to.
pub(crate) struct Runnable {
    pub(crate) application: i64,
    pub(crate) name: Arc<str>,
    pub(crate) revision: i64,
    pub(crate) pins: i64,
    pub(crate) plan: Plan,
    /// The pack of each step, by ordinal.
    pub(crate) packs: Vec<Arc<Pack>>,
    /// The packs of the set that it is pinned to: those of its steps, and, of a child, those
    /// of its parents.
    pub(crate) pinned: Vec<Arc<Pack>>,
    /// The queue that the application is aligned with.
    pub(crate) queue: Option<String>,
    /// The configuration object that it is aligned with.
    pub(crate) configuration: Option<String>,
    /// How long its runs are kept, where it says so.
    pub(crate) result_expires: Option<Duration>,
}

/// A revision of a configuration object, its secrets opened.
pub(crate) struct Configured {
    /// The number of the object.
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) revision: i64,
    pub(crate) resolved: Resolved,
    pub(crate) masker: Masker,
    /// What a host in a secret variable is told by.
    host_key: [u8; 32],
}

impl Configured {
    /// An object with these variables, for tests.
    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn of(id: i64, variables: Value) -> Self {
        let configuration = Configuration::from_value(variables).unwrap();
        let resolved = configuration.resolve(|_, value| Ok(value.clone())).unwrap();
        Self {
            id,
            name: "o".into(),
            revision: 1,
            masker: Masker::new(named_secrets(&resolved)).unwrap(),
            resolved,
            host_key: [0; 32],
        }
    }

    /// The host that a variable names: as its value has it, and as a grant records it.
    pub(crate) fn host(&self, variable: &str) -> Option<(String, String)> {
        let value = self.resolved.get(variable)?;
        let Ok(Value::String(text)) = serde_json::from_str(&value.json) else {
            return None;
        };
        let target = connectors::http::Target::parse(&text).ok()?;
        let mut host = target.pattern.to_string();
        if let Some(port) = target.port {
            host = format!("{host}:{port}");
        }
        if value.secret {
            let digest = blake3::keyed_hash(&self.host_key, host.as_bytes());
            host = format!("secret ({})", &digest.to_hex()[..16]);
        }
        Some((text, host))
    }

    /// The secret values with what people call them.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        named_secrets(&self.resolved)
    }
}

fn named_secrets(resolved: &Resolved) -> Vec<(String, String)> {
    resolved
        .secrets()
        .into_iter()
        .map(|(name, value)| (format!("the configuration variable `{name}`"), value))
        .collect()
}

/// One pack version that a run is pinned to.
#[derive(Serialize, Deserialize)]
struct Pin {
    name: String,
    version: String,
    digest: String,
}

type ByName<T> = RwLock<HashMap<(TenantId, String), Arc<T>>>;

/// What is kept.
#[derive(Default)]
pub(crate) struct Prepared {
    /// Counts what invalidates: what was read before is not kept after.
    generation: AtomicU64,
    applications: ByName<Runnable>,
    configurations: ByName<Configured>,
    pinned: RwLock<HashMap<(i64, i64), Arc<Runnable>>>,
    revisions: RwLock<HashMap<i64, Arc<Configured>>>,
    /// Applications by revision, for those who look at runs.
    documents: RwLock<HashMap<i64, Arc<Application>>>,
}

impl Prepared {
    /// A document was saved or deleted, here or elsewhere.
    pub(crate) fn forget_current(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.applications.write().clear();
        self.configurations.write().clear();
    }

    /// A pack was activated, deactivated or deleted.
    pub(crate) fn forget_applications(&self) {
        self.forget_current();
        self.pinned.write().clear();
    }

    /// The application of that revision, if it was read before.
    pub(crate) fn document(&self, revision: i64) -> Option<Arc<Application>> {
        self.documents.read().get(&revision).cloned()
    }

    /// Keeps the application of a revision.
    pub(crate) fn keep_document(&self, revision: i64, application: Arc<Application>) {
        let mut documents = self.documents.write();
        if documents.len() >= MOST_DOCUMENTS {
            documents.clear();
        }
        documents.insert(revision, application);
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn keep<T>(&self, map: &ByName<T>, read_at: u64, key: (TenantId, String), value: &Arc<T>) {
        let mut map = map.write();
        if self.generation() == read_at {
            insert(&mut map, key, value.clone());
        }
    }
}

fn insert<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= MOST {
        map.clear();
    }
    map.insert(key, value);
}

pub(crate) fn cannot_run(application: &str, problems: &[Problem]) -> Error {
    let mut all = faults(problems, Severity::Error);
    all.extend(
        problems
            .iter()
            .filter(|problem| problem.code == model::validate::code::OPERATOR)
            .map(Fault::from),
    );
    Error::CannotRun {
        application: application.to_owned(),
        faults: all,
    }
}

impl Engine {
    /// The newest revision of an application with the active packs.
    pub(crate) async fn runnable(&self, tenant: TenantId, name: &str) -> Result<Arc<Runnable>> {
        let key = (tenant, name.to_owned());
        if let Some(kept) = self.prepared.applications.read().get(&key) {
            return Ok(kept.clone());
        }
        let read_at = self.prepared.generation();
        let definition = self.find(tenant, Kind::Application, name).await?;
        let application = read_application(&definition.name, &definition.document)?;
        let snapshot = self.catalogue.active(tenant);
        let plan = Plan::compile(&application, &*snapshot)
            .map_err(|problems| cannot_run(name, &problems))?;
        if plan.steps.is_empty() {
            return Err(Error::CannotRun {
                application: name.to_owned(),
                faults: vec![Fault {
                    code: "PF-A023".to_owned(),
                    at: "/steps".to_owned(),
                    message: "the application has no steps: add one".to_owned(),
                }],
            });
        }
        let packs = packs_of(&plan, &snapshot)?;
        let pinned = once_each(packs.iter().cloned());
        let pins = self.pin(&pinned).await?;
        let runnable = Arc::new(Runnable {
            application: definition.id,
            name: definition.name.into(),
            revision: definition.revision,
            pins,
            plan,
            packs,
            pinned,
            queue: application.queue().map(str::to_owned),
            configuration: application.configuration().map(str::to_owned),
            result_expires: retention::of(application.document()),
        });
        insert(
            &mut self.prepared.pinned.write(),
            (runnable.revision, pins),
            runnable.clone(),
        );
        self.prepared
            .keep(&self.prepared.applications, read_at, key, &runnable);
        Ok(runnable)
    }

    /// The number of the set of pack versions that a plan uses.
    async fn pin(&self, packs: &[Arc<Pack>]) -> Result<i64> {
        let pins: Vec<Pin> = packs
            .iter()
            .map(|pack| Pin {
                name: pack.name.clone(),
                version: pack.version.clone(),
                digest: pack.digest.clone(),
            })
            .collect();
        let text =
            serde_json::to_string(&pins).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(self.store.pin_set(&text).await?)
    }

    /// The newest revision of an application as the child of a run: with the packs that the
    /// run is pinned to, and the active ones beside them.
    pub(crate) async fn runnable_of_child(
        &self,
        chain: &Chain,
        name: &str,
    ) -> Result<Arc<Runnable>> {
        let tenant = chain.header.tenant;
        let newest = self.runnable(tenant, name).await?;
        let parents = &chain.runnable.pinned;
        let active = self.catalogue.active(tenant);
        let as_active = parents.iter().all(|pack| {
            active
                .pack(&pack.name)
                .is_some_and(|active| active.digest == pack.digest)
        });
        if as_active {
            return Ok(newest);
        }
        let own = newest.pinned.iter().filter(|pack| {
            let of_parent = parents.iter().any(|one| one.name == pack.name);
            !of_parent
        });
        let packs = once_each(parents.iter().chain(own).cloned());
        let pins = self.pin(&packs).await?;
        self.runnable_pinned(tenant, newest.revision, pins).await
    }

    /// The revision that a run is pinned to, with the packs that it is pinned to.
    pub(crate) async fn runnable_pinned(
        &self,
        tenant: TenantId,
        revision: i64,
        pins: i64,
    ) -> Result<Arc<Runnable>> {
        if let Some(kept) = self.prepared.pinned.read().get(&(revision, pins)) {
            return Ok(kept.clone());
        }
        let missing =
            |what: &str| Error::Internal(format!("{what} that a run is pinned to is gone"));
        let stored = self
            .store
            .revision(revision)
            .await?
            .ok_or_else(|| missing("the revision"))?;
        let text = self
            .store
            .pins(pins)
            .await?
            .ok_or_else(|| missing("the set of packs"))?;
        let pinned: Vec<Pin> =
            serde_json::from_str(&text).map_err(|error| Error::Internal(error.to_string()))?;
        let mut packs = Vec::with_capacity(pinned.len());
        for pin in pinned {
            let version = self.store.pack(tenant, &pin.name, &pin.version).await?;
            let version = version.filter(|version| version.digest == pin.digest);
            packs.push(
                self.catalogue.version(&version.ok_or_else(|| {
                    missing(&format!("the pack `{}` {}", pin.name, pin.version))
                })?)?,
            );
        }
        let of_set = packs.clone();
        let snapshot = Snapshot::new(packs);
        let application = read_application(&stored.name, &stored.document)?;
        let plan = Plan::compile(&application, &snapshot)
            .map_err(|problems| cannot_run(&stored.name, &problems))?;
        let packs = packs_of(&plan, &snapshot)?;
        let runnable = Arc::new(Runnable {
            application: stored.definition,
            name: stored.name.into(),
            revision,
            pins,
            plan,
            packs,
            pinned: of_set,
            queue: application.queue().map(str::to_owned),
            configuration: application.configuration().map(str::to_owned),
            result_expires: retention::of(application.document()),
        });
        insert(
            &mut self.prepared.pinned.write(),
            (revision, pins),
            runnable.clone(),
        );
        Ok(runnable)
    }

    /// The newest revision of a configuration object.
    pub(crate) async fn configured(&self, tenant: TenantId, name: &str) -> Result<Arc<Configured>> {
        let key = (tenant, name.to_owned());
        if let Some(kept) = self.prepared.configurations.read().get(&key) {
            return Ok(kept.clone());
        }
        let read_at = self.prepared.generation();
        let definition = self.find(tenant, Kind::Configuration, name).await?;
        let configured = self.configure(&definition)?;
        self.prepared
            .keep(&self.prepared.configurations, read_at, key, &configured);
        Ok(configured)
    }

    /// The revision of a configuration object that a run is pinned to.
    pub(crate) async fn configured_revision(&self, revision: i64) -> Result<Arc<Configured>> {
        if let Some(kept) = self.kept_revision(revision) {
            return Ok(kept);
        }
        let stored = self.store.revision(revision).await?.ok_or_else(|| {
            Error::Internal("the configuration revision that a run is pinned to is gone".to_owned())
        })?;
        let configuration = Configuration::parse(&stored.document)
            .map_err(|error| unusable(&stored.name, &error))?;
        let configured =
            self.configured_as(stored.definition, revision, &stored.name, &configuration)?;
        Ok(self.keep_configured(configured))
    }

    /// A configuration object as it is stored.
    pub(crate) fn configure(&self, definition: &Definition) -> Result<Arc<Configured>> {
        if let Some(kept) = self.kept_revision(definition.revision) {
            return Ok(kept);
        }
        let name = &definition.name;
        let configuration =
            Configuration::parse(&definition.document).map_err(|error| unusable(name, &error))?;
        let configured =
            self.configured_as(definition.id, definition.revision, name, &configuration)?;
        Ok(self.keep_configured(configured))
    }

    fn keep_configured(&self, configured: Configured) -> Arc<Configured> {
        let configured = Arc::new(configured);
        insert(
            &mut self.prepared.revisions.write(),
            configured.revision,
            configured.clone(),
        );
        configured
    }

    fn kept_revision(&self, revision: i64) -> Option<Arc<Configured>> {
        self.prepared.revisions.read().get(&revision).cloned()
    }

    /// What a document means as that revision of that object.
    pub(crate) fn configured_as(
        &self,
        id: i64,
        revision: i64,
        name: &str,
        configuration: &Configuration,
    ) -> Result<Configured> {
        let resolved = configuration
            .resolve(|_, value| self.reveal(value))
            .map_err(|error| unusable(name, &error))?;
        let masker = Masker::new(named_secrets(&resolved))
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Configured {
            id,
            name: name.into(),
            revision,
            resolved,
            masker,
            host_key: *self.vault.derive("hosts of grants"),
        })
    }

    /// The plain value of an encrypted variable.
    fn reveal(&self, value: &Value) -> std::result::Result<Value, String> {
        let Some(text) = value.as_str().filter(|text| vault::is_ours(text)) else {
            return if value.is_null() {
                Ok(Value::Null)
            } else {
                Err("it is not encrypted with a key of this service: enter it again".to_owned())
            };
        };
        let plain = self
            .vault
            .open(text, vault::Purpose::Configuration)
            .map_err(|error| error.to_string())?;
        serde_json::from_str(plain.expose_secret()).map_err(|error| error.to_string())
    }
}

fn unusable(name: &str, error: &model::configuration::Error) -> Error {
    Error::CannotRun {
        application: name.to_owned(),
        faults: vec![Fault {
            code: error.code().to_owned(),
            at: format!("configuration `{name}`"),
            message: error.to_string(),
        }],
    }
}

fn read_application(name: &str, document: &str) -> Result<Application> {
    Application::parse(document).map_err(|error| {
        Error::Internal(format!(
            "the stored application `{name}` cannot be read: {error}"
        ))
    })
}

/// Packs in the order of their names, each once.
fn once_each(packs: impl Iterator<Item = Arc<Pack>>) -> Vec<Arc<Pack>> {
    let mut packs: Vec<_> = packs.collect();
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    packs.dedup_by(|a, b| a.name == b.name);
    packs
}

fn packs_of(plan: &Plan, snapshot: &Snapshot) -> Result<Vec<Arc<Pack>>> {
    plan.steps
        .iter()
        .map(|step| {
            snapshot.pack(&step.syncpack).cloned().ok_or_else(|| {
                Error::Internal(format!(
                    "the pack `{}` vanished while its application was compiled",
                    step.syncpack
                ))
            })
        })
        .collect()
}
