//! `GET /api/v1/limits/{key}`

use axum::{Json, extract::State};

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::limit::LimitsOfKey,
};

/// Read the limits of a key
#[utoipa::path(
    get, path = "/api/v1/limits/{key}", operation_id = "get_limit", tag = "limits",
    description = "Who holds the key and who waits for it, the first hundred of each. A key may have a concurrency, a rate, or both. A slash in the key is written `%2F`.",
    params(("key" = String, Path, description = "The key", example = "device 10.2.3.4")),
    responses(
        (status = 200, description = "The limits", body = LimitsOfKey),
        (status = 404, description = "No step has used such a key of late (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(key): Name<String>,
) -> Answer<Json<LimitsOfKey>> {
    let found = api.engine.limit(caller.tenant, &key).await?;
    Ok(Json(LimitsOfKey::new(key, found)))
}
