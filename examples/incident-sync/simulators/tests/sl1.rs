//! The SL1 simulator over HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[expect(dead_code, reason = "shared by several test programs")]
mod support;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use simulators::events::{FIRST_EID, generate};
use simulators::{Settings, sl1::Server};
use support::Client;

async fn start(events: usize) -> (Server, Client) {
    let server = Server::start(Settings::default()).await.unwrap();
    assert_eq!(server.load(generate(events, 1)), events);
    let client = Client::connect(server.address()).await;
    (server, client)
}

#[tokio::test]
async fn events_come_in_pages() {
    let (_server, mut client) = start(250).await;
    let page = client.get("/api/event?limit=100&offset=200").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.body["total_matched"], 250);
    assert_eq!(page.body["total_returned"], 50);
    assert_eq!(
        page.body["result_set"][0]["URI"],
        format!("/api/event/{}", FIRST_EID + 200)
    );

    let whole = client
        .get("/api/event?limit=2&extended_fetch=1&hide_filterinfo=1")
        .await;
    let first = generate(1, 1).next().unwrap();
    assert_eq!(whole.body.as_object().unwrap().len(), 2);
    assert_eq!(
        whole.body[first["uri"].as_str().unwrap()]["device_ip"],
        first["device_ip"]
    );

    let eid = first["eid"].as_str().unwrap();
    let filtered = client.get(&format!("/api/event?filter.eid.eq={eid}")).await;
    assert_eq!(
        (
            &filtered.body["total_matched"],
            &filtered.body["total_returned"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        client.get("/api/event?limit=many").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn the_ticket_is_written_to_the_event() {
    let (server, mut client) = start(3).await;
    let path = format!("/api/event/{FIRST_EID}");
    let read = client.get(&path).await;
    assert_eq!(read.body["ext_ticket_ref"], "");
    let change = json!({"ext_ticket_ref": "INC0010001", "force_ticket_uri": "https://sn.example/i?sys_id=1"});
    let written = client.send(Method::POST, &path, change).await;
    assert_eq!(written.status, StatusCode::OK);
    assert_eq!(written.body["ext_ticket_ref"], "INC0010001");
    assert_eq!(client.get(&path).await.body, written.body);
    assert_eq!(server.event(FIRST_EID).unwrap(), written.body);
    assert_eq!(server.events().len(), 3);
    let stats = client.get("/_sim/stats").await.body;
    assert_eq!(
        (
            &stats["events_with_ticket"],
            &stats["distinct_tickets"],
            &stats["writes"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );

    let refused = client
        .send(Method::POST, &path, json!({"severity": 0}))
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("severity")
    );
}

#[tokio::test]
async fn unknown_events_are_created_only_when_told_to() {
    let (server, mut client) = start(0).await;
    let change = json!({"ext_ticket_ref": "INC1"});
    for path in ["/api/event/77", "/api/event/x"] {
        assert_eq!(
            client.send(Method::POST, path, change.clone()).await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.events(), Vec::<Value>::new());
    client
        .send(
            Method::PUT,
            "/_sim/settings",
            json!({"create_on_write": true}),
        )
        .await;
    assert_eq!(
        client
            .send(Method::POST, "/api/event/77", change)
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        client.get("/api/event/77").await.body["ext_ticket_ref"],
        "INC1"
    );
}

#[tokio::test]
async fn events_are_put_and_strangers_refused() {
    let (server, mut client) = start(0).await;
    let events: Vec<Value> = generate(5_000, 3).collect();
    let loaded = client
        .send(Method::PUT, "/_sim/events", Value::Array(events))
        .await;
    assert_eq!(loaded.body, json!({"loaded": 5_000, "events": 5_000}));
    let wrong = client
        .send(Method::PUT, "/_sim/events", json!([{"message": "no id"}]))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let mut stranger = Client::connect(server.address())
        .await
        .with_authorisation(None);
    assert_eq!(
        stranger.get("/api/event").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        client
            .send(Method::DELETE, "/_sim/data", Value::Null)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(server.stats()["events"], 0);
}
