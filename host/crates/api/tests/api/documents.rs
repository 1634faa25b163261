//! Documents come back as they went in, with their revision.

use api::Permission;
use axum::{body::Body, http::Request};
use serde_json::json;

use crate::service::{Reply, Service, json, request};

const DOCUMENT: &str = "{ \"name\": \"größe\",\n  \"friendly_name\": \"Größe\", \"version\": \"1.0\", \"x\": 1.50,\n \"configuration_data\": [] }";

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

async fn ask(service: &Service, request: Request<Body>) -> Reply {
    service.ask(Permission::Administrator, request).await
}

#[tokio::test]
async fn a_document_has_a_revision_that_guards_it() {
    let service = Service::new().await;
    let list = "/api/v1/configurations";
    let one = "/api/v1/configurations/gr%C3%B6%C3%9Fe";

    let saved = ask(&service, json("POST", list, DOCUMENT)).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    assert_eq!(saved.headers["location"], one);
    assert_eq!(saved.headers["etag"], "\"1\"");
    assert_eq!(saved.json()["created"], true);

    let read = ask(&service, request("GET", one)).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.headers["content-type"], "application/json");
    assert_eq!(read.text, DOCUMENT);
    let known = ask(
        &service,
        with(request("GET", one), "if-none-match", "\"1\""),
    )
    .await;
    assert_eq!((known.status.as_u16(), &*known.text), (304, ""));

    let newer = DOCUMENT.replace("1.0", "1.1");
    let put = |value: (&'static str, &str)| with(json("PUT", one, newer.clone()), value.0, value.1);
    let stale = ask(&service, put(("if-match", "\"9\""))).await;
    assert_eq!((stale.status.as_u16(), &*stale.problem()), (412, "PF-0412"));
    let taken = ask(&service, put(("if-none-match", "*"))).await;
    assert_eq!((taken.status.as_u16(), &*taken.problem()), (412, "PF-0412"));
    let fine = ask(&service, put(("if-match", "\"1\""))).await;
    assert_eq!(
        (fine.status.as_u16(), fine.headers["etag"].to_str().unwrap()),
        (200, "\"2\"")
    );
    let absent = with(
        json(
            "PUT",
            "/api/v1/configurations/none",
            r#"{"configuration_data": []}"#,
        ),
        "if-match",
        "*",
    );
    assert_eq!(ask(&service, absent).await.status, 412);

    let meta = ask(&service, request("GET", &format!("{one}?meta=true")))
        .await
        .json();
    assert_eq!(meta["revision"], 2);
    assert_eq!(meta["edited_by"], "Administrator");
    assert_eq!(meta["version"], "1.1");
    assert_eq!(meta["document"]["x"], 1.5);
    assert_eq!(meta["aligned_applications"], json!([]));

    let gone = ask(&service, with(request("DELETE", one), "if-match", "\"1\"")).await;
    assert_eq!(gone.status, 412);
    let gone = ask(&service, with(request("DELETE", one), "if-match", "\"2\"")).await;
    assert_eq!((gone.status.as_u16(), &*gone.text), (204, ""));
    assert_eq!(ask(&service, request("GET", one)).await.status, 404);
}

#[tokio::test]
async fn lists_are_read_in_parts() {
    let service = Service::new().await;
    for name in ["c", "a", "e", "b", "d"] {
        let document = json!({"name": name, "configuration_data": []}).to_string();
        assert_eq!(
            ask(&service, json("POST", "/api/v1/configurations", document))
                .await
                .status,
            201
        );
    }
    let mut names = Vec::new();
    let mut next = Some("/api/v1/configurations?limit=2".to_owned());
    while let Some(uri) = next {
        let part = ask(&service, request("GET", &uri)).await;
        for item in part.json()["items"].as_array().unwrap() {
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        next = part.headers.get("link").map(|link| {
            let link = link.to_str().unwrap();
            link[1..link.find('>').unwrap()].to_owned()
        });
        assert_eq!(next.is_some(), part.json()["next"].is_string());
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}
