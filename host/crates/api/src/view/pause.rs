//! Pauses.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;

/// A pause: no step of a run that fits starts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pause {
    /// The application whose runs it holds up; `null`: of every application.
    #[schema(example = "create_or_update_incident")]
    application: Option<String>,
    /// The queue whose runs it holds up; `null`: on every queue.
    #[schema(example = "acme")]
    queue: Option<String>,
    /// Who paused.
    #[schema(example = "isadmin")]
    by: String,
    /// Since when.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    since: String,
    /// Why, in that person's words; may be empty.
    #[schema(example = "ServiceNow is being upgraded")]
    reason: String,
}

/// All pauses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pauses {
    /// All of them.
    pub(crate) items: Vec<Pause>,
    /// The `after` of the next part: `null`, for there is only one.
    #[schema(example = json!(null))]
    pub(crate) next: Option<String>,
}

impl Pause {
    pub(crate) fn new(pause: store::pauses::Pause) -> Self {
        Self {
            application: pause.application_name,
            queue: pause.scope.queue,
            by: pause.by,
            since: time(pause.at),
            reason: pause.reason,
        }
    }
}
