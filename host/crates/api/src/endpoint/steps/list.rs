//! `GET /api/v1/steps`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::StepSummary;
use crate::{
    extract::{Args, Who},
    paging::Listing,
    problem::Answer,
    state::Shared,
};

/// How steps are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StepsArgs {
    /// Only steps whose name, friendly name or description contains this, in upper or
    /// lower case.
    #[serde(default)]
    #[param(example = "incident")]
    search: String,
    /// Only steps of this SyncPack.
    #[param(example = "servicenow_example")]
    syncpack: Option<String>,
}

/// List steps
///
/// All steps of active SyncPacks; the list is always whole.
#[utoipa::path(
    get, path = "/api/v1/steps", operation_id = "list_steps", tag = "steps",
    params(StepsArgs),
    responses((status = 200, description = "The steps", body = Listing<StepSummary>)),
)]
pub(crate) async fn list(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<StepsArgs>,
) -> Answer<Json<Listing<StepSummary>>> {
    let search = args.search.to_lowercase();
    let items = api
        .engine
        .steps(caller.tenant)
        .iter()
        .map(StepSummary::new)
        .filter(|step| {
            args.syncpack
                .as_ref()
                .is_none_or(|pack| *pack == step.syncpack)
        })
        .filter(|step| {
            [&step.name, &step.friendly_name, &step.description]
                .into_iter()
                .any(|text| text.to_lowercase().contains(&search))
        })
        .collect();
    Ok(Json(Listing::whole(items)))
}
