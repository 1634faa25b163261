//! What happens in the world of a seed: operators act, processes end and begin, the network
//! fails. Then all is well again, and everything that was accepted must come to its end.

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{Arc, Once, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use engine::{
    Caller, Engine, PauseQuery, StepDetail,
    simulation::{Mutation, mutate, seed_chance},
};
use model::{
    clock::Clock as _,
    id::{RunRef, TenantId},
    state::StepState,
};
use parking_lot::Mutex;
use store::{
    limits::Limits as _,
    packs::{Activation, Import, PackState, Packs as _},
    pauses::{Pause, Pauses as _},
    runs::History as _,
    schedules::Schedules as _,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{applications, journal::Journal, net::Link, world::World};

/// How long the client of a request waits for the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how many seconds nothing may begin when all is well, before everything has come to its end.
const STILL: u32 = 3600;

/// What came of a seed.
pub(crate) struct Explored {
    pub(crate) digest: u64,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) violation: Option<String>,
}

/// Simulates the world of that seed.
pub(crate) fn explore(seed: u64, mutation: Option<Mutation>) -> Explored {
    seed_chance(seed);
    mutate(mutation);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    heed_panics();
    let mut journal = Journal::default();
    let mut simulated = Duration::ZERO;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let began = Instant::now();
            let mut life = Life::new(seed);
            journal = life.world.journal.clone();
            life.go().await;
            simulated = began.elapsed();
        });
    }));
    if let Some(panic) = PANIC.take() {
        journal.check(|_| Err(format!("nothing panics: {panic}")));
    }
    assert!(lived.is_ok() || journal.violation().is_some());
    journal.add("simulated seconds", simulated.as_secs());
    Explored {
        digest: journal.digest(),
        counts: journal.counts(),
        violation: journal.violation(),
    }
}

thread_local! {
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Notes the first panic of a thread: one in a task would be seen by nobody.
fn heed_panics() {
    static HEEDED: Once = Once::new();
    HEEDED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let first = PANIC.take();
            PANIC.set(first.or_else(|| Some(panic.to_string())));
            before(panic);
        }));
    });
}

/// What the clients were answered.
pub(crate) type Answers = Arc<Mutex<Vec<RunRef>>>;

pub(crate) struct Life {
    pub(crate) world: World,
    pub(crate) applications: u64,
    pub(crate) answers: Answers,
    /// Every how many seconds, and whether each occurrence is recorded by itself: of those that
    /// newer ones replace, the first stands for all.
    pub(crate) schedules: BTreeMap<String, (u64, bool)>,
    /// Requests, and the way of the process that was asked.
    pub(crate) asked: Vec<(Arc<Link>, JoinHandle<()>)>,
}

pub(crate) fn caller() -> Caller {
    Caller {
        name: "somebody".to_owned(),
        tenant: TenantId::DEFAULT,
        trace: None,
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            applications: 0,
            answers: Answers::default(),
            schedules: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    fn over(&self) -> bool {
        self.world.journal.violation().is_some()
    }

    async fn go(&mut self) {
        self.furnish().await;
        for host in 0..self.world.hosts.len() {
            self.world.start(host).await;
        }
        self.applications = self.world.chance.of(1..5);
        for number in 0..self.applications {
            self.save(number).await;
        }
        let faults = self.world.chance.happens(850);
        self.world.faults.store(faults, Ordering::Relaxed);
        for _ in 0..self.world.chance.of(5..40) {
            if self.over() {
                return;
            }
            self.act().await;
            let pause = match self.world.chance.of(0..10) {
                0..5 => self.world.chance.millis(0..20),
                5..9 => self.world.chance.millis(20..2000),
                _ => self.world.chance.millis(2000..20_000),
            };
            sleep(pause).await;
        }
        self.heal().await;
        self.end().await;
    }

    /// Puts the packs into the store.
    async fn furnish(&self) {
        let (store, at) = (&self.world.store, self.world.time.now());
        for (name, manifest) in applications::PACKS {
            let import = Import {
                tenant: TenantId::DEFAULT,
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                digest: format!("digest of {name}"),
                manifest: manifest.to_owned(),
                file: Bytes::new(),
                by: "somebody".to_owned(),
                at,
            };
            let pack = store.import(import).await.unwrap();
            let installed = PackState::Installed;
            store
                .set_pack_state(pack.id, installed, None, at)
                .await
                .unwrap();
            let activation = Activation {
                tenant: TenantId::DEFAULT,
                id: pack.id,
                grants: "[]".to_owned(),
                definitions: Vec::new(),
                schedules: Vec::new(),
                at,
            };
            store.activate(activation).await.unwrap();
        }
    }

    /// Saves an application, with other steps than before.
    pub(crate) async fn save(&mut self, number: u64) {
        let document = applications::document(&mut self.world.chance, number, self.applications);
        let Some((engine, _)) = self.world.server() else {
            return;
        };
        let (text, caller) = (document.to_string(), caller());
        let saved = engine.save_application(&caller, None, &text, None);
        match timeout(PATIENCE, saved).await {
            Err(_) | Ok(Ok(_)) => {}
            Ok(Err(error)) => assert!(error.is_retryable(), "{error}: {error:?} {document:#}"),
        }
    }

    /// All is well: nothing fails any more, every process runs, nothing is paused or scheduled.
    async fn heal(&mut self) {
        self.world.faults.store(false, Ordering::Relaxed);
        for host in &self.world.hosts {
            if let Some(process) = &host.process {
                process.link.cut(Duration::ZERO);
            }
        }
        self.restart().await;
        self.world.journal.note("healed", &());
        for (link, asked) in std::mem::take(&mut self.asked) {
            if !link.is_dead() {
                let _ = asked.await;
            }
        }
        let Some((engine, _)) = self.world.server() else {
            return;
        };
        for name in self.schedules.keys() {
            let stopped = engine.set_schedule_enabled(&caller(), name, false).await;
            // A request to save it may have got lost.
            assert!(stopped.is_ok() || !self.has_schedule(name).await);
        }
        self.ask_why(&engine).await;
        for pause in self.world.store.pauses().await.unwrap() {
            let query = PauseQuery {
                application: pause.application_name,
                queue: pause.scope.queue,
                reason: String::new(),
            };
            engine.resume(&caller(), &query).await.unwrap();
        }
    }

    async fn has_schedule(&self, name: &str) -> bool {
        let found = self.world.store.schedule(TenantId::DEFAULT, name).await;
        found.unwrap().is_some()
    }

    /// Whoever asks about a run that a pause holds up is told so.
    async fn ask_why(&self, engine: &Engine) {
        let pauses = self.world.store.pauses().await.unwrap();
        let mut runs = Vec::new();
        self.world.journal.check(|check| {
            runs = check.runs(false);
            Ok(())
        });
        for (_, run) in runs {
            let detail = engine.run_detail(TenantId::DEFAULT, run).await.unwrap();
            let holds =
                |pause: &Pause| pause.scope.holds(detail.run.application, &detail.run.queue);
            let goes_on =
                |step: &StepDetail| matches!(step.state, StepState::Running | StepState::Waiting);
            // Its last step may have ended between the two reads of the run and of its steps.
            let ready = |step: &StepDetail| step.state == StepState::Ready;
            let stands = detail.steps.iter().any(ready) && !detail.steps.iter().any(goes_on);
            let held = pauses.iter().any(holds) && stands;
            self.world.journal.check(|_| {
                if held && !detail.run.state.is_final() && detail.waiting.is_none() {
                    return Err(format!(
                        "a run says why it waits: {run} is paused and does not"
                    ));
                }
                Ok(())
            });
        }
    }

    /// Every occurrence from the first on was decided, whatever became of it.
    async fn look_at_schedules(&self) {
        for (name, (period, each)) in &self.schedules {
            let found = self.world.store.schedule(TenantId::DEFAULT, name).await;
            let Some(found) = found.unwrap().filter(|_| *each) else {
                continue;
            };
            self.world.journal.check(|check| {
                let dues = check.dues(found.id);
                let gap = dues
                    .windows(2)
                    .find(|two| two[1].micros_since(two[0]) != *period as i64 * 1_000_000);
                gap.map_or(Ok(()), |gap| {
                    Err(format!(
                        "exactly once: nothing of {name} was decided between {gap:?}"
                    ))
                })
            });
        }
    }

    /// Where nothing is left to do, nobody has a place or waits for one.
    async fn look_at_limits(&self) {
        let (store, now) = (&self.world.store, self.world.time.now());
        let used = store.limits(TenantId::DEFAULT, now, None, 100).await;
        let kept: Vec<_> = used
            .unwrap()
            .items
            .into_iter()
            .filter(|one| one.held > 0 || one.waiting > 0)
            .collect();
        let unfinished = store.unfinished().await.unwrap();
        self.world.journal.check(|_| {
            if kept.is_empty() || !unfinished.is_empty() {
                return Ok(());
            }
            Err(format!("limits: all has ended, and {kept:?} is in use"))
        });
    }

    /// Waits until nothing is left to do, and looks at what came of it all.
    async fn end(&mut self) {
        let store = self.world.store.clone();
        let (mut begun, mut still) = (0, 0);
        while still < STILL {
            if self.over() || store.unfinished().await.unwrap().is_empty() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
            let attempts = self.world.journal.count("attempts");
            still = if attempts == begun { still + 1 } else { 0 };
            begun = attempts;
        }
        // What executes of stopped runs, or waits to be started.
        sleep(Duration::from_secs(15)).await;
        self.look_at_schedules().await;
        self.look_at_limits().await;
        let answers = self.answers.lock().clone();
        self.world.journal.check(|check| {
            for run in answers {
                if !check.knows(run) {
                    return Err(format!("accepted is durable: {run} is not in the store"));
                }
            }
            check.at_the_end()
        });
    }
}
