//! Logins with a browser.

use std::time::Duration;

use api::{AuthSettings, Limits};
use axum::{
    body::Body,
    http::{Request, StatusCode, request::Builder},
};
use serde_json::json;
use store::accounts::Accounts as _;

use crate::service::{Reply, Service, account, careful};

const SESSION: &str = "/api/v1/session";

fn log_in(user: &str, password: &str) -> Request<Body> {
    Request::post(SESSION)
        .header("content-type", "application/json")
        .body(Body::from(
            json!({"user": user, "password": password}).to_string(),
        ))
        .unwrap()
}

/// The cookie as a browser sends it back, and what goes with each change.
fn kept(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
    (cookie.split(';').next().unwrap().to_owned(), csrf)
}

fn bare(builder: Builder) -> Request<Body> {
    builder
        .header("host", "flow.example")
        .body(Body::empty())
        .unwrap()
}

async fn status(service: &Service, cookie: &str) -> StatusCode {
    service
        .send(bare(Request::get("/api/v1/about").header("cookie", cookie)))
        .await
        .status
}

#[tokio::test]
async fn a_browser_logs_in_reads_changes_and_logs_out() {
    let service = Service::new().await;
    let reply = service.send(log_in("Developer", "pass Developer")).await;
    let document = reply.json();
    assert_eq!(document["user"], "Developer");
    assert_eq!(
        document["permissions"],
        json!(["View", "Execute", "Configuration", "Developer"])
    );
    let (cookie, csrf) = kept(&reply);
    assert!(
        !reply.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Secure")
    );

    let told = service
        .send(bare(Request::get(SESSION).header("cookie", &cookie)))
        .await;
    assert_eq!(told.json()["csrf"], csrf);
    assert_eq!(told.json()["user"], "Developer");
    let basic = service
        .ask_as(
            "View",
            "pass View",
            Request::get(SESSION).body(Body::empty()).unwrap(),
        )
        .await;
    assert_eq!(
        (&basic.json()["user"], &basic.json()["csrf"]),
        (&json!("View"), &json!(null))
    );

    let change = |with: &[(&str, &str)]| {
        let mut request = Request::put("/api/v1/applications/made").header("cookie", &cookie);
        for (name, value) in with {
            request = request.header(*name, *value);
        }
        request
            .header("host", "flow.example")
            .header("content-type", "application/json")
            .header("if-none-match", "*")
            .body(Body::from(r#"{"name": "made", "steps": []}"#))
            .unwrap()
    };
    for refused in [
        &[][..],
        &[("x-powerflow-csrf", "guessed")],
        &[
            ("x-powerflow-csrf", &csrf),
            ("origin", "https://elsewhere.example"),
        ],
    ] {
        let reply = service.send(change(refused)).await;
        assert_eq!(
            (reply.status, &*reply.problem()),
            (StatusCode::FORBIDDEN, "PF-0419")
        );
    }
    let own = [
        ("x-powerflow-csrf", &*csrf),
        ("origin", "https://flow.example"),
    ];
    let done = service.send(change(&own)).await;
    assert!(done.status.is_success(), "{}", done.text);

    let out = bare(
        Request::delete(SESSION)
            .header("cookie", &cookie)
            .header("x-powerflow-csrf", &csrf),
    );
    let reply = service.send(out).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert!(
        reply.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(status(&service, &cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_password_makes_no_session_and_pages_get_no_dialog() {
    let service = Service::new().await;
    let reply = service.send(log_in("View", "wrong")).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert!(!reply.headers.contains_key("set-cookie"));
    assert!(reply.headers.contains_key("www-authenticate"));
    let asked = bare(Request::get("/api/v1/about").header("x-requested-with", "powerflow-ui"));
    let reply = service.send(asked).await;
    assert_eq!(
        (reply.status, &*reply.problem()),
        (StatusCode::UNAUTHORIZED, "PF-0401")
    );
    assert!(!reply.headers.contains_key("www-authenticate"));
    let https = {
        let mut request = log_in("View", "pass View");
        request
            .headers_mut()
            .insert("x-forwarded-proto", "https".parse().unwrap());
        service.send(request).await
    };
    assert!(
        https.headers["set-cookie"]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
}

#[tokio::test]
async fn another_password_and_a_disabled_account_end_sessions() {
    let service = Service::with(careful(), Limits::default()).await;
    for disabled in [false, true] {
        let (cookie, _) = kept(&service.send(log_in("View", "pass View")).await);
        assert_eq!(status(&service, &cookie).await, StatusCode::OK);
        let mut changed = account("View", "View");
        if disabled {
            changed.enabled = false;
        } else {
            changed.changed_at.0 += 1;
        }
        service.store.save_account(changed).await.unwrap();
        assert_eq!(status(&service, &cookie).await, StatusCode::UNAUTHORIZED);
        service
            .store
            .save_account(account("View", "View"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let soon = AuthSettings {
        session_idle: Duration::from_millis(400),
        session_lifetime: Duration::from_secs(1),
        ..careful()
    };
    let service = Service::with(soon, Limits::default()).await;
    let (cookie, _) = kept(&service.send(log_in("View", "pass View")).await);
    let (unused, _) = kept(&service.send(log_in("View", "pass View")).await);
    let mut answered = Vec::new();
    for _ in 0..14 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        answered.push(status(&service, &cookie).await == StatusCode::OK);
    }
    // Use keeps it beyond the time without use, and not beyond its whole time.
    assert!(answered[5]);
    assert!(!answered[13]);
    assert_eq!(status(&service, &unused).await, StatusCode::UNAUTHORIZED);
}
