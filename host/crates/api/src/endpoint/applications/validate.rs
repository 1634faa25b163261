//! `POST /api/v1/applications/validate`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    extract::{Document, Who},
    problem::{Answer, FaultDocument},
    state::Shared,
};

/// What is wrong with a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Validation {
    /// Every fault that keeps the application from running, in the order of the document.
    faults: Vec<FaultDocument>,
    /// What does not, but needs attention: a parameter that each run must give.
    warnings: Vec<FaultDocument>,
}

/// Check an application
///
/// Lists everything that is wrong with the document in the body, and stores nothing.
#[utoipa::path(
    post, path = "/api/v1/applications/validate", operation_id = "validate_application", tag = "applications",
    request_body(content = Object, description = "The application", content_type = "application/json",
        example = json!({"friendly_name": "Check me", "steps": [{"name": "one", "file": "NoSuchStep"}]})),
    responses((status = 200, description = "What is wrong; an empty list when nothing is", body = Validation)),
)]
pub(crate) async fn validate(
    State(api): State<Shared>,
    Who(caller): Who,
    Document(document): Document,
) -> Answer<Json<Validation>> {
    let found = api
        .engine
        .validate_application(caller.tenant, &document)
        .await?;
    Ok(Json(Validation {
        faults: found.faults.into_iter().map(Into::into).collect(),
        warnings: found.warnings.into_iter().map(Into::into).collect(),
    }))
}
