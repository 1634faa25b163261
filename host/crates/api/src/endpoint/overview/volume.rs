//! `GET /api/v1/overview/volume`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    extract::{Args, Who},
    problem::Answer,
    state::Shared,
    view::overview::VolumeDocument,
};

/// How much is shown where nobody says so, in hours.
const USUAL: u32 = 24;

/// What is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VolumeArgs {
    /// The last so many hours, 1 to 744; 24 when absent.
    #[param(minimum = 1, maximum = 744, example = 24)]
    hours: Option<u32>,
}

/// Show how much has run
///
/// The runs of all applications, summed up by parts of the time. It may be old by a small part of
/// the time that reading it takes.
#[utoipa::path(
    get, path = "/api/v1/overview/volume", operation_id = "show_volume", tag = "service",
    params(VolumeArgs),
    responses(
        (status = 200, description = "What has run", body = VolumeDocument),
        (status = 422, description = "`hours` is out of its bounds (PF-1001)"),
    ),
)]
pub(crate) async fn volume(
    State(api): State<Shared>,
    Who(caller): Who,
    Args(args): Args<VolumeArgs>,
) -> Answer<Json<VolumeDocument>> {
    let hours = args.hours.unwrap_or(USUAL);
    let volume = api.engine.volume(caller.tenant, hours).await?;
    Ok(Json(VolumeDocument::new(&volume)))
}
