//! `PUT /api/v1/webhooks/{name}`

use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    audit::Audit,
    code,
    endpoint::to_its_end,
    etag::Expect,
    extract::{JsonBody, Name, Who},
    problem::{Answer, Problem},
    refusal,
    state::Shared,
    view::webhook::{self, SavedWebhookDocument, WebhookBody},
};

/// Create or replace a webhook knowingly
///
/// The caller must say what is replaced: `If-Match` with the ETag that was read, `If-Match: *`
/// for whatever there is, or `If-None-Match: *` if there should be none. Its address stays, and so
/// does its secret where none is given; a secret that is given counts at once, and the one before no
/// more (rotating it keeps both for a while).
#[utoipa::path(
    put, path = "/api/v1/webhooks/{name}", operation_id = "put_webhook", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name", example = "github push"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the revision that is replaced, or `*`", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "`*`: save only if there is none of that name", example = "*"),
    ),
    request_body = WebhookBody,
    responses(
        (status = 200, description = "Saved", body = SavedWebhookDocument),
        (status = 201, description = "Saved; there was none of that name before", body = SavedWebhookDocument),
        (status = 412, description = "It was changed in the meantime (PF-0412)"),
        (status = 422, description = "It has faults (PF-1001); `errors` lists all"),
        (status = 428, description = "Neither `If-Match` nor `If-None-Match` was sent (PF-0428)"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    expect: Expect,
    JsonBody(body): JsonBody<WebhookBody>,
) -> Answer<Response> {
    let expect = expect.needed()?;
    if let Some(own) = body.name.as_deref().filter(|own| *own != name) {
        return Err(Problem::unreadable_at(
            "/name",
            format!("the body names `{own}`, the address `{name}`"),
        ));
    }
    if expect == Expect::Present {
        match api.engine.webhook(caller.tenant, &name).await {
            Ok(_) => {}
            Err(engine::Error::NotFound { .. }) => {
                return Err(Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    code::PRECONDITION,
                    format!("there is no webhook `{name}` to replace"),
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    to_its_end(async move {
        let saved = api
            .engine
            .save_webhook(&caller, body.write(name), expect.revision())
            .await
            .map_err(|error| refusal::conditional(error, expect.revision().is_some()))?;
        audit.webhook("save", &saved);
        Ok(webhook::saved(saved))
    })
    .await
}
