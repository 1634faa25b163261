//! `DELETE /api/v1/cache/{key}`

use axum::{extract::State, http::StatusCode};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
};

/// Delete a cache record
#[utoipa::path(
    delete, path = "/api/v1/cache/{key}", operation_id = "delete_cache", tag = "cache",
    description = "A slash in the key is written `%2F`.",
    params(("key" = String, Path, description = "The record's key", example = "servicenow/last_sync")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such record, or it has expired (PF-0404)"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(key): Name<String>,
) -> Answer<StatusCode> {
    to_its_end(async move {
        api.engine.cache_delete(caller.tenant, &key).await?;
        audit.cache_deleted(&key, 1);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
