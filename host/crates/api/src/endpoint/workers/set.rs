//! `PATCH /api/v1/workers/{worker}`

use axum::{Json, extract::State};
use engine::WorkerChange;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::to_its_end;
use crate::{
    audit::Audit,
    extract::{JsonBody, Name},
    problem::Answer,
    state::Shared,
    view::worker::Worker,
};

/// What a worker shall do from now on. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkerChange)]
pub(crate) struct Change {
    /// The queues to listen on; an empty list: all, also those that appear later.
    #[schema(example = json!(["acme", "default"]))]
    queues: Option<Vec<String>>,
    /// How many steps to execute at a time, 1 to 65536.
    #[schema(example = 64, minimum = 1, maximum = 65536)]
    slots: Option<u32>,
}

/// Change a worker's queues and slots
///
/// The worker does so at once, without a restart; steps that it executes go on. It is
/// forgotten when the process ends: the next one begins with its settings.
#[utoipa::path(
    patch, path = "/api/v1/workers/{worker}", operation_id = "set_worker", tag = "workers",
    params(("worker" = String, Path, description = "The worker's number", example = "2")),
    request_body = Change,
    responses(
        (status = 200, description = "The worker as it is from now on", body = Worker),
        (status = 404, description = "No such process is running (PF-0404)"),
        (status = 422, description = "The change has faults, or the process executes no steps (PF-1001)"),
    ),
)]
pub(crate) async fn set(
    State(api): State<Shared>,
    audit: Audit,
    Name(id): Name<String>,
    JsonBody(change): JsonBody<Change>,
) -> Answer<Json<Worker>> {
    let change = WorkerChange {
        queues: change.queues,
        slots: change.slots,
    };
    // Once it is stored, the worker must be told.
    let set = async move {
        let worker = api.engine.set_worker(&id, &change).await?;
        audit.worker_set(&id, change.queues.as_deref(), change.slots);
        Ok(worker)
    };
    let worker = to_its_end(set).await?;
    Ok(Json(Worker::new(worker)))
}
