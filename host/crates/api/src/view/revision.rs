//! Revisions of documents and how they differ.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use engine::RevisionEntry;
use model::difference::{Change, Changed, Difference, Edge, Entries, Way};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Page, definitions::Revision};
use utoipa::{IntoParams, ToSchema};

use super::{part, time};
use crate::{etag, paging};

/// How revisions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevisionsArgs {
    /// The `next` of the part before.
    pub(crate) after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    pub(crate) limit: Option<usize>,
}

/// A revision of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionDocument {
    /// Its number, from 1.
    #[schema(example = 3)]
    revision: i64,
    /// Whether it is the newest.
    #[schema(example = true)]
    current: bool,
    /// Who saved it.
    #[schema(example = "isadmin")]
    edited_by: String,
    /// When.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    edited_at: String,
    /// The SyncPack version that brought it; `null` when a person did.
    #[schema(example = "servicenow_example@1.0.0")]
    origin: Option<String>,
    /// What it changed of the one before, in a line without values.
    #[schema(example = "added step `create incident`; changed `version`")]
    note: String,
    /// Where the document is as it was.
    #[schema(example = "/api/v1/applications/create_or_update_incident/revisions/3")]
    href: String,
}

/// The answer with a part of the revisions of a document.
pub(crate) fn listing(
    uri: &Uri,
    collection: &str,
    name: &str,
    page: Page<RevisionEntry>,
) -> Response {
    let items = page.items.into_iter().map(|one| RevisionDocument {
        href: format!("{collection}/{}/revisions/{}", part(name), one.number),
        revision: one.number,
        current: one.current,
        edited_by: one.by,
        edited_at: time(one.at),
        origin: one.origin,
        note: one.note,
    });
    paging::answer(uri, items.collect(), page.next)
}

/// The answer to a GET of a revision: the text as it was stored. It never changes.
pub(crate) fn document(headers: &HeaderMap, one: Revision) -> Response {
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

/// How one revision of a document differs from another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferenceDocument {
    /// The number of the old one.
    #[schema(example = 2)]
    from: i64,
    /// The number of the new one.
    #[schema(example = 3)]
    to: i64,
    /// It in a line without values; empty where they mean the same.
    #[schema(example = "added step `create incident`; changed `version`")]
    note: String,
    /// The steps of an application.
    steps: EntriesDocument,
    /// The edges between its steps.
    edges: EdgesDocument,
    /// The variables of an application or a configuration object.
    variables: EntriesDocument,
    /// Everything else: pointers lead into the document.
    metadata: Vec<ChangeDocument>,
}

/// How two lists of named entries differ.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntriesDocument {
    /// Names that only the new one has. An entry without a name is called by its place: `#0`.
    #[schema(example = json!(["create incident"]))]
    added: Vec<String>,
    /// Names that only the old one has.
    #[schema(example = json!([]))]
    removed: Vec<String>,
    /// Entries that both have and that differ.
    changed: Vec<ChangedDocument>,
    /// Whether those that both have stand in another order.
    #[schema(example = false)]
    reordered: bool,
}

/// An entry that both revisions have and that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedDocument {
    /// Its name.
    #[schema(example = "read event")]
    name: String,
    /// What differs; pointers lead into the entry.
    changes: Vec<ChangeDocument>,
}

/// A value that differs. A list that has grown or shrunk is one value; secrets are masked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeDocument {
    /// A JSON pointer.
    #[schema(example = "/url")]
    at: String,
    /// What was there; absent where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, example = "https://old.example.com")]
    old: Option<Value>,
    /// What is there; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, example = "https://new.example.com")]
    new: Option<Value>,
}

/// Edges that one of the revisions has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EdgesDocument {
    /// Those that only the new one has.
    added: Vec<EdgeDocument>,
    /// Those that only the old one has.
    removed: Vec<EdgeDocument>,
}

/// An edge between two steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EdgeDocument {
    /// The step that runs first.
    #[schema(example = "read event")]
    from: String,
    /// The step behind it.
    #[schema(example = "create incident")]
    to: String,
    /// `follows`; `branch` of a condition; `failure`: it runs when the other one failed.
    #[schema(example = "follows")]
    kind: &'static str,
    /// The branch's label, or its number from 1.
    #[schema(example = json!(null))]
    branch: Option<String>,
}

impl From<Change> for ChangeDocument {
    fn from(Change { at, old, new }: Change) -> Self {
        Self { at, old, new }
    }
}

impl From<Entries> for EntriesDocument {
    fn from(entries: Entries) -> Self {
        let changed = |Changed { name, changes }| ChangedDocument {
            name,
            changes: changes.into_iter().map(Into::into).collect(),
        };
        Self {
            added: entries.added,
            removed: entries.removed,
            changed: entries.changed.into_iter().map(changed).collect(),
            reordered: entries.reordered,
        }
    }
}

impl From<Edge> for EdgeDocument {
    fn from(Edge { from, to, way }: Edge) -> Self {
        let (kind, branch) = match way {
            Way::Follows => ("follows", None),
            Way::Branch(label) => ("branch", Some(label)),
            Way::Failure => ("failure", None),
        };
        Self {
            from,
            to,
            kind,
            branch,
        }
    }
}

/// The answer with a difference.
pub(crate) fn difference((from, to): (i64, i64), found: Difference) -> Json<DifferenceDocument> {
    Json(DifferenceDocument {
        from,
        to,
        note: found.note(),
        steps: found.steps.into(),
        edges: EdgesDocument {
            added: found.edges_added.into_iter().map(Into::into).collect(),
            removed: found.edges_removed.into_iter().map(Into::into).collect(),
        },
        variables: found.variables.into(),
        metadata: found.metadata.into_iter().map(Into::into).collect(),
    })
}
