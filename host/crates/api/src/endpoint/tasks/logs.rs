//! `GET /api/v1/tasks/{id}/logs`

use axum::{Json, extract::State};
use engine::LogLine;
use model::log::Level;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    extract::{Args, Task, Who},
    paging,
    problem::{Answer, Problem},
    state::Shared,
    view::time,
};

const DEFAULT: usize = 500;
const MAX: usize = 5000;

/// Which part of a log is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogArgs {
    /// The `next` of the part before.
    after: Option<String>,
    /// Lines of a part, 1 to 5000; 500 when absent.
    #[param(minimum = 1, maximum = 5000, example = 500)]
    limit: Option<usize>,
    /// Only lines of this level or above: 10 debug, 20 info, 30 warning, 40 error, or
    /// the word. Starts and stops of steps (FLOW) always come.
    #[param(example = "info")]
    level: Option<String>,
}

/// A line of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    /// When.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    time: String,
    /// `DEBUG`, `INFO`, `FLOW`, `WARNING` or `ERROR`.
    #[schema(example = "INFO")]
    level: &'static str,
    /// The step's name in the application.
    #[schema(example = "create incident")]
    step: String,
    /// The attempt, from 1.
    #[schema(example = 1)]
    attempt: i64,
    /// The text; secrets are masked.
    #[schema(example = "created INC0010023")]
    message: String,
}

/// A part of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogPart {
    /// The lines, the oldest first.
    items: Vec<Line>,
    /// The `after` of the next part. It holds also while no more has been written yet.
    #[schema(example = "17")]
    next: String,
    /// Whether more may come: the task has not ended, or the part was full.
    #[schema(example = false)]
    more: bool,
}

impl Line {
    fn new(line: LogLine) -> Self {
        Self {
            time: time(line.time),
            level: Level::from_code(line.level).unwrap_or(Level::Info).word(),
            step: line.step,
            attempt: line.attempt,
            message: line.message,
        }
    }
}

/// Read the log of a run or a step
///
/// To follow a log, ask again with `after` set to `next` for as long as `more` is true.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/logs", operation_id = "get_task_logs", tag = "tasks",
    params(
        ("id" = String, Path, description = "`isapp-…` (run) or `istask-…` (step)", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000"),
        LogArgs,
    ),
    responses(
        (status = 200, description = "A part of the log", body = LogPart),
        (status = 404, description = "There is no such task (PF-0404)"),
    ),
)]
pub(crate) async fn logs(
    State(api): State<Shared>,
    Who(caller): Who,
    Task(task): Task,
    Args(args): Args<LogArgs>,
) -> Answer<Json<LogPart>> {
    let limit = paging::within(args.limit, DEFAULT, MAX)?;
    let level = match args.level.as_deref() {
        None => Level::Debug,
        Some(text) => text
            .parse::<Level>()
            .map_err(|error| Problem::unreadable_at("level", error.to_string()))?,
    };
    let page = api
        .engine
        .log(
            caller.tenant,
            task,
            args.after.as_deref(),
            limit,
            level.code(),
        )
        .await?;
    Ok(Json(LogPart {
        items: page.lines.into_iter().map(Line::new).collect(),
        next: page.next,
        more: page.more,
    }))
}
