//! `POST /api/v1/webhooks`

use axum::{extract::State, response::Response};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Who},
    problem::Answer,
    state::Shared,
    view::webhook::{self, NewWebhookBody, SavedWebhookDocument},
};

/// Make a webhook
///
/// Its address is made up with it and never changes. Where no secret is given and the scheme needs
/// one, it is made up as well, and answered this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "create_webhook", tag = "webhooks",
    request_body = NewWebhookBody,
    responses(
        (status = 201, description = "Made", body = SavedWebhookDocument),
        (status = 409, description = "There is one of that name (PF-0409)"),
        (status = 422, description = "It has faults (PF-1001); `errors` lists all"),
    ),
)]
pub(crate) async fn create(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    JsonBody(body): JsonBody<NewWebhookBody>,
) -> Answer<Response> {
    to_its_end(async move {
        let saved = api
            .engine
            .save_webhook(&caller, body.write(), Some(0))
            .await?;
        audit.webhook("save", &saved);
        Ok(webhook::saved(saved))
    })
    .await
}
