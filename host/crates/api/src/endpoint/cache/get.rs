//! `GET /api/v1/cache/{key}`

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::{maybe_time, raw, time},
};

/// A cache record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Record {
    /// Its key.
    #[schema(example = "servicenow/last_sync")]
    key: String,
    /// Its value.
    #[schema(value_type = Object, example = json!({"last": "2027-01-15"}))]
    value: Box<RawValue>,
    /// When it was saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    saved_at: String,
    /// When it is forgotten; `null`: never.
    #[schema(format = DateTime, example = "2027-01-15T09:00:00Z")]
    expires_at: Option<String>,
}

/// Read a cache record
#[utoipa::path(
    get, path = "/api/v1/cache/{key}", operation_id = "get_cache", tag = "cache",
    description = "With its value. A slash in the key is written `%2F`.",
    params(("key" = String, Path, description = "The record's key", example = "servicenow/last_sync")),
    responses(
        (status = 200, description = "The record", body = Record),
        (status = 404, description = "There is no such record, or it has expired (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(key): Name<String>,
) -> Answer<Json<Record>> {
    let record = api.engine.cache_get(caller.tenant, &key).await?;
    Ok(Json(Record {
        value: raw(record.value)?,
        key: record.key,
        saved_at: time(record.saved_at),
        expires_at: maybe_time(record.expires_at),
    }))
}
