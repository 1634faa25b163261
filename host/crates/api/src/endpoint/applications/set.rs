//! `PATCH /api/v1/applications/{name}/settings`

use axum::{extract::State, response::Response};
use engine::ChangeSettings;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::{self, Expect},
    extract::{JsonBody, Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
    view::definition::{self, SavedDocument},
};

/// What is to be changed; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"configuration": "acme", "variables": {"table": "incident", "region": "${config.region}"}}))]
pub(crate) struct SettingsBody {
    /// The configuration object to align the application with; `none` un-aligns it.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// The queue to align it with; `none` un-aligns it.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// Values of its variables by name; `null` takes a value away, so that the default counts.
    #[schema(value_type = Object, example = json!({"table": "incident"}))]
    variables: Map<String, Value>,
}

/// Change the settings of an application
///
/// The values of its variables and what it is aligned with, and nothing else of it: also where the
/// application itself is not the caller's to change. It is saved as a new revision. A value of a
/// secret variable must be a reference to a configuration object.
#[utoipa::path(
    patch, path = "/api/v1/applications/{name}/settings", operation_id = "change_application_settings", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("If-Match" = Option<String>, Header, description = "Only while this revision (its ETag) is the newest", example = "\"3\""),
    ),
    request_body = SettingsBody,
    responses(
        (status = 200, description = "Saved; what means the same makes no new revision", body = SavedDocument),
        (status = 404, description = "There is no such application (PF-0404)"),
        (status = 409, description = "It was changed at the same moment (PF-0409)"),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "There is no such variable or configuration object (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn set(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Answer<Response> {
    if expect == Expect::Present {
        let found = api.engine.application(caller.tenant, &name).await;
        etag::present("application", &name, found)?;
    }
    let change = ChangeSettings {
        configuration: body.configuration,
        queue: body.queue,
        variables: body.variables,
    };
    to_its_end(async move {
        let saved = api
            .engine
            .change_settings(&caller, &name, &change, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect.revision().is_some()))?;
        audit.saved(Document::Application, &saved);
        Ok(definition::saved(super::COLLECTION, saved))
    })
    .await
}
