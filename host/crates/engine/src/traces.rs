//! What whoever collects traces is told of runs: where one is accepted, waits, and is executed.
//!
//! A run's span is told once, by whoever commits its end; until then it exists by its name
//! alone ([`SpanId::of_run`]), and the spans of its steps refer to it from every process.

use std::borrow::Cow;

use model::{
    clock::Timestamp,
    id::{Ordinal, RunRef, TenantId, Token},
    state::{RunState, StepState},
};
use serde::Deserialize;
use store::runs::{Claimed, Completed, Completion, RunHeader};
use trace::{Context, Kind, Span, SpanId};

use crate::{Engine, error::Error, worker::Chain};

/// An attempt whose run is traced.
pub(crate) struct Attempt {
    context: Context,
    start: Timestamp,
}

/// A run that has ended.
struct Ended<'a> {
    reference: RunRef,
    trace: Option<&'a Context>,
    application: Option<&'a str>,
    queue: &'a str,
    created_at: Timestamp,
    state: RunState,
    at: Timestamp,
}

impl Engine {
    /// The span of a run whose place in a trace is known.
    pub(crate) fn run_span(&self, header: &RunHeader) -> Option<Context> {
        let accepted = self.tracer.known(header.trace.as_ref())?;
        Some(accepted.at(SpanId::of_run(header.reference)))
    }

    /// A run was accepted, or refused.
    pub(crate) fn trace_submit(
        &self,
        place: Context,
        caller: Option<&Context>,
        start: Timestamp,
        application: &str,
        answer: std::result::Result<RunRef, &Error>,
    ) {
        let parent = caller.map(|context| context.span);
        let name = format!("submit {application}");
        let mut span = Span::new(name, Kind::Producer, place, parent, start)
            .with("powerflow.application", application.to_owned());
        match answer {
            Ok(reference) => span = span.with("powerflow.run.id", reference.to_string()),
            Err(error) => span.error = Some(error.code().into()),
        }
        span.end = self.now();
        self.tracer.end(span);
    }

    /// A step came from the queue and was claimed.
    pub(crate) fn trace_wait(&self, claimed: &Claimed, step: Ordinal) {
        let (Some(run), Some(ready_at)) = (self.run_span(&claimed.header), claimed.ready_at) else {
            return;
        };
        let header = &claimed.header;
        let attempt = SpanId::of_attempt(header.reference, step, claimed.token);
        let system = if self.settings.exclusive {
            "powerflow"
        } else {
            "redis"
        };
        let name = format!("receive {}", header.queue);
        let parent = Some(run.span);
        let mut span = Span::new(
            name,
            Kind::Consumer,
            run.at(attempt.below(0)),
            parent,
            ready_at,
        )
        .with("messaging.system", system)
        .with("messaging.operation.type", "receive")
        .with("messaging.operation.name", "receive")
        .with("messaging.destination.name", header.queue.to_string())
        .with(
            "messaging.message.id",
            header.reference.task(step).to_string(),
        );
        span.end = self.now();
        self.tracer.end(span);
    }

    /// An attempt begins; `None` when nobody wants to know.
    pub(crate) fn trace_begin(
        &self,
        chain: &Chain,
        step: Ordinal,
        token: Token,
    ) -> Option<Attempt> {
        Some(Attempt {
            context: chain.attempt_span(step, token)?,
            start: self.now(),
        })
    }

    /// An attempt has ended: with a completion, which is stored or not, or stopped.
    pub(crate) fn trace_attempt(
        &self,
        attempt: Option<Attempt>,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        end: Option<(&Completion, Option<&Completed>)>,
    ) {
        let outcome = match end {
            None => ("stopped", Some("stopped".into())),
            Some((_, None)) => ("not-stored", Some("not-stored".into())),
            Some((_, Some(Completed::Fenced))) => ("fenced", Some("fenced".into())),
            Some((completion, Some(_))) => {
                let failed = completion.state == StepState::Failed;
                let error = failed.then(|| code_of(completion).into());
                (completion.state.word(), error)
            }
        };
        let executed = end.map(|(completion, _)| completion.at);
        self.trace_outcome(attempt, chain, (step, token), outcome, executed);
    }

    fn trace_outcome(
        &self,
        attempt: Option<Attempt>,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        (outcome, error): (&'static str, Option<Cow<'static, str>>),
        executed: Option<Timestamp>,
    ) {
        let (Some(attempt), Some(run)) = (attempt, &chain.trace) else {
            return;
        };
        let header = &chain.header;
        let planned = chain.planned(step);
        let name = planned.map_or("?", |step| &*step.name);
        let mut span = Span::new(
            format!("step {name}"),
            Kind::Internal,
            attempt.context,
            Some(run.span),
            attempt.start,
        )
        .with("powerflow.application", chain.runnable.name.to_string())
        .with("powerflow.step", name.to_owned())
        .with("powerflow.run.id", header.reference.to_string())
        .with("powerflow.task.id", header.reference.task(step).to_string())
        .with("powerflow.attempt", token.0)
        .with("powerflow.worker", self.worker().0)
        .with("powerflow.queue", header.queue.to_string())
        .with("powerflow.outcome", outcome);
        if let Some(pack) = chain
            .runnable
            .packs
            .get(crate::each::place(chain.header.part, step).index())
        {
            span = span.with("powerflow.syncpack", pack.name.clone());
        }
        if let Some(at) = executed {
            span.events.push(("executed", at));
        }
        span.error = error;
        span.end = self.now();
        self.tracer.end(span);
    }

    /// An attempt has ended and its step waits, if that is stored.
    pub(crate) fn trace_suspended(
        &self,
        attempt: Option<Attempt>,
        chain: &Chain,
        (step, token): (Ordinal, Token),
        stored: bool,
    ) {
        let (outcome, error) = if stored {
            ("waiting", None)
        } else {
            ("fenced", Some("fenced".into()))
        };
        self.trace_outcome(attempt, chain, (step, token), (outcome, error), None);
    }

    /// This process has committed the end of a run.
    pub(crate) fn trace_run(
        &self,
        header: &RunHeader,
        application: Option<&str>,
        state: RunState,
        at: Timestamp,
    ) {
        self.trace_ended(&Ended {
            reference: header.reference,
            trace: header.trace.as_ref(),
            application,
            queue: &header.queue,
            created_at: header.created_at,
            state,
            at,
        });
    }

    /// This process has ended a run of which it knows the name alone.
    pub(crate) async fn trace_stopped(&self, tenant: TenantId, reference: RunRef) {
        if !self.tracer.is_on() {
            return;
        }
        // A run that cannot be read loses its span, and nothing else.
        let Ok(run) = self.summary(tenant, reference).await else {
            return;
        };
        self.trace_ended(&Ended {
            reference,
            trace: run.trace.as_ref(),
            application: Some(&run.application_name),
            queue: &run.queue,
            created_at: run.created_at,
            state: run.state,
            at: run.finished_at.unwrap_or_else(|| self.now()),
        });
    }

    fn trace_ended(&self, ended: &Ended<'_>) {
        let Some(accepted) = self.tracer.known(ended.trace) else {
            return;
        };
        let name = match ended.application {
            Some(application) => format!("run {application}"),
            None => "run".to_owned(),
        };
        let context = accepted.at(SpanId::of_run(ended.reference));
        let parent = Some(accepted.span);
        let mut span = Span::new(name, Kind::Consumer, context, parent, ended.created_at)
            .with("powerflow.run.id", ended.reference.to_string())
            .with("powerflow.queue", ended.queue.to_owned())
            .with("powerflow.outcome", ended.state.word());
        if let Some(application) = ended.application {
            span = span.with("powerflow.application", application.to_owned());
        }
        if ended.state == RunState::Failed {
            span.error = Some("failed".into());
        }
        span.end = ended.at;
        self.tracer.end(span);
    }
}

impl Chain {
    /// The span of an attempt of one of its steps.
    pub(crate) fn attempt_span(&self, step: Ordinal, token: Token) -> Option<Context> {
        let run = self.trace.as_ref()?;
        Some(run.at(SpanId::of_attempt(self.header.reference, step, token)))
    }

    /// What lines of the service's log are marked with while it is executed.
    pub(crate) fn log_span(&self) -> tracing::Span {
        match &self.trace {
            None => tracing::Span::none(),
            Some(run) => tracing::info_span!(
                "run",
                run = %self.header.reference,
                trace_id = %run.trace,
            ),
        }
    }
}

/// The code of what was stored of a failure, secrets masked.
fn code_of(completion: &Completion) -> String {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let problem: Option<Problem> = completion
        .error
        .as_deref()
        .and_then(|error| serde_json::from_slice(error).ok());
    problem.map_or_else(|| "failed".to_owned(), |problem| problem.code)
}
