//! `GET /api/v1/tasks/{id}/events`

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use engine::Watch;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::run_only;
use crate::{
    audit::Origin,
    auth::guard,
    code,
    extract::{Task as TaskId, Who},
    permission::Permission::View,
    problem::{Answer, Problem},
    state::Shared,
    view::run::RunWithSteps,
};

/// How often a stream without events says that it is there, below the idle times of proxies.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked at whether the caller may still follow.
const RECHECK: Duration = Duration::from_secs(5);
/// After how long a client that lost the stream asks for it again.
const RETRY: Duration = Duration::from_secs(1);

/// Follow a run as it happens
///
/// Server-sent events. Each is named `run` and carries the run as reading it answers, with those
/// of its steps that changed since the event before; the first of a stream has all of them,
/// so a client that lost the stream asks again and has missed nothing. The stream ends with
/// the run, and after five minutes; clients then ask again. Changes come within a
/// second.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/events", operation_id = "follow_run", tag = "tasks",
    params(("id" = String, Path, description = "`isapp-…`: a run", example = "isapp-01890a5d-ac96-774b-bcce-b30200000000")),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = String, example = json!("event: run\nid: 7\ndata: {\"task_id\": \"isapp-01890a5d-ac96-774b-bcce-b30200000000\", \"state\": \"running\", \"steps\": []}\n\n")),
        (status = 404, description = "There is no such run (PF-0404)"),
        (status = 429, description = "Too many runs are followed (PF-0429)"),
    ),
)]
pub(crate) async fn events(
    State(api): State<Shared>,
    Who(caller): Who,
    TaskId(task): TaskId,
    origin: Origin,
    headers: HeaderMap,
) -> Answer<Response> {
    let run = run_only(task, "followed")?;
    let Ok(permit) = api.followers.clone().try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            code::BUSY,
            format!(
                "{} runs are being followed; read the run itself from time to time instead",
                api.limits.followers
            ),
        )
        .retry_after(5));
    };
    let mut follower = Follower {
        until: Instant::now() + api.limits.follow,
        watch: Watch::new(caller.tenant, run),
        told: Told::default(),
        ended: false,
        caller: (headers, origin),
        proved: Instant::now(),
        api,
        _permit: permit,
    };
    // A run that is not there is a refusal, no stream.
    let first = follower.news().await?;
    let events = stream::iter(first.map(Ok)).chain(stream::unfold(follower, Follower::next));
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response();
    // Proxies that gather answers are told not to.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// One who follows a run.
struct Follower {
    api: Shared,
    watch: Watch,
    told: Told,
    until: Instant,
    ended: bool,
    /// What the caller proved with who they are, and when that was looked at.
    caller: (HeaderMap, Origin),
    proved: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; none when the stream ends.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        while !self.ended {
            if self.proved.elapsed() >= RECHECK && !self.may().await {
                return None;
            }
            let (closing, until) = (self.api.closing.clone(), self.until);
            let news = tokio::select! {
                news = self.news() => news,
                () = tokio::time::sleep_until(until) => return None,
                () = closing.cancelled() => return None,
            };
            match news {
                Ok(Some(event)) => return Some((Ok(event), self)),
                Ok(None) => {}
                // The client asks again, and is told then.
                Err(problem) => {
                    tracing::debug!(code = problem.code(), "a followed run cannot be read");
                    return None;
                }
            }
        }
        None
    }

    /// Whether the caller may still follow: somebody may have logged out, or lost the account.
    async fn may(&mut self) -> bool {
        let (headers, origin) = &self.caller;
        let found = guard::authenticate(&self.api, &Method::GET, headers, origin).await;
        self.proved = Instant::now();
        found.is_ok_and(|identity| identity.permission.is_some_and(|has| has.includes(View)))
    }

    /// What is new at the next reading of the run.
    async fn news(&mut self) -> Answer<Option<Event>> {
        let detail = self.api.engine.follow(&mut self.watch).await?;
        self.ended = detail.run.state.is_final();
        let seq = detail.run.seq;
        let mut run = RunWithSteps::new(detail);
        if !self.told.differs(&mut run) {
            return Ok(None);
        }
        let event = Event::default()
            .event("run")
            .id(seq.to_string())
            .retry(RETRY)
            .json_data(&run)
            .map_err(|error| Problem::internal(&error.to_string()))?;
        Ok(Some(event))
    }
}

/// What the client knows, as digests.
#[derive(Default)]
struct Told {
    steps: Vec<Option<u64>>,
    run: Option<u64>,
}

impl Told {
    /// Leaves those steps that the client does not know in this state; says whether there is anything
    /// that it does not know.
    fn differs(&mut self, run: &mut RunWithSteps) -> bool {
        let steps = std::mem::take(&mut run.steps);
        let alone = Some(digest(run));
        let mut differs = alone != std::mem::replace(&mut self.run, alone);
        self.steps.resize(steps.len(), None);
        for (step, known) in steps.into_iter().zip(&mut self.steps) {
            let digest = Some(digest(&step));
            if digest != std::mem::replace(known, digest) {
                differs = true;
                run.steps.push(step);
            }
        }
        differs
    }
}

fn digest(of: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What cannot be written is the same as before; writing these cannot fail.
    hasher.write(&serde_json::to_vec(of).unwrap_or_default());
    hasher.finish()
}
