//! The ServiceNow simulator over HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use simulators::{Settings, servicenow::Server};
use support::Client;

const TABLE: &str = "/api/now/table/incident";

async fn start(settings: Settings) -> (Server, Client) {
    let server = Server::start(settings).await.unwrap();
    let client = Client::connect(server.address()).await;
    (server, client)
}

#[tokio::test]
async fn an_incident_is_created_found_read_and_updated() {
    let (server, mut client) = start(Settings::default()).await;
    let made = client
        .send(
            Method::POST,
            TABLE,
            json!({"short_description": "Ausfall in Zürich", "correlation_id": "c^1", "impact": 1}),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.body["result"].clone();
    assert_eq!(made["number"], "INC0010001");
    assert_eq!(
        (&made["state"], &made["impact"], &made["priority"]),
        (&json!("1"), &json!("1"), &json!("3"))
    );
    let sys_id = made["sys_id"].as_str().unwrap();
    assert!(sys_id.len() == 32 && sys_id.bytes().all(|b| b.is_ascii_hexdigit()));

    let found = client
        .get(&format!(
            "{TABLE}?sysparm_query=correlation_id=c%5E%5E1&sysparm_fields=number,state"
        ))
        .await;
    assert_eq!(
        found.body,
        json!({"result": [{"number": "INC0010001", "state": "1"}]})
    );
    assert_eq!(found.headers["x-total-count"], "1");
    let none = client
        .get(&format!(
            "{TABLE}?sysparm_query=correlation_id=other^state=1"
        ))
        .await;
    assert_eq!(none.body, json!({"result": []}));

    let one = format!("{TABLE}/{sys_id}");
    let patched = client
        .send(Method::PATCH, &one, json!({"state": "2", "number": "INC1"}))
        .await;
    assert_eq!(patched.status, StatusCode::OK);
    assert_eq!(patched.body["result"]["state"], "2");
    assert_eq!(patched.body["result"]["number"], "INC0010001");
    let put = client
        .send(Method::PUT, &one, json!({"work_notes": "seen"}))
        .await;
    assert_eq!(put.body["result"]["sys_mod_count"], "2");
    let read = client.get(&one).await;
    assert_eq!(read.body["result"], put.body["result"]);
    assert_eq!(server.incidents(), [read.body["result"].clone()]);

    let stats = client.get("/_sim/stats").await.body;
    assert_eq!(stats, server.stats());
    assert_eq!(stats["requests"]["create"], 1);
    assert_eq!(stats["requests"]["update"], 2);
    assert_eq!(stats["requests"]["list"], 2);
    assert_eq!(stats["incidents"], 1);

    let cleared = client.send(Method::DELETE, "/_sim/data", Value::Null).await;
    assert_eq!(cleared.status, StatusCode::NO_CONTENT);
    assert_eq!(server.incidents(), Vec::<Value>::new());
    server.stop().await;
}

#[tokio::test]
async fn pages_follow_links() {
    let (_server, mut client) = start(Settings::default()).await;
    for n in 0..7 {
        client
            .send(
                Method::POST,
                TABLE,
                json!({"correlation_id": format!("c{n}"), "category": "network"}),
            )
            .await;
    }
    let mut path =
        format!("{TABLE}?sysparm_query=category=network&sysparm_limit=3&sysparm_offset=0");
    let mut numbers = Vec::new();
    let mut pages = 0;
    loop {
        pages += 1;
        let page = client.get(&path).await;
        assert_eq!(page.headers["x-total-count"], "7");
        numbers.extend(
            page.body["result"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["number"].clone()),
        );
        let links = page.headers["link"].to_str().unwrap().to_owned();
        assert!(
            links.contains("rel=\"first\"") && links.contains("sysparm_offset=6>;rel=\"last\""),
            "{links}"
        );
        let Some(next) = links.split(',').find(|link| link.ends_with("rel=\"next\"")) else {
            break;
        };
        let url = next.trim_start_matches('<').split('>').next().unwrap();
        path = url.strip_prefix("http://sim.example").unwrap().to_owned();
    }
    assert_eq!(pages, 3);
    numbers.dedup();
    assert_eq!(numbers.len(), 7);
    let last = client
        .get(&format!(
            "{TABLE}?sysparm_query=ORDERBYDESCnumber&sysparm_limit=1"
        ))
        .await;
    assert_eq!(last.body["result"][0]["number"], "INC0010007");
}

#[tokio::test]
async fn errors_look_like_those_of_servicenow() {
    let (server, mut client) = start(Settings {
        unique_correlation: true,
        ..Settings::default()
    })
    .await;
    for wrong in [None, Some("Basic d3Jvbmc6d3Jvbmc="), Some("Bearer x")] {
        let mut stranger = Client::connect(server.address())
            .await
            .with_authorisation(wrong);
        let refused = stranger.get(TABLE).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.body["error"]["message"], "User Not Authenticated");
        assert_eq!(refused.body["status"], "failure");
    }
    let missing = client.get(&format!("{TABLE}/0123")).await;
    assert_eq!(
        (missing.status, &missing.body["error"]["message"]),
        (StatusCode::NOT_FOUND, &json!("No Record found"))
    );
    let missing = client
        .send(Method::PATCH, &format!("{TABLE}/0123"), json!({}))
        .await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    for body in [json!([1]), json!("x")] {
        assert_eq!(
            client.send(Method::POST, TABLE, body).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(
        client.get(&format!("{TABLE}?sysparm_limit=x")).await.status,
        StatusCode::BAD_REQUEST
    );

    let first = client
        .send(Method::POST, TABLE, json!({"correlation_id": "a"}))
        .await;
    assert_eq!(first.status, StatusCode::CREATED);
    let second = client
        .send(Method::POST, TABLE, json!({"correlation_id": "a"}))
        .await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert!(
        second.body["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("Unique Key violation")
    );
    assert_eq!(server.stats()["requests"]["conflicts"], 1);

    let set = client
        .send(
            Method::PUT,
            "/_sim/settings",
            json!({"unique_correlation": false}),
        )
        .await;
    assert_eq!(set.body["unique_correlation"], false);
    client
        .send(Method::POST, TABLE, json!({"correlation_id": "a"}))
        .await;
    assert_eq!(server.stats()["duplicate_correlations"], 1);
}

#[tokio::test]
async fn latency_and_errors_are_set_while_it_runs() {
    let (server, mut client) = start(Settings::default()).await;
    client
        .send(Method::PUT, "/_sim/settings", json!({"latency_ms": 80}))
        .await;
    let begun = Instant::now();
    client.get(TABLE).await;
    assert!(begun.elapsed() >= Duration::from_millis(80));
    client
        .send(
            Method::PUT,
            "/_sim/settings",
            json!({"latency_ms": 0, "error_rate": 1.0}),
        )
        .await;
    let failed = client.send(Method::POST, TABLE, json!({})).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.stats()["incidents"], 0);
    for wrong in [json!({"error_rate": 2}), json!({"nonsense": 1})] {
        assert_eq!(
            client
                .send(Method::PUT, "/_sim/settings", wrong)
                .await
                .status,
            StatusCode::BAD_REQUEST
        );
    }
    server.settings().set_error_rate(0.0);
    assert_eq!(client.get(TABLE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stopped_server_answers_nobody() {
    let (server, client) = start(Settings::default()).await;
    let address = server.address();
    drop(client);
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
