//! What PowerFlow does: accepts runs, executes their steps, stores what follows, and
//! keeps the documents and packs that runs are made of.
//!
//! The engine sees backends only through the traits of `store` and `queue`, and the
//! sandbox only through `runtime`. It knows nothing of HTTP requests to the service,
//! of SQL or of wasmtime. Work of several steps lives here, not in handlers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use model::{
    clock::{Clock, Timestamp},
    id::TenantId,
};
use queue::Queue;
use runtime::Runtime;
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trace::Tracer;
use vault::Vault;

mod about;
mod account;
mod applications;
mod asks;
mod attempt;
mod attend;
mod backlog;
mod bindings;
mod bulk;
mod cache;
mod call;
mod calls;
mod catalogue;
mod children;
mod clock;
mod commit;
mod configurations;
mod control;
mod dead_letters;
mod definitions;
mod delay;
mod each;
mod error;
mod grants;
mod hints;
mod idempotency;
mod inputs;
mod lead;
mod lease;
mod limits;
mod log;
mod lost;
mod made;
mod odd;
mod options;
mod overview;
mod packs;
mod parts;
mod pauses;
mod policy;
mod prepared;
mod preview;
mod problem;
mod reconcile;
mod retry;
mod revisions;
mod role;
mod running;
mod sandbox;
mod schedules;
mod served;
mod settings;
#[cfg(feature = "simulation")]
pub mod simulation;
mod steps;
mod submit;
mod take_up;
mod tasks;
mod timeline;
mod traces;
mod turn;
mod view;
mod waits;
mod wake;
mod watch;
mod webhooks;
mod worker;
mod workers;

pub use about::About;
pub use asks::{Approval, ApprovalsQuery, Decision, Signal, Signalled};
pub use bulk::{BulkAction, BulkDetail, BulkProblem, BulkQuery};
pub use cache::RunCache;
pub use clock::SharedClock;
pub use dead_letters::{DeadLetterDetail, DeadLetterQuery, SetAside};
pub use error::{Error, Fault, Result};
pub use limits::{LimitView, PlaceView, WaitsForLimit};
pub use options::Settings;
pub use overview::{Count, Failing, Overview, QueueNow, VolumeNow};
pub use parts::Part;
pub use pauses::PauseQuery;
pub use policy::Rules;
pub use preview::{Preview, PreviewError, PreviewOn};
pub use retry::RetryQuery;
pub use revisions::RevisionEntry;
pub use role::Role;
pub use schedules::{
    Backfill, BackfillQuery, Calendar, CalendarEntry, Look, NextRuns, OccurrencesQuery,
    SavedSchedule, ScheduleDetail, SchedulesQuery,
};
pub use served::{Served, ServedQueue, Waiting};
pub use settings::{ApplicationSettings, ChangeSettings, SettingsVariable};
pub use timeline::{LISTED, Timeline, TimelineQuery};
pub use view::*;
pub use watch::Watch;
pub use webhooks::{
    Delivered, Received, RotateWebhook, SavedWebhook, WebhookDetail, WebhookQuery, WebhookSecret,
    WebhookWrite, parse_public, public_text,
};

/// How long steps that are stopped for a drain may take to store their logs.
const STOPPING: Duration = Duration::from_secs(2);
/// How long the queue may take to be given back what was received and not begun.
const GIVING_BACK: Duration = Duration::from_secs(2);
/// How long the store may take to answer whether this process is ready.
const READY: Duration = Duration::from_secs(2);

/// What an engine is made of.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The way of ready steps to workers.
    pub queue: Arc<dyn Queue>,
    /// The way of hints to other processes, where there are any.
    pub hints: Option<Arc<dyn queue::hints::Hints>>,
    /// The sandbox.
    pub runtime: Runtime,
    /// The key that secrets are encrypted with.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The same clock where it follows that of a store which several processes share.
    pub shared_clock: Option<Arc<SharedClock>>,
    /// Where guests execute, apart from what serves the API.
    pub guests: tokio::runtime::Handle,
    /// Who is told what was done.
    pub tracer: Tracer,
}

/// The engine. A clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// The state of an engine. Nothing of it can be reached from outside.
pub struct Inner {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    runtime: Runtime,
    /// Executes steps instead of the sandbox.
    #[cfg(feature = "simulation")]
    stand_in: Option<Arc<dyn simulation::StandIn>>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    shared_clock: Option<Arc<SharedClock>>,
    guests: tokio::runtime::Handle,
    tracer: Tracer,
    settings: Settings,
    limits: Arc<runtime::Limits>,
    catalogue: catalogue::Catalogue,
    prepared: prepared::Prepared,
    wake: wake::Wake,
    glances: overview::Glances,
    /// What other processes are told, where there are any.
    outbox: Option<hints::Outbox>,
    /// Something has changed that the next renewal of the lease tells.
    renew_now: tokio::sync::Notify,
    /// Accepted runs that have not ended, as far as this process knows.
    backlog: backlog::Backlog,
    /// A run was refused because there are too many: perhaps they have ended elsewhere.
    recount: tokio::sync::Notify,
    running: running::Running,
    waiting: waits::Waiting,
    /// Work on many runs was asked for here.
    bulk_asked: tokio::sync::Notify,
    /// What starts runs by schedules.
    scheduler: schedules::Scheduler,
    account: account::Account,
    /// This process's number; another one after its lease has ended.
    worker: AtomicI64,
    /// Until when its lease holds.
    held: lease::Held,
    /// What is paused, as far as it was known last.
    pauses: pauses::Known,
    /// How much of what webhooks refuse is written down.
    refused_deliveries: webhooks::Refused,
    /// What all workers listen on, as far as it was known last.
    served: served::Kept,
    /// What it listens on.
    subscription: tokio::sync::watch::Sender<queue::Subscription>,
    /// How many slots there are.
    size: AtomicU32,
    /// Runs that have given up their slot and wait for one.
    lined_up: turn::LinedUp,
    /// A slot for each step that may execute at a time.
    slots: Arc<Semaphore>,
    /// The same for previews of operators.
    previews: Semaphore,
    /// Steps in execution, so that a drain can wait for them.
    tasks: TaskTracker,
    /// Others shall send this process nothing more; it still accepts what comes.
    leaving: AtomicBool,
    /// Nothing more is accepted or started.
    draining: CancellationToken,
    /// Everything stops now; what still runs is left to the next start.
    stopped: CancellationToken,
    started_at: Timestamp,
}

impl std::ops::Deref for Engine {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Engine {
    /// Registers this process, takes over what a process before it left
    /// behind and loads the active packs. No step starts before [`Engine::work`].
    pub async fn start(parts: Parts, settings: Settings) -> Result<Self> {
        Self::begin(
            parts,
            settings,
            #[cfg(feature = "simulation")]
            None,
        )
        .await
    }

    async fn begin(
        parts: Parts,
        settings: Settings,
        #[cfg(feature = "simulation")] stand_in: Option<Arc<dyn simulation::StandIn>>,
    ) -> Result<Self> {
        let started_at = parts.clock.now();
        let asked = tokio::time::Instant::now();
        let worker = lease::register(&*parts.store, &settings, started_at).await?;
        let counted = backlog::Backlog::default();
        counted.replace(&parts.store.unfinished().await?);
        let size = if settings.role.executes() {
            settings.slots
        } else {
            0
        };
        let slots = Arc::new(Semaphore::new(size as usize));
        let engine = Self {
            inner: Arc::new(Inner {
                catalogue: catalogue::Catalogue::default(),
                prepared: prepared::Prepared::default(),
                wake: wake::Wake::default(),
                glances: overview::Glances::default(),
                outbox: parts.hints.map(hints::Outbox::new),
                renew_now: tokio::sync::Notify::new(),
                backlog: counted,
                recount: tokio::sync::Notify::new(),
                lined_up: turn::LinedUp::default(),
                running: running::Running::default(),
                waiting: waits::Waiting::default(),
                bulk_asked: tokio::sync::Notify::new(),
                scheduler: schedules::Scheduler::default(),
                account: account::Account::default(),
                worker: AtomicI64::new(worker.0),
                held: lease::Held::new(asked, settings.lease),
                subscription: tokio::sync::watch::Sender::new(worker::subscription(
                    &settings.queues,
                    &settings.weights,
                )),
                pauses: pauses::Known::default(),
                refused_deliveries: webhooks::Refused::default(),
                served: served::Kept::default(),
                size: AtomicU32::new(size),
                slots,
                previews: Semaphore::new(preview::AT_ONCE),
                tasks: TaskTracker::new(),
                leaving: AtomicBool::new(false),
                draining: CancellationToken::new(),
                stopped: CancellationToken::new(),
                started_at,
                store: parts.store,
                queue: parts.queue,
                runtime: parts.runtime,
                #[cfg(feature = "simulation")]
                stand_in,
                vault: parts.vault,
                clock: parts.clock,
                shared_clock: parts.shared_clock,
                guests: parts.guests,
                tracer: parts.tracer,
                limits: Arc::new(settings.limits.clone()),
                settings,
            }),
        };
        engine.know_pauses().await?;
        engine.reload_packs(TenantId::DEFAULT).await?;
        if engine.settings.exclusive {
            engine.settle_unsettled().await?;
            engine.reconcile().await?;
        }
        Ok(engine)
    }

    /// Starts what this process's role is to do, on the guests' runtime.
    pub fn work(&self) {
        let engine = self.clone();
        self.guests.spawn(async move { engine.keep_lease().await });
        if self.outbox.is_some() {
            let engine = self.clone();
            self.guests.spawn(async move { engine.tell().await });
            let engine = self.clone();
            self.guests.spawn(async move { engine.listen().await });
        }
        // A process that only accepts runs may end some, by cancelling them.
        let engine = self.clone();
        self.guests
            .spawn(async move { engine.settle_parents().await });
        if self.settings.role.executes() {
            let engine = self.clone();
            self.guests.spawn(async move { engine.dispatch().await });
            let engine = self.clone();
            self.guests.spawn(async move { engine.keep_time().await });
            let engine = self.clone();
            self.guests
                .spawn(async move { engine.settle_doubts().await });
        }
        if self.settings.role.leads() {
            let engine = self.clone();
            self.guests.spawn(async move { engine.lead().await });
            let engine = self.clone();
            self.guests
                .spawn(async move { engine.keep_schedules().await });
            let engine = self.clone();
            self.guests.spawn(async move { engine.keep_bulks().await });
        }
        let accepts = self.settings.role.serves() || self.settings.role.leads();
        if accepts && !self.settings.exclusive {
            let engine = self.clone();
            self.guests
                .spawn(async move { engine.count_backlog().await });
        }
    }

    /// Counts as not [ready](Self::ready) from now on and works on: a load balancer turns
    /// to others before this process refuses anything.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Accepts and starts nothing more, waits until the steps that execute have ended
    /// or `at_most` has passed, and gives back the lease. What did not end is executed
    /// again at the next start.
    pub async fn drain(&self, at_most: Duration) {
        self.draining.cancel();
        if self.settings.exclusive {
            self.queue.close();
        }
        self.tasks.close();
        if tokio::time::timeout(at_most, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                steps = self.tasks.len(),
                "steps did not end in time and will be executed again"
            );
        }
        self.stopped.cancel();
        self.running.cancel_all();
        // They store what they had logged.
        let _ = tokio::time::timeout(STOPPING, self.tasks.wait()).await;
        self.queue.close();
        let _ = tokio::time::timeout(GIVING_BACK, self.queue.closed()).await;
        if let Err(error) = self.store.release(self.worker()).await {
            tracing::warn!(%error, "the worker's lease could not be given back");
        }
    }

    /// Whether this process can do what its role is: the store answers, and others see
    /// its lease. One question, whatever the number of runs.
    ///
    /// # Errors
    /// [`Error::Draining`], [`Error::LeaseLost`], or what the store answers, which is
    /// [`Error::Unavailable`] when that takes too long.
    pub async fn ready(&self) -> Result<()> {
        if self.leaving.load(Ordering::Relaxed) || self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let workers = tokio::time::timeout(READY, self.workers())
            .await
            .map_err(|_| Error::Unavailable("the store does not answer in time".to_owned()))??;
        if !workers.iter().any(|worker| worker.id == self.worker()) {
            return Err(Error::LeaseLost);
        }
        Ok(())
    }

    /// The store, for what authentication keeps there.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Who is told what was done.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// 128 bits that nobody can foresee.
fn random() -> Result<u128> {
    #[cfg(feature = "simulation")]
    if let Some(bits) = simulation::chance() {
        return Ok(bits);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(u128::from_le_bytes(bytes))
}
