//! Webhooks and their deliveries.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use engine::{SavedWebhook, WebhookDetail, WebhookWrite, public_text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::webhooks::Delivery;
use utoipa::ToSchema;

use super::{maybe_time, part, time};
use crate::{etag, problem::FaultDocument};

/// Where webhooks are.
pub(crate) const COLLECTION: &str = "/api/v1/webhooks";

/// A webhook as it is written. What is left out is not set, but for the secret, which stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({
    "application": "create_or_update_incident",
    "mapping": {"event_id": {"body": "/event/id"}, "kind": {"header": "x-github-event"}},
    "signature": {"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="},
    "deduplicate": {"header": "x-github-delivery"},
}))]
pub(crate) struct WebhookBody {
    /// Its name; may be left out, for the address has it.
    #[schema(example = "github push")]
    pub(crate) name: Option<String>,
    /// The application that a delivery starts.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// What it is for.
    #[schema(example = "Pushes to the main branch")]
    description: Option<String>,
    /// Parameters that each run is given.
    #[schema(value_type = Object, example = json!({"region": "eu"}))]
    params: Option<Map<String, Value>>,
    /// Parameters by name that are made of the delivery: `{"body": "/a/JSON/pointer"}`,
    /// `{"header": "x-name"}` or `{"query": "name"}`. The last two may have a `type`: `string`,
    /// `integer`, `number`, `boolean` or `json`. A delivery without one is refused, unless
    /// `"required": false`.
    #[schema(value_type = Object, example = json!({"event_id": {"body": "/event/id"}}))]
    mapping: Option<Map<String, Value>>,
    /// The parameter that the whole body is: JSON, a form as an object of texts, or a text.
    #[schema(example = "event")]
    body_parameter: Option<String>,
    /// The configuration object of its runs, in place of the application's; `none`: none.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// The queue of its runs, in place of the application's.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// How a delivery proves who sent it. `scheme` is `hmac-sha256` (with `header`, and perhaps
    /// `prefix`, `encoding` `hex` or `base64`, `timestamp_header`, `tolerance_seconds`, and
    /// `signed`, a text with `{timestamp}` and `{body}`), `stripe`, `token` (the secret itself
    /// in `header`, perhaps behind a `prefix`), or `none`, which believes whoever knows the address.
    #[schema(value_type = Object, example = json!({"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="}))]
    signature: Option<Map<String, Value>>,
    /// What tells two deliveries of the same event: `{"header": …}`, `{"body": …}` or
    /// `{"query": …}`. The second one answers the run of the first.
    #[schema(value_type = Object, example = json!({"header": "x-github-delivery"}))]
    deduplicate: Option<Map<String, Value>>,
    /// Whether deliveries are taken; `true` where it is left out.
    #[schema(example = true)]
    enabled: Option<bool>,
    /// The secret; nobody can read it again. Where it is left out, the stored one stays, or one
    /// is made up and answered once.
    #[schema(example = "a secret of the sender's")]
    secret: Option<String>,
}

/// A webhook that is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "github push",
    "application": "create_or_update_incident",
    "mapping": {"event_id": {"body": "/event/id"}},
    "signature": {"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="},
}))]
pub(crate) struct NewWebhookBody {
    /// Its name.
    #[schema(example = "github push")]
    pub(crate) name: String,
    /// The application that a delivery starts.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// What it is for.
    #[schema(example = "Pushes to the main branch")]
    description: Option<String>,
    /// Parameters that each run is given.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"region": "eu"}))]
    params: Option<Map<String, Value>>,
    /// Parameters by name that are made of the delivery: `{"body": "/a/JSON/pointer"}`,
    /// `{"header": "x-name"}` or `{"query": "name"}`. The last two may have a `type`: `string`,
    /// `integer`, `number`, `boolean` or `json`. A delivery without one is refused, unless
    /// `"required": false`.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"event_id": {"body": "/event/id"}}))]
    mapping: Option<Map<String, Value>>,
    /// The parameter that the whole body is: JSON, a form as an object of texts, or a text.
    #[schema(example = "event")]
    body_parameter: Option<String>,
    /// The configuration object of its runs, in place of the application's; `none`: none.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// The queue of its runs, in place of the application's.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// How a delivery proves who sent it. `scheme` is `hmac-sha256` (with `header`, and perhaps
    /// `prefix`, `encoding` `hex` or `base64`, `timestamp_header`, `tolerance_seconds`, and
    /// `signed`, a text with `{timestamp}` and `{body}`), `stripe`, `token` (the secret itself
    /// in `header`, perhaps behind a `prefix`), or `none`, which believes whoever knows the address.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"scheme": "hmac-sha256", "header": "x-hub-signature-256", "prefix": "sha256="}))]
    signature: Option<Map<String, Value>>,
    /// What tells two deliveries of the same event: `{"header": …}`, `{"body": …}` or
    /// `{"query": …}`. The second one answers the run of the first.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"header": "x-github-delivery"}))]
    deduplicate: Option<Map<String, Value>>,
    /// Whether deliveries are taken; `true` where it is left out.
    #[schema(example = true)]
    enabled: Option<bool>,
    /// The secret; nobody can read it again. Where it is left out, the stored one stays, or one
    /// is made up and answered once.
    #[schema(example = "a secret of the sender's")]
    secret: Option<String>,
}

impl WebhookBody {
    /// As the engine takes it, under that name.
    pub(crate) fn write(self, name: String) -> WebhookWrite {
        let texts = [
            ("application", self.application),
            ("description", self.description),
            ("body_parameter", self.body_parameter),
            ("configuration", self.configuration),
            ("queue", self.queue),
        ];
        let objects = [
            ("params", self.params),
            ("mapping", self.mapping),
            ("signature", self.signature),
            ("deduplicate", self.deduplicate),
        ];
        let mut document = Map::new();
        for (key, text) in texts {
            document.insert(key.to_owned(), json!(text));
        }
        for (key, object) in objects {
            document.insert(key.to_owned(), json!(object));
        }
        document.insert("enabled".to_owned(), json!(self.enabled));
        WebhookWrite {
            name,
            document,
            secret: self.secret,
        }
    }
}

impl NewWebhookBody {
    /// As the engine takes it.
    pub(crate) fn write(self) -> WebhookWrite {
        let name = self.name;
        let body = WebhookBody {
            name: None,
            application: self.application,
            description: self.description,
            params: self.params,
            mapping: self.mapping,
            body_parameter: self.body_parameter,
            configuration: self.configuration,
            queue: self.queue,
            signature: self.signature,
            deduplicate: self.deduplicate,
            enabled: self.enabled,
            secret: self.secret,
        };
        body.write(name)
    }
}

/// A secret of a webhook, without the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretDocument {
    /// Since when it is one.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    since: String,
    /// Until when it counts; `null`: until another takes its place.
    #[schema(format = DateTime, example = json!(null))]
    until: Option<String>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDocument {
    /// Its name.
    #[schema(example = "github push")]
    name: String,
    /// Where deliveries go, on this service: `POST`.
    #[schema(example = "/hooks/5f0c6e2b8d1a4e7f9b3c2d1e0f4a5b6c")]
    url: String,
    /// The application that a delivery starts.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// Whether deliveries are taken.
    #[schema(example = true)]
    enabled: bool,
    /// The document as it was saved, without the secret.
    #[schema(value_type = Object)]
    document: Map<String, Value>,
    /// The secrets that count, the newest first; none for the scheme `none`.
    secrets: Vec<SecretDocument>,
    /// How often it was saved, from 1: what the ETag holds.
    #[schema(example = 3)]
    revision: i64,
    /// How many deliveries proved who sent them.
    #[schema(example = 4711)]
    proven: i64,
    /// How many did not, as far as they are written down.
    #[schema(example = 0)]
    unproven: i64,
    /// Who saved it last.
    #[schema(example = "isadmin")]
    edited_by: String,
    /// When it was saved last.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    edited_at: String,
    /// When it was first saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    created_at: String,
    /// Where it is.
    #[schema(example = "/api/v1/webhooks/github%20push")]
    href: String,
}

impl WebhookDocument {
    pub(crate) fn new(one: WebhookDetail) -> Self {
        let WebhookDetail {
            webhook,
            document,
            secrets,
        } = one;
        Self {
            href: format!("{COLLECTION}/{}", part(&webhook.name)),
            url: format!("/hooks/{}", public_text(webhook.public)),
            enabled: document.get("enabled") != Some(&Value::Bool(false)),
            name: webhook.name,
            application: webhook.application,
            document,
            secrets: secrets
                .into_iter()
                .map(|secret| SecretDocument {
                    since: time(secret.since),
                    until: maybe_time(secret.until),
                })
                .collect(),
            revision: webhook.revision,
            proven: webhook.proven,
            unproven: webhook.unproven,
            edited_by: webhook.edited_by,
            edited_at: time(webhook.edited_at),
            created_at: time(webhook.created_at),
        }
    }
}

/// What became of a saved webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedWebhookDocument {
    #[serde(flatten)]
    webhook: WebhookDocument,
    /// Whether there was none of that name before.
    #[schema(example = true)]
    created: bool,
    /// Whether this made a new revision.
    #[schema(example = true)]
    changed: bool,
    /// The secret that was made up: it is shown this once.
    #[schema(example = json!(null))]
    secret: Option<String>,
    /// What needs attention, though it was saved.
    warnings: Vec<FaultDocument>,
}

/// The answer to a save.
pub(crate) fn saved(saved: SavedWebhook) -> Response {
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, etag::tag(saved.detail.webhook.revision));
    let webhook = WebhookDocument::new(saved.detail);
    if let Ok(location) = HeaderValue::from_str(&webhook.href) {
        headers.insert(header::LOCATION, location);
    }
    let body = SavedWebhookDocument {
        webhook,
        created: saved.created,
        changed: saved.changed,
        secret: saved.secret,
        warnings: saved.warnings.into_iter().map(Into::into).collect(),
    };
    (status, headers, Json(body)).into_response()
}

/// The answer to a GET.
pub(crate) fn detail(headers: &HeaderMap, one: WebhookDetail) -> Response {
    let tag = etag::tag(one.webhook.revision);
    if etag::unchanged(headers, one.webhook.revision) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag)], Json(WebhookDocument::new(one))).into_response()
}

/// A delivery of a webhook's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryDocument {
    /// Its number in the webhook.
    #[schema(example = 4711)]
    number: i64,
    /// When it came.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    at: String,
    /// Where from.
    #[schema(example = "192.0.2.7")]
    address: String,
    /// `accepted`; `duplicate`: its run was started before; `refused`: it starts no run;
    /// `disabled`: the webhook takes none; `unproven`: it did not prove who sent it.
    #[schema(example = "accepted")]
    outcome: &'static str,
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    run: Option<String>,
    /// Why there is none, or what the run waits for.
    #[schema(example = json!(null))]
    reason: Option<String>,
    /// The bytes of its body.
    #[schema(example = 512)]
    size: i64,
    /// The SHA-256 of its body, in hexadecimal.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    digest: String,
    /// The delivery that it repeats, because somebody asked for it.
    #[schema(example = json!(null))]
    repeats: Option<i64>,
    /// Whether it can be delivered again.
    #[schema(example = true)]
    kept: bool,
}

impl DeliveryDocument {
    pub(crate) fn new(one: Delivery) -> Self {
        Self {
            number: one.number,
            at: time(one.at),
            address: one.address,
            outcome: one.outcome.word(),
            run: one.run.map(|run| run.to_string()),
            reason: one.reason,
            size: one.size,
            digest: one.digest.iter().fold(String::new(), |mut text, byte| {
                use std::fmt::Write as _;
                // Writing to a string does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            }),
            repeats: one.repeats,
            kept: one.kept,
        }
    }
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveredDocument {
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    pub(crate) task_id: String,
    /// It came before, and this is the run that it started then.
    #[schema(example = false)]
    pub(crate) duplicate: bool,
}

impl DeliveredDocument {
    pub(crate) fn new(delivered: &engine::Delivered) -> Self {
        Self {
            task_id: delivered.run.to_string(),
            duplicate: delivered.duplicate,
        }
    }
}
