//! Accepting runs. What is answered here is committed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use model::{
    application::Application,
    configuration::Resolved,
    id::{RunRef, TenantId},
    log::Level,
    plan::{Missing, Plan},
    run_request::RunRequest as Request,
};
use serde_json::{Map, Value};
use store::runs::{Idempotency, NewRun, Priority, Submitted};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    prepared::{Configured, Runnable, cannot_run},
    view::{Caller, RunDetail, RunRequest},
    worker::Chain,
};

/// What the names of applications start with that run one step by itself. They are in
/// no list.
pub(crate) const STEP_PREFIX: &str = "step:";
/// The longest idempotency key, in characters.
const MAX_KEY: usize = 255;

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
    pub async fn run(&self, caller: &Caller, request: RunRequest) -> Result<RunRef> {
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
    ) -> Result<RunRef> {
        let runnable = self.runnable(caller.tenant, application).await?;
        self.accept(
            caller.tenant,
            &format!("api:{}", caller.name),
            runnable,
            request,
            key,
        )
        .await
    }

    async fn accept(
        &self,
        tenant: TenantId,
        trigger: &str,
        runnable: Arc<Runnable>,
        request: Request,
        key: Option<String>,
    ) -> Result<RunRef> {
        if self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        if self.backlog.load(Ordering::Relaxed) >= self.settings.backlog as i64 {
            return Err(Error::Busy(format!(
                "{} accepted runs have not ended, which is the limit (limits.backlog): try again when some have",
                self.settings.backlog
            )));
        }
        let configured = self
            .align(tenant, &runnable, request.configuration.as_deref())
            .await?;
        check(
            &runnable.name,
            &runnable.plan,
            &request,
            configured.as_deref().map(|one| &one.resolved),
        )?;
        let input = request.parameters.to_json();
        let queue: Arc<str> = queue_of(&runnable, &request)?;
        let idempotency = key
            .map(|key| idempotency(key, &runnable, &request, &queue, &input))
            .transpose()?;
        let now = self.clock.now();
        let reference = RunRef::new(now, crate::random()?);
        // A free slot and nothing waiting: the run's first step is claimed with its commit.
        let slot = (self.listens(&queue) && self.queue.looks_empty(&queue))
            .then(|| self.slots.clone().try_acquire_owned().ok())
            .flatten();
        let run = NewRun {
            tenant,
            reference,
            application: runnable.application,
            application_revision: runnable.revision,
            configuration_revision: configured.as_ref().map(|one| one.revision),
            pins: runnable.pins,
            priority: if &*queue == queue::HIGH_PRIORITY {
                Priority::High
            } else {
                Priority::Normal
            },
            queue: queue.clone(),
            log_level: request.level.code(),
            trigger: trigger.into(),
            parent: None,
            input: input.into(),
            graph: runnable.plan.graph.clone(),
            created_at: now,
            expires_at: now.plus_micros(self.settings.result_expires.as_micros() as i64),
            idempotency,
            claim: slot.is_some().then_some(self.worker),
        };
        match self.store.submit(run.clone()).await? {
            Submitted::Existing { reference, .. } => Ok(reference),
            Submitted::New {
                run: id,
                claimed,
                ready,
            } => {
                self.backlog.fetch_add(1, Ordering::Relaxed);
                if let (Some((step, token)), Some(slot)) = (claimed, slot) {
                    let chain = Chain::begun(id, &run, runnable, configured, request.parameters);
                    self.spawn_chain(chain, step, token, slot);
                }
                let keys: Vec<_> = ready
                    .iter()
                    .map(|&step| model::id::StepKey { run: id, step })
                    .collect();
                if !keys.is_empty()
                    && let Err(error) = self
                        .queue
                        .enqueue(&queue, run.priority == Priority::High, &keys)
                        .await
                {
                    // The run is committed; the reconciler will find it.
                    tracing::warn!(%error, run = %reference, "an accepted run could not be queued yet");
                }
                Ok(reference)
            }
        }
    }

    /// The configuration object of a run: the request's, else the application's.
    /// `none` un-aligns.
    async fn align(
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
                        code: model::plan::run_code::NO_CONFIGURATION.to_owned(),
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
    ) -> Result<RunRef> {
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
        check(
            name,
            &plan,
            request,
            configured.as_deref().map(|one| &one.resolved),
        )
    }

    /// Runs again what a run ran: the same application at its newest revision, with the
    /// same parameters, configuration object and queue.
    pub async fn replay(&self, caller: &Caller, run: RunRef) -> Result<RunRef> {
        let summary = self.summary(caller.tenant, run).await?;
        let input = self.input(&summary).await?;
        let mut request = parse_params(&summary.application_name, &input)?;
        request.level = Level::from_code(summary.log_level).unwrap_or(request.level);
        request.configuration = Some(
            summary
                .configuration_name
                .unwrap_or_else(|| "none".to_owned()),
        );
        request.queue = Some(summary.queue);
        let runnable = self
            .runnable(caller.tenant, &summary.application_name)
            .await?;
        self.accept(
            caller.tenant,
            &format!("replay:{run}"),
            runnable,
            request,
            None,
        )
        .await
    }

    /// Stops a run: what waits never starts, what executes is stopped and fenced.
    ///
    /// # Errors
    /// [`Error::RunState`] when it has ended.
    pub async fn cancel(&self, caller: &Caller, run: RunRef) -> Result<()> {
        let summary = self.summary(caller.tenant, run).await?;
        match self.store.cancel(summary.run, self.now()).await? {
            None => Err(Error::RunState(format!("{run} has ended already"))),
            Some(running) => {
                self.running.cancel_run(summary.run);
                for (key, _) in running {
                    self.running.cancel(key);
                }
                self.tell_ended(run);
                Ok(())
            }
        }
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

    /// A run has ended: those who wait for it learn it.
    pub(crate) fn tell_ended(&self, run: RunRef) {
        self.backlog.fetch_sub(1, Ordering::Relaxed);
        self.wake.ended(run);
    }
}

fn parse_params(application: &str, params: &str) -> Result<Request> {
    Request::from_params(params).map_err(|error| Error::CannotRun {
        application: application.to_owned(),
        faults: vec![Fault {
            code: model::plan::run_code::TYPE_MISMATCH.to_owned(),
            at: "params".to_owned(),
            message: error.to_string(),
        }],
    })
}

fn check(
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
    if name.len() > 128 || name.chars().any(char::is_control) {
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

fn idempotency(
    key: String,
    runnable: &Runnable,
    request: &Request,
    queue: &str,
    input: &str,
) -> Result<Idempotency> {
    if key.is_empty() || key.chars().count() > MAX_KEY {
        return Err(Error::CannotRun {
            application: runnable.name.to_string(),
            faults: vec![Fault {
                code: "PF-R012".to_owned(),
                at: "Idempotency-Key".to_owned(),
                message: format!("an idempotency key has 1 to {MAX_KEY} characters"),
            }],
        });
    }
    let mut hasher = blake3::Hasher::new();
    for part in [
        &*runnable.name,
        request.configuration.as_deref().unwrap_or(""),
        queue,
        input,
    ] {
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part.as_bytes());
    }
    hasher.update(&[request.level.code()]);
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok(Idempotency { key, digest })
}
