//! Approvals and messages.

use engine::{Approval as Pending, Signalled};
use serde::Serialize;
use utoipa::ToSchema;

use super::time;

/// A step that waits for a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approval {
    /// The step's id, for `POST /api/v1/tasks/{id}/decision`.
    #[schema(example = "istask-01890a5d-ac96-774b-bcce-b30200000001")]
    task_id: String,
    /// Its name.
    #[schema(example = "ask the owner")]
    step: String,
    /// The run's application.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// The run's id.
    #[schema(example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")]
    run_id: String,
    /// What is asked.
    #[schema(example = "Restart core-1?")]
    question: String,
    /// The users who may decide; empty: whoever may execute applications.
    #[schema(example = json!(["ann"]))]
    approvers: Vec<String>,
    /// Since when it waits.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    since: String,
    /// Until when; `null`: for ever.
    #[schema(format = DateTime, example = "2027-01-16T08:00:00.123456Z")]
    until: Option<String>,
}

impl Approval {
    pub(crate) fn new(pending: &Pending) -> Self {
        let run = pending.task.split().map(|(run, _)| run.to_string());
        Self {
            task_id: pending.task.to_string(),
            step: pending.step.clone(),
            application: pending.application.clone(),
            run_id: run.unwrap_or_default(),
            question: pending.question.clone(),
            approvers: pending.approvers.clone(),
            since: time(pending.since),
            until: pending.until.map(time),
        }
    }
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sent {
    /// `delivered`: a step was given it. `kept`: no step waits for it yet. `duplicate`: a
    /// message of this id came before. `nobody`: no step waits for it, and it was not kept.
    #[schema(example = "delivered")]
    outcome: &'static str,
    /// The step that was given it.
    #[schema(example = "istask-01890a5d-ac96-774b-bcce-b30200000001")]
    task_id: Option<String>,
    /// Until when it is kept.
    #[schema(format = DateTime, example = json!(null))]
    kept_until: Option<String>,
}

impl Sent {
    pub(crate) fn new(sent: Signalled) -> Self {
        let (outcome, task_id, kept_until) = match sent {
            Signalled::Delivered(task) => ("delivered", Some(task.to_string()), None),
            Signalled::Kept(until) => ("kept", None, Some(time(until))),
            Signalled::Duplicate => ("duplicate", None, None),
            Signalled::Nobody => ("nobody", None, None),
        };
        Self {
            outcome,
            task_id,
            kept_until,
        }
    }
}
