//! `powerflow serve` and the roles that it can be divided into: everything in one process on
//! the embedded store and queue, or processes that share PostgreSQL and Redis.

use std::{io::ErrorKind, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, anyhow, bail};
use config::Settings;
use connectors::http::{Connector, SystemResolver, Tls};
use engine::{Engine, Parts, Role, RunCache};
use http::HeaderValue;
use runtime::Runtime;
use store::Store;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::sync::CancellationToken;
use trace::Tracer;
use vault::Vault;

use crate::{
    backends::{self, Backends},
    shutdown::Shutdown,
    traces::Traces,
};

/// The name of the fact that the store remembers the key's id under.
const KEY_ID: &str = "vault.key_id";

/// Runs the service, or a part of it, until it is told to stop. `guests`: where steps execute.
pub(crate) async fn serve(settings: Settings, role: Role, guests: Handle) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let backends = tokio::select! {
        opened = Backends::open(&settings, role) => opened?,
        // Waiting for a database that does not answer ends with the order to stop.
        () = shutdown.drain.cancelled() => return Ok(()),
    };
    let vault = Arc::new(open_vault(&settings, &*backends.store).await?);
    let sending = Traces::start(&settings.telemetry, role, backends::random()?)?;
    let tracer = sending.tracer();
    let engine = start_engine(&settings, role, &backends, vault, guests, tracer).await?;
    let listener = match address(&settings, role) {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let address = match &listener {
        Some(listener) => Some(
            listener
                .local_addr()
                .context("the listener has no address")?,
        ),
        None => None,
    };
    if role.serves() {
        for pack in builtin::ALL {
            let part = engine::Part {
                name: pack.name,
                version: pack.version,
                digest: pack.digest,
                file: pack.file,
            };
            engine.ensure_part(part).await.with_context(|| {
                format!("the built-in SyncPack {} cannot be activated", pack.name)
            })?;
        }
        // After binding: a start that fails must not have shown the password.
        announce_admin(&settings, &engine).await?;
    }
    engine.work();
    tracing::info!(
        role = role.word(),
        directory = %settings.data.directory.display(),
        store = backends.store.description(),
        "serving"
    );
    match address {
        Some(address) if role.serves() => println!("PowerFlow listens on http://{address}"),
        Some(address) => println!(
            "PowerFlow {} is ready; its health is at http://{address}/readyz",
            role.word()
        ),
        None => println!("PowerFlow {} is ready", role.word()),
    }
    let end = End::new(shutdown);
    let (served, (), ()) = tokio::join!(
        listen(listener, &settings, role, engine.clone(), &end),
        finish(&settings, role, &engine, &end),
        leave(&settings, role, &engine, &end),
    );
    sending.end().await;
    served?;
    backends.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a process of that role listens on.
fn address(settings: &Settings, role: Role) -> Option<SocketAddr> {
    if role.serves() {
        Some(settings.server.listen)
    } else {
        settings.server.health_listen
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => {
                "; another program, perhaps another PowerFlow, has it: choose another port with --set server.listen=ADDRESS:PORT"
            }
            ErrorKind::PermissionDenied => {
                "; ports below 1024 are for root: choose another with --set server.listen=ADDRESS:PORT"
            }
            ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        anyhow!("cannot listen on {address}: {error}{hint}")
    })
}

/// How far the end has come.
struct End {
    ordered: Shutdown,
    /// No connection is accepted any more.
    closing: CancellationToken,
    /// All requests are answered.
    served: CancellationToken,
}

impl End {
    fn new(ordered: Shutdown) -> Self {
        Self {
            ordered,
            closing: CancellationToken::new(),
            served: CancellationToken::new(),
        }
    }
}

/// Waits for the order to stop, then until load balancers have noticed, where requests are
/// answered; only then is anything closed.
async fn leave(settings: &Settings, role: Role, engine: &Engine, end: &End) {
    end.ordered.drain.cancelled().await;
    engine.leave();
    if role.serves() {
        tokio::select! {
            () = tokio::time::sleep(settings.server.drain_delay) => {}
            () = end.ordered.now.cancelled() => {}
        }
    }
    end.closing.cancel();
}

/// Waits for the end, then for the steps that execute. Where none execute, requests may begin
/// runs to the last; elsewhere, requests and steps end side by side, since a request may wait
/// for a step.
async fn finish(settings: &Settings, role: Role, engine: &Engine, end: &End) {
    if role.serves() && !role.executes() {
        end.served.cancelled().await;
    } else {
        end.closing.cancelled().await;
    }
    tokio::select! {
        () = engine.drain(settings.server.drain_timeout) => {}
        () = end.ordered.now.cancelled() => {
            tracing::warn!("stopped without waiting for running steps");
        }
    }
}

/// Opens the key file, or makes it at the very first start. A key that is not the one
/// that the store's secrets were encrypted with is refused.
async fn open_vault(settings: &Settings, store: &dyn Store) -> anyhow::Result<Vault> {
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

/// What requests of steps send without a `User-Agent` of their own; an empty text: nothing.
fn user_agent(settings: &Settings) -> anyhow::Result<Option<HeaderValue>> {
    let text = &settings.http.user_agent;
    (!text.is_empty())
        .then(|| HeaderValue::from_str(text))
        .transpose()
        .context("http.user_agent")
}

async fn start_engine(
    settings: &Settings,
    role: Role,
    backends: &Backends,
    vault: Arc<Vault>,
    guests: Handle,
    tracer: Tracer,
) -> anyhow::Result<Engine> {
    let connector = Connector::new(
        connectors::http::Settings {
            max_connections: settings.http.max_connections_per_origin.get() as usize,
            max_idle: settings.http.max_connections_per_origin.get() as usize,
            max_connections_of_all: settings.http.max_connections.get() as usize,
            idle_timeout: settings.http.idle_timeout,
            user_agent: user_agent(settings)?,
            ..connectors::http::Settings::default()
        },
        SystemResolver,
        Tls::system(),
    );
    let needs = runtime::Ports {
        clock: backends.clock.clone(),
        connector,
        cache: Arc::new(RunCache::new(
            backends.store.clone(),
            backends.clock.clone(),
        )),
        tracer: tracer.clone(),
    };
    let runtime = Runtime::new(runtime_settings(settings, &vault), needs)
        .context("the sandbox cannot be set up")?;
    let parts = Parts {
        store: backends.store.clone(),
        queue: backends.queue.clone(),
        hints: backends.hints.clone(),
        runtime,
        vault,
        clock: backends.clock.clone(),
        shared_clock: backends.shared_clock.clone(),
        guests,
        tracer,
    };
    Engine::start(parts, engine_settings(settings, role, backends.exclusive()))
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
    made.compiled = Some(crate::memory::give_back);
    made
}

fn engine_settings(settings: &Settings, role: Role, exclusive: bool) -> engine::Settings {
    let usual = engine::Settings::default();
    engine::Settings {
        role,
        exclusive,
        lease: if exclusive {
            usual.lease
        } else {
            settings.worker.lease
        },
        slots: settings.worker.slots.get(),
        queues: settings.worker.queues.clone(),
        weights: settings.worker.weights.0.clone(),
        result_expires: settings.store.result_expires,
        step_soft_timeout: settings.worker.step_soft_timeout,
        step_timeout: settings.worker.step_timeout,
        step_timeout_max: settings.worker.step_timeout_max,
        on_worker_lost: match settings.worker.on_worker_lost {
            config::sections::OnWorkerLost::Retry => model::policy::OnWorkerLost::Retry,
            config::sections::OnWorkerLost::Fail => model::policy::OnWorkerLost::Fail,
        },
        max_attempts: i64::from(settings.worker.max_attempts_lost.get()),
        backlog: u64::from(settings.limits.backlog.get()),
        backlog_of_queue: u64::from(settings.limits.backlog_of_queue.get()),
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

/// Serves the API, or tells the health, until that closes, then finishes the requests
/// under way.
async fn listen(
    listener: Option<TcpListener>,
    settings: &Settings,
    role: Role,
    engine: Engine,
    end: &End,
) -> anyhow::Result<()> {
    // However this ends, nothing waits for it then.
    let _served = end.served.clone().drop_guard();
    let Some(listener) = listener else {
        return Ok(());
    };
    let state = api::State {
        engine,
        auth: api::AuthSettings {
            remember: settings.auth.credential_cache,
            session_idle: settings.auth.session_idle,
            session_lifetime: settings.auth.session_lifetime,
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
        closing: end.closing.clone(),
    };
    let router = if role.serves() {
        api::router(state)
    } else {
        api::health_router(state)
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let closed = end.closing.clone();
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Answers are small: waiting to fill a segment only adds delay.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(async move { closed.cancelled().await });
    let too_long = async {
        end.closing.cancelled().await;
        tokio::time::sleep(settings.server.drain_timeout).await;
    };
    tokio::select! {
        ended = serving => ended.context("the listener failed"),
        () = end.ordered.now.cancelled() => Ok(()),
        () = too_long => {
            tracing::warn!("requests did not end in time");
            Ok(())
        }
    }
}
