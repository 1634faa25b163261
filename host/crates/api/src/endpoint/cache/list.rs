//! `GET /api/v1/cache`

use axum::{extract::State, http::Uri, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    extract::{Args, Who},
    paging::{self, Listing},
    problem::Answer,
    state::Shared,
    view::{maybe_time, part, time},
};

/// Which records are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CacheArgs {
    /// Only records whose key starts with this.
    #[serde(default)]
    #[param(example = "servicenow/")]
    prefix: String,
    /// The `next` of the part before.
    after: Option<String>,
    /// Entries of a part, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
}

/// A cache record without its value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordSummary {
    /// Its key.
    #[schema(example = "servicenow/token")]
    key: String,
    /// The length of its value in bytes.
    #[schema(example = 512)]
    size: u64,
    /// When it was saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    saved_at: String,
    /// When it is forgotten; `null`: never.
    #[schema(format = DateTime, example = "2027-01-15T09:00:00Z")]
    expires_at: Option<String>,
    /// Where it is.
    #[schema(example = "/api/v1/cache/servicenow%2Ftoken")]
    href: String,
}

/// List cache records
///
/// In the order of their keys, without values.
#[utoipa::path(
    get, path = "/api/v1/cache", operation_id = "list_cache", tag = "cache",
    params(CacheArgs),
    responses((status = 200, description = "A part of the list", body = Listing<RecordSummary>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<CacheArgs>,
    uri: Uri,
) -> Answer<Response> {
    let limit = paging::limit(args.limit)?;
    let after = paging::after(&uri, args.after)?;
    let page = api
        .engine
        .cache_list(caller.tenant, &args.prefix, after.as_deref(), limit)
        .await?;
    let items = page
        .items
        .into_iter()
        .map(|record| RecordSummary {
            href: format!("/api/v1/cache/{}", part(&record.key)),
            key: record.key,
            size: record.size,
            saved_at: time(record.saved_at),
            expires_at: maybe_time(record.expires_at),
        })
        .collect();
    Ok(paging::answer(&uri, items, page.next))
}
