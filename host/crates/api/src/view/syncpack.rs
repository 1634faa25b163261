//! SyncPacks.

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use store::packs::{PackState, PackVersion};
use utoipa::ToSchema;

use super::{maybe_time, part, raw, time};
use crate::problem::Answer;

/// A stored version of a SyncPack.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncPack {
    /// The pack's name.
    #[schema(example = "servicenow_example")]
    name: String,
    /// The version.
    #[schema(example = "1.0.0")]
    version: String,
    /// What it is for, in a line.
    #[schema(example = "Incidents of ServiceNow from SL1 events")]
    summary: String,
    /// Who publishes it.
    #[schema(example = "Example Ltd")]
    author: String,
    /// Words to find it by.
    #[schema(example = json!(["servicenow"]))]
    tags: Vec<String>,
    /// `imported` (stored), `installing`, `installed` or `failed`.
    #[schema(example = "installed")]
    state: &'static str,
    /// Why it could not be installed.
    #[schema(example = json!(null))]
    error: Option<String>,
    /// Whether it is installed: it can be activated.
    #[schema(example = true)]
    installed: bool,
    /// Whether it is the active version: its steps can be used.
    #[schema(example = true)]
    activated: bool,
    /// The SHA-256 of its file.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    digest: String,
    /// Who uploaded it.
    #[schema(example = "isadmin")]
    imported_by: String,
    /// When it was uploaded.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    imported_at: String,
    /// When it was installed.
    #[schema(format = DateTime, example = "2027-01-15T08:00:03Z")]
    installed_at: Option<String>,
    /// When it was last activated.
    #[schema(format = DateTime, example = "2027-01-15T08:00:09Z")]
    activated_at: Option<String>,
    /// Where the pack is.
    #[schema(example = "/api/v1/syncpacks/servicenow_example")]
    href: String,
}

/// A stored version with its manifest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncPackVersion {
    #[serde(flatten)]
    pack: SyncPack,
    /// The grants that it has, with the configuration objects and hosts that they hold for.
    #[schema(value_type = Vec<Object>, example = json!([{"id": "servicenow", "private_network": false, "configurations": [{"id": 7, "name": "servicenow_example", "host": "dev1.service-now.com:443"}]}]))]
    grants: Box<RawValue>,
    /// Its manifest, with its steps and the grants that it asks for.
    #[schema(value_type = Object, example = json!({"format": 1, "name": "servicenow_example", "version": "1.0.0", "steps": [], "grants": []}))]
    manifest: Box<RawValue>,
}

/// A SyncPack with all its stored versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncPackDetail {
    /// The pack's name.
    #[schema(example = "servicenow_example")]
    name: String,
    /// The active version.
    #[schema(example = "1.0.0")]
    active_version: Option<String>,
    /// All stored versions, in the order of their upload.
    versions: Vec<SyncPackVersion>,
}

impl SyncPack {
    pub(crate) fn new(pack: &PackVersion) -> Self {
        let manifest: Value = serde_json::from_str(&pack.manifest).unwrap_or_default();
        let text = |key: &str| manifest[key].as_str().unwrap_or_default().to_owned();
        Self {
            summary: text("summary"),
            author: text("author"),
            tags: manifest["tags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect(),
            href: format!("/api/v1/syncpacks/{}", part(&pack.name)),
            name: pack.name.clone(),
            version: pack.version.clone(),
            state: match pack.state {
                PackState::Imported => "imported",
                PackState::Installing => "installing",
                PackState::Installed => "installed",
                PackState::Failed => "failed",
            },
            error: pack.error.clone(),
            installed: pack.state == PackState::Installed,
            activated: pack.active,
            digest: pack.digest.clone(),
            imported_by: pack.imported_by.clone(),
            imported_at: time(pack.imported_at),
            installed_at: maybe_time(pack.installed_at),
            activated_at: maybe_time(pack.activated_at),
        }
    }
}

impl SyncPackVersion {
    pub(crate) fn new(pack: PackVersion) -> Answer<Self> {
        let grants = if pack.grants.is_empty() {
            "[]".to_owned()
        } else {
            pack.grants.clone()
        };
        Ok(Self {
            pack: SyncPack::new(&pack),
            grants: raw(grants)?,
            manifest: raw(pack.manifest)?,
        })
    }
}

impl SyncPackDetail {
    pub(crate) fn new(name: String, versions: Vec<PackVersion>) -> Answer<Self> {
        Ok(Self {
            name,
            active_version: versions
                .iter()
                .find(|version| version.active)
                .map(|version| version.version.clone()),
            versions: versions
                .into_iter()
                .map(SyncPackVersion::new)
                .collect::<Answer<_>>()?,
        })
    }
}
