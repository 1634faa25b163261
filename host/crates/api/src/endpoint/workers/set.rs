//! `PATCH /api/v1/workers/{worker}`

use std::collections::BTreeMap;

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
    /// The weights of queues by name, 0 to 1000, instead of all that were set before; 1 where
    /// none is given. Queues in which something waits are served in proportion to them, one
    /// of weight 0 only while nothing waits in the others.
    #[schema(example = json!({"default": 3, "bulk": 1}))]
    weights: Option<BTreeMap<String, u32>>,
    /// How many steps to execute at a time, 1 to 65536.
    #[schema(example = 64, minimum = 1, maximum = 65536)]
    slots: Option<u32>,
}

/// Change a worker's queues, their weights, and its slots
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
        weights: change.weights,
        slots: change.slots,
    };
    // Once it is stored, the worker must be told.
    let set = async move {
        let worker = api.engine.set_worker(&id, &change).await?;
        audit.worker_set(&id, &change);
        Ok(worker)
    };
    let worker = to_its_end(set).await?;
    Ok(Json(Worker::new(worker)))
}
