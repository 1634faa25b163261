//! Callers that go away once their change is stored, and before they are answered.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use api::Permission;
use axum::{body::Body, http::Request};
use engine::{Caller, RunRequest};
use model::id::TenantId;
use parking_lot::Mutex;
use serde_json::Map;
use store::definitions::{Definitions as _, Kind};
use tokio::sync::Notify;

use crate::service::{Service, json, request};

const FIRST: &str = r#"{"name": "short", "steps": [{"name": "a", "file": "First"}]}"#;
const LATER: &str = r#"{"name": "short", "steps": [{"name": "a", "file": "Later"}]}"#;

#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Asks, and goes away at the first moment at which `stored` is true. What is stored tells the
/// request so afterwards, so that it has not heard of it then.
async fn ask_until(
    service: &Service,
    role: Permission,
    request: Request<Body>,
    stored: impl AsyncFn() -> bool,
) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut asked = pin!(service.ask(role, request));
    while !stored().await {
        let polled = asked.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "answered before it was stored");
        woken.0.notified().await;
    }
}

/// The events of this thread's log.
#[derive(Clone, Default)]
struct Trail(Arc<Mutex<Vec<u8>>>);

impl io::Write for Trail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Trail {
    /// Waits until there is an event with these words.
    async fn tells(&self, words: [&str; 2]) {
        let told = async {
            loop {
                let text = String::from_utf8_lossy(&self.0.lock()).into_owned();
                if text
                    .lines()
                    .any(|line| words.iter().all(|word| line.contains(word)))
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(std::time::Duration::from_secs(20), told).await;
        assert!(told.is_ok(), "no event with {words:?}");
    }
}

/// What the service says of a run of the application.
async fn run(service: &Service) -> String {
    let caller = Caller {
        name: "a".to_owned(),
        tenant: TenantId::DEFAULT,
        trace: None,
    };
    let request = RunRequest {
        application: "short".to_owned(),
        params: Map::new(),
        idempotency_key: None,
    };
    service
        .engine
        .run(&caller, request)
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn what_is_stored_is_in_force_and_in_the_trail_though_nobody_waits() {
    let trail = Trail::default();
    let writer = trail.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let service = Service::new().await;
    let revision = async || {
        let found = service
            .store
            .definition(TenantId::DEFAULT, Kind::Application, "short");
        found.await.unwrap().map(|found| found.number)
    };

    let save = |text: &'static str| json("POST", "/api/v1/applications", text);
    service.ask(Permission::Developer, save(FIRST)).await;
    assert!(run(&service).await.contains("First"));

    let saved = async || revision().await == Some(2);
    ask_until(&service, Permission::Developer, save(LATER), saved).await;
    trail.tells(["a document was saved", "revision=2"]).await;
    let answer = run(&service).await;
    assert!(answer.contains("Later"), "{answer}");

    let delete = request("DELETE", "/api/v1/applications/short");
    let deleted = async || revision().await.is_none();
    ask_until(&service, Permission::Administrator, delete, deleted).await;
    trail.tells(["a document was deleted", "short"]).await;
    let answer = run(&service).await;
    assert!(answer.contains("there is no application"), "{answer}");
}
