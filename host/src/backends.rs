//! Store, queue and clock: embedded in one process, or those that many processes share.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use config::Settings;
use engine::{Role, SharedClock};
use model::clock::Clock;
use queue::{Queue, hints::Hints, memory::MemoryQueue};
use queue_redis::RedisQueue;
use store::{Store, accounts::Accounts as _, workers::Workers as _};
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;

use crate::clock::SystemClock;

/// The name of the fact that tells this service from others on the same Redis.
const SERVICE: &str = "service.id";
/// How long a start waits for a database that does not answer yet: services and databases
/// are often started together.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the engine is started on.
pub(crate) struct Backends {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) hints: Option<Arc<dyn Hints>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared_clock: Option<Arc<SharedClock>>,
    opened: Opened,
}

enum Opened {
    Embedded(Arc<SqliteStore>),
    Cluster(Arc<PostgresStore>),
}

impl Backends {
    /// Opens what the settings name.
    pub(crate) async fn open(settings: &Settings, role: Role) -> anyhow::Result<Self> {
        open_directory(&settings.data.directory)?;
        match (&settings.store.database_url, &settings.queue.redis_url) {
            (Some(database), Some(redis)) => {
                Self::cluster(settings, database.expose(), redis.expose()).await
            }
            (None, None) if role == Role::All => Self::embedded(settings),
            // Refused before: the one with the settings, none with the role.
            _ => bail!("store.database_url and queue.redis_url belong together"),
        }
    }

    fn embedded(settings: &Settings) -> anyhow::Result<Self> {
        let mut options = store_sqlite::Options::new(&settings.data.directory);
        options.read_connections = settings.store.sqlite_readers.get() as usize;
        options.queue_limit = settings.store.write_queue.get() as usize;
        options.cache_kib = u32::try_from(settings.store.sqlite_cache.0 / 1024).unwrap_or(u32::MAX);
        let store = SqliteStore::open(options).with_context(|| {
            let directory = settings.data.directory.display();
            format!("the store in {directory} cannot be opened")
        })?;
        let store = Arc::new(store);
        Ok(Self {
            store: store.clone(),
            queue: Arc::new(MemoryQueue::new(limits(settings))),
            hints: None,
            clock: Arc::new(SystemClock),
            shared_clock: None,
            opened: Opened::Embedded(store),
        })
    }

    async fn cluster(settings: &Settings, database: &str, redis: &str) -> anyhow::Result<Self> {
        let mut options = store_postgres::Options::new(database);
        options.queue_limit = settings.store.write_queue.get() as usize;
        options.connections = settings.store.postgres_connections.get();
        let store = Arc::new(
            open_postgres(options)
                .await
                .context("the store cannot be opened")?,
        );
        let asked = Instant::now();
        let now = store.time().await?.context("the store has no clock")?;
        let clock = Arc::new(SharedClock::new(now, asked.into()));
        let service = store.settle_fact(SERVICE, &random()?).await?;
        let address = redis.parse().context("queue.redis_url (REDIS_URL)")?;
        let queue = RedisQueue::start(queue_redis::Settings {
            prefix: format!("powerflow:{service}"),
            limits: limits(settings),
            ca_file: settings.queue.redis_ca_file.clone(),
            ..queue_redis::Settings::new(address, &random()?)
        })
        .await
        .context("the queue cannot be set up")?;
        Ok(Self {
            store: store.clone(),
            hints: Some(queue.hints()),
            queue: Arc::new(queue),
            clock: clock.clone(),
            shared_clock: Some(clock),
            opened: Opened::Cluster(store),
        })
    }

    /// Whether this process has the store for itself.
    pub(crate) const fn exclusive(&self) -> bool {
        matches!(self.opened, Opened::Embedded(_))
    }

    /// Commits what waits and closes the store.
    pub(crate) async fn close(&self) {
        match &self.opened {
            Opened::Embedded(store) => store.close().await,
            Opened::Cluster(store) => store.close().await,
        }
    }
}

fn limits(settings: &Settings) -> queue::Limits {
    queue::Limits {
        lease: settings.queue.lease,
        max_deliveries: settings.queue.max_deliveries.get(),
    }
}

/// Waits for a database that does not answer yet.
async fn open_postgres(options: store_postgres::Options) -> store::Result<PostgresStore> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        match PostgresStore::open(options.clone()).await {
            Err(error) if error.is_retryable() && started.elapsed() < PATIENCE => {
                tracing::warn!(%error, "the database does not answer yet; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            other => return other,
        }
    }
}

/// 16 hexadecimal digits that no other process has.
pub(crate) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Makes the data directory, for its owner only, and shows early that it can be written.
fn open_directory(directory: &Path) -> anyhow::Result<()> {
    let failed = |act: &str| {
        format!(
            "the data directory {} (data.directory) cannot be {act}",
            directory.display()
        )
    };
    if directory.exists() && !directory.is_dir() {
        bail!(
            "{} is a file, and data.directory names a directory",
            directory.display()
        );
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| failed("made"))?;
    // In containers, many processes have the same number.
    let probe = directory.join(format!(".writable-{}", random()?));
    fs::write(&probe, b"").with_context(|| failed("written to"))?;
    fs::remove_file(&probe).with_context(|| failed("written to"))
}
