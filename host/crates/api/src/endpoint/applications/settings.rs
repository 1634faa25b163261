//! `GET /api/v1/applications/{name}/settings`

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use engine::SettingsVariable;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    etag,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// What of an application is changed without touching its definition.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsDocument {
    /// The revision that they are of.
    #[schema(example = 3)]
    revision: i64,
    /// The configuration object that it is aligned with.
    #[schema(example = "acme")]
    configuration: Option<String>,
    /// The queue that it is aligned with.
    #[schema(example = json!(null))]
    queue: Option<String>,
    /// Its variables.
    variables: Vec<VariableDocument>,
}

/// A variable of an application.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableDocument {
    /// Its name.
    #[schema(example = "table")]
    name: String,
    /// What it means, for people.
    #[schema(example = "The table that incidents are created in")]
    description: Option<String>,
    /// Its own value.
    #[schema(value_type = Object, example = "incident")]
    value: Option<Value>,
    /// Its value where it has none of its own.
    #[schema(value_type = Object, example = "incident")]
    default_value: Option<Value>,
    /// An example.
    #[schema(value_type = Object, example = json!(null))]
    sample_value: Option<Value>,
    /// Whether a run cannot do without it.
    #[schema(example = false)]
    required: bool,
    /// Whether its values are secret; they are masked, but for references.
    #[schema(example = false)]
    secret: bool,
    /// Whether its value comes from a configuration object.
    #[schema(example = false)]
    refers: bool,
}

impl From<SettingsVariable> for VariableDocument {
    fn from(one: SettingsVariable) -> Self {
        Self {
            name: one.name,
            description: one.description,
            value: one.value,
            default_value: one.default_value,
            sample_value: one.sample_value,
            required: one.required,
            secret: one.secret,
            refers: one.refers,
        }
    }
}

/// Read the settings of an application
///
/// Its variables and what it is aligned with. The `ETag` is that of the application's revision.
#[utoipa::path(
    get, path = "/api/v1/applications/{name}/settings", operation_id = "get_application_settings", tag = "applications",
    params(("name" = String, Path, description = "The application's name", example = "create_or_update_incident")),
    responses(
        (status = 200, description = "The settings", body = SettingsDocument),
        (status = 404, description = "There is no such application (PF-0404)"),
    ),
)]
pub(crate) async fn settings(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
) -> Answer<Response> {
    let found = api
        .engine
        .application_settings(caller.tenant, &name)
        .await?;
    let tag = etag::tag(found.revision);
    let document = SettingsDocument {
        revision: found.revision,
        configuration: found.configuration,
        queue: found.queue,
        variables: found.variables.into_iter().map(Into::into).collect(),
    };
    Ok(([(header::ETAG, tag)], Json(document)).into_response())
}
