//! `POST /api/v1/syncpacks/{name}/activate`

use axum::{Json, extract::State};
use engine::GrantDecision;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Name, Who},
    problem::Answer,
    state::Shared,
    view::syncpack::SyncPack,
};

/// Which version to activate, and what it may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"version": "1.0.0", "grants": [{"id": "servicenow"}, {"id": "cache"}]}))]
pub(crate) struct ActivateBody {
    /// The version; the newest stored one when absent.
    #[serde(default)]
    version: Option<String>,
    /// The grants that are given: these and no others. When absent, the SyncPack keeps those
    /// that it has, as far as this version asks for exactly the same.
    #[serde(default)]
    grants: Option<Vec<GrantBody>>,
}

/// A grant that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "servicenow", "private_network": false}))]
pub(crate) struct GrantBody {
    /// Its id in the manifest.
    id: String,
    /// Whether it may lead to private, loopback and link-local addresses.
    #[serde(default)]
    private_network: bool,
}

/// An activated version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivatedPack {
    #[serde(flatten)]
    pack: SyncPack,
    /// Documents of the SyncPack that were not written, because a person had changed them.
    #[schema(example = json!([]))]
    kept: Vec<String>,
    /// Grants that it asks for and was not given: steps that need them will be refused.
    #[schema(example = json!(["cache"]))]
    not_granted: Vec<String>,
    /// Grants that the SyncPack had and has no more.
    #[schema(example = json!([]))]
    taken_away: Vec<String>,
}

/// Activate a SyncPack
///
/// Installs the version first if that has not been done, then makes it the active one:
/// new runs use its steps, and its applications and configuration objects are saved.
/// Runs in flight finish on the version that they started with. Grants are denied
/// unless they are given here or were given before.
#[utoipa::path(
    post, path = "/api/v1/syncpacks/{name}/activate", operation_id = "activate_syncpack", tag = "syncpacks",
    params(("name" = String, Path, description = "The SyncPack's name", example = "servicenow_example")),
    request_body(content = ActivateBody, description = "The version and the grants"),
    responses(
        (status = 200, description = "It is active", body = ActivatedPack),
        (status = 404, description = "There is no such SyncPack or version (PF-0404)"),
        (status = 409, description = "Its state does not allow it (PF-2002)"),
        (status = 422, description = "A grant cannot be given as asked (PF-2003)"),
    ),
)]
pub(crate) async fn activate(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Name(name): Name<String>,
    JsonBody(body): JsonBody<ActivateBody>,
) -> Answer<Json<ActivatedPack>> {
    let grants = body.grants.map(|grants| {
        let decision = |grant: GrantBody| GrantDecision {
            id: grant.id,
            private_network: grant.private_network,
        };
        grants.into_iter().map(decision).collect()
    });
    to_its_end(async move {
        let activated = api
            .engine
            .activate_pack(&caller, &name, body.version.as_deref(), grants)
            .await?;
        audit.activated(&activated);
        Ok(Json(ActivatedPack {
            pack: SyncPack::new(&activated.pack),
            kept: activated.kept,
            not_granted: activated.not_granted,
            taken_away: activated.taken_away,
        }))
    })
    .await
}
