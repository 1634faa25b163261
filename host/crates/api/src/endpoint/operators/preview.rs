//! `POST /api/v1/operators/preview`

use std::collections::HashMap;

use axum::{Json, extract::State};
use engine::{Preview, PreviewOn};
use model::id::RunRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

use crate::{
    extract::{JsonBody, Who},
    problem::{Answer, Problem},
    state::Shared,
};

/// An operator, and what it is evaluated on: `data` or `run`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "operator": {"operator": "transform", "template": "{\"severity\": {{ input.severity | tojson }}}"},
    "data": {"Get Event": {"severity": "critical"}},
}))]
pub(crate) struct PreviewBody {
    /// The operator: an entry of an application's `steps`. Where it names no steps in
    /// `data_from`, it is connected with all that `data` names; with `run`, with none.
    #[schema(value_type = Object)]
    operator: Map<String, Value>,
    /// Data by step name.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    data: Option<HashMap<String, Box<RawValue>>>,
    /// A run, whose steps have left data. The operator takes the place of the step of its name.
    #[serde(default)]
    #[schema(example = "isapp-0198c0de-0000-7000-8000-000000000000")]
    run: Option<String>,
    /// The configuration object that `${config.…}` refers to, in place of the run's.
    #[serde(default)]
    configuration: Option<String>,
}

/// What an operator would make.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewAnswer {
    /// The data of its step; secret values are masked. Absent where it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    /// The steps that a condition leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Vec<String>>,
    /// What its step logs.
    log: Vec<String>,
    /// Why it fails; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PreviewFailure, required = false)]
    error: Option<PreviewFailure>,
}

/// Why an operator fails.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewFailure {
    /// The code that its step would fail with.
    #[schema(example = "template-syntax")]
    code: String,
    /// What is wrong.
    message: String,
    /// The line of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

impl PreviewAnswer {
    fn new(preview: Preview) -> Answer<Self> {
        let data = preview.data.map(RawValue::from_string).transpose();
        Ok(Self {
            data: data.map_err(|error| Problem::internal(&error.to_string()))?,
            next: preview.next,
            log: preview.log,
            error: preview.error.map(|error| PreviewFailure {
                code: error.code,
                message: error.message,
                line: error.line,
            }),
        })
    }
}

/// Evaluate an operator
///
/// In the sandbox, as in a run, on given data or on the data of a past run. Nothing is stored.
/// That the operator fails is part of the answer.
#[utoipa::path(
    post, path = "/api/v1/operators/preview", operation_id = "preview_operator", tag = "operators",
    request_body(content = PreviewBody, description = "The operator and its data"),
    responses(
        (status = 200, description = "What it makes, or why it fails", body = PreviewAnswer),
        (status = 404, description = "No such run or configuration object (PF-0404)"),
        (status = 422, description = "The operator is none (PF-1001); `errors` lists every fault"),
    ),
)]
pub(crate) async fn preview(
    State(api): State<Shared>,
    Who(caller): Who,
    JsonBody(body): JsonBody<PreviewBody>,
) -> Answer<Json<PreviewAnswer>> {
    let on = match (body.data, body.run) {
        (Some(data), None) => PreviewOn::Data(data),
        (None, None) => PreviewOn::Data(HashMap::new()),
        (None, Some(run)) => {
            PreviewOn::Run(run.parse::<RunRef>().map_err(|_| engine::Error::NotFound {
                what: "run",
                name: run.clone(),
                hint: String::new(),
            })?)
        }
        (Some(_), Some(_)) => {
            return Err(engine::Error::Invalid {
                what: "request",
                faults: vec![engine::Fault {
                    code: "PF-1001".to_owned(),
                    at: "/run".to_owned(),
                    message: "give `data` or `run`, not both".to_owned(),
                }],
            }
            .into());
        }
    };
    let configuration = body.configuration.as_deref();
    let preview = api
        .engine
        .preview(caller.tenant, body.operator, on, configuration)
        .await?;
    PreviewAnswer::new(preview).map(Json)
}
