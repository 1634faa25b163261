//! Applications and configuration objects.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use engine::Saved;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use store::{Page, definitions::Definition, runs::RunSummary};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

use super::{part, raw, time, timeline::TimelineRun};
use crate::{
    etag, paging,
    problem::{Answer, FaultDocument},
};

/// What is known about a document besides its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DefinitionSummary {
    /// The name: what addresses and other documents call it.
    #[schema(example = "create_or_update_incident")]
    name: String,
    /// Shown to people.
    #[schema(example = "Create or Update Incident")]
    friendly_name: String,
    /// What it is for, from the document.
    #[schema(example = "Opens an incident for each event")]
    description: Option<String>,
    /// The document's own version.
    #[schema(example = "1.2.0")]
    version: Option<String>,
    /// The folder; empty for the root.
    #[schema(example = "")]
    folder: String,
    /// The newest revision's number, from 1: what the ETag holds.
    #[schema(example = 3)]
    revision: i64,
    /// The SyncPack version that brought it; `null` when a person did.
    #[schema(example = "servicenow_example@1.0.0")]
    origin: Option<String>,
    /// Who saved the newest revision.
    #[schema(example = "isadmin")]
    edited_by: String,
    /// When the newest revision was saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    edited_at: String,
    /// When it was first saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    created_at: String,
    /// Where the document is.
    #[schema(example = "/api/v1/applications/create_or_update_incident")]
    href: String,
}

/// A document with what is known about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DefinitionDetail {
    #[serde(flatten)]
    summary: DefinitionSummary,
    /// Applications that are aligned with this configuration object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["create_or_update_incident"]))]
    aligned_applications: Option<Vec<String>>,
    /// The document as it was stored.
    #[schema(value_type = Object)]
    document: Box<RawValue>,
}

/// The schema of the document of an application.
pub(crate) struct ApplicationDocument;

/// The schema of the document of a configuration object.
pub(crate) struct ConfigurationDocument;

impl PartialSchema for ApplicationDocument {
    fn schema() -> RefOr<Schema> {
        kept(
            "An application. Keys that the service does not know are kept.",
            json!({
                "friendly_name": "Create or Update Incident",
                "version": "1.0.0",
                "configuration": "acme",
                "app_variables": [{"name": "table", "value": "incident"}],
                "steps": [
                    {"name": "read event", "file": "ReadEvent", "syncpack": "servicenow_example", "output_to": ["create incident"]},
                    {"name": "create incident", "file": "CreateOrUpdateIncident", "syncpack": "servicenow_example", "sn_url": "${config.sn_url}"},
                ],
            }),
        )
    }
}

impl PartialSchema for ConfigurationDocument {
    fn schema() -> RefOr<Schema> {
        kept(
            "A configuration object. Keys that the service does not know are kept.",
            json!({
                "name": "acme",
                "friendly_name": "Acme",
                "version": "1.0.0",
                "configuration_data": [
                    {"name": "sn_url", "value": "https://acme.service-now.com"},
                    {"name": "sn_password", "value": "to be encrypted", "encrypted": true},
                ],
            }),
        )
    }
}

impl ToSchema for ApplicationDocument {}
impl ToSchema for ConfigurationDocument {}

/// The schema of a document that is kept as it is.
fn kept(description: &str, example: Value) -> RefOr<Schema> {
    ObjectBuilder::new()
        .description(Some(description))
        .examples([example])
        .into()
}

/// What became of a saved document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedDocument {
    /// Its name.
    #[schema(example = "create_or_update_incident")]
    name: String,
    /// Where it is.
    #[schema(example = "/api/v1/applications/create_or_update_incident")]
    href: String,
    /// Its newest revision's number; saving an equal document makes no new one.
    #[schema(example = 3)]
    revision: i64,
    /// Whether there was none of that name before.
    #[schema(example = false)]
    created: bool,
    /// Whether this save made a new revision; a document that means the same makes none.
    #[schema(example = true)]
    changed: bool,
    /// What keeps the application from running, though it was saved; as validating it answers.
    faults: Vec<FaultDocument>,
    /// What does not, but needs attention.
    warnings: Vec<FaultDocument>,
}

/// How a document is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadArgs {
    /// `true` answers what is known about the document with the document inside,
    /// instead of the document alone.
    #[serde(default)]
    #[param(example = false)]
    pub(crate) meta: bool,
}

/// How documents are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListArgs {
    /// Only those whose name or friendly name contains this, in upper or lower case.
    #[serde(default)]
    #[param(example = "incident")]
    pub(crate) search: String,
    /// The `next` of the part before.
    pub(crate) after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    pub(crate) limit: Option<usize>,
}

/// How a document is saved.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SaveArgs {
    /// The name for a document that has none inside; files of older exports take the
    /// file's name.
    #[param(example = "create_or_update_incident")]
    pub(crate) name: Option<String>,
}

/// What lists show of a document's text; anything else in it is skipped over.
#[derive(Default, Deserialize)]
struct Brief<'a> {
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
}

fn word(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

impl DefinitionSummary {
    /// What is known about a document of the collection at `collection`.
    pub(crate) fn new(collection: &str, one: &Definition) -> Self {
        // A bare list, which configuration objects can be, has neither.
        let brief: Brief<'_> = serde_json::from_str(&one.document).unwrap_or_default();
        Self {
            description: word(brief.description),
            version: word(brief.version),
            href: format!("{collection}/{}", part(&one.name)),
            name: one.name.clone(),
            friendly_name: one.friendly_name.clone(),
            folder: one.folder.clone(),
            revision: one.number,
            origin: one.origin.clone(),
            edited_by: one.edited_by.clone(),
            edited_at: time(one.edited_at),
            created_at: time(one.created_at),
        }
    }
}

/// An application as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationSummary {
    #[serde(flatten)]
    summary: DefinitionSummary,
    /// The configuration object that it is aligned with.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// Whether it is an internal one, which lists for people leave out.
    #[schema(example = false)]
    hidden: bool,
    /// Its newest run; `null` when there is none, or none is kept.
    last_run: Option<TimelineRun>,
    /// Whether a schedule that runs starts it.
    #[schema(example = true)]
    scheduled: bool,
}

impl ApplicationSummary {
    pub(crate) fn new(
        collection: &str,
        one: &Definition,
        last_run: Option<RunSummary>,
        scheduled: bool,
    ) -> Self {
        #[derive(Default, Deserialize)]
        struct Settings {
            #[serde(default)]
            configuration: Value,
            #[serde(default)]
            hidden: Value,
        }
        let settings: Settings = serde_json::from_str(&one.document).unwrap_or_default();
        Self {
            summary: DefinitionSummary::new(collection, one),
            configuration: settings
                .configuration
                .as_str()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            hidden: settings.hidden == Value::Bool(true),
            last_run: last_run.map(TimelineRun::new),
            scheduled,
        }
    }

    pub(super) fn version(&self) -> &str {
        self.summary.version.as_deref().unwrap_or_default()
    }

    pub(super) fn configuration(&self) -> &str {
        self.configuration.as_deref().unwrap_or_default()
    }

    pub(super) const fn hidden(&self) -> bool {
        self.hidden
    }

    pub(super) const fn scheduled(&self) -> bool {
        self.scheduled
    }
}

/// The answer with a part of the list of a collection that was asked for at `uri`.
pub(crate) fn listing(uri: &Uri, collection: &str, page: Page<Definition>) -> Response {
    let items = page
        .items
        .iter()
        .map(|one| DefinitionSummary::new(collection, one))
        .collect();
    paging::answer(uri, items, page.next)
}

/// The answer to a GET: the stored text itself, or nothing if the caller has it.
pub(crate) fn document(headers: &HeaderMap, one: Definition) -> Response {
    let tag = etag::tag(one.number);
    if etag::unchanged(headers, one.number) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    (
        [(header::ETAG, tag), (header::CONTENT_TYPE, json)],
        one.document,
    )
        .into_response()
}

/// The answer to a GET with `meta=true`.
pub(crate) fn detail(
    collection: &str,
    one: Definition,
    aligned_applications: Option<Vec<String>>,
) -> Answer<Response> {
    let tag = etag::tag(one.number);
    let detail = DefinitionDetail {
        summary: DefinitionSummary::new(collection, &one),
        aligned_applications,
        document: raw(one.document)?,
    };
    Ok(([(header::ETAG, tag)], Json(detail)).into_response())
}

/// The answer to a save.
pub(crate) fn saved(collection: &str, saved: Saved) -> Response {
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let href = format!("{collection}/{}", part(&saved.definition.name));
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, etag::tag(saved.definition.number));
    if let Ok(location) = HeaderValue::from_str(&href) {
        headers.insert(header::LOCATION, location);
    }
    let body = SavedDocument {
        name: saved.definition.name,
        href,
        revision: saved.definition.number,
        created: saved.created,
        changed: saved.changed,
        faults: saved.found.faults.into_iter().map(Into::into).collect(),
        warnings: saved.found.warnings.into_iter().map(Into::into).collect(),
    };
    (status, headers, Json(body)).into_response()
}
