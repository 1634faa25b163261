//! Named documents and packs.

use bytes::Bytes;
use model::{clock::Timestamp, id::TenantId};
use store::{
    Error, Page,
    definitions::{Definition, Kind, Revision, Save},
    packs::{Activation, Artefact, Import, PackState, PackVersion},
};

use super::{Result, State, history::page};

/// A named document; its number is its place.
#[derive(Clone)]
pub(crate) struct Document {
    tenant: TenantId,
    kind: Kind,
    name: String,
    friendly_name: String,
    folder: String,
    created_at: Timestamp,
    /// The row of its newest revision.
    revision: i64,
    origin: Option<String>,
    deleted: bool,
}

/// A stored pack version.
#[derive(Clone)]
pub(crate) struct Pack {
    tenant: TenantId,
    version: PackVersion,
}

pub(super) fn refuse_conflict(name: &str, expected: Option<i64>, found: i64) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Error::Conflict {
            name: name.to_owned(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

impl State {
    pub(super) fn name_of(&self, definition: i64) -> Option<String> {
        let document = self.documents.get((definition - 1) as usize)?;
        Some(document.name.clone())
    }

    fn document(&self, tenant: TenantId, kind: Kind, name: &str) -> Option<usize> {
        self.documents.iter().position(|one| {
            !one.deleted && one.tenant == tenant && one.kind == kind && one.name == name
        })
    }

    fn newest(&self, at: usize) -> Definition {
        let (document, id) = (&self.documents[at], at as i64 + 1);
        let revision = &self.revisions[(document.revision - 1) as usize];
        Definition {
            id,
            name: document.name.clone(),
            friendly_name: document.friendly_name.clone(),
            folder: document.folder.clone(),
            revision: revision.id,
            number: revision.number,
            origin: document.origin.clone(),
            edited_by: revision.by.clone(),
            created_at: document.created_at,
            edited_at: revision.at,
            document: revision.document.clone(),
        }
    }

    pub(super) fn save(&mut self, save: Save) -> Result<Definition> {
        let found = self.document(save.tenant, save.kind, &save.name);
        let newest = found.map(|at| self.newest(at));
        let number = newest.as_ref().map_or(0, |newest| newest.number);
        refuse_conflict(&save.name, save.expected, number)?;
        for (name, revision) in &save.relies {
            let relied = self.document(save.tenant, Kind::Application, name);
            let found = relied.map_or(0, |at| self.newest(at).revision);
            if found != *revision {
                return Err(Error::Conflict {
                    name: name.clone(),
                    expected: *revision,
                    found,
                });
            }
        }
        let at = found.unwrap_or_else(|| {
            self.documents.push(Document {
                tenant: save.tenant,
                kind: save.kind,
                name: save.name.clone(),
                friendly_name: String::new(),
                folder: String::new(),
                created_at: save.at,
                revision: 0,
                origin: None,
                deleted: false,
            });
            self.documents.len() - 1
        });
        if newest.is_none_or(|newest| newest.document != save.document) {
            let id = self.revisions.len() as i64 + 1;
            self.revisions.push(Revision {
                id,
                definition: at as i64 + 1,
                name: save.name,
                number: number + 1,
                by: save.by,
                at: save.at,
                origin: save.origin.clone(),
                document: save.document,
            });
            self.documents[at].revision = id;
            self.documents[at].origin = save.origin;
            self.generation += 1;
        }
        self.documents[at].friendly_name = save.friendly_name;
        self.documents[at].folder = save.folder;
        Ok(self.newest(at))
    }

    pub(super) fn definition(
        &mut self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Definition>> {
        let found = self.document(tenant, kind, name);
        Ok(found.map(|at| self.newest(at)))
    }

    pub(super) fn revision(&mut self, id: i64) -> Result<Option<Revision>> {
        Ok(self.revisions.iter().find(|one| one.id == id).cloned())
    }

    pub(super) fn revision_numbered(
        &mut self,
        definition: i64,
        number: i64,
    ) -> Result<Option<Revision>> {
        let mut all = self.revisions.iter();
        let found = all.find(|one| one.definition == definition && one.number == number);
        Ok(found.cloned())
    }

    pub(super) fn revisions_with(&mut self, definition: i64, text: &str) -> Result<Vec<String>> {
        let all = self.revisions.iter().rev();
        let found = all.filter(|one| one.definition == definition && one.document.contains(text));
        Ok(found.take(20).map(|one| one.document.clone()).collect())
    }

    pub(super) fn definitions(
        &mut self,
        tenant: TenantId,
        kind: Kind,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>> {
        let search = search.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&search);
        let mut items: Vec<Definition> = self
            .documents
            .iter()
            .enumerate()
            .filter(|(_, one)| !one.deleted && one.tenant == tenant && one.kind == kind)
            .filter(|(_, one)| after.is_none_or(|after| *one.name > *after))
            .filter(|(_, one)| has(&one.name) || has(&one.friendly_name))
            .map(|(at, _)| self.newest(at))
            .collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(page(items, limit, |one: &Definition| one.name.clone()))
    }

    pub(super) fn delete_definition(
        &mut self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let found = self.document(tenant, kind, name);
        let number = found.map_or(0, |at| self.newest(at).number);
        refuse_conflict(name, expected, number)?;
        if let Some(at) = found {
            self.documents[at].deleted = true;
            self.generation += 1;
        }
        Ok(found.is_some())
    }

    fn version(&self, tenant: TenantId, name: &str, version: &str) -> Option<&PackVersion> {
        let mut all = self.packs.values().filter(|pack| pack.tenant == tenant);
        let found = all.find(|pack| pack.version.name == name && pack.version.version == version);
        found.map(|pack| &pack.version)
    }

    pub(super) fn import(&mut self, import: Import) -> Result<PackVersion> {
        let found = self
            .version(import.tenant, &import.name, &import.version)
            .cloned();
        if let Some(found) = found {
            if found.digest == import.digest {
                return Ok(found);
            }
            if found.active || found.state == PackState::Installed {
                return Err(Error::InUse {
                    name: format!("{} {}", found.name, found.version),
                    by: "it is installed with another file".to_owned(),
                });
            }
            self.remove_pack(&found);
        }
        self.last_pack += 1;
        self.files.insert(import.digest.clone(), import.file);
        let version = PackVersion {
            id: self.last_pack,
            name: import.name,
            version: import.version,
            digest: import.digest,
            manifest: import.manifest,
            state: PackState::Imported,
            error: None,
            active: false,
            grants: "[]".to_owned(),
            imported_by: import.by,
            imported_at: import.at,
            installed_at: None,
            activated_at: None,
        };
        let pack = Pack {
            tenant: import.tenant,
            version: version.clone(),
        };
        self.packs.insert(version.id, pack);
        Ok(version)
    }

    fn remove_pack(&mut self, version: &PackVersion) {
        self.packs.remove(&version.id);
        let mut others = self.packs.values();
        if !others.any(|pack| pack.version.digest == version.digest) {
            self.files.remove(&version.digest);
            self.artefacts
                .retain(|(digest, _), _| *digest != version.digest);
        }
        self.generation += 1;
    }

    pub(super) fn packs(&mut self, tenant: TenantId) -> Result<Vec<PackVersion>> {
        let of_tenant = self.packs.values().filter(|pack| pack.tenant == tenant);
        let mut packs: Vec<PackVersion> = of_tenant.map(|pack| pack.version.clone()).collect();
        packs.sort_by(|a, b| (&a.name, a.imported_at, a.id).cmp(&(&b.name, b.imported_at, b.id)));
        Ok(packs)
    }

    pub(super) fn pack(
        &mut self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> Result<Option<PackVersion>> {
        Ok(self.version(tenant, name, version).cloned())
    }

    pub(super) fn set_pack_state(
        &mut self,
        id: i64,
        state: PackState,
        error: Option<&str>,
        at: Timestamp,
    ) -> Result<()> {
        let missing = || Error::Missing(format!("pack version {id}"));
        let version = &mut self.packs.get_mut(&id).ok_or_else(missing)?.version;
        version.state = state;
        version.error = error.map(str::to_owned);
        if state == PackState::Installed {
            version.installed_at = Some(at);
        }
        Ok(())
    }

    pub(super) fn activate(&mut self, activation: Activation) -> Result<Vec<String>> {
        self.whole(|state| state.activate_all(activation))
    }

    fn activate_all(&mut self, activation: Activation) -> Result<Vec<String>> {
        let Activation { tenant, id, .. } = activation;
        let found = self
            .packs
            .get_mut(&id)
            .filter(|pack| pack.tenant == tenant && pack.version.state == PackState::Installed);
        let Some(pack) = found else {
            return Err(Error::Missing(format!("an installed pack version {id}")));
        };
        let name = pack.version.name.clone();
        self.deactivate(tenant, &name)?;
        if let Some(pack) = self.packs.get_mut(&id) {
            pack.version.active = true;
            pack.version.grants = activation.grants;
            pack.version.activated_at = Some(activation.at);
        }
        self.generation += 1;
        let mut kept = Vec::new();
        for save in activation.definitions {
            match self.definition(save.tenant, save.kind, &save.name)? {
                Some(newest) if newest.origin.is_none() => {
                    kept.extend((newest.document != save.document).then_some(newest.name));
                }
                _ => drop(self.save(save)?),
            }
        }
        for save in activation.schedules {
            match self.schedule(save.tenant, &save.name)? {
                Some(found) if found.origin.is_none() => {
                    kept.extend((found.document != save.document).then_some(found.name));
                }
                // As it was brought before: it goes on counting.
                Some(found) if found.document == save.document => {}
                _ => drop(self.save_schedule(save)?),
            }
        }
        Ok(kept)
    }

    pub(super) fn deactivate(&mut self, tenant: TenantId, name: &str) -> Result<bool> {
        let mut all = self.packs.values_mut().filter(|pack| pack.tenant == tenant);
        let active = all.find(|pack| pack.version.name == name && pack.version.active);
        let found = active.map(|pack| pack.version.active = false).is_some();
        self.generation += i64::from(found);
        Ok(found)
    }

    pub(super) fn delete_pack(
        &mut self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> Result<bool> {
        let Some(found) = self.version(tenant, name, version).cloned() else {
            return Ok(false);
        };
        let pinned = |pins: i64| {
            let text = self.pin_sets.get((pins - 1) as usize);
            text.is_some_and(|text| text.contains(&found.digest))
        };
        let mut open = self.unfinished.iter().map(|id| &self.runs[id].new);
        if found.active || open.any(|run| run.tenant == tenant && pinned(run.pins)) {
            return Err(Error::InUse {
                name: format!("{name} {version}"),
                by: "it is active, or a run is pinned to it".to_owned(),
            });
        }
        self.remove_pack(&found);
        Ok(true)
    }

    pub(super) fn component(&mut self, digest: &str) -> Result<Option<Bytes>> {
        Ok(self.files.get(digest).cloned())
    }

    pub(super) fn artefact(&mut self, digest: &str, engine: &str) -> Result<Option<Artefact>> {
        let key = (digest.to_owned(), engine.to_owned());
        Ok(self.artefacts.get(&key).cloned())
    }

    pub(super) fn put_artefact(&mut self, digest: &str, artefact: Artefact) -> Result<()> {
        if self.files.contains_key(digest) {
            let key = (digest.to_owned(), artefact.fingerprint.clone());
            self.artefacts.insert(key, artefact);
        }
        Ok(())
    }
}
