//! Accepting runs. What is answered here is committed.

use std::{sync::Arc, time::Duration};

use model::{
    application::Application,
    id::{Ordinal, RunId, RunRef, StepKey, TenantId},
    log::Level,
    plan::{Missing, Plan, run_code},
    run_request::RunRequest as Request,
    validate::pointer,
};
use serde_json::{Map, Value};
use store::runs::{NewRun, Priority, Submitted};
use trace::Context;

use crate::{
    Engine,
    error::{Error, Fault, Result},
    made::{Made, Origin, check},
    odd,
    prepared::{Configured, Runnable, cannot_run},
    view::{Caller, RunDetail, RunRequest, Started},
    worker::{Chain, ClaimedStep},
};

/// What the names of applications start with that run one step by itself. They are in
/// no list.
pub(crate) const STEP_PREFIX: &str = "step:";

impl From<&Missing> for Fault {
    fn from(missing: &Missing) -> Self {
        Self {
            code: missing.code.to_owned(),
            at: match &missing.step {
                Some(step) => format!("{step}.{}", missing.parameter),
                None => missing.parameter.clone(),
            },
            message: missing.message.clone(),
        }
    }
}

impl Engine {
    /// Accepts a run.
    ///
    /// # Errors
    /// [`Error::CannotRun`] with everything that is missing, [`Error::NotFound`],
    /// [`Error::KeyReused`], [`Error::Busy`], [`Error::Draining`].
    pub async fn run(&self, caller: &Caller, request: RunRequest) -> Result<Started> {
        let params = Value::Object(request.params).to_string();
        let parsed = parse_params(&request.application, &params)?;
        self.submit(
            caller,
            &request.application,
            parsed,
            request.idempotency_key,
        )
        .await
    }

    /// Accepts a run whose request has been read already.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn submit(
        &self,
        caller: &Caller,
        application: &str,
        request: Request,
        key: Option<String>,
    ) -> Result<Started> {
        let runnable = self.runnable(caller.tenant, application).await?;
        let origin = Origin::of(caller, format!("api:{}", caller.name));
        self.accept(caller, origin, runnable, request, Vec::new(), key)
            .await
    }

    /// Accepts a run, to the end even when whoever asked goes away: what is committed must be
    /// executed or queued. `secret` names parameters that are secret whatever the plan says.
    pub(crate) async fn accept(
        &self,
        caller: &Caller,
        origin: Origin,
        runnable: Arc<Runnable>,
        request: Request,
        secret: Vec<Box<str>>,
        key: Option<String>,
    ) -> Result<Started> {
        use tracing::Instrument as _;
        let (engine, calls_from) = (self.clone(), caller.trace.clone());
        let accepted = async move {
            engine
                .accept_traced(origin, calls_from.as_ref(), runnable, request, secret, key)
                .await
        };
        tokio::spawn(accepted.in_current_span())
            .await
            .unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
    }

    async fn accept_traced(
        &self,
        mut origin: Origin,
        calls_from: Option<&Context>,
        runnable: Arc<Runnable>,
        request: Request,
        secret: Vec<Box<str>>,
        key: Option<String>,
    ) -> Result<Started> {
        let place = self.tracer.begin(calls_from);
        origin.trace.clone_from(&place);
        let (name, start) = (runnable.name.clone(), self.now());
        let answer = self
            .accept_from(origin, runnable, request, secret, key)
            .await
            .and_then(|started| {
                started
                    .ok_or_else(|| Error::Internal("a run without a parent has lost it".to_owned()))
            });
        if let Some(place) = place {
            let run = answer.as_ref().map(|started| started.run);
            self.trace_submit(place, calls_from, start, &name, run);
        }
        answer
    }

    /// Accepts a run from wherever it comes. `None`: the attempt that starts it runs no more.
    ///
    /// It is not to be dropped before its end: what is committed must be executed or queued.
    pub(crate) async fn accept_from(
        &self,
        origin: Origin,
        runnable: Arc<Runnable>,
        request: Request,
        secret: Vec<Box<str>>,
        key: Option<String>,
    ) -> Result<Option<Started>> {
        let made = self
            .make_run(origin, &runnable, request, secret, key)
            .await?;
        self.accept_made(made, runnable).await
    }

    /// Stores a run and starts it, or queues it.
    pub(crate) async fn accept_made(
        &self,
        made: Made,
        runnable: Arc<Runnable>,
    ) -> Result<Option<Started>> {
        let Made {
            mut run,
            configured,
            input,
            masker,
            warnings,
        } = made;
        let queue = run.queue.clone();
        let reference = run.reference;
        // A free slot and nothing waiting: the run's first step is claimed with its commit.
        let paused = self
            .pauses
            .of(run.tenant, run.application, &queue)
            .is_some();
        let starts = !paused
            && run.kept.is_empty()
            && !self.draining.is_cancelled()
            && self.holds_lease(self.worker());
        let slot = (starts && self.listens(&queue) && self.queue.looks_empty(&queue))
            .then(|| self.slots.clone().try_acquire_owned().ok())
            .flatten();
        run.claim = slot.is_some().then(|| self.worker());
        let submitting = slot.is_some().then(|| self.submitting());
        let submitted = self.store.submit(run.clone()).await;
        if run.claim.is_some() && submitted.as_ref().is_err_and(store::Error::is_retryable) {
            self.account.in_doubt();
        }
        match submitted? {
            Submitted::Orphan => Ok(None),
            Submitted::Existing { reference, .. } => Ok(Some(Started {
                run: reference,
                again: true,
                warnings,
            })),
            Submitted::New {
                run: id,
                claimed,
                ready,
            } => {
                metrics::get().runs_accepted.inc();
                self.backlog.add(run.tenant, &run.queue, 1);
                if let (Some((step, token)), Some(under), Some(slot)) = (claimed, run.claim, slot) {
                    let mut chain = Chain::begun(id, &run, runnable, configured, input, masker);
                    chain.know_element()?;
                    let claimed = ClaimedStep { step, token, under };
                    self.spawn_chain(chain, claimed, slot, submitting);
                }
                self.queue_up(&run, id, &ready).await;
                Ok(Some(Started {
                    run: reference,
                    again: false,
                    warnings,
                }))
            }
        }
    }

    /// What is odd about a request that is accepted all the same.
    pub(crate) async fn warnings(&self, plan: &Plan, request: &Request, queue: &str) -> Vec<Fault> {
        let untaken = plan.untaken(&request.parameters).into_iter();
        let mut warnings: Vec<Fault> = untaken
            .map(|(name, hint)| Fault {
                code: run_code::UNTAKEN.to_owned(),
                at: format!("/params/{}", pointer(name)),
                message: format!(
                    "nothing takes the parameter `{name}`: neither an application variable nor a parameter of a step has this name{hint}"
                ),
            })
            .collect();
        let mistyped = plan.mistyped(&request.parameters).into_iter();
        warnings.extend(mistyped.map(|(name, reason)| Fault {
            code: run_code::VARIABLE_TYPE.to_owned(),
            at: format!("/params/{}", pointer(name)),
            message: format!("application variable `{name}`: {reason}; the run takes it as it is"),
        }));
        warnings.extend(odd::taken_as_text(&request.parameters));
        if let Some(message) = self.unserved(queue).await {
            warnings.push(Fault {
                code: run_code::UNSERVED.to_owned(),
                at: request
                    .queue
                    .as_ref()
                    .map_or_else(String::new, |_| "/params/queue".to_owned()),
                message: format!("the run is accepted and waits: {message}"),
            });
        }
        warnings
    }

    /// Puts the first steps of an accepted run on the queue.
    async fn queue_up(&self, run: &NewRun, id: RunId, ready: &[Ordinal]) {
        let keys: Vec<_> = ready
            .iter()
            .map(|&step| StepKey { run: id, step })
            .collect();
        let high = run.priority == Priority::High;
        if !keys.is_empty()
            && let Err(error) = self
                .queue
                .enqueue(&run.queue, high, run.tenant, &keys)
                .await
        {
            // The run is committed; the reconciler will find it.
            tracing::warn!(%error, run = %run.reference, "an accepted run could not be queued yet");
        }
    }

    /// The configuration object of a run: the request's, else the application's.
    /// `none` un-aligns.
    pub(crate) async fn align(
        &self,
        tenant: TenantId,
        runnable: &Runnable,
        asked: Option<&str>,
    ) -> Result<Option<Arc<Configured>>> {
        match asked.or(runnable.configuration.as_deref()) {
            None | Some("" | "none") => Ok(None),
            Some(name) => match self.configured(tenant, name).await {
                Ok(configured) => Ok(Some(configured)),
                Err(error @ Error::NotFound { .. }) => Err(Error::CannotRun {
                    application: runnable.name.to_string(),
                    faults: vec![Fault {
                        code: run_code::NO_CONFIGURATION.to_owned(),
                        at: "configuration".to_owned(),
                        message: error.to_string(),
                    }],
                }),
                Err(error) => Err(error),
            },
        }
    }

    /// Runs one step of an active pack by itself.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn run_step(
        &self,
        caller: &Caller,
        step: &str,
        syncpack: Option<&str>,
        params: Map<String, Value>,
    ) -> Result<Started> {
        let entry = self.step(caller.tenant, step, syncpack)?;
        let name = format!("{STEP_PREFIX}{}:{}", entry.syncpack, entry.name);
        let document = serde_json::json!({
            "name": name,
            "friendly_name": entry.name,
            "description": "Runs one step by itself.",
            "hidden": true,
            "steps": [{ "name": entry.name, "file": entry.name, "syncpack": entry.syncpack }],
        })
        .to_string();
        let request = parse_params(&name, &Value::Object(params).to_string())?;
        self.check_before_saving(caller.tenant, &name, &document, &request)
            .await?;
        self.save_application(caller, Some(&name), &document, None)
            .await?;
        self.submit(caller, &name, request, None).await
    }

    /// Refuses a run of a document before anything is stored of it.
    async fn check_before_saving(
        &self,
        tenant: TenantId,
        name: &str,
        document: &str,
        request: &Request,
    ) -> Result<()> {
        let application =
            Application::parse(document).map_err(|error| Error::Internal(error.to_string()))?;
        let plan = Plan::compile(&application, &*self.catalogue.active(tenant))
            .map_err(|problems| cannot_run(name, &problems))?;
        let configured = match request.configuration.as_deref() {
            None | Some("" | "none") => None,
            Some(configuration) => Some(self.configured(tenant, configuration).await?),
        };
        let mut checked = check(
            name,
            &plan,
            request,
            configured.as_deref().map(|one| &one.resolved),
        );
        if let Err(Error::CannotRun { faults, .. }) = &mut checked {
            faults.iter_mut().for_each(odd::of_step_alone);
        }
        checked
    }

    /// Runs again what a run ran: the same application at its newest revision, with the
    /// same parameters, configuration object and queue.
    pub async fn replay(&self, caller: &Caller, run: RunRef) -> Result<Started> {
        self.replay_as(caller, run, None).await
    }

    /// The same under a key: asked again with it, it is the same run.
    pub(crate) async fn replay_as(
        &self,
        caller: &Caller,
        run: RunRef,
        same: Option<String>,
    ) -> Result<Started> {
        let summary = self.summary(caller.tenant, run).await?;
        whole(&summary)?;
        let input = self.open_input(&self.input(&summary).await?)?;
        let request = Request {
            name: None,
            level: Level::from_code(summary.log_level).unwrap_or_default(),
            configuration: Some(
                summary
                    .configuration_name
                    .unwrap_or_else(|| "none".to_owned()),
            ),
            queue: Some(summary.queue),
            parameters: input.parameters,
        };
        let runnable = self
            .runnable(caller.tenant, &summary.application_name)
            .await?;
        let origin = Origin {
            same,
            ..Origin::of(caller, format!("replay:{run}"))
        };
        // Once secret, always: the newest revision may declare it otherwise.
        let started = self
            .accept(caller, origin, runnable, request, input.secret, None)
            .await?;
        self.settle_letters(summary.run).await;
        Ok(started)
    }

    /// Waits until a run has ended, or `at_most`, and tells how it stands then.
    pub async fn wait(
        &self,
        tenant: TenantId,
        run: RunRef,
        at_most: Duration,
    ) -> Result<RunDetail> {
        let until = tokio::time::Instant::now() + at_most;
        let waiter = self.wake.wait_for(run);
        loop {
            let ended = waiter.ended();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let summary = self.summary(tenant, run).await?;
            if summary.state.is_final() || tokio::time::Instant::now() >= until {
                return self.detail(summary).await;
            }
            // A run that another process ends is seen by looking again.
            let look_again = (tokio::time::Instant::now() + Duration::from_secs(1)).min(until);
            let _ = tokio::time::timeout_at(look_again, ended).await;
        }
    }

    /// A run has ended: those who wait for it learn it. Without its `place`, the tenant and the
    /// queue, it is counted until the store is asked again.
    pub(crate) fn tell_ended(&self, run: RunRef, place: Option<(TenantId, &Arc<str>)>) {
        match place {
            Some((tenant, queue)) => self.backlog.add(tenant, queue, -1),
            None => self.recount.notify_one(),
        }
        self.wake.ended(run);
        self.scheduler.ended();
        if let Some(outbox) = &self.outbox {
            outbox.ended(run);
        }
    }
}

/// Refuses to repeat a run for one element of a list by itself.
pub(crate) fn whole(run: &store::runs::RunSummary) -> Result<()> {
    match run.part {
        None => Ok(()),
        Some(_) => Err(Error::RunState(format!(
            "{} is for one element of a list ({}): repeat the run that lists it",
            run.reference, run.trigger
        ))),
    }
}

pub(crate) fn parse_params(application: &str, params: &str) -> Result<Request> {
    Request::from_params(params).map_err(|error| Error::CannotRun {
        application: application.to_owned(),
        faults: vec![Fault {
            code: run_code::TYPE_MISMATCH.to_owned(),
            at: "params".to_owned(),
            message: error.to_string(),
        }],
    })
}
