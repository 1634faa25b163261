//! Asks a component for its steps, in the same sandbox that the service has.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use connectors::http::{Connector, Settings as Http, SystemResolver, Tls};
use model::{
    clock::{Clock, Timestamp},
    id::TenantId,
};
use runtime::{CacheError, CachePort, Pool, Ports, Runtime, Settings};

use crate::failure::{Exit, Failure};

/// The system's clock.
struct Now;

impl Clock for Now {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is handed on"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(since.as_micros() as i64)
    }
}

/// There are no records while a SyncPack is built.
struct NoCache;

#[async_trait]
impl CachePort for NoCache {
    async fn get(&self, _: TenantId, _: &str) -> Result<Option<String>, CacheError> {
        Err(none())
    }

    async fn put(&self, _: TenantId, _: &str, _: String, _: Option<u64>) -> Result<(), CacheError> {
        Err(none())
    }

    async fn delete(&self, _: TenantId, _: &str) -> Result<bool, CacheError> {
        Err(none())
    }
}

fn none() -> CacheError {
    CacheError("there is no cache while a SyncPack is built".to_owned())
}

/// What the component's `describe` returns.
pub(super) async fn describe(component: &[u8]) -> Result<String, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::local(format!("no temporary folder could be made: {error}")))?;
    // Nothing compiled here is kept, so the key that would vouch for it may be any.
    let mut settings = Settings::new(folder.path(), [0; 32]);
    settings.pool = Pool::none();
    let ports = Ports {
        clock: Arc::new(Now),
        connector: Connector::new(Http::default(), SystemResolver, Tls::system()),
        cache: Arc::new(NoCache),
        tracer: runtime::Tracer::off(),
    };
    let sandbox = Runtime::new(settings, ports)
        .map_err(|error| Failure::local(format!("the sandbox could not be started: {error}")))?;
    sandbox.describe(component).await.map_err(|error| {
        Failure::new(
            Exit::Refused,
            "PF-3005",
            format!("the component did not describe its steps: {error}"),
        )
        .next("build it with a SyncPack SDK, and keep network and cache out of step declarations")
    })
}
