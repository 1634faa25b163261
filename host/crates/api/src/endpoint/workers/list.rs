//! `GET /api/v1/workers`

use axum::{Json, extract::State};

use crate::{paging::Listing, problem::Answer, state::Shared, view::worker::Worker};

/// List the processes of the service
///
/// Those with a running lease, the oldest first: workers, and with them processes that
/// execute nothing, which have no slots. One that ended without giving back its lease is
/// listed until that ends.
#[utoipa::path(
    get, path = "/api/v1/workers", operation_id = "list_workers", tag = "workers",
    responses((status = 200, description = "All of them", body = Listing<Worker>)),
)]
pub(crate) async fn list(State(api): State<Shared>) -> Answer<Json<Listing<Worker>>> {
    let workers = api.engine.workers().await?;
    let items = workers.into_iter().map(Worker::new).collect();
    Ok(Json(Listing::whole(items)))
}
