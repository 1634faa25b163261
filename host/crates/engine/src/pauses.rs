//! Pausing and resuming an application, a queue, or everything.
//!
//! A pause is a row of the store, which refuses claims of what it holds up from its commit
//! on: no process has to know of it. What a worker takes off the queue meanwhile is left in
//! the store, and queued again by whoever resumes; if that process is lost, by the leading
//! process or at the next start.

use std::{ops::Deref, sync::Arc, time::Duration};

use model::{id::TenantId, plan::run_code};
use parking_lot::RwLock;
use store::{
    definitions::Kind,
    pauses::{Pause, PauseScope},
};

use crate::{
    Engine,
    error::{Error, Fault, Result},
    reconcile::PAGE,
    view::Caller,
    workers::is_queue_name,
};

/// The code of a fault in what is to be paused.
const FAULT: &str = "PF-1007";
/// The longest reason, in bytes.
const LONGEST_REASON: usize = 1_000;

/// What is to be paused, or resumed: runs that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseQuery {
    /// Runs of this application.
    pub application: Option<String>,
    /// Runs on this queue.
    pub queue: Option<String>,
    /// Why, for those who wonder; may be empty.
    pub reason: String,
}

/// What this process knows of the pauses: to tell of them, and to start nothing that it
/// accepts itself.
#[derive(Default)]
pub(crate) struct Known(RwLock<Arc<Vec<Pause>>>);

impl Known {
    fn all(&self) -> Arc<Vec<Pause>> {
        self.0.read().clone()
    }

    fn replace(&self, pauses: Vec<Pause>) {
        *self.0.write() = Arc::new(pauses);
    }

    /// Known before it is stored: what is accepted while it is being stored starts nothing.
    fn add(&self, pause: &Pause) {
        let mut known = self.0.write();
        let mut all = known.deref().to_vec();
        all.push(pause.clone());
        *known = Arc::new(all);
    }

    /// The pause that holds up such a run, the oldest of several.
    pub(crate) fn of(&self, tenant: TenantId, application: i64, queue: &str) -> Option<Pause> {
        let known = self.0.read();
        let holds = |one: &&Pause| one.tenant == tenant && one.scope.holds(application, queue);
        known.iter().find(holds).cloned()
    }
}

/// What a pause holds up, in words.
fn held(pause: &Pause) -> String {
    let application = pause.scope.application.map(|id| {
        let name = pause.application_name.clone();
        format!("application `{}`", name.unwrap_or_else(|| id.to_string()))
    });
    let queue = pause
        .scope
        .queue
        .as_ref()
        .map(|name| format!("queue `{name}`"));
    match (application, queue) {
        (Some(application), Some(queue)) => format!("{application} on {queue}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "everything".to_owned(),
    }
}

/// What to tell those whose run is held up.
pub(crate) fn explain(pause: &Pause) -> String {
    let reason = if pause.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", pause.reason)
    };
    let (what, by) = (held(pause), &pause.by);
    let at = jiff::Timestamp::from_second(pause.at.seconds()).unwrap_or_default();
    format!(
        "{by} paused {what} at {at}{reason}. Steps that execute go on, others start when it is resumed"
    )
}

impl Engine {
    /// Pauses: from now on no step of such a run starts. Runs are accepted and wait; steps
    /// that execute go on to their end. Answers the pause as it stands, and whether it is new.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such application, [`Error::Invalid`] with every
    /// fault of the rest.
    pub async fn pause(&self, caller: &Caller, query: PauseQuery) -> Result<(Pause, bool)> {
        let faults = faults(&query);
        if !faults.is_empty() {
            return Err(Error::Invalid {
                what: "pause",
                faults,
            });
        }
        let scope = self.pause_scope(caller.tenant, &query).await?;
        let pause = Pause {
            tenant: caller.tenant,
            scope,
            application_name: query.application,
            by: caller.name.clone(),
            at: self.now(),
            reason: query.reason,
        };
        self.pauses.add(&pause);
        let stored = self.store.pause(pause.clone()).await;
        // Whatever came of it: what is stored counts.
        self.know_pauses().await?;
        let made = stored?;
        self.tell_changed();
        let standing = self.pauses.all();
        let same = |one: &&Pause| one.tenant == pause.tenant && one.scope == pause.scope;
        let standing = standing.iter().find(same).cloned();
        Ok((standing.unwrap_or(pause), made))
    }

    /// Ends a pause: what it held up goes on, unless another pause holds it up.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such application, or no pause of just that.
    pub async fn resume(&self, caller: &Caller, query: &PauseQuery) -> Result<()> {
        let scope = self.pause_scope(caller.tenant, query).await?;
        if !self.store.resume(caller.tenant, &scope).await? {
            let asked = Pause {
                tenant: caller.tenant,
                scope,
                application_name: query.application.clone(),
                by: String::new(),
                at: self.now(),
                reason: String::new(),
            };
            let others: Vec<String> = self.pauses(caller.tenant).await?.iter().map(held).collect();
            return Err(Error::NotFound {
                what: "pause of",
                name: held(&asked).replace('`', ""),
                hint: if others.is_empty() {
                    "; nothing is paused".to_owned()
                } else {
                    format!("; paused: {}", others.join(", "))
                },
            });
        }
        let known = self.know_pauses().await;
        self.tell_changed();
        let (engine, tenant) = (self.clone(), caller.tenant);
        // However much waited: whoever asked need not wait for it.
        self.tasks.spawn_on(
            async move { engine.queue_patiently(tenant, scope).await },
            &self.guests,
        );
        known
    }

    /// Queues what a pause held up, trying again while the store or the queue does not answer:
    /// in a single process nobody else comes to it.
    async fn queue_patiently(&self, tenant: TenantId, scope: PauseScope) {
        let mut wait = Duration::from_millis(100);
        while let Err(error) = self.queue_resumed(tenant, &scope).await {
            tracing::warn!(%error, "what was paused could not be queued yet");
            if !error.is_retryable() {
                return;
            }
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    async fn queue_resumed(&self, tenant: TenantId, scope: &PauseScope) -> Result<()> {
        let mut after = None;
        loop {
            let steps = self.store.ready_of(tenant, scope, after, PAGE).await?;
            let Some(last) = steps.last() else {
                return Ok(());
            };
            after = Some(last.key);
            self.enqueue(steps).await?;
        }
    }

    /// What is paused, the oldest pause first.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn pauses(&self, tenant: TenantId) -> Result<Vec<Pause>> {
        let mut all = self.store.pauses().await?;
        all.retain(|pause| pause.tenant == tenant);
        Ok(all)
    }

    /// What to tell somebody who starts a run that is held up.
    pub(crate) fn paused(&self, tenant: TenantId, application: i64, queue: &str) -> Option<Fault> {
        let pause = self.pauses.of(tenant, application, queue)?;
        Some(Fault {
            code: run_code::PAUSED.to_owned(),
            at: String::new(),
            message: format!("the run is accepted and waits: {}", explain(&pause)),
        })
    }

    /// Reads what is paused.
    pub(crate) async fn know_pauses(&self) -> Result<()> {
        self.pauses.replace(self.store.pauses().await?);
        Ok(())
    }

    async fn pause_scope(&self, tenant: TenantId, query: &PauseQuery) -> Result<PauseScope> {
        let application = match &query.application {
            Some(name) => Some(self.find(tenant, Kind::Application, name).await?.id),
            None => None,
        };
        let queue = query.queue.as_deref().map(queue::canonical);
        Ok(PauseScope {
            application,
            queue: queue.map(str::to_owned),
        })
    }
}

fn faults(query: &PauseQuery) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |at: &str, message: String| {
        faults.push(Fault {
            code: FAULT.to_owned(),
            at: at.to_owned(),
            message,
        });
    };
    if let Some(name) = &query.queue
        && !is_queue_name(name)
    {
        fault(
            "/queue",
            "a queue's name has at most 128 bytes and no control characters".to_owned(),
        );
    }
    if query.reason.len() > LONGEST_REASON {
        fault(
            "/reason",
            format!("the reason has at most {LONGEST_REASON} bytes"),
        );
    }
    if query.reason.contains(char::is_control) {
        fault("/reason", "the reason is one line of text".to_owned());
    }
    faults
}
