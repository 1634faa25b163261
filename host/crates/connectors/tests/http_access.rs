//! Who may reach what: grants, addresses, rebinding, redirects.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[expect(dead_code, reason = "shared by several test programs")]
mod support;

use std::sync::atomic::Ordering;

use connectors::http::{Connector, Egress, Error, Grant, Grants, Settings, Timeouts, Tls};
use http_body_util::Empty;
use support::{Names, Server, Shared, connector, egress, fetch, fetch_as, request};

fn granted(host: &str, private: bool) -> Egress {
    let grant = Grant::parse("target", host)
        .unwrap()
        .with_ports(Some((1..=u16::MAX).collect()))
        .with_private_network(private);
    Egress {
        grants: Grants::new([grant]),
        ..egress()
    }
}

#[tokio::test]
async fn a_granted_request_keeps_its_name_and_goes_to_the_checked_address() {
    let server = Server::echo().await;
    let url = server.url("/path?q=1");
    let answer = fetch(&connector(Settings::default()), "POST", &url, "hello")
        .await
        .unwrap();
    let expected = format!(
        "POST a.example.test:{} /path?q=1 hello",
        server.address.port()
    );
    assert_eq!(answer, (200, expected));
}

#[tokio::test]
async fn what_is_not_granted_does_not_leave() {
    let server = Server::echo().await;
    let connector = connector(Settings::default());
    let port = server.address.port();
    let table = [
        (Grants::none(), "GET", "no grant names the host"),
        (
            Grants::new([Grant::parse("g", "b.example.test").unwrap()]),
            "GET",
            "no grant names the host",
        ),
        (
            Grants::new([Grant::parse("g", "https://a.example.test").unwrap()]),
            "GET",
            "does not cover the port",
        ),
        (
            Grants::new([Grant::parse("g", "a.example.test")
                .unwrap()
                .with_ports(Some((1..=u16::MAX).collect()))
                .with_methods(Some(vec![http::Method::GET]))]),
            "POST",
            "does not cover the method",
        ),
    ];
    for (grants, method, reason) in table {
        let egress = Egress { grants, ..egress() };
        let error = fetch_as(&connector, &egress, method, &server.url("/"), "")
            .await
            .unwrap_err();
        assert_eq!(error.code(), "denied");
        let text = error.to_string();
        let line = format!(
            r#"{{"kind": "http", "host": "a.example.test", "ports": [{port}], "methods": ["{method}"]}}"#
        );
        assert!(text.contains(reason) && text.contains(&line), "{text}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn private_addresses_need_their_own_permission() {
    let server = Server::echo().await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost",
    ] {
        let egress = granted(host, false);
        let url = format!("http://{host}:{port}/");
        let error = fetch_as(&connector(Settings::default()), &egress, "GET", &url, "")
            .await
            .unwrap_err();
        assert_eq!(error.code(), "private-address", "{host}: {error}");
        assert!(error.to_string().contains("`--private target`"), "{error}");
    }
    // A name that has a public and a private address is refused as a whole.
    for addresses in [
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["::1", "64:ff9b::7f00:1"],
    ] {
        let connector = Connector::new(
            Settings::default(),
            Shared(Names::new(&[&addresses])),
            Tls::system(),
        );
        let error = fetch_as(
            &connector,
            &granted("a.example.test", false),
            "GET",
            &server.url("/"),
            "",
        )
        .await;
        assert_eq!(
            error.unwrap_err().code(),
            "private-address",
            "{addresses:?}"
        );
    }
    // These lead nowhere good, whoever allows it: 0.0.0.0 is this machine.
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::"] {
        let connector = Connector::new(
            Settings::default(),
            Shared(Names::new(&[&[address]])),
            Tls::system(),
        );
        let error = fetch(&connector, "GET", &server.url("/"), "")
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::ForbiddenAddress { .. }),
            "{address}: {error}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn rebinding_meets_the_check_and_not_the_connection() {
    let server = Server::echo().await;
    // Looked up once per connection: were it looked up again to connect, the second answer would count.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.77"]]);
    let connector = Connector::new(Settings::default(), Shared(names.clone()), Tls::system());
    assert_eq!(
        fetch(&connector, "GET", &server.url("/"), "")
            .await
            .unwrap()
            .0,
        200
    );
    assert_eq!(
        fetch(&connector, "GET", &server.url("/"), "")
            .await
            .unwrap()
            .0,
        200
    );
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);

    // First public, then private: the second lookup is checked like the first. Nothing listens at
    // the public one (documentation addresses are refused, so this is a closed port elsewhere).
    let names = Names::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let connector = Connector::new(
        Settings {
            max_idle: 0,
            ..Settings::default()
        },
        Shared(names.clone()),
        Tls::system(),
    );
    assert_eq!(
        fetch(&connector, "GET", &server.url("/"), "")
            .await
            .unwrap()
            .0,
        200
    );
    let careful = granted("a.example.test", false);
    let error = fetch_as(&connector, &careful, "GET", &server.url("/"), "")
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::PrivateAddress { address, .. } if address.to_string() == "10.0.0.1"),
        "{error}"
    );
    assert_eq!(names.asked.load(Ordering::SeqCst), 2);
    // One connection by each connector; the refused lookup led to none.
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn redirects_are_handed_back() {
    let server = Server::echo().await;
    let answer = fetch(
        &connector(Settings::default()),
        "GET",
        &server.url("/redirect"),
        "",
    )
    .await
    .unwrap();
    assert_eq!(answer, (302, "elsewhere".to_owned()));
}

#[tokio::test]
async fn requests_that_cannot_be_sent_say_why() {
    let connector = connector(Settings::default());
    let timeouts = Timeouts::default();
    for (url, part) in [
        ("ftp://a.example.test/", "only http and https"),
        ("/path", "only http and https"),
        ("http://user:pw@a.example.test/", "credentials"),
    ] {
        let error = fetch(&connector, "GET", url, "").await.unwrap_err();
        assert!(
            error.code() == "request" && error.to_string().contains(part),
            "{url}: {error}"
        );
    }
    let connect = http::Request::connect("http://a.example.test/")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(
        connector
            .send(&egress(), connect, timeouts)
            .await
            .unwrap_err()
            .code(),
        "request"
    );
    let mut smuggled = request("POST", "http://a.example.test/", "hello");
    smuggled.headers_mut().insert("content-length", 2.into());
    assert_eq!(
        connector
            .send(&egress(), smuggled, timeouts)
            .await
            .unwrap_err()
            .code(),
        "request"
    );
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let server = Server::echo().await;
    // 127.0.0.2 is this machine too, but the server does not listen there.
    let names = Names::new(&[&["127.0.0.2", "127.0.0.1"]]);
    let connector = Connector::new(Settings::default(), Shared(names), Tls::system());
    assert_eq!(
        fetch(&connector, "GET", &server.url("/"), "")
            .await
            .unwrap()
            .0,
        200
    );
    let nowhere = Connector::new(
        Settings::default(),
        Shared(Names::new(&[&["127.0.0.2"]])),
        Tls::system(),
    );
    let error = fetch(&nowhere, "GET", &server.url("/"), "")
        .await
        .unwrap_err();
    assert!(error.code() == "connect" && error.is_retryable(), "{error}");
    let unknown = Connector::new(
        Settings::default(),
        Shared(Names::new(&[&[]])),
        Tls::system(),
    );
    assert_eq!(
        fetch(&unknown, "GET", &server.url("/"), "")
            .await
            .unwrap_err()
            .code(),
        "dns"
    );
}
