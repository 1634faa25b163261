//! The audit trail: who changed what, by which request, and whose login failed; never a value.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::Path;

use harness::http::Client;
use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::service::{ADMIN, Plan, Service};
use serde_json::{Value, json};

/// The events of the trail, of a log in JSON.
fn trail(folder: &Path) -> Vec<Value> {
    let log = fs::read_to_string(folder.join("service.log")).unwrap();
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["target"] == "audit").collect()
}

/// The events of an action on something, which are expected to be there.
fn of<'a>(trail: &'a [Value], action: &str, what: &str) -> Vec<&'a Value> {
    let found: Vec<_> = trail
        .iter()
        .filter(|one| one["action"] == action && one["what"] == what)
        .collect();
    assert!(!found.is_empty(), "no {action} of {what} in {trail:#?}");
    found
}

/// Changes something of every kind; the run that was cancelled.
fn change_everything(service: &Service) -> String {
    let mut client = service.client().unwrap();
    let save = |client: &mut Client, collection: &str, document: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("x-request-id", "my-request"),
        ];
        let path = format!("/api/v1/{collection}");
        let body = serde_json::to_vec(document).unwrap();
        assert!(client.send("POST", &path, &headers, &body).unwrap().status < 300);
    };
    let configuration = json!({"name": "acme", "configuration_data": [
        {"name": "p", "value": "Tr0ub4dor-secret", "encrypted": true}, {"name": "q", "value": "plain-value"}]});
    save(&mut client, "configurations", &configuration);
    save(&mut client, "configurations", &configuration);
    support::save_steps(
        &mut client,
        "endless",
        json!([{"name": "a", "file": "Endless"}]),
    );
    let run = support::start(&mut client, "endless", &json!({}));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let pack = INCIDENT_SYNC.build().unwrap().display().to_string();
    let workers = client.get("/api/v1/workers").unwrap();
    let worker = workers["items"][0]["id"].as_i64().unwrap();
    for line in [
        format!("run cancel {run}"),
        format!("syncpack upload {pack} --activate --grant sl1 --private servicenow"),
        "syncpack activate servicenow_example --grant sl1".to_owned(),
        "syncpack deactivate servicenow_example".to_owned(),
        "syncpack delete servicenow_example".to_owned(),
        "application set endless --queue blue".to_owned(),
        "application restore endless 1".to_owned(),
        "webhook create hook --app endless --sender github".to_owned(),
        "webhook rotate hook".to_owned(),
        "webhook delete hook".to_owned(),
        "run bulk start cancel --application endless --wait".to_owned(),
        "application delete endless".to_owned(),
        format!("worker set {worker} --slots 9 --queues acme"),
    ] {
        let words = words(&line);
        support::pfctl_well(
            service,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    run
}

#[test]
fn every_change_is_told_with_who_and_by_which_request() {
    let folder = support::folder();
    // Whoever wants only warnings gets the trail nevertheless.
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("log.format", "json")
        .with("log.level", "warn");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let run = change_everything(&service);
    service.stop().unwrap();

    let trail = trail(folder.path());
    let saved: Vec<_> = of(&trail, "save", "configuration object")
        .into_iter()
        .filter(|one| one["name"] == "acme")
        .collect();
    // The second one changed nothing.
    assert_eq!(saved.len(), 1, "{trail:#?}");
    assert_eq!(
        (&saved[0]["revision"], &saved[0]["request"]),
        (&json!(1), &json!("my-request"))
    );
    let brought: Vec<_> = of(&trail, "save", "application")
        .into_iter()
        .filter(|one| one["syncpack"] == "servicenow_example 1.0.0")
        .collect();
    assert_eq!(brought.len(), 1, "{trail:#?}");
    let activated: Vec<_> = of(&trail, "activate", "syncpack")
        .into_iter()
        .filter(|one| one["name"] == "servicenow_example")
        .collect();
    assert_eq!(
        activated[0]["grants"],
        "sl1: servicenow_example at sl1.example.com:443, servicenow (private): servicenow_example at dev1.service-now.com:443"
    );
    assert_eq!(activated[1]["grants_taken_away"], "servicenow");
    assert_eq!(activated[1]["grants_denied"], "servicenow");
    assert_eq!(of(&trail, "cancel", "run")[0]["name"], *run);
    assert_eq!(of(&trail, "delete", "application")[0]["name"], "endless");
    let set = of(&trail, "set", "worker")[0];
    assert_eq!((&set["slots"], &set["queues"]), (&json!(9), &json!("acme")));
    // Its alignment stays: what is restored means the same, and changes nothing.
    assert!(
        trail.iter().all(|one| one["action"] != "restore"),
        "{trail:#?}"
    );
    for action in ["save", "rotate", "delete"] {
        assert_eq!(of(&trail, action, "webhook")[0]["name"], "hook");
    }
    assert_eq!(of(&trail, "start", "bulk")[0]["of"], "cancel");
    for action in ["upload", "deactivate", "delete"] {
        of(&trail, action, "syncpack");
    }
    of(&trail, "create", "account");
    for event in trail.iter().filter(|event| event["what"] != "account") {
        assert_eq!(event["user"], ADMIN, "{event}");
        assert_ne!(event["request"], "", "{event}");
    }
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap();
    for value in ["Tr0ub4dor", "plain-value"] {
        assert!(!log.contains(value), "{value} stands in the log");
    }
}

#[test]
fn failed_logins_are_told_and_do_not_fill_the_disk() {
    let folder = support::folder();
    let service = support::serve_plan(&Plan::new(folder.path()).unwrap(), &[]);
    let forged = "mallory\n2027-01-01T00:00:00Z  INFO audit: forged";
    let mut client = Client::new(service.url())
        .unwrap()
        .with_basic(forged, "wrong-password-of-mine");
    for _ in 0..15 {
        let answer = client
            .send(
                "GET",
                "/api/v1/about",
                &[("x-forwarded-for", "192.0.2.7")],
                &[],
            )
            .unwrap();
        assert_eq!(answer.status, 401);
    }
    service.stop().unwrap();
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("audit: a login failed"))
        .collect();
    // Ten in a minute, of which the test takes at most a few.
    assert!((10..15).contains(&told.len()), "{log}");
    for line in &told {
        for part in [
            "mallory\\n",
            "address=\"127.0.0.1\"",
            "forwarded_for=\"192.0.2.7\"",
            "request=\"",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert!(
        !log.lines().any(|line| line.starts_with("2027-01-01")),
        "{log}"
    );
    assert!(!log.contains("wrong-password-of-mine"), "{log}");
}
