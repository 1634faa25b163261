//! The service under test.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::{AuthSettings, Limits, Permission, State};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine::{Engine, Parts, RunCache, Settings};
use model::clock::{Clock, Timestamp};
use serde_json::Value;
use store::{
    Store,
    accounts::{Account, Accounts as _},
};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The system's clock.
struct Now;

impl Clock for Now {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is handed on"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(since.as_micros() as i64)
    }
}

/// The API with accounts `View`, `Execute`, … whose password is `pass ` and their name.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<store_sqlite::SqliteStore>,
    router: Router,
    _folder: TempDir,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The code of a problem document that is one.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        for key in ["title", "detail", "instance", "request_id"] {
            assert!(
                document[key].is_string(),
                "{key} is missing in {}",
                self.text
            );
        }
        assert_eq!(
            document["request_id"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        let code = document["code"].as_str().unwrap();
        assert_eq!(document["type"], format!("/docs/errors/{code}"));
        code.to_owned()
    }
}

impl Service {
    pub(crate) async fn new() -> Self {
        Self::with(AuthSettings::default(), Limits::default()).await
    }

    pub(crate) async fn with(auth: AuthSettings, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let options = store_sqlite::Options::new(path.join("data"));
        let store = Arc::new(store_sqlite::SqliteStore::open(options).unwrap());
        for permission in Permission::ALL {
            store
                .save_account(account(permission.name(), permission.name()))
                .await
                .unwrap();
        }
        let clock: Arc<dyn Clock> = Arc::new(Now);
        let cache = RunCache::new(store.clone() as Arc<dyn Store>, clock.clone());
        let connector = connectors::http::Connector::new(
            connectors::http::Settings::default(),
            connectors::http::SystemResolver,
            connectors::http::Tls::system(),
        );
        let mut sandbox = runtime::Settings::new(path.join("artefacts"), [7; 32]);
        sandbox.pool = runtime::Pool::none();
        let ports = runtime::Ports {
            clock: clock.clone(),
            connector,
            cache: Arc::new(cache),
            tracer: runtime::Tracer::off(),
        };
        let made_of = Parts {
            hints: None,
            shared_clock: None,
            store: store.clone(),
            queue: Arc::new(queue::memory::MemoryQueue::new(queue::Limits::default())),
            runtime: runtime::Runtime::new(sandbox, ports).unwrap(),
            vault: Arc::new(vault::Vault::open_or_create(&path.join("key"), None).unwrap()),
            clock,
            guests: tokio::runtime::Handle::current(),
            tracer: runtime::Tracer::off(),
        };
        let engine = Engine::start(made_of, Settings::default()).await.unwrap();
        let state = State {
            engine: engine.clone(),
            auth,
            limits,
            closing: tokio_util::sync::CancellationToken::new(),
        };
        Self {
            engine,
            store,
            router: api::router(state),
            _folder: folder,
        }
    }

    /// Asks as the account with just that permission.
    pub(crate) async fn ask(&self, role: Permission, request: Request<Body>) -> Reply {
        let name = role.name();
        self.ask_as(name, &format!("pass {name}"), request).await
    }

    /// Asks with a name and a password.
    pub(crate) async fn ask_as(
        &self,
        name: &str,
        password: &str,
        mut request: Request<Body>,
    ) -> Reply {
        let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
        let value = format!("Basic {text}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        self.send(request).await
    }

    /// Asks without saying who.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

/// An account whose password is `pass ` and its name.
pub(crate) fn account(name: &str, role: &str) -> Account {
    Account {
        name: name.to_owned(),
        password_hash: api::hash_password(&format!("pass {name}")).unwrap(),
        role: role.to_owned(),
        enabled: true,
        changed_at: Timestamp::from_seconds(1_800_000_000),
    }
}

/// A request without a body.
pub(crate) fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Body::empty())
        .unwrap()
}

/// A request with a JSON body.
pub(crate) fn json(method: &str, uri: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// Settings that compare an account with the stored one on every request.
pub(crate) fn careful() -> AuthSettings {
    AuthSettings {
        recheck: Duration::ZERO,
        ..AuthSettings::default()
    }
}
