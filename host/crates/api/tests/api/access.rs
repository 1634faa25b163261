//! Nobody gets anywhere without the permission that the OpenAPI document names.

use api::Permission;
use axum::http::StatusCode;
use serde_json::Value;

use crate::service::{Service, request};

/// Every operation as the document has it: method, address, permission.
fn operations() -> Vec<(String, String, String)> {
    let document = serde_json::to_value(api::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let permission = operation["x-permission"].as_str().unwrap().to_owned();
            let path = path
                .replace("{id}", "isapp-01890a5d-ac96-774b-bcce-b30200000000")
                .replace("{code}", "PF-0404")
                .replace("{name}", "nothing")
                .replace("{app}", "nothing")
                .replace("{key}", "nothing")
                .replace("{hook}", "nothing")
                .replace("{bulk}", "nothing")
                .replace("{letter}", "nothing")
                .replace("{number}", "1")
                .replace("{other}", "2")
                .replace("{worker}", "nothing");
            assert!(
                !path.contains('{'),
                "{path} has a name that this test does not know"
            );
            all.push((method.to_uppercase(), path, permission));
        }
    }
    all
}

#[tokio::test]
async fn every_operation_asks_who_calls() {
    let service = Service::new().await;
    let mut closed = 0;
    for (method, path, permission) in operations() {
        let reply = service.send(request(&method, &path)).await;
        if permission == "Public" {
            // Where there is something to be found.
            let expected = match (&*method, &*path) {
                (_, "/hooks/nothing") => StatusCode::NOT_FOUND,
                ("POST", "/api/v1/session") => StatusCode::BAD_REQUEST,
                ("GET", "/api/v1/session") => StatusCode::NO_CONTENT,
                _ => StatusCode::OK,
            };
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text);
            continue;
        }
        closed += 1;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(reply.problem(), "PF-0401");
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, "Basic realm=\"PowerFlow\", charset=\"UTF-8\"");
    }
    assert!(closed > 30);
}

#[tokio::test]
async fn every_operation_asks_for_its_permission_and_for_no_more() {
    let service = Service::new().await;
    let mut refused = 0;
    for (method, path, permission) in operations() {
        let Some(needed) = Permission::of_role(&permission) else {
            continue;
        };
        let below = Permission::ALL
            .into_iter()
            .rev()
            .find(|role| *role < needed);
        if let Some(below) = below {
            refused += 1;
            let reply = service.ask(below, request(&method, &path)).await;
            assert_eq!(
                reply.status,
                StatusCode::FORBIDDEN,
                "{method} {path} as {below}"
            );
            assert_eq!(reply.problem(), "PF-0403");
            let detail = reply.json()["detail"].to_string();
            assert!(detail.contains(needed.name()), "{detail}");
        }
        let reply = service.ask(needed, request(&method, &path)).await;
        let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&reply.status);
        assert!(
            !turned_away && !reply.status.is_server_error(),
            "{method} {path}: {}",
            reply.text
        );
    }
    assert!(refused > 15);
}

#[tokio::test]
async fn the_pages_for_everybody_need_nothing_from_elsewhere() {
    let service = Service::new().await;
    for path in [
        "/",
        "/docs/api/",
        "/docs/errors",
        "/docs/errors/PF-1002",
        "/docs/api/swagger-ui.css",
        "/docs/api/swagger-ui-bundle.js",
        "/docs/api/page.css",
        "/docs/api/try",
        "/docs/api/viewer.css",
        "/docs/api/viewer.js",
    ] {
        let reply = service.send(request("GET", path)).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert!(reply.headers.contains_key("content-security-policy"));
        for elsewhere in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
            assert!(!reply.text.contains(elsewhere), "{path} loads {elsewhere}");
        }
    }
    let old = "/integrations/a%20b?runid=isapp-1&x=y";
    let moved = service.send(request("GET", old)).await;
    assert_eq!(
        moved.headers["location"],
        "/applications/a%20b?runid=isapp-1&x=y"
    );
    // A browser's address of a page is the page; a program's is an error.
    for (accept, path, found) in [
        ("text/html", "/applications/x?runid=y", true),
        ("application/json", "/applications/x", false),
        ("text/html", "/api/v1/nothing", false),
        ("text/html", "/assets/nothing.js", false),
    ] {
        let mut asked = request("GET", path);
        asked
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let reply = service.send(asked).await;
        assert_eq!(reply.status == StatusCode::OK, found, "{path}");
        if found {
            let policy = reply.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"));
            let mut again = request("GET", path);
            again
                .headers_mut()
                .insert("accept", "text/html".parse().unwrap());
            again
                .headers_mut()
                .insert("if-none-match", reply.headers["etag"].clone());
            assert_eq!(service.send(again).await.status, StatusCode::NOT_MODIFIED);
        }
    }
    let moved = service.send(request("GET", "/docs/api")).await;
    assert_eq!(moved.headers["location"], "/docs/api/");
    let served: Value = service.send(request("GET", "/openapi.json")).await.json();
    assert_eq!(served, serde_json::to_value(api::openapi()).unwrap());
}
