//! The runtime: installed programs, and the way to execute them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors::http::Connector;
use model::clock::Clock;
use model::id::TenantId;
use parking_lot::RwLock;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use trace::Tracer;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::artefact::Folder;
use crate::epoch::Ticker;
use crate::error::chain;
use crate::idle::Idle;
use crate::program::{link, linker};
use crate::state::State;
use crate::turn::Rules;
use crate::{
    Allocation, Baseline, CachePort, Call, Error, Execution, InstallError, Level, Limits,
    LogBuffer, LogLimits, Pool, Program, SecretHandles, Settings, engine,
};

/// How long `describe` may take.
const DESCRIBE: Duration = Duration::from_secs(20);

/// What the runtime needs from above.
#[derive(Clone)]
pub struct Ports {
    /// Wall-clock time, for guests and their logs.
    pub clock: Arc<dyn Clock>,
    /// The HTTP client.
    pub connector: Connector,
    /// The store of cache records.
    pub cache: Arc<dyn CachePort>,
    /// Who is told of requests that steps send.
    pub tracer: Tracer,
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// How long compiling took; zero when a genuine artefact was there already.
    pub compile_time: Duration,
    /// Size of the artefact in bytes.
    pub artefact_bytes: u64,
}

/// What the runtime holds and how it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// How instances are allocated.
    pub allocation: Allocation,
    /// The processor that artefacts are compiled for.
    pub baseline: Baseline,
    /// Programs in memory.
    pub programs: usize,
    /// Component instances in use.
    pub instances: u64,
    /// Memories in use.
    pub memories: usize,
    /// Stacks in use.
    pub stacks: usize,
    /// Instances that wait to be used again; they are among those in use.
    pub kept: usize,
    /// Bytes that free slots keep resident.
    pub idle_memory_bytes: usize,
    /// Whether no guest computes and nothing ticks.
    pub idle: bool,
}

/// Executes components. Clones are the same runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) sizes: Pool,
    allocation: Allocation,
    baseline: Baseline,
    linker: Linker<State>,
    folder: Folder,
    programs: RwLock<HashMap<Box<str>, Arc<Program>>>,
    pub(crate) rules: Rules,
    pub(crate) slots: Option<Arc<Semaphore>>,
    pub(crate) idle: Idle,
    /// The call of nobody: what an instance has to do with while it waits.
    pub(crate) nobody: Call,
    pub(crate) ports: Ports,
    compilers: rayon::ThreadPool,
    /// What each compiler thread does after a compilation.
    compiled: Option<fn()>,
    /// One compilation at a time: each uses all compiler threads.
    compiling: Mutex<()>,
}

impl Runtime {
    /// Sets the runtime up: probes what the machine allows and warns of what it does not.
    pub fn new(settings: Settings, ports: Ports) -> Result<Self, Error> {
        let Settings {
            artefacts,
            key,
            pool,
            turns,
            quantum,
            compiled,
        } = settings;
        let (engine, allocation, baseline) = engine::build(&pool)?;
        let linker = linker(&engine)?;
        let folder = Folder::open(&artefacts, &key, &engine)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = turns.unwrap_or(cores - 1).max(1);
        let ticker = Ticker::start(&engine).map_err(|error| Error::Engine(error.to_string()))?;
        let compilers = rayon::ThreadPoolBuilder::new()
            .num_threads((cores - 1).max(1))
            .thread_name(|number| format!("powerflow-compile-{number}"))
            .start_handler(|_| be_nice())
            .build()
            .map_err(|error| Error::Engine(error.to_string()))?;
        let slots = match allocation {
            Allocation::Pool { slots, .. } => Some(Arc::new(Semaphore::new(slots as usize))),
            Allocation::OnDemand => None,
        };
        let kept = match allocation {
            Allocation::Pool { slots, .. } => (2 * cores).min(slots as usize / 4),
            Allocation::OnDemand => 2 * cores,
        };
        let nobody = nobody(&ports);
        Ok(Self(Arc::new(Inner {
            engine,
            sizes: pool,
            allocation,
            baseline,
            linker,
            folder,
            programs: RwLock::default(),
            rules: Rules {
                turns: Arc::new(Semaphore::new(turns)),
                quantum,
                ticker,
            },
            slots,
            idle: Idle::new(kept),
            nobody,
            ports,
            compilers,
            compiled,
            compiling: Mutex::const_new(()),
        })))
    }

    /// Compiles a component, in threads of low priority, and stores the artefact under `digest`: the
    /// caller's name for exactly these bytes, which it has verified. Does nothing when there is a
    /// genuine artefact already. Fails when the component does not fit the world of SyncPacks.
    pub async fn install(&self, digest: &str, file: Bytes) -> Result<Installed, InstallError> {
        let _turn = self.0.compiling.lock().await;
        if let Some(program) = self.load(digest)? {
            return Ok(Installed {
                compile_time: Duration::ZERO,
                artefact_bytes: program.artefact_bytes,
            });
        }
        let inner = self.0.clone();
        let name = digest.to_owned();
        self.compile(move || {
            let start = Instant::now();
            let component = inner.component(&file)?;
            link(&inner.linker, &component)?;
            let code = component
                .serialize()
                .map_err(|error| InstallError::Compile(chain(&error)))?;
            let compile_time = start.elapsed();
            inner.folder.write(&name, &code)?;
            Ok(Installed {
                compile_time,
                artefact_bytes: code.len() as u64,
            })
        })
        .await
    }

    /// An installed program. Reads the artefact the first time, which takes milliseconds; `None`: it
    /// has to be installed, again if it was, since the artefact is missing, not genuine, or another
    /// engine's.
    pub fn load(&self, digest: &str) -> Result<Option<Arc<Program>>, Error> {
        if let Some(program) = self.0.programs.read().get(digest) {
            return Ok(Some(program.clone()));
        }
        let Some((component, artefact_bytes)) = self.0.folder.read(&self.0.engine, digest)? else {
            return Ok(None);
        };
        let Ok(pre) = link(&self.0.linker, &component) else {
            return Ok(None);
        };
        if let Err(error) = component.initialize_copy_on_write_image() {
            tracing::warn!(
                digest,
                error = chain(&error),
                "instances of this component start slower than they could"
            );
        }
        let program = Arc::new(Program::new(digest.to_owned(), pre, artefact_bytes));
        Ok(Some(
            self.0
                .programs
                .write()
                .entry(digest.into())
                .or_insert(program)
                .clone(),
        ))
    }

    /// What was compiled of a component, for another process of this service: its code of
    /// authenticity, and the native code. `None`: nothing is installed under this digest.
    pub fn artefact(&self, digest: &str) -> Result<Option<(Bytes, Bytes)>, Error> {
        let found = self.0.folder.export(digest)?;
        Ok(found.map(|(mac, code)| (mac.into(), code.into())))
    }

    /// Installs what another process of this service has compiled. `false`: it is not genuine, and
    /// nothing was installed. Reads and writes a file.
    pub fn adopt(&self, digest: &str, mac: &[u8], code: &[u8]) -> Result<bool, Error> {
        self.0.folder.adopt(digest, mac, code)
    }

    /// Names everything that decides whether a runtime can execute what another has compiled.
    pub fn fingerprint(&self) -> &str {
        self.0.folder.fingerprint()
    }

    /// Executes a step. Dropping the future ends the execution like a cancellation.
    pub async fn execute(&self, program: &Program, call: Call) -> Execution {
        self.0.execute(program, call).await
    }

    /// The descriptors of a component's steps: one JSON document. For tools that build packs; grants
    /// nothing and stores nothing.
    pub async fn describe(&self, file: &[u8]) -> Result<String, InstallError> {
        let inner = self.0.clone();
        let file = Bytes::copy_from_slice(file);
        let program = self
            .compile(move || {
                let component = inner.component(&file)?;
                let pre = link(&inner.linker, &component)?;
                Ok(Program::new(String::new(), pre, 0))
            })
            .await?;
        let call = nobody(&self.0.ports);
        self.0.describe(&program, &call).await.map_err(|failure| {
            let mut text = format!("{} ({})", failure.message, failure.code);
            for line in call.log.take() {
                text.push_str("; ");
                text.push_str(&line.message);
            }
            InstallError::Describe(text)
        })
    }

    /// Closes the connections of a SyncPack whose grants were changed, the busy ones after their
    /// response.
    pub fn disconnect(&self, tenant: TenantId, pack: &str) {
        let connector = &self.0.ports.connector;
        connector.evict(tenant.0, |of, _| of == pack);
    }

    /// Forgets a program and deletes its artefact. Executions that hold it go on.
    pub fn forget(&self, digest: &str) {
        if let Some(program) = self.0.programs.write().remove(digest) {
            self.0.idle.forget(program.number);
        }
        if let Err(error) = self.0.folder.remove(digest) {
            tracing::warn!(digest, %error, "the artefact of a component that is no longer needed remains");
        }
    }

    /// What the runtime holds.
    pub fn stats(&self) -> Stats {
        let pool = self.0.engine.pooling_allocator_metrics();
        let pool = pool.as_ref();
        Stats {
            allocation: self.0.allocation,
            baseline: self.0.baseline,
            programs: self.0.programs.read().len(),
            instances: pool.map_or(0, wasmtime::PoolingAllocatorMetrics::component_instances),
            memories: pool.map_or(0, wasmtime::PoolingAllocatorMetrics::memories),
            stacks: pool.map_or(0, wasmtime::PoolingAllocatorMetrics::stacks),
            kept: self.0.idle.len(),
            idle_memory_bytes: pool.map_or(
                0,
                wasmtime::PoolingAllocatorMetrics::unused_memory_bytes_resident,
            ),
            idle: self.0.rules.ticker.is_parked(),
        }
    }

    /// Does work on the compiler threads.
    async fn compile<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
    ) -> Result<T, InstallError> {
        let (sender, receiver) = oneshot::channel();
        let inner = self.0.clone();
        self.0.compilers.spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
                .unwrap_or_else(|_| Err(InstallError::Compile("the compiler failed on it".into())));
            let _ = sender.send(result);
            if let Some(compiled) = inner.compiled {
                inner.compilers.spawn_broadcast(move |_| compiled());
            }
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(InstallError::Compile("the service is stopping".into())))
    }
}

impl Inner {
    fn component(&self, file: &[u8]) -> Result<Component, InstallError> {
        match file {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(InstallError::CoreModule),
            [0, b'a', b's', b'm', ..] => Component::from_binary(&self.engine, file)
                .map_err(|error| InstallError::Compile(chain(&error))),
            _ => Err(InstallError::NotWasm),
        }
    }
}

/// A call that is granted nothing and stores nothing.
fn nobody(ports: &Ports) -> Call {
    let clock = ports.clock.clone();
    Call {
        step: "".into(),
        pack: "".into(),
        parameters: String::new(),
        data: String::new(),
        context: String::new(),
        tenant: TenantId::DEFAULT,
        log: Arc::new(LogBuffer::new(clock, Level::Warning, LogLimits::default())),
        http: None,
        cache: false,
        masker: model::mask::Masker::none(),
        secrets: SecretHandles::default(),
        limits: Arc::new(Limits::default()),
        trace: None,
        reuse: false,
        deadline: DESCRIBE,
        cancel: CancellationToken::new(),
    }
}

/// Lowers the priority of this thread, so that compiling takes only what nobody else wants.
#[expect(unsafe_code, reason = "a call into the C library")]
fn be_nice() {
    // SAFETY: `setpriority` touches no memory; on Linux, 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 15);
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Runtime").field(&self.stats()).finish()
    }
}
