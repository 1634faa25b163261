//! `POST /api/v1/tasks/{id}/decision`

use axum::{Json, extract::State};
use engine::Decision;
use model::id::AnyRef;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::to_its_end;
use crate::{
    audit::Audit,
    extract::{JsonBody, Task as Id, Who},
    problem::{Answer, Problem},
    state::Shared,
    view::run::StepWithRun,
};

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    /// `approve`: the run goes on. `reject`: the step fails.
    #[schema(example = "approve")]
    decision: String,
    /// Why, in words; it stands in the step's data and log.
    #[serde(default)]
    #[schema(example = "agreed with the customer by phone")]
    note: String,
    /// What the following steps are given with it, a JSON object.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"window": "22:00"}))]
    data: Map<String, Value>,
}

/// Decide for a step that waits for it
///
/// The first decision counts. It stands in the step's data with who decided, when and why.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/decision", operation_id = "decide_task", tag = "tasks",
    params(("id" = String, Path, description = "The step, `istask-…`", example = "istask-01890a5d-ac96-774b-bcce-b30200000001")),
    request_body = Decide,
    responses(
        (status = 200, description = "Decided; the step goes on by itself", body = StepWithRun),
        (status = 404, description = "There is no such step (PF-0404)"),
        (status = 409, description = "It waits for no decision, or for that of others (PF-1004)"),
        (status = 422, description = "The note or the data is too large (PF-1001)"),
    ),
)]
pub(crate) async fn decide(
    State(api): State<Shared>,
    Who(caller): Who,
    audit: Audit,
    Id(task): Id,
    JsonBody(asked): JsonBody<Decide>,
) -> Answer<Json<StepWithRun>> {
    let task = match task {
        AnyRef::Task(task) => task,
        AnyRef::Run(run) => {
            api.engine.run_detail(caller.tenant, run).await?;
            return Err(Problem::unreadable_at(
                "id",
                "a step waits for a decision, and this is the id of a run: `GET /api/v1/approvals` lists the steps",
            ));
        }
    };
    let approve = match asked.decision.as_str() {
        "approve" => true,
        "reject" => false,
        other => {
            return Err(Problem::unreadable_at(
                "decision",
                format!("it is `approve` or `reject`, not `{other}`"),
            ));
        }
    };
    let decision = Decision {
        approve,
        note: asked.note,
        data: Value::Object(asked.data),
    };
    // Once it is stored, the step must go on.
    let decided = async move {
        let word = if approve { "approve" } else { "reject" };
        let note = decision.note.clone();
        api.engine.decide_step(&caller, task, decision).await?;
        audit.decided(word, &task.to_string(), &note);
        Ok(api.engine.task_detail(caller.tenant, task).await?)
    };
    Ok(Json(StepWithRun::new(to_its_end(decided).await?)))
}
