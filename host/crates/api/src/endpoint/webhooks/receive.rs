//! `POST /hooks/{hook}`

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use engine::Received;

use crate::{
    audit::Origin, body, endpoint::to_its_end, extract::Name, problem::Answer, state::Shared,
    traced::Place, view::webhook::DeliveredDocument,
};

/// The largest body, in bytes.
const MOST: usize = 1 << 20;

/// Deliver to a webhook
///
/// Where other systems call. Who sends is proven as the webhook asks; a delivery that does not is
/// answered as an address that nobody has. The answer comes when the run is stored. A delivery that
/// came before is answered with the run that it started then.
#[utoipa::path(
    post, path = "/hooks/{hook}", operation_id = "receive_webhook", tag = "webhooks",
    params(("hook" = String, Path, description = "What the address of the webhook ends with", example = "5f0c6e2b8d1a4e7f9b3c2d1e0f4a5b6c")),
    request_body(content = String, description = "JSON, a form or a text, of at most 1 MiB", content_type = "*/*"),
    responses(
        (status = 200, description = "It came before: the run that it started then", body = DeliveredDocument),
        (status = 202, description = "Accepted", body = DeliveredDocument),
        (status = 404, description = "There is no such address, or what was sent does not prove who sent it (PF-0404)"),
        (status = 409, description = "The webhook is disabled (PF-1010)"),
        (status = 413, description = "The body is too large (PF-0413)"),
        (status = 422, description = "It starts no run (PF-1009); the webhook's log says why"),
        (status = 429, description = "Too much is waiting (PF-0429), or too many accepted runs of the tenant or on the queue have not ended (PF-0430); try again after `Retry-After`"),
    ),
)]
pub(crate) async fn receive(
    State(api): State<Shared>,
    Name(hook): Name<String>,
    request: Request,
) -> Answer<(StatusCode, Json<DeliveredDocument>)> {
    let (parts, sent) = request.into_parts();
    let body = body::read(sent, "what a webhook receives", MOST).await?;
    let headers = parts.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let received = Received {
        address: Origin::of(&parts.extensions, &parts.headers).said(),
        headers: headers.collect(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        trace: parts.extensions.get::<Place>().map(|place| place.0.clone()),
    };
    // What is received is recorded as well, whether its sender waits for the answer or not.
    to_its_end(async move {
        let delivered = api.engine.receive(&hook, &received).await?;
        let status = if delivered.duplicate {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        };
        Ok((status, Json(DeliveredDocument::new(&delivered))))
    })
    .await
}
