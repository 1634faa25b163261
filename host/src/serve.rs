//! `powerflow serve`: everything in one process, on the embedded store and queue.

use std::{
    fs::{self, DirBuilder},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use config::Settings;
use connectors::http::{Connector, SystemResolver, Tls};
use engine::{Engine, Parts, RunCache};
use model::clock::Clock;
use queue::memory::MemoryQueue;
use runtime::Runtime;
use store::accounts::Accounts as _;
use store_sqlite::SqliteStore;
use tokio::{net::TcpListener, runtime::Handle};
use vault::Vault;

use crate::{clock::SystemClock, shutdown::Shutdown};

/// The name of the fact that the store remembers the key's id under.
const KEY_ID: &str = "vault.key_id";

/// Runs the service until it is told to stop. `guests`: where steps execute.
pub(crate) async fn serve(settings: Settings, guests: Handle) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    refuse_unknown_backends(&settings)?;
    let directory = &settings.data.directory;
    open_directory(directory)?;
    let store = Arc::new(open_store(&settings)?);
    let vault = Arc::new(open_vault(&settings, &store).await?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let engine = start_engine(&settings, store.clone(), vault, clock, guests).await?;
    let listener = TcpListener::bind(settings.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    // After binding: a start that fails must not have shown the password.
    announce_admin(&settings, &engine).await?;
    engine.work();
    tracing::info!(directory = %directory.display(), store = engine.store().description(), "serving");
    println!("PowerFlow listens on http://{address}");
    // Requests and steps under way end side by side: a request may wait for a step.
    let (served, ()) = tokio::join!(
        listen(listener, &settings, engine.clone(), shutdown.clone()),
        finish(&settings, &engine, &shutdown),
    );
    served?;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for the shutdown, then for the steps that execute.
async fn finish(settings: &Settings, engine: &Engine, shutdown: &Shutdown) {
    shutdown.drain.cancelled().await;
    tokio::select! {
        () = engine.drain(settings.server.drain_timeout) => {}
        () = shutdown.now.cancelled() => tracing::warn!("stopped without waiting for running steps"),
    }
}

fn refuse_unknown_backends(settings: &Settings) -> anyhow::Result<()> {
    if settings.store.database_url.is_some() {
        bail!("PostgreSQL is not supported yet: leave store.database_url (DATABASE_URL) unset");
    }
    if settings.queue.redis_url.is_some() {
        bail!("Redis is not supported yet: leave queue.redis_url (REDIS_URL) unset");
    }
    Ok(())
}

/// Makes the data directory, for its owner only, and shows early that it can be written.
fn open_directory(directory: &Path) -> anyhow::Result<()> {
    let failed = |act: &str| format!("the data directory {} cannot be {act}", directory.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| failed("made"))?;
    let probe = directory.join(".writable");
    fs::write(&probe, b"").with_context(|| failed("written to"))?;
    fs::remove_file(&probe).with_context(|| failed("written to"))
}

fn open_store(settings: &Settings) -> anyhow::Result<SqliteStore> {
    let mut options = store_sqlite::Options::new(&settings.data.directory);
    options.read_connections = settings.store.sqlite_readers.get() as usize;
    options.queue_limit = settings.store.write_queue.get() as usize;
    options.cache_kib = u32::try_from(settings.store.sqlite_cache.0 / 1024).unwrap_or(u32::MAX);
    SqliteStore::open(options).context("the store cannot be opened")
}

/// Opens the key file, or makes it at the very first start. A key that is not the one
/// that the store's secrets were encrypted with is refused.
async fn open_vault(settings: &Settings, store: &SqliteStore) -> anyhow::Result<Vault> {
    let path = settings
        .data
        .key_file
        .clone()
        .unwrap_or_else(|| settings.data.directory.join("key"));
    let expected = store.fact(KEY_ID).await?;
    let vault = Vault::open_or_create(&path, expected.as_deref())?;
    let settled = store.settle_fact(KEY_ID, vault.key_id()).await?;
    if !vault.has_key(&settled) {
        bail!(
            "the store's secrets were encrypted with the key {settled}, and {} holds {}",
            path.display(),
            vault.key_id()
        );
    }
    Ok(vault)
}

async fn start_engine(
    settings: &Settings,
    store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    guests: Handle,
) -> anyhow::Result<Engine> {
    let connector = Connector::new(
        connectors::http::Settings {
            max_connections: settings.http.max_connections_per_origin.get() as usize,
            max_idle: settings.http.max_connections_per_origin.get() as usize,
            idle_timeout: settings.http.idle_timeout,
            ..connectors::http::Settings::default()
        },
        SystemResolver,
        Tls::system(),
    );
    let needs = runtime::Ports {
        clock: clock.clone(),
        connector,
        cache: Arc::new(RunCache::new(store.clone(), clock.clone())),
    };
    let runtime = Runtime::new(runtime_settings(settings, &vault), needs)
        .context("the sandbox cannot be set up")?;
    let queue = Arc::new(MemoryQueue::new(queue::Limits {
        lease: settings.queue.lease,
        max_deliveries: settings.queue.max_deliveries.get(),
    }));
    let parts = Parts {
        store,
        queue,
        runtime,
        vault,
        clock,
        guests,
    };
    Engine::start(parts, engine_settings(settings))
        .await
        .context("the engine cannot be started")
}

fn runtime_settings(settings: &Settings, vault: &Vault) -> runtime::Settings {
    let artefacts: PathBuf = settings
        .runtime
        .artefact_directory
        .clone()
        .unwrap_or_else(|| settings.data.directory.join("artefacts"));
    let mut made = runtime::Settings::new(artefacts, *vault.derive("artefact-mac"));
    made.pool.slots = settings
        .runtime
        .pool_slots
        .get()
        .max(settings.worker.slots.get());
    made.pool.memory_bytes = made
        .pool
        .memory_bytes
        .max(settings.runtime.memory.as_usize());
    made.pool.stack_bytes = settings.runtime.stack.as_usize();
    made
}

fn engine_settings(settings: &Settings) -> engine::Settings {
    engine::Settings {
        slots: settings.worker.slots.get(),
        queues: settings.worker.queues.clone(),
        result_expires: settings.store.result_expires,
        step_timeout: settings.worker.step_timeout,
        max_attempts: i64::from(settings.worker.max_attempts_lost.get()),
        backlog: u64::from(settings.limits.backlog.get()),
        limits: runtime::Limits {
            memory_bytes: settings.runtime.memory.as_usize(),
            output_bytes: settings.runtime.output_limit.as_usize(),
            ..runtime::Limits::default()
        },
        log_limits: runtime::LogLimits {
            bytes: settings.runtime.log_limit.as_usize(),
            ..runtime::LogLimits::default()
        },
        timeouts: connectors::http::Timeouts {
            connect: settings.http.connect_timeout,
            first_byte: settings.http.first_byte_timeout,
            between_bytes: settings.http.between_bytes_timeout,
        },
        ..engine::Settings::default()
    }
}

/// Makes the administrator's account at the first start and shows its password once.
async fn announce_admin(settings: &Settings, engine: &Engine) -> anyhow::Result<()> {
    let name = &settings.auth.admin;
    let store = engine.store();
    let made = api::ensure_admin(
        &*store,
        name,
        settings.auth.admin_password_file.as_deref(),
        engine.now(),
    )
    .await?;
    if let Some(password) = made.generated {
        println!("The administrator is `{name}` with the password {password}");
        println!(
            "It is shown this once; keep it, or set auth.admin_password_file and start again."
        );
    }
    Ok(())
}

/// Serves the API until the shutdown begins, then finishes the requests under way.
async fn listen(
    listener: TcpListener,
    settings: &Settings,
    engine: Engine,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let state = api::State {
        engine,
        auth: api::AuthSettings {
            remember: settings.auth.credential_cache,
            ..api::AuthSettings::default()
        },
        limits: api::Limits {
            request: settings.server.body_limit.as_usize(),
            document: settings.server.body_limit.as_usize(),
            pack: settings.server.upload_limit.as_usize(),
            timeout: settings.server.request_timeout,
            wait: settings.limits.run_wait,
            ..api::Limits::default()
        },
    };
    let service = api::router(state).into_make_service_with_connect_info::<SocketAddr>();
    let drain = shutdown.drain.clone();
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Answers are small: waiting to fill a segment only adds delay.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(async move { drain.cancelled().await });
    tokio::select! {
        ended = serving => ended.context("the listener failed"),
        () = shutdown.now.cancelled() => Ok(()),
        () = async { shutdown.drain.cancelled().await; tokio::time::sleep(settings.server.drain_timeout).await } => {
            tracing::warn!("requests did not end in time");
            Ok(())
        }
    }
}
