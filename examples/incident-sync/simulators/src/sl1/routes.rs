//! The HTTP side of the SL1 simulator.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query as UrlQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::State;
use super::store::Event;
use crate::admission::{Kind, Refusal};
use crate::control::Change;

/// A hundred thousand events in one `PUT /_sim/events`.
const LARGEST_LOAD: usize = 128 * 1024 * 1024;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/event", get(list))
        .route("/api/event/{eid}", get(read).post(write))
        .route(
            "/_sim/events",
            put(load).layer(DefaultBodyLimit::max(LARGEST_LOAD)),
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
            Problem(
                StatusCode::NOT_FOUND,
                "Requested resource was not found".into(),
            )
        })
        .with_state(state)
}

/// The error document of SL1.
struct Problem(StatusCode, String);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorised => Self(StatusCode::UNAUTHORIZED, "Authentication failed".into()),
            Refusal::Injected => Self(
                StatusCode::SERVICE_UNAVAILABLE,
                "the simulator was told to fail".into(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"errors": [{"code": self.0.as_u16().to_string(), "message": self.1}]});
        let mut response = (self.0, Json(body)).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"SL1\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn wrong(reason: impl Into<String>) -> Problem {
    Problem(StatusCode::BAD_REQUEST, reason.into())
}

fn number(given: &BTreeMap<String, String>, name: &str, default: usize) -> Result<usize, Problem> {
    given.get(name).map_or(Ok(default), |text| {
        text.parse()
            .map_err(|_| wrong(format!("`{name}` is not a number")))
    })
}

/// `filter.FIELD=VALUE` and `filter.FIELD.eq=VALUE`; other operators are not simulated.
fn matches(event: &Event, filters: &[(&str, &str)]) -> bool {
    filters
        .iter()
        .all(|(field, wanted)| match event.get(*field) {
            Some(Value::String(text)) => text == wanted,
            Some(value) => {
                serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *value)
            }
            None => wanted.is_empty(),
        })
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    given: Result<UrlQuery<BTreeMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::List, &headers).await?;
    let UrlQuery(given) = given.map_err(|error| wrong(error.body_text()))?;
    let (limit, offset) = (number(&given, "limit", 100)?, number(&given, "offset", 0)?);
    let extended = given
        .get("extended_fetch")
        .is_some_and(|value| value == "1");
    let filters: Vec<(&str, &str)> = given
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("filter.")?, value.as_str())))
        .map(|(field, value)| (field.strip_suffix(".eq").unwrap_or(field), value))
        .collect();

    let store = state.store.read();
    let mut total = 0_usize;
    let mut page = Vec::new();
    for (eid, event) in store.all().filter(|(_, event)| matches(event, &filters)) {
        if total >= offset && page.len() < limit {
            page.push((format!("/api/event/{eid}"), event));
        }
        total += 1;
    }
    let returned = page.len();
    // SL1 lists links; with `extended_fetch` an object of whole resources by link.
    let set = if extended {
        Value::Object(
            page.into_iter()
                .map(|(uri, event)| (uri, Value::Object(event.clone())))
                .collect(),
        )
    } else {
        let link = |(uri, event): (String, &Event)| json!({"URI": uri, "description": event.get("message")});
        page.into_iter().map(link).collect()
    };
    if given
        .get("hide_filterinfo")
        .is_some_and(|value| value == "1")
    {
        return Ok(Json(set).into_response());
    }
    let document = json!({
        "searchspec": {"fields": {}, "options": {"limit": limit, "offset": offset}},
        "total_matched": total,
        "total_returned": returned,
        "result_set": set,
    });
    Ok(Json(document).into_response())
}

fn unknown(eid: &str) -> Problem {
    Problem(StatusCode::NOT_FOUND, format!("there is no event {eid}"))
}

async fn read(
    Shared(state): Shared<Arc<State>>,
    Path(eid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::Get, &headers).await?;
    let store = state.store.read();
    let event = eid
        .parse()
        .ok()
        .and_then(|eid| store.get(eid))
        .ok_or_else(|| unknown(&eid))?;
    Ok(Json(event).into_response())
}

async fn write(
    Shared(state): Shared<Arc<State>>,
    Path(eid): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    state.gate.admit(Kind::Update, &headers).await?;
    let number = eid.parse().map_err(|_| unknown(&eid))?;
    let changes: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    let create = state.gate.control.create_on_write();
    let mut store = state.store.write();
    let event = store
        .write(number, changes, create)
        .map_err(wrong)?
        .ok_or_else(|| unknown(&eid))?;
    Ok(Json(event).into_response())
}

/// Adds events: a JSON array.
async fn load(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Response, Problem> {
    let events: Vec<Value> =
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    let loaded = events.len();
    let mut store = state.store.write();
    for event in events {
        store.put(event).map_err(wrong)?;
    }
    Ok(Json(json!({"loaded": loaded, "events": store.len()})).into_response())
}

async fn change(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Response, Problem> {
    let change: Change = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    state.gate.control.apply(&change).map_err(wrong)?;
    Ok(Json(state.gate.control.to_json()).into_response())
}

async fn clear(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.store.write().clear();
    state.gate.reset();
    StatusCode::NO_CONTENT
}
