//! `POST /api/v1/webhooks/{name}/rotate`

use axum::{extract::State, response::Response};
use engine::RotateWebhook;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Name, Who},
    problem::Answer,
    state::Shared,
    view::webhook::{self, SavedWebhookDocument},
};

/// How a secret is changed. Everything may be left out, the document as well.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RotateBody {
    /// The new secret; where it is left out, one is made up and answered this once.
    #[schema(example = "a new secret of the sender's")]
    secret: Option<String>,
    /// For how many seconds the one before counts as well; a day where it is left out, 30 days at
    /// most. 0: no more from now on.
    #[schema(example = 86400)]
    keep_seconds: Option<u64>,
}

/// Change the secret of a webhook
///
/// For a while both are right, so that the sender can change when it is ready.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/rotate", operation_id = "rotate_webhook", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name", example = "github push")),
    request_body = RotateBody,
    responses(
        (status = 200, description = "Changed", body = SavedWebhookDocument),
        (status = 404, description = "There is no such webhook (PF-0404)"),
        (status = 409, description = "It was changed at the same moment (PF-0409)"),
        (status = 422, description = "The secret is none, or the webhook has none (PF-1001)"),
    ),
)]
pub(crate) async fn rotate(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    JsonBody(body): JsonBody<RotateBody>,
) -> Answer<Response> {
    let rotate = RotateWebhook {
        secret: body.secret,
        keep_seconds: body.keep_seconds,
    };
    to_its_end(async move {
        let saved = api.engine.rotate_webhook(&caller, &name, rotate).await?;
        audit.webhook("rotate", &saved);
        Ok(webhook::saved(saved))
    })
    .await
}
