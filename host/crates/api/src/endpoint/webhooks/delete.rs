//! `DELETE /api/v1/webhooks/{name}`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::{Audit, Document},
    endpoint::to_its_end,
    etag::Expect,
    extract::{Name, Who},
    problem::Answer,
    refusal,
    state::Shared,
};

/// Delete a webhook
///
/// Its address is gone for good, and so is its log. The runs that it started stay.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{name}", operation_id = "delete_webhook", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name", example = "github push"),
        ("If-Match" = Option<String>, Header, description = "Delete only this revision (its ETag)", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such webhook (PF-0404)"),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
) -> Answer<StatusCode> {
    to_its_end(async move {
        api.engine
            .delete_webhook(&caller, &name, expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect != Expect::Anything))?;
        audit.deleted(Document::Webhook, &name);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
