//! Who is let in, and for how long.

use std::time::Duration;

use api::{AuthSettings, Limits, Permission, ensure_admin};
use axum::http::StatusCode;
use model::clock::Timestamp;
use store::accounts::Accounts as _;

use crate::service::{Service, account, careful, request};

const ABOUT: &str = "/api/v1/about";

async fn status(service: &Service, name: &str, password: &str) -> StatusCode {
    service
        .ask_as(name, password, request("GET", ABOUT))
        .await
        .status
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_the_same() {
    let service = Service::new().await;
    assert_eq!(status(&service, "View", "pass View").await, StatusCode::OK);
    let mut answers = Vec::new();
    for (name, password) in [
        ("View", "wrong"),
        ("nobody", "wrong"),
        ("View", ""),
        ("", ""),
    ] {
        let reply = service.ask_as(name, password, request("GET", ABOUT)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{name}:{password}");
        answers.push(reply.json()["detail"].clone());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_change_of_the_account_counts_at_once_when_it_is_compared_each_time() {
    let service = Service::with(careful(), Limits::default()).await;
    let mut view = account("View", "View");
    assert_eq!(status(&service, "View", "pass View").await, StatusCode::OK);
    view.enabled = false;
    service.store.save_account(view.clone()).await.unwrap();
    assert_eq!(
        status(&service, "View", "pass View").await,
        StatusCode::UNAUTHORIZED
    );
    view.enabled = true;
    view.password_hash = api::hash_password("neu").unwrap();
    service.store.save_account(view.clone()).await.unwrap();
    assert_eq!(
        status(&service, "View", "pass View").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(status(&service, "View", "neu").await, StatusCode::OK);
    view.role = "Astronaut".to_owned();
    service.store.save_account(view).await.unwrap();
    assert_eq!(status(&service, "View", "neu").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_verified_password_is_remembered_until_it_is_forgotten() {
    let remembering = AuthSettings {
        recheck: Duration::from_hours(1),
        ..AuthSettings::default()
    };
    for (remember, after) in [(3600, StatusCode::OK), (0, StatusCode::UNAUTHORIZED)] {
        let settings = AuthSettings {
            remember: Duration::from_secs(remember),
            ..remembering.clone()
        };
        let service = Service::with(settings, Limits::default()).await;
        assert_eq!(status(&service, "View", "pass View").await, StatusCode::OK);
        let mut view = account("View", "View");
        view.enabled = false;
        service.store.save_account(view).await.unwrap();
        assert_eq!(status(&service, "View", "pass View").await, after);
        assert_eq!(
            status(&service, "View", "pass view").await,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn more_verifications_than_may_wait_are_refused() {
    let settings = AuthSettings {
        waiting: 0,
        ..AuthSettings::default()
    };
    let service = Service::with(settings, Limits::default()).await;
    let reply = service.ask(Permission::View, request("GET", ABOUT)).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.problem(), "PF-0429");
    assert_eq!(reply.headers["retry-after"], "1");
}

#[tokio::test]
async fn the_first_administrator() {
    let service = Service::with(careful(), Limits::default()).await;
    let store = &*service.store;
    let now = Timestamp::from_seconds(1_800_000_000);
    let first = ensure_admin(store, "isadmin", None, now).await.unwrap();
    let password = first.generated.unwrap();
    assert_eq!(status(&service, "isadmin", &password).await, StatusCode::OK);
    let role = store.account("isadmin").await.unwrap().unwrap().role;
    assert_eq!(role, "Administrator");
    let again = ensure_admin(store, "isadmin", None, now).await.unwrap();
    assert_eq!(again.generated, None);
    assert_eq!(status(&service, "isadmin", &password).await, StatusCode::OK);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    assert!(
        ensure_admin(store, "isadmin", Some(&file), now)
            .await
            .is_err()
    );
    std::fs::write(&file, "\n").unwrap();
    assert!(
        ensure_admin(store, "isadmin", Some(&file), now)
            .await
            .is_err()
    );
    std::fs::write(&file, "aus der Datei\n").unwrap();
    let given = ensure_admin(store, "isadmin", Some(&file), now)
        .await
        .unwrap();
    assert_eq!(given.generated, None);
    assert_eq!(
        status(&service, "isadmin", "aus der Datei").await,
        StatusCode::OK
    );
    assert_eq!(
        status(&service, "isadmin", &password).await,
        StatusCode::UNAUTHORIZED
    );
}
