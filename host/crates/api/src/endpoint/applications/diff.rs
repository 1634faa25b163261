//! `GET /api/v1/applications/{name}/revisions/{number}/diff/{other}`

use axum::{Json, extract::State};
use store::definitions::Kind;

use crate::{
    extract::{Name, Who},
    problem::Answer,
    state::Shared,
    view::revision::{self, DifferenceDocument},
};

/// Compare two revisions of an application
///
/// What the second one of the address has, or has not, in place of the first. Secrets are masked.
#[utoipa::path(
    get, path = "/api/v1/applications/{name}/revisions/{number}/diff/{other}", operation_id = "compare_application_revisions", tag = "applications",
    params(
        ("name" = String, Path, description = "The application's name", example = "create_or_update_incident"),
        ("number" = i64, Path, description = "The number of the revision to start from", example = 2),
        ("other" = i64, Path, description = "The number of the one that it is compared with", example = 3),
    ),
    responses(
        (status = 200, description = "How they differ", body = DifferenceDocument),
        (status = 404, description = "There is no such application or revision (PF-0404)"),
    ),
)]
pub(crate) async fn diff(
    State(api): State<Shared>,
    Who(caller): Who,
    Name((name, number, other)): Name<(String, i64, i64)>,
) -> Answer<Json<DifferenceDocument>> {
    let found = api
        .engine
        .difference(caller.tenant, Kind::Application, &name, (number, other))
        .await?;
    Ok(revision::difference((number, other), found))
}
