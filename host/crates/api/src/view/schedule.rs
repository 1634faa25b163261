//! Schedules and their occurrences.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::{Backfill as Filled, Calendar, NextRuns, SavedSchedule, ScheduleDetail as Detail};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use store::schedules::Occurrence as Recorded;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

use super::{maybe_time, part, raw, time};
use crate::{
    etag,
    problem::{Answer, FaultDocument, Problem},
};

const COLLECTION: &str = "/api/v1/schedules";

/// The schema of the document of a schedule.
pub(crate) struct ScheduleDocument;

impl PartialSchema for ScheduleDocument {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some(
                "A schedule. It is due by one of `cron`, `frequency` (seconds) and the predecessor's `schedule`. Keys that the service does not know are kept.",
            ))
            .examples([json!({
                "application_id": "create_or_update_incident",
                "entry_id": "weekdays at nine",
                "cron": "0 9 * * MON-FRI",
                "time_zone": "Europe/Berlin",
                "params": {"configuration": "acme", "queue": "acme"},
                "overlap": "skip",
                "catch_up": "last",
            })])
            .into()
    }
}

impl ToSchema for ScheduleDocument {}

/// A run that a schedule has started, as the predecessor shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduledRun {
    href: String,
    start_time: i64,
}

/// What is known about a schedule besides its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Schedule {
    /// The name: what addresses call it, and `entry_id` of the document.
    #[schema(example = "weekdays at nine")]
    name: String,
    /// The application that it runs.
    #[schema(example = "create_or_update_incident")]
    application: String,
    /// When it is due, in plain words; `null` for a document that this version cannot read.
    #[schema(
        example = "At 09:00, on Monday, Tuesday, Wednesday, Thursday, and Friday (Europe/Berlin)"
    )]
    description: Option<String>,
    /// Whether it runs; a paused one does not.
    #[schema(example = true)]
    enabled: bool,
    /// Its next occurrence; `null` when there is none, or it is paused.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    next_due: Option<String>,
    /// How many runs it has started.
    #[schema(example = 33)]
    total_runs: i64,
    /// The run that it started last: where it is, and when it was started, in seconds since
    /// 1970. `null` when there was none.
    #[schema(value_type = Option<Object>, example = json!({"href": "/api/v1/tasks/isapp-0190b0c7-3b4e-7c1f-9a2b-3c4d5e6f7a8b", "start_time": 1_800_000_000}))]
    last_run: Option<ScheduledRun>,
    /// How often it was saved, from 1: what the `ETag` holds.
    #[schema(example = 3)]
    revision: i64,
    /// The SyncPack version that brought it; `null` when a person saved it.
    #[schema(example = "servicenow_example@1.0.0")]
    origin: Option<String>,
    /// Who saved it last.
    #[schema(example = "isadmin")]
    edited_by: String,
    /// When it was saved last.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    edited_at: String,
    /// When it was first saved.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.123456Z")]
    created_at: String,
    /// Where the document is.
    #[schema(example = "/api/v1/schedules/weekdays%20at%20nine")]
    href: String,
}

/// A schedule with what is known about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleDetail {
    #[serde(flatten)]
    summary: Schedule,
    /// Its next occurrences.
    #[schema(example = json!(["2027-01-15T08:00:00Z", "2027-01-18T08:00:00Z"]))]
    next: Vec<String>,
    /// The document as it was stored.
    #[schema(value_type = Object)]
    document: Box<RawValue>,
}

/// What became of a saved schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedScheduleDocument {
    /// Its name.
    #[schema(example = "weekdays at nine")]
    name: String,
    /// Where it is.
    #[schema(example = "/api/v1/schedules/weekdays%20at%20nine")]
    href: String,
    /// How often it was saved; saving an equal document does not count.
    #[schema(example = 3)]
    revision: i64,
    /// Whether there was none of that name before.
    #[schema(example = true)]
    created: bool,
    /// Whether this save changed something.
    #[schema(example = true)]
    changed: bool,
    /// Whether it runs.
    #[schema(example = true)]
    enabled: bool,
    /// When it is due, in plain words.
    #[schema(example = "Every 5 minutes")]
    description: Option<String>,
    /// Its next occurrences; none while it is paused.
    #[schema(example = json!(["2027-01-15T08:00:00Z"]))]
    next: Vec<String>,
    /// What needs attention, though it was saved.
    warnings: Vec<FaultDocument>,
}

/// What a schedule would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchedulePreview {
    /// The name that it has, or would be given.
    #[schema(example = "weekdays at nine")]
    name: String,
    /// When it is due, in plain words.
    #[schema(example = "Every 5 minutes")]
    description: String,
    /// Its next occurrences.
    #[schema(example = json!(["2027-01-15T08:00:00Z"]))]
    next: Vec<String>,
    /// What needs attention.
    warnings: Vec<FaultDocument>,
}

/// What became of an occurrence of a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Occurrence {
    /// When it was due.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    due: String,
    /// `started`, `skipped` (a run had not ended), `failed` (the run was refused), `missed`
    /// (nobody started it in time) or `waiting`.
    #[schema(example = "started")]
    outcome: &'static str,
    /// The id of the run that it started.
    #[schema(example = "isapp-0190b0c7-3b4e-7c1f-9a2b-3c4d5e6f7a8b")]
    run: Option<String>,
    /// Why it started none.
    #[schema(example = json!(null))]
    reason: Option<String>,
    /// When that was decided.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00.004211Z")]
    at: String,
}

/// An occurrence that is left as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Left {
    /// When it was due.
    #[schema(format = DateTime, example = "2027-01-15T08:00:00Z")]
    due: String,
    /// `started` or `waiting`.
    #[schema(example = "started")]
    outcome: &'static str,
}

/// A range that is filled, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backfill {
    /// Whether this only says what would run.
    #[schema(example = true)]
    preview: bool,
    /// The occurrences that run.
    #[schema(example = json!(["2027-01-15T08:00:00Z"]))]
    run: Vec<String>,
    /// Those of the range that have started a run already, or wait to.
    left: Vec<Left>,
    /// Whether the schedule is paused: what is to run waits until it is resumed.
    #[schema(example = false)]
    paused: bool,
}

impl Schedule {
    pub(crate) fn new(detail: &Detail) -> Self {
        let one = &detail.schedule;
        Self {
            name: one.name.clone(),
            application: one.application.clone(),
            description: detail.description.clone(),
            enabled: one.enabled,
            next_due: maybe_time(one.next_due),
            total_runs: one.total_runs,
            last_run: one.last_run.map(|(run, at)| ScheduledRun {
                href: format!("/api/v1/tasks/{run}"),
                start_time: at.seconds(),
            }),
            revision: one.revision,
            origin: one.origin.clone(),
            edited_by: one.edited_by.clone(),
            edited_at: time(one.edited_at),
            created_at: time(one.created_at),
            href: href(&one.name),
        }
    }
}

impl Occurrence {
    pub(crate) fn new(one: Recorded) -> Self {
        Self {
            due: time(one.due),
            outcome: one.outcome.word(),
            run: one.run.map(|run| run.to_string()),
            reason: one.reason,
            at: time(one.at),
        }
    }
}

impl SchedulePreview {
    pub(crate) fn new(one: NextRuns) -> Self {
        Self {
            name: one.name,
            description: one.description,
            next: one.next.into_iter().map(time).collect(),
            warnings: one.warnings.into_iter().map(Into::into).collect(),
        }
    }
}

impl Backfill {
    pub(crate) fn new(one: Filled, preview: bool) -> Self {
        Self {
            preview,
            run: one.run.into_iter().map(time).collect(),
            left: one
                .left
                .into_iter()
                .map(|(due, outcome)| Left {
                    due: time(due),
                    outcome: outcome.word(),
                })
                .collect(),
            paused: one.paused,
        }
    }
}

fn href(name: &str) -> String {
    format!("{COLLECTION}/{}", part(name))
}

/// A schedule in the predecessor's shape, with everything else that its document has.
pub(crate) fn predecessors(detail: &Detail) -> Value {
    let mut document = detail.document.document().clone();
    let summary = Schedule::new(detail);
    document.insert("application_id".to_owned(), summary.application.into());
    document.insert("entry_id".to_owned(), summary.name.into());
    document.entry("params").or_insert_with(|| json!({}));
    document.insert("schedule".to_owned(), detail.document.predecessors_timing());
    document.insert("total_runs".to_owned(), summary.total_runs.into());
    document.insert("last_run".to_owned(), json!(summary.last_run));
    Value::Object(document)
}

/// The answer to a GET: the stored text itself, or nothing if the caller has it.
pub(crate) fn document(headers: &HeaderMap, detail: Detail) -> Response {
    let revision = detail.schedule.revision;
    let tag = etag::tag(revision);
    if etag::unchanged(headers, revision) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    let head = [(header::ETAG, tag), (header::CONTENT_TYPE, json)];
    (head, detail.schedule.document).into_response()
}

/// The answer to a GET with `meta=true`.
pub(crate) fn detail(detail: Detail) -> Answer<Response> {
    let tag = etag::tag(detail.schedule.revision);
    let body = ScheduleDetail {
        summary: Schedule::new(&detail),
        next: detail.next.into_iter().map(time).collect(),
        document: raw(detail.schedule.document)?,
    };
    Ok(([(header::ETAG, tag)], Json(body)).into_response())
}

/// The answer to a save.
pub(crate) fn saved(saved: SavedSchedule) -> Response {
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let one = saved.detail.schedule;
    let href = href(&one.name);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, etag::tag(one.revision));
    if let Ok(location) = HeaderValue::from_str(&href) {
        headers.insert(header::LOCATION, location);
    }
    let body = SavedScheduleDocument {
        name: one.name,
        href,
        revision: one.revision,
        created: saved.created,
        changed: saved.changed,
        enabled: one.enabled,
        description: saved.detail.description,
        next: saved.detail.next.into_iter().map(time).collect(),
        warnings: saved.warnings.into_iter().map(Into::into).collect(),
    };
    (status, headers, Json(body)).into_response()
}

/// A moment that a caller has given.
pub(crate) fn moment(at: &str, text: &str) -> Result<model::clock::Timestamp, Problem> {
    text.parse::<jiff::Timestamp>()
        .map(|moment| model::clock::Timestamp(moment.as_microsecond()))
        .map_err(|_| {
            let shown: String = text.chars().take(60).collect();
            let message = format!("`{shown}` is no time; write it as 2027-01-15T08:00:00Z");
            Problem::unreadable_at(at, message)
        })
}
/// What is due in a span of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalendarDocument {
    /// Schedules that are due in it, the soonest first.
    items: Vec<CalendarItem>,
    /// Whether there are more schedules than are named.
    #[schema(example = false)]
    more: bool,
}

/// A schedule that is due.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalendarItem {
    #[serde(flatten)]
    schedule: Schedule,
    /// When it is due, the first of them.
    #[schema(example = json!(["2027-01-15T08:00:00Z"]))]
    due: Vec<String>,
    /// Whether it is due more often.
    #[schema(example = false)]
    more: bool,
}

impl CalendarDocument {
    pub(crate) fn new(calendar: Calendar) -> Self {
        let items = calendar.entries.into_iter().map(|entry| CalendarItem {
            schedule: Schedule::new(&entry.schedule),
            due: entry.schedule.next.into_iter().map(time).collect(),
            more: entry.more,
        });
        Self {
            items: items.collect(),
            more: calendar.more,
        }
    }
}
