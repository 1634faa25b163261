//! How connections are kept, shared, limited and given up, and what is sent twice.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use connectors::http::{Egress, Error, Grant, Grants, Phase, Settings, Timeouts};
use http_body_util::{BodyExt as _, StreamBody};
use support::{
    Act, Scripted, Server, connector, egress, endless, eventually, fetch, fetch_as, request,
};

#[tokio::test]
async fn connections_are_reused_within_a_key_only() {
    let server = Server::echo().await;
    let connector = connector(Settings::default());
    for n in 0..20 {
        let method = if n % 2 == 0 { "GET" } else { "POST" };
        assert_eq!(
            fetch(&connector, method, &server.url("/"), "x")
                .await
                .unwrap()
                .0,
            200
        );
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(
        (connector.stats().opened, connector.stats().reused),
        (1, 19)
    );

    let other_tenant = Egress {
        tenant: 2,
        ..egress()
    };
    let other_pack = Egress {
        pack: "other".into(),
        ..egress()
    };
    let grant = Grant::parse("other", "a.example.test")
        .unwrap()
        .with_ports(Some((1..=u16::MAX).collect()))
        .with_private_network(true);
    let other_grant = Egress {
        grants: Grants::new([grant]),
        ..egress()
    };
    for (opened, egress) in [(2, other_tenant), (3, other_pack), (4, other_grant)] {
        fetch_as(&connector, &egress, "GET", &server.url("/"), "")
            .await
            .unwrap();
        assert_eq!(server.connections(), opened);
    }
}

#[tokio::test]
async fn eviction_closes_connections_and_idle_ones_expire() {
    let server = Server::echo().await;
    let connector = connector(Settings {
        idle_timeout: Duration::from_millis(300),
        ..Settings::default()
    });
    fetch(&connector, "GET", &server.url("/"), "")
        .await
        .unwrap();
    connector.evict(2, |_, _| true);
    connector.evict(1, |pack, grant| pack == "pack" && grant == "another");
    assert_eq!(connector.stats().idle, 1);

    let response = connector
        .send(
            &egress(),
            request("GET", &server.url("/"), ""),
            Timeouts::default(),
        )
        .await
        .unwrap();
    connector.evict(1, |pack, grant| (pack, grant) == ("pack", "all"));
    // The one in use answers to its end, and is not kept.
    assert!(
        !response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
    assert_eq!((connector.stats().idle, connector.stats().origins), (0, 0));

    let opened = server.connections();
    fetch(&connector, "GET", &server.url("/"), "")
        .await
        .unwrap();
    assert_eq!(server.connections(), opened + 1);
    assert_eq!(connector.stats().idle, 1);
    eventually("the sweeper forgets the origin", || {
        connector.stats().origins == 0
    })
    .await;
    fetch(&connector, "GET", &server.url("/"), "")
        .await
        .unwrap();
    assert_eq!(server.connections(), opened + 2);
    eventually("a second sweeper runs", || connector.stats().origins == 0).await;
}

#[tokio::test]
async fn a_stale_connection_is_replaced_before_anything_is_written() {
    let server = Scripted::start(&[&[Act::Answer], &[Act::Answer, Act::Answer]]).await;
    let connector = connector(Settings::default());
    fetch(&connector, "GET", &server.url(), "").await.unwrap();
    // The server closes after its only answer; wait until the client has seen it.
    eventually("the server closes", || {
        server.closed.load(Ordering::SeqCst) == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        fetch(&connector, "POST", &server.url(), "once")
            .await
            .unwrap()
            .1,
        "ok"
    );
    assert_eq!((server.requests(), connector.stats().opened), (2, 2));
}

#[tokio::test]
async fn a_post_that_may_have_been_received_is_not_sent_again() {
    let server = Scripted::start(&[&[Act::Answer, Act::Close], &[Act::Answer, Act::Answer]]).await;
    let connector = connector(Settings::default());
    fetch(&connector, "GET", &server.url(), "").await.unwrap();
    let error = fetch(&connector, "POST", &server.url(), "once")
        .await
        .unwrap_err();
    assert!(
        error.code() == "closed" && error.may_have_been_received() && !error.is_retryable(),
        "{error}"
    );
    assert!(
        error.to_string().contains("may have been received"),
        "{error}"
    );
    assert_eq!(server.requests(), 2);
    // PATCH without a body is no better.
    let server = Scripted::start(&[&[Act::Answer, Act::Close], &[Act::Answer]]).await;
    fetch(&connector, "GET", &server.url(), "").await.unwrap();
    assert!(
        fetch(&connector, "PATCH", &server.url(), "")
            .await
            .unwrap_err()
            .may_have_been_received()
    );
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_idempotent_request_without_body_is_sent_again_once() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let server = Scripted::start(&[
            &[Act::Answer, Act::Close],
            &[Act::Say("HTTP/1.1 204 No Content\r\n\r\n")],
        ])
        .await;
        let connector = connector(Settings::default());
        fetch(&connector, "GET", &server.url(), "").await.unwrap();
        assert_eq!(
            fetch(&connector, method, &server.url(), "")
                .await
                .unwrap()
                .0,
            204,
            "{method}"
        );
        assert_eq!(server.requests(), 3, "{method}");
    }
    // A body cannot be replayed: the caller may try again, since PUT may.
    let server = Scripted::start(&[&[Act::Answer, Act::Close], &[Act::Answer]]).await;
    let connector = connector(Settings::default());
    fetch(&connector, "GET", &server.url(), "").await.unwrap();
    let error = fetch(&connector, "PUT", &server.url(), "body")
        .await
        .unwrap_err();
    assert!(error.code() == "closed" && error.is_retryable(), "{error}");
    assert_eq!(server.requests(), 2);
    // On a fresh connection a close is an answer, not staleness.
    let server = Scripted::start(&[&[Act::Close]]).await;
    assert_eq!(
        fetch(&connector, "GET", &server.url(), "")
            .await
            .unwrap_err()
            .code(),
        "closed"
    );
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_body_left_half_read_closes_its_connection() {
    let server = Server::start(Router::new().route("/", get(async || endless()))).await;
    let connector = connector(Settings::default());
    let response = connector
        .send(
            &egress(),
            request("GET", &server.url("/"), ""),
            Timeouts::default(),
        )
        .await
        .unwrap();
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "first"
    );
    drop(body);
    assert_eq!(connector.stats().idle, 0);

    let timeouts = Timeouts {
        between_bytes: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let response = connector
        .send(&egress(), request("GET", &server.url("/"), ""), timeouts)
        .await
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                phase: Phase::BetweenBytes,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!((connector.stats().idle, server.connections()), (0, 2));
}

/// Set when the server lets go of the request.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_dropped_or_late_request_closes_its_connection() {
    let (entered, gone) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let seen = (entered.clone(), gone.clone());
    let hang = async move || {
        let _gone = Gone(seen.1.clone());
        seen.0.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    let server = Server::start(Router::new().route("/", get(hang))).await;
    let connector = connector(Settings::default());
    let task = tokio::spawn({
        let (connector, url) = (connector.clone(), server.url("/"));
        async move { fetch(&connector, "GET", &url, "").await }
    });
    eventually("the request arrives", || entered.load(Ordering::SeqCst)).await;
    task.abort();
    eventually("the server sees the connection close", || {
        gone.load(Ordering::SeqCst)
    })
    .await;

    gone.store(false, Ordering::SeqCst);
    let timeouts = Timeouts {
        first_byte: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let error = connector
        .send(&egress(), request("GET", &server.url("/"), ""), timeouts)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                phase: Phase::FirstByte,
                ..
            }
        ) && error.is_retryable(),
        "{error}"
    );
    eventually("the late one closes too", || gone.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        "ok"
    };
    let router = Router::new()
        .route("/", get(slow))
        .route("/endless", get(async || endless()));
    let server = Server::start(router).await;
    let connector = connector(Settings {
        max_connections: 3,
        ..Settings::default()
    });
    let (egress, url) = (egress(), server.url("/"));
    let all = (0..30).map(|_| fetch_as(&connector, &egress, "GET", &url, ""));
    for answer in futures::future::join_all(all).await {
        assert_eq!(answer.unwrap().1, "ok");
    }
    assert!(server.connections() <= 3, "{}", server.connections());

    let timeouts = Timeouts {
        connect: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(
            connector
                .send(
                    &egress,
                    request("GET", &server.url("/endless"), ""),
                    timeouts,
                )
                .await
                .unwrap(),
        );
    }
    let error = connector
        .send(&egress, request("GET", &url, ""), timeouts)
        .await
        .unwrap_err();
    assert!(error.code() == "busy" && error.is_retryable(), "{error}");
    drop(held);
    assert_eq!(
        connector
            .send(&egress, request("GET", &url, ""), timeouts)
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn all_origins_together_have_no_more_connections_than_allowed() {
    let server = Server::echo().await;
    let connector = connector(Settings {
        max_connections_of_all: 2,
        ..Settings::default()
    });
    // An idle connection of another origin closes for a new one.
    for tenant in 0..6 {
        let egress = Egress { tenant, ..egress() };
        let answer = fetch_as(&connector, &egress, "GET", &server.url("/"), "").await;
        assert_eq!(answer.unwrap().0, 200);
        assert!(connector.stats().idle <= 2);
    }
    assert_eq!(server.connections(), 6);
    // Those that wait get what the others give back.
    let egresses: Vec<_> = (0..20)
        .map(|tenant| Egress { tenant, ..egress() })
        .collect();
    let url = server.url("/");
    let all = egresses
        .iter()
        .map(|egress| fetch_as(&connector, egress, "GET", &url, ""));
    for answer in futures::future::join_all(all).await {
        assert_eq!(answer.unwrap().0, 200);
    }
    assert!(connector.stats().idle <= 2);
}

#[tokio::test]
async fn a_request_without_a_user_agent_has_the_connectors() {
    let told = async |request: http::Request<axum::body::Body>| {
        let agent = request.headers().get("user-agent");
        agent
            .map_or("none", |agent| agent.to_str().unwrap())
            .to_owned()
    };
    let server = Server::start(Router::new().fallback(told)).await;
    let connector = connector(Settings {
        user_agent: Some(http::HeaderValue::from_static("PowerFlow")),
        ..Settings::default()
    });
    let url = server.url("/");
    assert_eq!(
        fetch(&connector, "GET", &url, "").await.unwrap().1,
        "PowerFlow"
    );
    let mut own = request("GET", &url, "");
    own.headers_mut()
        .insert("user-agent", http::HeaderValue::from_static("step"));
    let answer = connector
        .send(&egress(), own, Timeouts::default())
        .await
        .unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "step");
}

#[tokio::test]
async fn bad_answers_are_typed() {
    let connector = connector(Settings {
        max_response_head: 16 * 1024,
        ..Settings::default()
    });
    let server = Scripted::start(&[&[Act::Say("SSH-2.0-OpenSSH_9.6\r\n\r\n")]]).await;
    let error = fetch(&connector, "POST", &server.url(), "x")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "protocol", "{error}");
    let server = Scripted::start(&[&[Act::Say(
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    )]])
    .await;
    let error = fetch(&connector, "GET", &server.url(), "")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "closed", "{error}");
    let large = async || ([("x-large", "x".repeat(20_000))], "ok");
    let server = Server::start(Router::new().route("/", get(large))).await;
    let error = fetch(&connector, "GET", &server.url("/"), "")
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 16384, .. }),
        "{error}"
    );
    assert_eq!(connector.stats().idle, 0);
}

#[tokio::test]
async fn streamed_request_bodies_arrive_and_keep_the_connection() {
    let server = Server::echo().await;
    let connector = connector(Settings::default());
    for _ in 0..3 {
        let pieces =
            ["one", "two"].map(|text| Ok::<_, std::io::Error>(http_body::Frame::data(text.into())));
        let body = StreamBody::new(futures::stream::iter(pieces));
        let request = http::Request::post(server.url("/")).body(body).unwrap();
        let response = connector
            .send(&egress(), request, Timeouts::default())
            .await
            .unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert!(text.ends_with(b"onetwo"), "{text:?}");
    }
    assert_eq!(server.connections(), 1);
    let broken = futures::stream::iter([Err::<http_body::Frame<bytes::Bytes>, _>(
        std::io::Error::other("lost"),
    )]);
    let request = http::Request::post(server.url("/"))
        .body(StreamBody::new(broken))
        .unwrap();
    let error = connector
        .send(&egress(), request, Timeouts::default())
        .await
        .unwrap_err();
    assert!(
        error.code() == "body" && error.to_string().contains("lost"),
        "{error}"
    );
}
