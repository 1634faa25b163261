//! The HTTP side of the ServiceNow simulator.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Path, Query as UrlQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::query::Query;
use super::table::{Duplicate, Record};
use crate::admission::{Kind, Refusal};
use crate::control::Change;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/now/table/incident", get(list).post(create))
        .route(
            "/api/now/table/incident/{sys_id}",
            get(read).patch(update).put(update),
        )
        .route(
            "/_sim/stats",
            get(async |Shared(state): Shared<Arc<State>>| Json(state.stats())),
        )
        .route(
            "/_sim/settings",
            put(change)
                .get(async |Shared(state): Shared<Arc<State>>| Json(state.gate.control.to_json())),
        )
        .route("/_sim/data", delete(clear))
        .fallback(async || {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "Requested URI does not represent any resource",
                "",
            )
        })
        .with_state(state)
}

/// The error document of the Table API.
struct Problem(StatusCode, Value);

impl Problem {
    fn new(status: StatusCode, message: &str, detail: impl Into<String>) -> Self {
        Self(
            status,
            json!({"error": {"message": message, "detail": detail.into()}, "status": "failure"}),
        )
    }

    fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
        )
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorised => Self::new(
                StatusCode::UNAUTHORIZED,
                "User Not Authenticated",
                "Required to provide Auth information",
            ),
            Refusal::Injected => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service Unavailable",
                "the simulator was told to fail",
            ),
        }
    }
}

impl From<Duplicate> for Problem {
    fn from(Duplicate(correlation): Duplicate) -> Self {
        let detail = format!(
            "Unique Key violation detected by database (Duplicate entry '{correlation}' for key 'correlation_id')"
        );
        Self::new(StatusCode::CONFLICT, "Operation Failed", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.1)).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("BASIC realm=\"Service-now\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The parameters of the Table API that are simulated; others are ignored, as ServiceNow does.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
struct Parameters {
    #[serde(default)]
    sysparm_query: String,
    sysparm_limit: Option<usize>,
    #[serde(default)]
    sysparm_offset: usize,
    #[serde(default)]
    sysparm_fields: String,
}

type Given = Result<UrlQuery<Parameters>, QueryRejection>;

fn parameters(given: Given) -> Result<Parameters, Problem> {
    let UrlQuery(given) = given.map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Invalid query parameter",
            error.body_text(),
        )
    })?;
    Ok(given)
}

/// The fields asked for; all, if none is named.
fn project(record: &Record, fields: &str) -> Value {
    if fields.is_empty() {
        return Value::Object(record.clone());
    }
    let wanted = fields.split(',').map(str::trim);
    Value::Object(
        wanted
            .filter_map(|field| Some((field.to_owned(), record.get(field)?.clone())))
            .collect(),
    )
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    OriginalUri(uri): OriginalUri,
    given: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::List, &headers).await?;
    let given = parameters(given)?;
    let query = Query::parse(&given.sysparm_query)
        .map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, "Invalid query", reason))?;
    let limit = given.sysparm_limit.unwrap_or(10_000);
    let (page, total) = {
        let table = state.table.read();
        let found = table.find(&query);
        let page: Vec<Value> = found
            .iter()
            .skip(given.sysparm_offset)
            .take(limit)
            .map(|record| project(record, &given.sysparm_fields))
            .collect();
        (page, found.len())
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let links = links(
        &format!("http://{host}{}", uri.path()),
        uri.query(),
        given.sysparm_offset,
        limit,
        total,
    );
    let mut response = Json(json!({"result": page})).into_response();
    let headers = response.headers_mut();
    headers.insert("x-total-count", total.into());
    if let Ok(links) = links.parse() {
        headers.insert(header::LINK, links);
    }
    Ok(response)
}

/// The `Link` header: the same request at other offsets.
fn links(base: &str, query: Option<&str>, offset: usize, limit: usize, total: usize) -> String {
    let kept: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| {
            !pair.is_empty()
                && !pair.starts_with("sysparm_offset=")
                && !pair.starts_with("sysparm_limit=")
        })
        .collect();
    let limit = limit.max(1);
    let last = total.saturating_sub(1) / limit * limit;
    let link = |rel: &str, offset: usize| {
        let mut pairs: Vec<String> = kept.iter().map(ToString::to_string).collect();
        pairs.push(format!("sysparm_limit={limit}"));
        pairs.push(format!("sysparm_offset={offset}"));
        format!("<{base}?{}>;rel=\"{rel}\"", pairs.join("&"))
    };
    let mut links = vec![link("first", 0)];
    if offset > 0 {
        links.push(link("prev", offset.saturating_sub(limit)));
    }
    if offset + limit < total {
        links.push(link("next", offset + limit));
    }
    links.push(link("last", last));
    links.join(",")
}

async fn read(
    Shared(state): Shared<Arc<State>>,
    Path(sys_id): Path<String>,
    given: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::Get, &headers).await?;
    let given = parameters(given)?;
    let table = state.table.read();
    let record = table.get(&sys_id).ok_or_else(Problem::not_found)?;
    Ok(Json(json!({"result": project(record, &given.sysparm_fields)})).into_response())
}

fn record(body: &[u8]) -> Result<Record, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Exception while reading request",
            error.to_string(),
        )
    })
}

async fn create(
    Shared(state): Shared<Arc<State>>,
    given: Given,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::Create, &headers).await?;
    let given = parameters(given)?;
    let new = record(&body)?;
    let created = {
        let mut table = state.table.write();
        let created = table.insert(new, state.gate.control.unique_correlation());
        let created = created.inspect_err(|_| state.gate.count_conflict())?;
        let location = created
            .get("sys_id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        (project(created, &given.sysparm_fields), location)
    };
    let location = format!("/api/now/table/incident/{}", created.1);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(json!({"result": created.0})),
    )
        .into_response())
}

async fn update(
    Shared(state): Shared<Arc<State>>,
    Path(sys_id): Path<String>,
    given: Given,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::Update, &headers).await?;
    let given = parameters(given)?;
    let changes = record(&body)?;
    let mut table = state.table.write();
    let updated = table
        .update(&sys_id, changes, state.gate.control.unique_correlation())
        .ok_or_else(Problem::not_found)?
        .inspect_err(|_| state.gate.count_conflict())?;
    Ok(Json(json!({"result": project(updated, &given.sysparm_fields)})).into_response())
}

async fn change(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Response, Problem> {
    let wrong = |reason: String| Problem::new(StatusCode::BAD_REQUEST, "Invalid settings", reason);
    let change: Change = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    state.gate.control.apply(&change).map_err(wrong)?;
    Ok(Json(state.gate.control.to_json()).into_response())
}

async fn clear(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.table.write().clear();
    state.gate.reset();
    StatusCode::NO_CONTENT
}
