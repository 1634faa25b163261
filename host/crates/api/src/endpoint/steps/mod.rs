//! Steps of active SyncPacks.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod run;

use engine::StepEntry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::part;

/// A step that an active SyncPack offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepSummary {
    /// Its name: the `file` of an application's step entry.
    #[schema(example = "CreateOrUpdateIncident")]
    name: String,
    /// Shown to people.
    #[schema(example = "Create or Update Incident")]
    friendly_name: String,
    /// What it does.
    #[schema(example = "Creates the incident of an event, or updates it")]
    description: String,
    /// `standard`, `aggregated` or `trigger`.
    #[schema(example = "standard")]
    kind: String,
    /// The step's own version.
    #[schema(example = "1.0.0")]
    version: String,
    /// The SyncPack.
    #[schema(example = "servicenow_example")]
    syncpack: String,
    /// The SyncPack's version.
    #[schema(example = "1.0.0")]
    syncpack_version: String,
    /// The SyncPack's author.
    #[schema(example = "Example Ltd")]
    author: String,
    /// Where it is.
    #[schema(example = "/api/v1/steps/CreateOrUpdateIncident?syncpack=servicenow_example")]
    href: String,
}

impl StepSummary {
    fn new(entry: &StepEntry) -> Self {
        let word = |key: &str| {
            entry.descriptor[key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let kind = word("kind");
        let friendly_name = word("friendly_name");
        Self {
            friendly_name: if friendly_name.is_empty() {
                entry.name.clone()
            } else {
                friendly_name
            },
            description: word("description"),
            kind: if kind.is_empty() {
                "standard".to_owned()
            } else {
                kind
            },
            version: word("version"),
            href: format!(
                "/api/v1/steps/{}?syncpack={}",
                part(&entry.name),
                part(&entry.syncpack)
            ),
            name: entry.name.clone(),
            syncpack: entry.syncpack.clone(),
            syncpack_version: entry.version.clone(),
            author: entry.author.clone(),
        }
    }
}
