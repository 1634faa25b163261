//! SyncPacks that are part of the service: imported and activated by itself at each start
//! that brings another version. Several processes may do so at once.

use std::time::Duration;

use bytes::Bytes;
use model::{id::TenantId, operator};
use store::packs::{Activation, Import, PackState};

use crate::{
    Engine,
    catalogue::Manifest,
    error::{Error, Result},
};

/// How long after a start their components are compiled where nobody needs them sooner.
const WARM_AFTER: Duration = Duration::from_secs(15);
/// Who imports them.
const BY: &str = "PowerFlow";

/// A SyncPack that is part of the service.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Its version: the service's, and behind a `+` what tells builds of it apart.
    pub version: &'static str,
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: &'static str,
    /// The file.
    pub file: &'static [u8],
}

/// The names of parts, and what they are for.
const PARTS: [(&str, &str); 2] = [
    (
        operator::PACK,
        "which executes conditions and transforms with it",
    ),
    ("base_steps", "whose applications may use its steps"),
];

/// Whether executions of a SyncPack of that name may share instances: those of parts of the service,
/// whose steps keep nothing of what they were given (`host/docs/decisions`, 0006).
pub(crate) fn may_reuse(name: &str) -> bool {
    PARTS.iter().any(|(part, _)| *part == name)
}

/// Refuses what a person cannot do with a part of the service.
pub(crate) fn refuse_part(name: &str, why: &str) -> Result<()> {
    match PARTS.iter().find(|(part, _)| *part == name) {
        None => Ok(()),
        Some((_, purpose)) => Err(Error::PackState(format!(
            "`{name}` is part of PowerFlow, {purpose}: {why}"
        ))),
    }
}

impl Engine {
    /// Sees to it that a part is active, unless a newer version of it is: then a newer
    /// service works beside this one.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn ensure_part(&self, part: Part) -> Result<()> {
        let tenant = TenantId::DEFAULT;
        let versions = self.store.packs(tenant).await?;
        let active = versions
            .iter()
            .find(|one| one.active && one.name == part.name);
        let settled = active.is_some_and(|active| {
            let ours = active.imported_by == BY;
            active.digest == part.digest || (ours && is_newer(&active.version, part.version))
        });
        if !settled {
            match self.activate_part(tenant, part).await {
                Ok(()) => {}
                // The store was changed by hand, or restored in parts: everything else works.
                Err(Error::InUse(why)) => {
                    tracing::error!(
                        name = part.name,
                        why,
                        "a part of the service is not what it should be: what it executes may fail"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        if self.settings.role.executes() {
            // Compiled, or mapped, before the first run needs it; not at once, so that what
            // somebody installs at the start does not wait behind it. Who needs it before
            // then compiles it at once.
            let engine = self.clone();
            self.guests.spawn(async move {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(WARM_AFTER) => {}
                    () = engine.draining.cancelled() => return,
                }
                engine
                    .load_programs_where(tenant, |name| name == part.name)
                    .await;
            });
        }
        Ok(())
    }

    async fn activate_part(&self, tenant: TenantId, part: Part) -> Result<()> {
        let file = Bytes::from_static(part.file);
        let archive = syncpack::Archive::read(&file)
            .map_err(|error| Error::Internal(format!("`{}`: {error}", part.name)))?;
        let manifest = serde_json::to_string(&archive.metadata.manifest)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Manifest::parse(&manifest)?;
        let at = self.now();
        let import = Import {
            tenant,
            name: part.name.to_owned(),
            version: part.version.to_owned(),
            digest: part.digest.to_owned(),
            manifest,
            file,
            by: BY.to_owned(),
            at,
        };
        let stored = self.store.import(import).await?;
        if stored.state != PackState::Installed {
            // It is compiled when it is first needed: the start does not wait for that.
            self.store
                .set_pack_state(stored.id, PackState::Installed, None, at)
                .await?;
        }
        self.store
            .activate(Activation {
                tenant,
                id: stored.id,
                grants: "[]".to_owned(),
                definitions: Vec::new(),
                schedules: Vec::new(),
                at,
            })
            .await?;
        self.reload_packs(tenant).await?;
        self.tell_changed();
        tracing::info!(
            name = part.name,
            version = part.version,
            "activated a part of the service"
        );
        Ok(())
    }
}

/// Whether a version is of a newer service; builds of the same one are not.
fn is_newer(version: &str, than: &str) -> bool {
    let read = |text: &str| {
        let mut version = semver::Version::parse(text).ok()?;
        version.build = semver::BuildMetadata::EMPTY;
        Some(version)
    };
    matches!((read(version), read(than)), (Some(a), Some(b)) if a > b)
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn a_newer_service_is_one_of_a_higher_number() {
        assert!(is_newer("0.2.0+a", "0.1.0+b"));
        assert!(!is_newer("0.1.0+b", "0.1.0+a"));
        assert!(!is_newer("0.1.0+a", "0.2.0+b"));
        assert!(!is_newer("x", "0.2.0"));
    }
}
