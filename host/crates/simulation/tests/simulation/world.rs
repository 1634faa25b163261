//! The processes of a service and what lies between them.

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use engine::{Engine, Parts, Role, RunCache, Settings, SharedClock};
use model::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use queue::{Limits, hints::MemoryHints, memory::MemoryQueue};
use runtime::Runtime;
use store::workers::Workers as _;
use tokio::time::{Instant, sleep, timeout};
use trace::Tracer;
use vault::Vault;

use crate::{
    broker::Broker,
    chance::Chance,
    journal::Journal,
    memory::Memory,
    net::{HintsPort, Link, QueuePort},
    standin::Steps,
    store_port::StorePort,
};

/// Time as the runtime has it, from some day on, and as far off as it was set.
pub(crate) struct Time {
    began: Instant,
    off: AtomicI64,
}

impl Time {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            off: AtomicI64::new(0),
        }
    }

    /// Sets the clock.
    pub(crate) fn set(&self, by: i64) {
        self.off.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let micros = self.began.elapsed().as_micros() as i64;
        Timestamp::from_seconds(1_800_000_000)
            .plus_micros(micros + self.off.load(Ordering::Relaxed))
    }
}

/// What no simulation needs and every engine has: a sandbox that executes nothing, and a key.
static UNUSED: LazyLock<(Runtime, Arc<Vault>, tempfile::TempDir)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let vault = Vault::open_or_create(&path("key"), None).unwrap();
    let mut settings = runtime::Settings::new(path("artefacts"), [0; 32]);
    settings.pool = runtime::Pool::none();
    let clock = Arc::new(StandStill);
    let ports = runtime::Ports {
        clock: clock.clone(),
        connector: connectors::http::Connector::new(
            connectors::http::Settings::default(),
            connectors::http::SystemResolver,
            connectors::http::Tls::system(),
        ),
        cache: Arc::new(RunCache::new(Arc::new(Memory::default()), clock)),
        tracer: Tracer::off(),
    };
    (
        Runtime::new(settings, ports).unwrap(),
        Arc::new(vault),
        folder,
    )
});

struct StandStill;

impl Clock for StandStill {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

/// A process that runs.
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) engine: Engine,
    pub(crate) link: Arc<Link>,
}

/// A place where a process runs, is ended and started again.
pub(crate) struct Host {
    pub(crate) role: Role,
    slots: u32,
    pub(crate) process: Option<Process>,
}

/// The world.
pub(crate) struct World {
    seed: u64,
    pub(crate) chance: Chance,
    pub(crate) time: Arc<Time>,
    pub(crate) store: Arc<Memory>,
    pub(crate) broker: Arc<Broker>,
    hints: Arc<MemoryHints>,
    pub(crate) faults: Arc<AtomicBool>,
    pub(crate) journal: Journal,
    pub(crate) hosts: Vec<Host>,
    /// One process has the store for itself.
    pub(crate) exclusive: bool,
    lease: Duration,
    /// How bad the network is.
    bad: u64,
    processes: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let time = Arc::new(Time::new());
        let journal = Journal::default();
        let faults = Arc::new(AtomicBool::new(false));
        let exclusive = chance.happens(250);
        let roles: &[Role] = match (exclusive, chance.of(0..5)) {
            (true, _) | (false, 0) => &[Role::All],
            (false, 1) => &[Role::All, Role::All],
            (false, 2) => &[Role::All, Role::All, Role::All],
            (false, 3) => &[Role::Api, Role::Worker, Role::Scheduler],
            (false, _) => &[Role::All, Role::Worker, Role::Scheduler],
        };
        let hosts = roles
            .iter()
            .map(|role| Host {
                role: *role,
                slots: chance.of(1..5) as u32,
                process: None,
            })
            .collect();
        let store = if exclusive {
            Memory::journaled(journal.clone())
        } else {
            Memory::shared(time.clone(), journal.clone())
        };
        Self {
            seed,
            time,
            store: Arc::new(store),
            broker: Arc::new(Broker::new(
                crate::broker::LIMITS,
                Chance::new(chance.next()),
                faults.clone(),
            )),
            hints: Arc::default(),
            faults,
            journal,
            hosts,
            exclusive,
            lease: chance.millis(2000..8000),
            bad: *chance.pick(&[1, 5, 5, 20]).unwrap_or(&1),
            processes: 0,
            chance,
        }
    }

    fn settings(&self, host: usize) -> Settings {
        Settings {
            role: self.hosts[host].role,
            slots: self.hosts[host].slots,
            step_soft_timeout: Duration::from_secs(20),
            step_timeout: Duration::from_mins(1),
            lease: if self.exclusive {
                Duration::from_hours(24)
            } else {
                self.lease
            },
            exclusive: self.exclusive,
            ..Settings::default()
        }
    }

    /// Starts a process there, if none runs.
    pub(crate) async fn start(&mut self, host: usize) {
        while self.hosts[host].process.is_none() {
            self.processes += 1;
            let number = self.processes;
            let link = Arc::new(Link::new(
                number,
                Chance::new(self.chance.next()),
                !self.exclusive,
                (self.faults.clone(), self.bad),
                self.journal.clone(),
            ));
            let begun = timeout(Duration::from_secs(30), self.begin(host, link.clone())).await;
            let Ok(Ok(engine)) = begun else {
                // Whoever looks after it starts it again.
                link.kill();
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            self.journal.note("processes started", &(host, number));
            let slots = self.hosts[host].slots;
            self.journal.check(|check| {
                check.started(number, slots);
                Ok(())
            });
            engine.work();
            self.hosts[host].process = Some(Process {
                number,
                engine,
                link,
            });
        }
    }

    async fn begin(&self, host: usize, link: Arc<Link>) -> engine::Result<Engine> {
        let store = Arc::new(StorePort {
            link: link.clone(),
            store: self.store.clone(),
        });
        let shared = if self.exclusive {
            None
        } else {
            let asked = Instant::now();
            let now = store.time().await?;
            now.map(|now| Arc::new(SharedClock::new(now, asked)))
        };
        let clock: Arc<dyn Clock> = match &shared {
            Some(shared) => shared.clone(),
            None => self.time.clone(),
        };
        let queue: Arc<dyn queue::Queue> = if self.exclusive {
            Arc::new(MemoryQueue::new(Limits::default()))
        } else {
            self.broker.clone()
        };
        let hints = HintsPort {
            link: link.clone(),
            hints: self.hints.clone(),
        };
        let steps = Steps {
            link: link.clone(),
            seed: self.seed,
            chance: Mutex::new(Chance::new(
                u64::from(link.process) ^ self.chance.clone().next(),
            )),
            journal: self.journal.clone(),
        };
        let parts = Parts {
            store,
            queue: Arc::new(QueuePort {
                link: link.clone(),
                queue,
                own: self.exclusive,
            }),
            hints: (!self.exclusive).then(|| Arc::new(hints) as _),
            runtime: UNUSED.0.clone(),
            vault: UNUSED.1.clone(),
            clock,
            shared_clock: shared,
            guests: tokio::runtime::Handle::current(),
            tracer: Tracer::off(),
        };
        Engine::start_simulated(parts, self.settings(host), Arc::new(steps)).await
    }

    /// Ends a process between two of its moments, whatever it is at.
    pub(crate) fn crash(&mut self, host: usize) {
        let Some(process) = self.hosts[host].process.take() else {
            return;
        };
        self.journal.note("crashes", &(host, process.number));
        self.bury(process);
    }

    fn bury(&self, process: Process) {
        process.link.kill();
        let number = process.number;
        self.journal.check(|check| {
            check.ended(number);
            Ok(())
        });
        // What is left of it sees nobody and is seen by nobody; so its timers end.
        tokio::spawn(async move { process.engine.drain(Duration::ZERO).await });
    }

    /// Ends a process in good order.
    pub(crate) async fn stop(&mut self, host: usize) {
        let Some(process) = self.hosts[host].process.take() else {
            return;
        };
        self.journal
            .note("processes stopped", &(host, process.number));
        let at_most = self.chance.millis(0..5000);
        let drained = process.engine.drain(at_most);
        let _ = timeout(Duration::from_secs(20), drained).await;
        self.bury(process);
    }

    /// The engine of a process that answers requests, if one runs.
    pub(crate) fn server(&mut self) -> Option<(Engine, Arc<Link>)> {
        let serving = self.hosts.iter().filter(|host| host.role.serves());
        let engines: Vec<(Engine, Arc<Link>)> = serving
            .filter_map(|host| host.process.as_ref())
            .map(|process| (process.engine.clone(), process.link.clone()))
            .collect();
        self.chance.pick(&engines).cloned()
    }
}
