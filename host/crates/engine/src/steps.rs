//! The registry of steps: what the active packs offer.

use std::sync::Arc;

use model::id::TenantId;

use crate::{
    Engine,
    catalogue::{Pack, Step},
    error::{Error, Result},
    view::StepEntry,
};

fn entry(pack: &Pack, step: &Step) -> StepEntry {
    StepEntry {
        descriptor: step.document.clone(),
        name: step.descriptor.name.clone(),
        syncpack: pack.name.clone(),
        version: pack.version.clone(),
        author: pack.author.clone(),
    }
}

impl Engine {
    /// Every step of every active pack, by pack and name.
    pub fn steps(&self, tenant: TenantId) -> Vec<StepEntry> {
        let snapshot = self.catalogue.active(tenant);
        snapshot
            .packs()
            .flat_map(|pack| pack.steps.values().map(|step| entry(pack, step)))
            .collect()
    }

    /// One step, of `syncpack` or of the only active pack that has it.
    pub fn step(&self, tenant: TenantId, name: &str, syncpack: Option<&str>) -> Result<StepEntry> {
        let (pack, name) = self.step_pack(tenant, name, syncpack)?;
        pack.steps
            .get(&name)
            .map(|step| entry(&pack, step))
            .ok_or_else(|| Error::not_found("step", name))
    }

    fn step_pack(
        &self,
        tenant: TenantId,
        name: &str,
        syncpack: Option<&str>,
    ) -> Result<(Arc<Pack>, String)> {
        let snapshot = self.catalogue.active(tenant);
        let having: Vec<&Arc<Pack>> = snapshot
            .packs()
            .filter(|pack| {
                syncpack.is_none_or(|wanted| wanted == pack.name) && pack.steps.contains_key(name)
            })
            .collect();
        match having.as_slice() {
            [pack] => Ok(((*pack).clone(), name.to_owned())),
            [] => Err(Error::NotFound {
                what: "step",
                name: name.to_owned(),
                hint: match syncpack {
                    Some(pack) if snapshot.pack(pack).is_none() => {
                        format!(": the SyncPack `{pack}` is not active")
                    }
                    Some(pack) => format!(" in the SyncPack `{pack}`"),
                    None => " in any active SyncPack".to_owned(),
                },
            }),
            several => Err(Error::Conflict(format!(
                "the step `{name}` is in several SyncPacks: name one of {}",
                several
                    .iter()
                    .map(|pack| pack.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }

    /// The source of a step, if its pack carries it.
    pub async fn step_code(
        &self,
        tenant: TenantId,
        name: &str,
        syncpack: Option<&str>,
    ) -> Result<Option<String>> {
        let (pack, name) = self.step_pack(tenant, name, syncpack)?;
        let Some(file) = self.store.component(&pack.digest).await? else {
            return Ok(None);
        };
        let archive =
            syncpack::Archive::read(&file).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(archive.metadata.sources.get(&name).cloned())
    }
}
