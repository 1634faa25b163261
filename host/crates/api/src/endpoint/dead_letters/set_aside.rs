//! `GET /api/v1/dead-letters/queues`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{problem::Answer, state::Shared, view::bulk::SetAsideDocument};

/// What queues have set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetAsideList {
    /// The queues that have.
    items: Vec<SetAsideDocument>,
}

/// List what queues have set aside
///
/// Entries that were delivered too often and never acknowledged: they lead to no harm, and are delivered
/// anew within a minute by themselves. More than a few of them mean that workers end, or have no slot
/// free, over and over.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/queues", operation_id = "list_set_aside", tag = "runs",
    responses((status = 200, description = "The queues that have some", body = SetAsideList)),
)]
pub(crate) async fn set_aside(State(api): State<Shared>) -> Answer<Json<SetAsideList>> {
    let all = api.engine.set_aside().await?;
    let items = all.into_iter().map(Into::into).collect();
    Ok(Json(SetAsideList { items }))
}
