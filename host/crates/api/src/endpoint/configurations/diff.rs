//! `GET /api/v1/configurations/{name}/revisions/{number}/diff/{other}`

use axum::{Json, extract::State};
use store::definitions::Kind;

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::revision::{self, DifferenceDocument},
};

/// Compare two revisions of a configuration object
///
/// What the second one of the address has, or has not, in place of the first. Secrets are masked. Of encrypted values only the names are told.
#[utoipa::path(
    get, path = "/api/v1/configurations/{name}/revisions/{number}/diff/{other}", operation_id = "compare_configuration_revisions", tag = "configurations",
    params(
        ("name" = String, Path, description = "The configuration object's name", example = "acme"),
        ("number" = i64, Path, description = "The number of the revision to start from", example = 2),
        ("other" = i64, Path, description = "The number of the one that it is compared with", example = 3),
    ),
    responses(
        (status = 200, description = "How they differ", body = DifferenceDocument),
        (status = 404, description = "There is no such configuration object or revision (PF-0404)"),
    ),
)]
pub(crate) async fn diff(
    State(api): State<Shared>,
    Who(caller): Who,
    Name((name, number, other)): Name<(String, i64, i64)>,
) -> Answer<Json<DifferenceDocument>> {
    let found = api
        .engine
        .difference(caller.tenant, Kind::Configuration, &name, (number, other))
        .await?;
    Ok(revision::difference((number, other), found))
}
