//! `POST /api/v1/syncpacks/{name}/activate`

use axum::{Json, extract::State};
use engine::{Give, Grants};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    audit::Audit,
    endpoint::to_its_end,
    extract::{JsonBody, Name, Who},
    problem::Answer,
    state::Shared,
    view::{raw, syncpack::SyncPack},
};

/// Which version to activate, and what it may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"version": "1.0.0", "grants": [{"id": "servicenow"}, {"id": "cache"}]}))]
pub(crate) struct ActivateBody {
    /// The version; the newest stored one when absent.
    #[serde(default)]
    version: Option<String>,
    /// The grants that are given: these and no others. When absent, each grant that this version
    /// asks for is given or denied as it was last, by whichever version of the SyncPack was active
    /// then and asked for exactly the same.
    #[serde(default)]
    grants: Option<Vec<GrantBody>>,
    /// Whether the grants are given in addition to those that the SyncPack has. The version then
    /// is the active one when absent.
    #[serde(default)]
    add: bool,
}

/// A grant that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "servicenow", "private_network": false, "configurations": ["servicenow_example"]}))]
pub(crate) struct GrantBody {
    /// Its id in the manifest.
    id: String,
    /// Whether it may lead to private, loopback and link-local addresses.
    #[serde(default)]
    private_network: bool,
    /// The configuration objects that it is given for, where a configuration variable names its
    /// host. When absent: those that the SyncPack brings, that applications with its steps are
    /// aligned with, or that it had this grant for. It holds for the hosts that they name now.
    #[serde(default)]
    configurations: Option<Vec<String>>,
}

/// An activated version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivatedPack {
    #[serde(flatten)]
    pack: SyncPack,
    /// The grants that it has now, with the configuration objects and hosts that they hold for.
    #[schema(value_type = Vec<Object>, example = json!([{"id": "servicenow", "private_network": false, "configurations": [{"id": 7, "name": "servicenow_example", "host": "dev1.service-now.com:443"}]}]))]
    grants: Box<RawValue>,
    /// Documents of the SyncPack that were not written, because a person had changed them.
    #[schema(example = json!([]))]
    kept: Vec<String>,
    /// Grants that it asks for and was not given: steps that need them will be refused.
    #[schema(example = json!(["cache"]))]
    not_granted: Vec<String>,
    /// The version that was active before.
    #[schema(example = "0.9.0")]
    previous_version: Option<String>,
    /// Grants that it has and the SyncPack had not, or not for private addresses; `ID=OBJECT` for a
    /// configuration object, or its host, that it had one not for.
    #[schema(example = json!(["servicenow"]))]
    newly_granted: Vec<String>,
    /// Grants that the SyncPack had and has no more, or no more for private addresses; `ID=OBJECT`
    /// for a configuration object that it had one for.
    #[schema(example = json!([]))]
    taken_away: Vec<String>,
}

/// Activate a SyncPack
///
/// Installs the version first if that has not been done, then makes it the active one:
/// new runs use its steps, and its applications and configuration objects are saved.
/// Runs in flight finish on the version that they started with. Grants are denied
/// unless they are given here or were given before. One whose host a configuration variable
/// names is given for configuration objects and the hosts that they name at that time.
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
        let give = |grant: GrantBody| Give {
            id: grant.id,
            private_network: grant.private_network,
            configurations: grant.configurations,
        };
        Grants {
            given: grants.into_iter().map(give).collect(),
            add: body.add,
        }
    });
    to_its_end(async move {
        let activated = api
            .engine
            .activate_pack(&caller, &name, body.version.as_deref(), grants)
            .await?;
        audit.activated(&activated);
        Ok(Json(ActivatedPack {
            pack: SyncPack::new(&activated.pack),
            grants: raw(activated.pack.grants)?,
            kept: activated.kept,
            not_granted: activated.not_granted,
            previous_version: activated.previous,
            newly_granted: activated.newly_granted,
            taken_away: activated.taken_away,
        }))
    })
    .await
}
