//! The processes of the service: seen, set, and what each says of its own health.

use api::{AuthSettings, Limits, Permission, State};
use axum::{body::Body, http::Request};
use model::{clock::Timestamp, id::WorkerId};
use store::workers::{Worker, Workers as _};
use tower::ServiceExt as _;

use crate::service::{Service, json, request};

const WORKERS: &str = "/api/v1/workers";

/// Registers another process; its number.
async fn another(service: &Service, role: &str, slots: u32) -> WorkerId {
    let now = service.engine.now();
    let worker = Worker {
        id: WorkerId(0),
        host: "node-2".to_owned(),
        pid: 4711,
        version: "0.2.0".to_owned(),
        role: role.to_owned(),
        queues: vec!["acme".to_owned()],
        weights: std::collections::BTreeMap::new(),
        slots,
        started_at: now,
        lease_until: now.plus_micros(60_000_000),
    };
    service.store.register(worker).await.unwrap()
}

#[tokio::test]
async fn processes_are_listed_with_what_they_do() {
    let service = Service::new().await;
    let scheduler = another(&service, "scheduler", 0).await;
    let list = service
        .ask(Permission::View, request("GET", WORKERS))
        .await
        .json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert_eq!(
        (&items[0]["role"], &items[0]["slots"]),
        (&"all".into(), &512.into())
    );
    let other = &items[1];
    assert_eq!(other["id"], scheduler.0);
    assert_eq!(
        (&other["host"], &other["pid"], &other["version"]),
        (&"node-2".into(), &4711.into(), &"0.2.0".into())
    );
    assert!(
        other["lease_until"].as_str().unwrap() > other["started_at"].as_str().unwrap(),
        "{other}"
    );
    let about = service
        .ask(Permission::View, request("GET", "/api/v1/about"))
        .await
        .json();
    assert_eq!(
        (&about["queue"], &about["role"]),
        (&"memory".into(), &"all".into())
    );
    assert_eq!(about["workers"][1]["id"], scheduler.0);
}

#[tokio::test]
async fn a_worker_is_set_and_learns_it_with_its_next_renewal() {
    let service = Service::new().await;
    let id = another(&service, "worker", 8).await;
    let path = format!("{WORKERS}/{}", id.0);
    let set = async |body: &'static str| {
        let reply = service.ask(Permission::Administrator, json("PATCH", &path, body));
        reply.await.json()
    };
    let learned = async || {
        let now = service.engine.now();
        let until = now.plus_micros(60_000_000);
        let renewed = service.store.renew(id, now, until).await.unwrap().unwrap();
        (renewed.queues, renewed.slots)
    };
    let worker = set("{\"slots\": 3}").await;
    assert_eq!(
        (&worker["slots"], &worker["queues"][0]),
        (&3.into(), &"acme".into())
    );
    assert_eq!(learned().await, (vec!["acme".to_owned()], 3));
    // Names as runs use them, each once.
    let worker = set("{\"queues\": [\"celery\", \" b \", \"default\"]}").await;
    assert_eq!(worker["queues"], serde_json::json!(["default", "b"]));
    assert_eq!(
        learned().await,
        (vec!["default".to_owned(), "b".to_owned()], 3)
    );
    set("{\"queues\": []}").await;
    assert_eq!(learned().await, (vec![], 3));
    let seen = service.ask(Permission::View, request("GET", &path)).await;
    assert_eq!(seen.json()["slots"], 3, "{}", seen.text);
    // Nothing to change is no change.
    assert_eq!(set("").await["slots"], 3);
    assert_eq!(learned().await, (vec![], 3));
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_with_every_fault() {
    let service = Service::new().await;
    let worker = another(&service, "worker", 8).await;
    let scheduler = another(&service, "scheduler", 0).await;
    let gone = another(&service, "worker", 8).await;
    service.store.release(gone).await.unwrap();
    for (id, body, status, code, words) in [
        (
            worker.0.to_string(),
            "{\"slots\": 0, \"queues\": [\"\", \"a\"]}",
            422,
            "PF-1001",
            &["/slots", "/queues/0", "PF-1006", "65536"][..],
        ),
        (
            worker.0.to_string(),
            "{\"slots\": -1}",
            400,
            "PF-0400",
            &["/slots"],
        ),
        (
            worker.0.to_string(),
            "{\"slot\": 1}",
            400,
            "PF-0400",
            &["slot"],
        ),
        (
            scheduler.0.to_string(),
            "{\"slots\": 1}",
            422,
            "PF-1001",
            &["scheduler", "no steps"],
        ),
        (
            gone.0.to_string(),
            "{\"slots\": 1}",
            404,
            "PF-0404",
            &[WORKERS],
        ),
        ("x".to_owned(), "{}", 404, "PF-0404", &["`x`"]),
    ] {
        let request = json("PATCH", &format!("{WORKERS}/{id}"), body);
        let reply = service.ask(Permission::Administrator, request).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert_eq!(reply.problem(), code, "{body}");
        for word in words {
            assert!(reply.text.contains(word), "{body}: {}", reply.text);
        }
    }
    let now = service.engine.now();
    let workers = service.store.workers(now).await.unwrap();
    let kept = workers.iter().find(|one| one.id == worker).unwrap();
    assert_eq!((kept.slots, kept.queues.len()), (8, 1));
}

/// What a process that serves no requests says of its health: the status and the body.
async fn health(service: &Service, path: &str) -> (u16, String) {
    let router = api::health_router(State {
        engine: service.engine.clone(),
        auth: AuthSettings::default(),
        limits: Limits::default(),
        closing: tokio_util::sync::CancellationToken::new(),
    });
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    (status, String::from_utf8_lossy(&body.unwrap()).into_owned())
}

#[tokio::test]
async fn a_process_says_why_it_is_not_ready() {
    let service = Service::new().await;
    assert_eq!(health(&service, "/readyz").await.0, 200);
    let (status, body) = health(&service, "/api/v1/runs").await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("PF-0406"), "{body}");

    let workers = service.store.workers(Timestamp(0)).await.unwrap();
    service.store.release(workers[0].id).await.unwrap();
    let (status, body) = health(&service, "/readyz").await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("PF-0506") && body.contains("lease"), "{body}");
    assert_eq!(health(&service, "/healthz").await.0, 200);

    service.store.close().await;
    let (status, body) = health(&service, "/readyz").await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("PF-0503"), "{body}");
    assert_eq!(health(&service, "/healthz").await.0, 200);
}
