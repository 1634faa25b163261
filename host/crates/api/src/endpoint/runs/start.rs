//! What every endpoint that starts a run shares.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use engine::{Caller, Started};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    problem::{Answer, FaultDocument, Problem},
    state::Shared,
    view::run::{Accepted, RunWithSteps, href},
};

/// The header that makes a request sent twice one run.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long the caller wants to wait for the run's end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitArgs {
    /// Wait up to so many seconds for the run's end. A larger number than 30 counts as 30:
    /// ask `GET /tasks/{id}` again while `ended` is false. The answer is then the same as
    /// that of `GET /tasks/{id}`.
    #[param(minimum = 0, example = 20)]
    pub(crate) wait: Option<f64>,
}

impl WaitArgs {
    fn duration(&self, most: Duration) -> Answer<Option<Duration>> {
        match self.wait {
            None => Ok(None),
            Some(seconds) if seconds >= 0.0 => Ok(Some(
                Duration::try_from_secs_f64(seconds)
                    .unwrap_or(most)
                    .min(most),
            )),
            Some(_) => Err(Problem::unreadable_at(
                "wait",
                "give a number of seconds, 0 or more",
            )),
        }
    }
}

/// Refuses a wait that makes no sense, before anything is started.
fn check(api: &Shared, args: &WaitArgs) -> Answer<Option<Duration>> {
    args.duration(api.limits.wait)
}

/// The caller's idempotency key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Answer<Option<String>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::unreadable_at(
            "Idempotency-Key",
            "a key has 1 to 255 visible ASCII characters",
        )),
    }
}

/// How long to wait, read before the run starts.
pub(crate) struct Wait(Option<Duration>);

impl Wait {
    pub(crate) fn of(api: &Shared, args: &WaitArgs) -> Answer<Self> {
        check(api, args).map(Self)
    }

    /// The answer about a run that was just accepted.
    pub(crate) async fn answer(
        self,
        api: &Shared,
        caller: &Caller,
        started: Started,
    ) -> Answer<Response> {
        let run = started.run;
        let warnings = started
            .warnings
            .into_iter()
            .map(FaultDocument::from)
            .collect();
        let mut response = match self.0 {
            None => (StatusCode::ACCEPTED, Json(Accepted::new(run, warnings))).into_response(),
            Some(at_most) => {
                let detail = api.engine.wait(caller.tenant, run, at_most).await?;
                let run = RunWithSteps::new(detail).with_warnings(warnings);
                let status = if run.has_ended() {
                    StatusCode::OK
                } else {
                    StatusCode::ACCEPTED
                };
                (status, Json(run)).into_response()
            }
        };
        if let Ok(location) = HeaderValue::from_str(&href(run)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_cut_to_its_longest() {
        let most = Duration::from_secs(30);
        let of = |wait| WaitArgs { wait }.duration(most).ok();
        assert_eq!(of(None), Some(None));
        assert_eq!(of(Some(0.5)), Some(Some(Duration::from_millis(500))));
        assert_eq!(of(Some(300.0)), Some(Some(most)));
        assert_eq!(of(Some(f64::INFINITY)), Some(Some(most)));
        assert_eq!(of(Some(-1.0)), None);
        assert_eq!(of(Some(f64::NAN)), None);
    }

    #[test]
    fn an_idempotency_key_is_a_short_text() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                IDEMPOTENCY_KEY,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
            idempotency_key(&headers).ok()
        };
        assert_eq!(of("event 7"), Some(Some("event 7".to_owned())));
        assert_eq!(of(""), None);
        assert_eq!(of("ü"), None);
        assert_eq!(of(&"x".repeat(256)), None);
        assert_eq!(idempotency_key(&HeaderMap::new()).ok(), Some(None));
    }
}
