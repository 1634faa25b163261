//! `GET /api/v1/tasks/{id}/data`

use axum::{Json, extract::State};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    extract::{Task, Who},
    problem::Answer,
    state::Shared,
    view::raw,
};

/// What a run was given and what its steps made of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskData {
    /// The run.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    task_id: String,
    /// The run's own parameters, secret ones masked.
    #[schema(value_type = Object, example = json!({"event_id": 4711}))]
    input: Box<RawValue>,
    /// Each step's name with its data; `null` for a step that has none. Of a step's id,
    /// only that step's.
    #[schema(value_type = std::collections::BTreeMap<String, Option<Object>>, example = json!({"read event": {"severity": "major"}}))]
    outputs: Outputs,
}

/// Names and data in the order of the plan.
#[derive(Debug)]
struct Outputs(Vec<(String, Option<Box<RawValue>>)>);

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, data)| (name, data)))
    }
}

/// Read the data of a run or a step
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/data", operation_id = "get_task_data", tag = "tasks",
    description = "What the run was given and what its steps handed on.",
    params(("id" = String, Path, description = "`isapp-…` (run) or `istask-…` (step)", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The data", body = TaskData),
        (status = 404, description = "There is no such task (PF-0404)"),
    ),
)]
pub(crate) async fn data(
    State(api): State<Shared>,
    Who(caller): Who,
    Task(task): Task,
) -> Answer<Json<TaskData>> {
    let data = api.engine.data(caller.tenant, task).await?;
    let outputs = data
        .outputs
        .into_iter()
        .map(|(name, text)| Ok((name, text.map(raw).transpose()?)))
        .collect::<Answer<_>>()?;
    let input = if data.input.is_empty() {
        "{}".to_owned()
    } else {
        data.input
    };
    Ok(Json(TaskData {
        task_id: data.run.to_string(),
        input: raw(input)?,
        outputs: Outputs(outputs),
    }))
}
