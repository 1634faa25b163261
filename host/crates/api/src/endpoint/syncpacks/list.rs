//! `GET /api/v1/syncpacks`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    paging::Listing,
    problem::Answer,
    state::Shared,
    view::syncpack::SyncPack,
};

/// Which SyncPacks are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PacksArgs {
    /// Only installed versions.
    #[serde(default)]
    #[param(example = false)]
    only_installed: bool,
    /// Only active versions.
    #[serde(default)]
    #[param(example = false)]
    only_activated: bool,
}

/// List SyncPacks
///
/// Every stored version, by name and then in the order of upload; the list is always whole.
#[utoipa::path(
    get, path = "/api/v1/syncpacks", operation_id = "list_syncpacks", tag = "syncpacks",
    params(PacksArgs),
    responses((status = 200, description = "The stored versions", body = Listing<SyncPack>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<PacksArgs>,
) -> Answer<Json<Listing<SyncPack>>> {
    let packs = api.engine.packs(caller.tenant).await?;
    let items = packs
        .iter()
        .filter(|pack| !args.only_installed || pack.state == store::packs::PackState::Installed)
        .filter(|pack| !args.only_activated || pack.active)
        .map(SyncPack::new)
        .collect();
    Ok(Json(Listing::whole(items)))
}
