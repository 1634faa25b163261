//! `DELETE /api/v1/cache`

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{Args, Who},
    problem::Answer,
    state::Shared,
};

/// Which records go.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClearArgs {
    /// Records whose key starts with this; an empty one means all. It must be given.
    #[param(example = "servicenow/")]
    prefix: String,
}

/// How many records went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cleared {
    /// How many records were deleted.
    #[schema(example = 12)]
    deleted: u64,
}

/// Delete cache records by prefix
///
/// All whose key starts with the prefix.
#[utoipa::path(
    delete, path = "/api/v1/cache", operation_id = "clear_cache", tag = "cache",
    params(ClearArgs),
    responses((status = 200, description = "Deleted", body = Cleared)),
)]
pub(crate) async fn clear(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Args(args): Args<ClearArgs>,
) -> Answer<Json<Cleared>> {
    to_its_end(async move {
        let deleted = api.engine.cache_clear(caller.tenant, &args.prefix).await?;
        audit.cache_deleted(&args.prefix, deleted);
        Ok(Json(Cleared { deleted }))
    })
    .await
}
