//! `GET /api/v1/steps/{name}`

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::StepSummary;
use crate::{
    extract::{Args, Name, Who},
    problem::Answer,
    state::Shared,
};

/// Which step is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StepArgs {
    /// The SyncPack, where several have a step of that name.
    #[param(example = "servicenow_example")]
    syncpack: Option<String>,
}

/// A step with its descriptor and its source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepDetail {
    #[serde(flatten)]
    summary: StepSummary,
    /// Its descriptor as the SyncPack has it: parameters, output schema and more.
    #[schema(value_type = Object, example = json!({"name": "CreateOrUpdateIncident", "parameters": [{"name": "sn_url", "type": "string", "required": true}]}))]
    descriptor: Value,
    /// Its source code, if the SyncPack carries it.
    #[schema(example = json!(null))]
    code: Option<String>,
}

/// Read a step
///
/// With its parameters and, if the SyncPack carries it, its source code.
#[utoipa::path(
    get, path = "/api/v1/steps/{name}", operation_id = "get_step", tag = "steps",
    params(
        ("name" = String, Path, description = "The step's name", example = "CreateOrUpdateIncident"),
        StepArgs,
    ),
    responses(
        (status = 200, description = "The step", body = StepDetail),
        (status = 404, description = "No active SyncPack has such a step (PF-0404)"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Shared>,
    Who(caller): Who,
    Name(name): Name<String>,
    Args(args): Args<StepArgs>,
) -> Answer<Json<StepDetail>> {
    let syncpack = args.syncpack.as_deref();
    let entry = api.engine.step(caller.tenant, &name, syncpack)?;
    let code = api.engine.step_code(caller.tenant, &name, syncpack).await?;
    Ok(Json(StepDetail {
        summary: StepSummary::new(&entry),
        descriptor: entry.descriptor,
        code,
    }))
}
