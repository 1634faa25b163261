//! Runs that a step starts and, mostly, waits for.
//!
//! Each child is accepted under a key made of the step and its place in the request, so
//! that a step which is executed again starts none twice. A request of more children than
//! may be under way at a time is started in parts: the step is woken when half of them have
//! ended, starts more, and waits on.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use model::{
    id::{Ordinal, RunRef, Token},
    run_request::RunRequest,
    state::WaitKind,
};
use serde_json::Value;
use store::runs::{Parent, Suspension};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use vault::Purpose;

use self::{
    request::{Call, Request, named},
    results::Results,
};
use crate::{
    Engine,
    attempt::End,
    attend::stored_lines,
    error::{Error, Fault, Result},
    made::Origin,
    prepared::Runnable,
    problem::Problem,
    submit::parse_params,
    worker::Chain,
};

mod elements;
mod request;
mod results;

pub(crate) use request::request_for;

/// How many runs may stand above another: beyond, an application calls itself.
pub(crate) const DEEPEST: u32 = 16;
/// How many children are accepted at the same time.
const TOGETHER: usize = 64;
/// How many faults of a child an error names.
const NAMED: usize = 20;

/// Why children are not started.
enum Refused {
    Failed(Problem),
    Later(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        if error.is_retryable() {
            return Self::Later(error);
        }
        let faults: &[Fault] = match &error {
            Error::CannotRun { faults, .. } => faults,
            _ => &[],
        };
        let faults: Vec<Value> = faults
            .iter()
            .take(NAMED)
            .map(|fault| serde_json::json!({"code": fault.code, "at": fault.at, "message": fault.message}))
            .collect();
        let problem = Problem::permanent("child-refused", error.to_string());
        Self::Failed(if faults.is_empty() {
            problem
        } else {
            problem.with_detail(serde_json::json!({ "faults": faults }))
        })
    }
}

impl Engine {
    /// Starts the children that an attempt asked for. `None`: it was stopped.
    pub(crate) async fn start_children(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        request: &str,
        lines: Vec<runtime::Line>,
        cancel: &CancellationToken,
    ) -> Option<End> {
        let read = match request::read(chain, step, request) {
            Ok(read) => read,
            Err(problem) => return Some(self.end_of(chain, step, token, *problem, lines)),
        };
        self.start_more(chain, step, token, (&read, request), (0, lines), cancel)
            .await
    }

    fn end_of(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        problem: Problem,
        lines: Vec<runtime::Line>,
    ) -> End {
        self.end(chain, step, token, Err(problem), lines)
    }

    /// Starts the children from the one of number `started` on, as many as may be under way.
    async fn start_more(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        (request, text): (&Request, &str),
        (started, mut lines): (usize, Vec<runtime::Line>),
        cancel: &CancellationToken,
    ) -> Option<End> {
        let ended = chain
            .again
            .as_ref()
            .map_or(0, |again| again.children.1 as usize);
        let parallel = request.parallel();
        #[cfg(feature = "simulation")]
        let parallel = crate::simulation::parallel(parallel);
        let until = (ended + parallel).clamp(started, request.children.len());
        let new = request.children.get(started..until).unwrap_or_default();
        let accepted = tokio::select! {
            biased;
            accepted = self.accept_children(chain, (step, token), request, (started, until)) => accepted,
            () = cancel.cancelled() => Ok(None),
        };
        let references = match accepted {
            Ok(Some(references)) => references,
            Ok(None) => {
                self.stop_attempt(chain, step, token, lines).await;
                return None;
            }
            Err(problem) => return Some(self.end_of(chain, step, token, problem, lines)),
        };
        if !new.is_empty() {
            lines.push(runtime::Line {
                at: self.now(),
                level: runtime::Level::Flow,
                message: match until {
                    _ if chain.for_each(step).is_some() => format!(
                        "started elements {} to {until} of {}",
                        started + 1,
                        request.children.len()
                    ),
                    1 => format!("started {} as a child", new[0].application),
                    _ => format!(
                        "started child applications {} to {until} of {}",
                        started + 1,
                        request.children.len()
                    ),
                },
            });
        }
        if !request.wait {
            let data: Vec<Value> = request
                .children
                .iter()
                .zip(&references)
                .map(|(call, run)| {
                    serde_json::json!({"application": call.application, "run_id": run.to_string()})
                })
                .collect();
            return Some(self.done(chain, step, token, Value::Array(data).to_string(), lines));
        }
        if request.children.is_empty() {
            return Some(self.done(chain, step, token, "[]".to_owned(), lines));
        }
        let all = until == request.children.len();
        let wanted = if all {
            until
        } else {
            // Half of those under way make room for as many.
            until - parallel.div_ceil(2) + 1
        };
        let detail = if started > 0 {
            None
        } else {
            match self.sealed_detail(text) {
                Ok(detail) => Some(detail.into()),
                Err(problem) => return Some(self.end_of(chain, step, token, *problem, lines)),
            }
        };
        Some(End::Waits(Suspension {
            detail,
            log: stored_lines(&lines, &chain.masker),
            ..self.until_ended(chain, step, token, (until, wanted))
        }))
    }

    /// The wait of a step that has started so many children, until so many have ended.
    fn until_ended(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        (started, wanted): (usize, usize),
    ) -> Suspension {
        Suspension {
            key: chain.key(step),
            token,
            kind: WaitKind::Children,
            until: None,
            children: (started as u32, wanted as u32),
            detail: None,
            ask: None,
            ended: None,
            error: None,
            log: None,
            at: self.now(),
            expires_at: chain.header.expires_at,
        }
    }

    /// What the store keeps of a request: its parameters may hold secrets that nobody knows
    /// to be some.
    fn sealed_detail(&self, text: &str) -> std::result::Result<String, Box<Problem>> {
        self.vault
            .seal(text, Purpose::RunParameter)
            .map_err(|error| Box::new(Problem::permanent("internal", error.to_string())))
    }

    fn opened_detail(&self, chain: &Chain) -> Result<String> {
        let detail = crate::waits::detail(chain.again.as_ref())
            .and_then(|detail| std::str::from_utf8(detail).ok())
            .unwrap_or_default();
        if !vault::is_ours(detail) {
            return Ok(detail.to_owned());
        }
        let opened = self
            .vault
            .open(detail, Purpose::RunParameter)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(secrecy::ExposeSecret::expose_secret(&opened).to_owned())
    }

    /// Accepts the children of these places; each of them was accepted before, if the step is
    /// executed again. `None`: the attempt runs no more.
    async fn accept_children(
        &self,
        chain: &Chain,
        attempt: (Ordinal, Token),
        request: &Request,
        (first, until): (usize, usize),
    ) -> std::result::Result<Option<Vec<RunRef>>, Problem> {
        let calls = request.children.get(first..until).unwrap_or_default();
        let mut pause = Duration::from_millis(50);
        loop {
            // All are looked at before one starts.
            let looked_at = match first {
                // Of elements there is nothing to look at.
                _ if chain.for_each(attempt.0).is_some() => Ok(()),
                0 => self.look_at_children(chain, &request.children).await,
                _ => Ok(()),
            };
            let tried = match looked_at {
                Ok(()) => self.try_to_accept(chain, attempt, first, calls).await,
                Err(refused) => Err(refused),
            };
            match tried {
                Ok(references) => return Ok(references),
                Err(Refused::Failed(problem)) => return Err(problem),
                Err(Refused::Later(error)) => {
                    tracing::warn!(%error, run = %chain.header.reference, "child applications cannot be started yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Refuses a request of which one child cannot run.
    async fn look_at_children(
        &self,
        chain: &Chain,
        calls: &[Call],
    ) -> std::result::Result<(), Refused> {
        if calls.is_empty() {
            return Ok(());
        }
        let above = self
            .store
            .depth(chain.header.run, DEEPEST)
            .await
            .map_err(Error::from)?;
        if above + 1 >= DEEPEST {
            return Err(Refused::Failed(Problem::permanent(
                "too-deep",
                format!(
                    "{DEEPEST} applications have started each other one inside the other: probably one starts itself over others"
                ),
            )));
        }
        for (at, call) in calls.iter().enumerate() {
            let (runnable, request, _) = self.prepare_child(chain, at, call).await?;
            self.can_run(chain.header.tenant, &runnable, &request)
                .await
                .map_err(|error| named(error, at))?;
            // Many that need no answer of the store would hold this thread.
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    async fn try_to_accept(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        first: usize,
        calls: &[Call],
    ) -> std::result::Result<Option<Vec<RunRef>>, Refused> {
        let mut accepting = Vec::with_capacity(calls.len());
        for (at, call) in calls.iter().enumerate() {
            accepting.push(
                self.accept_child(chain, (step, token), first + at, call)
                    .boxed(),
            );
        }
        let accepted: Vec<_> = futures::stream::iter(accepting)
            .buffered(TOGETHER)
            .collect()
            .await;
        accepted.into_iter().collect()
    }

    /// Accepts one child, to the end even when the attempt is stopped meanwhile.
    async fn accept_child(
        &self,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        at: usize,
        call: &Call,
    ) -> std::result::Result<Option<RunRef>, Refused> {
        if chain.for_each(step).is_some() {
            let input = call.params.as_ref().map_or("{}", |params| params.get());
            let element = (child_key(chain, step, at), input);
            let accepted = self.accept_element(chain, (step, token), element).await;
            return Ok(accepted?);
        }
        let (runnable, request, secret) = self.prepare_child(chain, at, call).await?;
        let parent = Parent {
            key: chain.key(step),
            token,
        };
        let origin = Origin {
            tenant: chain.header.tenant,
            trigger: format!("run:{}", chain.header.reference).into(),
            trace: chain.trace.clone(),
            parent: Some((parent, child_key(chain, step, at))),
            kept: Vec::new(),
            same: None,
        };
        let engine = self.clone();
        let accepting = async move {
            engine
                .accept_from(origin, runnable, request, secret, None)
                .await
        };
        // To its end, and a drain waits for it: what is accepted must be queued.
        let accepted = self
            .tasks
            .spawn(accepting.in_current_span())
            .await
            .unwrap_or_else(|error| Err(Error::Internal(error.to_string())));
        let accepted = accepted.map_err(|error| named(error, at))?;
        Ok(accepted.map(|started| started.run))
    }

    /// What a child runs, with the packs that its parent is pinned to, and which of its
    /// parameters hold secrets of the parent.
    async fn prepare_child(
        &self,
        chain: &Chain,
        at: usize,
        call: &Call,
    ) -> std::result::Result<(Arc<Runnable>, RunRequest, Vec<Box<str>>), Refused> {
        let params = call.params.as_ref().map_or("{}", |params| params.get());
        let request = parse_params(&call.application, params).map_err(|error| named(error, at))?;
        let runnable = self
            .runnable_of_child(chain, &call.application)
            .await
            .map_err(|error| named(error, at))?;
        let secret = request
            .parameters
            .iter()
            .filter(|(_, raw)| !chain.masker.found_in_json(raw).is_empty())
            .map(|(name, _)| name.into())
            .collect();
        Ok((runnable, request, secret))
    }

    /// A step that waited for children goes on: it starts more, waits on, or ends with what
    /// they made. `None`: it was stopped.
    pub(crate) async fn resume_parent(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        cancel: &CancellationToken,
    ) -> Option<End> {
        let request = self
            .opened_detail(chain)
            .map_err(|error| Box::new(Problem::permanent(error.code(), error.to_string())));
        let request = request.and_then(|text| Ok((request::read(chain, step, &text)?, text)));
        let (request, text) = match request {
            Ok(request) => request,
            Err(problem) => return Some(self.end_of(chain, step, token, *problem, Vec::new())),
        };
        let (started, ended) = chain.again.as_ref().map_or((0, 0), |again| again.children);
        let (started, ended) = (started as usize, ended as usize);
        if started.min(ended) < request.children.len() {
            let so_far = (started, Vec::new());
            return self
                .start_more(chain, step, token, (&request, &text), so_far, cancel)
                .await;
        }
        let mut pause = Duration::from_millis(50);
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            match self.children_results(chain, step, &request).await {
                Ok(Results::Data(data, warning)) => {
                    let outcome = runtime::Outcome::Output {
                        data,
                        warning,
                        attributes: None,
                    };
                    return Some(self.end(chain, step, token, Ok(outcome), Vec::new()));
                }
                Ok(Results::Failed(problem)) => {
                    return Some(self.end_of(chain, step, token, problem, Vec::new()));
                }
                Ok(Results::Unfinished(left)) => {
                    let wait = self.until_ended(chain, step, token, (started, ended + left));
                    return Some(End::Waits(wait));
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, run = %chain.header.reference, "the results of child applications cannot be read yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    let problem = Problem::permanent(error.code(), error.to_string());
                    return Some(self.end_of(chain, step, token, problem, Vec::new()));
                }
            }
        }
    }

    fn done(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
        data: String,
        lines: Vec<runtime::Line>,
    ) -> End {
        let outcome = runtime::Outcome::Output {
            data,
            warning: None,
            attributes: None,
        };
        self.end(chain, step, token, Ok(outcome), lines)
    }
}

/// What the keys begin with under which the children of an attempt are accepted. No caller's
/// key begins so: it is no character of a header. An attempt that follows a lost worker has
/// the same, one that follows a failure starts others.
fn keys_of(chain: &Chain, step: Ordinal) -> String {
    let failed = chain.again.as_ref().map_or(0, |again| again.retries);
    format!("\u{1}{}/{failed}/", chain.header.reference.task(step))
}

fn child_key(chain: &Chain, step: Ordinal, at: usize) -> String {
    format!("{}{at}", keys_of(chain, step))
}
