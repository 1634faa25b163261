//! `GET /api/v1/webhooks/{name}`

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::webhook::{self, WebhookDocument},
};

/// Read a webhook
///
/// Its address and document; of its secrets only since when they count. Whoever knows the address
/// of a webhook without a signature can start its application: so it needs the permission to run.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{name}", operation_id = "get_webhook", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name", example = "github push"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the caller has: if one is current, the answer is 304 without a body", example = "\"3\""),
    ),
    responses(
        (status = 200, description = "The webhook", body = WebhookDocument),
        (status = 304, description = "The caller has the current revision"),
        (status = 404, description = "There is no such webhook (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let found = api.engine.webhook(caller.tenant, &name).await?;
    Ok(webhook::detail(&headers, found))
}
