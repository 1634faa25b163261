//! `POST /api/v1/webhooks/{name}/deliveries/{number}/redeliver`

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::webhook::DeliveredDocument,
};

/// Deliver again what a webhook has received
///
/// A new run of what was received then, as the webhook is now. Only what started a run is kept, with
/// bodies of at most 64 KiB.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/deliveries/{number}/redeliver", operation_id = "redeliver", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name", example = "github push"),
        ("number" = i64, Path, description = "The delivery's number", example = 4711),
    ),
    responses(
        (status = 202, description = "Accepted", body = DeliveredDocument),
        (status = 404, description = "There is no such webhook or delivery (PF-0404)"),
        (status = 409, description = "What was received is not kept (PF-1004)"),
        (status = 422, description = "It starts no run any more (PF-1002); `errors` lists every reason"),
    ),
)]
pub(crate) async fn redeliver(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name((name, number)): Name<(String, i64)>,
) -> Answer<(StatusCode, Json<DeliveredDocument>)> {
    to_its_end(async move {
        let delivered = api.engine.redeliver(&caller, &name, number).await?;
        audit.redelivered(&name, number);
        let body = DeliveredDocument::new(&delivered);
        Ok((StatusCode::ACCEPTED, Json(body)))
    })
    .await
}
