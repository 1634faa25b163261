//! From a request to a run that can be stored: everything that keeps it from running is found
//! here, before anything is stored.

use std::sync::Arc;

use model::{
    configuration::Resolved,
    id::{RunRef, TenantId},
    mask::Masker,
    plan::Plan,
    run_request::RunRequest as Request,
};
use store::runs::{Idempotency, KeptStep, NewRun, Parent, Priority};
use trace::Context;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    inputs::Input,
    prepared::{Configured, Runnable},
    view::Caller,
};

/// Where a run comes from.
pub(crate) struct Origin {
    pub(crate) tenant: TenantId,
    /// Who or what started it.
    pub(crate) trigger: Arc<str>,
    /// The place in a trace that it is accepted at.
    pub(crate) trace: Option<Context>,
    /// The attempt that starts it, and the key under which its step starts it once.
    pub(crate) parent: Option<(Parent, String)>,
    /// Results of another run that it starts with.
    pub(crate) kept: Vec<KeptStep>,
    /// The key under which it is the same run, whatever it is given.
    pub(crate) same: Option<String>,
}

impl Origin {
    /// What a caller asks for.
    pub(crate) fn of(caller: &Caller, trigger: String) -> Self {
        Self {
            tenant: caller.tenant,
            trigger: trigger.into(),
            trace: None,
            parent: None,
            kept: Vec::new(),
            same: None,
        }
    }
}

/// A run that is about to be stored, and what its execution needs.
pub(crate) struct Made {
    pub(crate) run: NewRun,
    pub(crate) configured: Option<Arc<Configured>>,
    pub(crate) input: Input,
    pub(crate) masker: Masker,
    pub(crate) warnings: Vec<Fault>,
}

impl Engine {
    /// A run as it is to be stored, checked as a whole; nothing is stored yet.
    pub(crate) async fn make_run(
        &self,
        origin: Origin,
        runnable: &Runnable,
        mut request: Request,
        secret: Vec<Box<str>>,
        key: Option<String>,
    ) -> Result<Made> {
        let tenant = origin.tenant;
        let (configured, queue) = self.can_run(tenant, runnable, &request).await?;
        // A parent that waits would wait for ever if its children were refused.
        if origin.parent.is_none() {
            self.has_room(tenant, &queue)?;
        }
        let mut warnings = self.warnings(&runnable.plan, &request, &queue).await;
        warnings.extend(self.paused(tenant, runnable.application, &queue));
        let parameters = std::mem::take(&mut request.parameters);
        let input = Input::new(parameters, &runnable.plan, configured.as_deref(), secret);
        let stored = self.seal_input(&input)?;
        // Whatever a step asks for when it is executed again, this is its child.
        let child = origin.parent.as_ref().map(|(_, key)| key.clone());
        let idempotency = match (child.or(origin.same), key) {
            (Some(key), _) => Some(Idempotency {
                key,
                digest: [0; 16],
            }),
            (None, Some(key)) => {
                Some(self.idempotency(key, runnable, &request, &queue, &input, &stored)?)
            }
            (None, None) => None,
        };
        let masker = input.masker(configured.as_deref())?;
        let now = self.clock.now();
        let kept = runnable
            .result_expires
            .unwrap_or(self.settings.result_expires);
        let run = NewRun {
            tenant,
            reference: RunRef::new(now, crate::random()?),
            application: runnable.application,
            application_revision: runnable.revision,
            configuration_revision: configured.as_ref().map(|one| one.revision),
            pins: runnable.pins,
            priority: if &*queue == queue::HIGH_PRIORITY {
                Priority::High
            } else {
                Priority::Normal
            },
            queue,
            log_level: request.level.code(),
            trigger: origin.trigger,
            parent: origin.parent.map(|(parent, _)| parent),
            input: stored.into(),
            graph: runnable.plan.graph.clone(),
            created_at: now,
            expires_at: now.plus_micros(kept.as_micros() as i64),
            idempotency,
            claim: None,
            trace: origin.trace,
            part: None,
            kept: origin.kept,
        };
        Ok(Made {
            run,
            configured,
            input,
            masker,
            warnings,
        })
    }
}

impl Engine {
    /// Whether a run can start: its parameters are there, its configuration object and its
    /// queue as well. Answers the two.
    pub(crate) async fn can_run(
        &self,
        tenant: TenantId,
        runnable: &Runnable,
        request: &Request,
    ) -> Result<(Option<Arc<Configured>>, Arc<str>)> {
        let configured = self
            .align(tenant, runnable, request.configuration.as_deref())
            .await?;
        check(
            &runnable.name,
            &runnable.plan,
            request,
            configured.as_deref().map(|one| &one.resolved),
        )?;
        Ok((configured, queue_of(runnable, request)?))
    }
}

pub(crate) fn check(
    application: &str,
    plan: &Plan,
    request: &Request,
    configuration: Option<&Resolved>,
) -> Result<()> {
    plan.check(&request.parameters, configuration)
        .map_err(|missing| Error::CannotRun {
            application: application.to_owned(),
            faults: missing.iter().map(Fault::from).collect(),
        })
}

fn queue_of(runnable: &Runnable, request: &Request) -> Result<Arc<str>> {
    let name = request
        .queue
        .as_deref()
        .or(runnable.queue.as_deref())
        .unwrap_or(queue::DEFAULT);
    let name = queue::canonical(name);
    if !crate::workers::is_queue_name(name) {
        return Err(Error::CannotRun {
            application: runnable.name.to_string(),
            faults: vec![Fault {
                code: "PF-R011".to_owned(),
                at: "queue".to_owned(),
                message: "a queue's name has at most 128 bytes and no control characters"
                    .to_owned(),
            }],
        });
    }
    Ok(name.into())
}
