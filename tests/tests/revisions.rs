//! Saving what is there already makes no revision, however it is written; and a document of the
//! other kind is not taken.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::http::{Client, Response};
use harness::packs::INCIDENT_SYNC;
use serde_json::{Value, json};

fn post(client: &mut Client, path: &str, body: &str) -> Response {
    let headers = [("content-type", "application/json")];
    client
        .send("POST", path, &headers, body.as_bytes())
        .unwrap()
}

/// Saves it and answers the status, the revision and whether it was created.
fn save(client: &mut Client, path: &str, body: &str) -> (u16, i64, bool) {
    let response = post(client, path, body);
    let status = response.status;
    let saved = response.json().unwrap();
    (
        status,
        saved["revision"].as_i64().unwrap(),
        saved["created"].as_bool().unwrap(),
    )
}

#[test]
fn a_save_that_changes_nothing_makes_no_revision() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let path = "/api/v1/configurations";
    let written = [
        r#"{"name":"c","configuration_data":[{"name":"p","value":"secret word","encrypted":true},{"name":"h","value":"x"}]}"#,
        // White space, and other orders of keys.
        r#"{ "configuration_data": [ {"encrypted": true, "value": "secret word", "name": "p"},
             {"value": "x", "name": "h"} ], "name": "c" }"#,
    ];
    assert_eq!(save(&mut client, path, written[0]), (201, 1, true));
    for body in written {
        assert_eq!(save(&mut client, path, body), (200, 1, false), "{body}");
    }
    // What was read is sent back, formatted.
    let read = client.get("/api/v1/configurations/c").unwrap();
    let formatted = serde_json::to_string_pretty(&read).unwrap();
    assert!(formatted.contains("pfenc:1:"), "{formatted}");
    assert_eq!(save(&mut client, path, &formatted), (200, 1, false));
    // It is still refused to who expects another revision.
    let headers = [("content-type", "application/json"), ("if-match", "\"2\"")];
    let stale = client
        .send(
            "PUT",
            "/api/v1/configurations/c",
            &headers,
            written[0].as_bytes(),
        )
        .unwrap();
    assert_eq!(support::problem(&stale, "a stale save")["code"], "PF-0412");
    // A change of any kind is a revision: of the secret, of the order of a list.
    let other = written[0].replace("secret word", "secret words");
    assert_eq!(save(&mut client, path, &other), (200, 2, false));
    let other = r#"{"name":"c","configuration_data":[{"name":"h","value":"x"},{"name":"p","value":"secret words","encrypted":true}]}"#;
    assert_eq!(save(&mut client, path, other), (200, 3, false));

    let path = "/api/v1/applications";
    let application =
        json!({"name": "a", "app_variables": [{"name": "v", "value": 1}], "steps": []});
    assert_eq!(
        save(&mut client, path, &application.to_string()),
        (201, 1, true)
    );
    let formatted = serde_json::to_string_pretty(&application).unwrap();
    assert_eq!(save(&mut client, path, &formatted), (200, 1, false));
    let other = formatted.replace("\"value\": 1", "\"value\": 2");
    assert_eq!(save(&mut client, path, &other), (200, 2, false));
    // One that was deleted is created again.
    client
        .send("DELETE", "/api/v1/applications/a", &[], &[])
        .unwrap()
        .json()
        .unwrap();
    let (status, _, created) = save(&mut client, path, &other);
    assert_eq!((status, created), (201, true));
    service.stop().unwrap();
}

#[test]
fn activating_again_makes_no_revisions_of_what_the_pack_brings() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[INCIDENT_SYNC]);
    let mut client = service.client().unwrap();
    let mut documents = || -> Vec<Value> {
        [
            "configurations/servicenow_example",
            &format!("applications/{}", support::SYNC),
        ]
        .into_iter()
        .map(|path| client.get(&format!("/api/v1/{path}?meta=true")).unwrap())
        .collect()
    };
    let before = documents();
    assert_eq!(before[0]["revision"], 1, "{before:?}");
    assert!(before[0].to_string().contains("pfenc:1:"), "{before:?}");
    for _ in 0..2 {
        service
            .activate(INCIDENT_SYNC.name, INCIDENT_SYNC.grants)
            .unwrap();
    }
    assert_eq!(documents(), before);
    service.stop().unwrap();
}

#[test]
fn a_document_of_the_other_kind_is_not_taken() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let application = json!({"name": "mine", "friendly_name": "Mine", "steps": []});
    let configuration = json!({"name": "mine", "configuration_data": [{"name": "a", "value": 1}]});
    let variables = json!([{"name": "a", "value": 1}]);
    for (kind, body, code, advice) in [
        ("applications", &configuration, "PF-A025", "configuration"),
        ("applications", &variables, "PF-A025", "configuration"),
        ("configurations", &application, "PF-C009", "application"),
    ] {
        let put = client
            .send(
                "PUT",
                &format!("/api/v1/{kind}/mine"),
                &[("content-type", "application/json"), ("if-none-match", "*")],
                body.to_string().as_bytes(),
            )
            .unwrap();
        let posted = post(&mut client, &format!("/api/v1/{kind}"), &body.to_string());
        for response in [put, posted] {
            let problem = support::problem(&response, kind);
            assert_eq!(
                (response.status, &problem["errors"][0]["code"]),
                (422, &json!(code))
            );
            let said = problem["errors"][0]["message"].as_str().unwrap();
            assert!(
                said.contains(&format!("/api/v1/{advice}s"))
                    && said.contains(&format!("pfctl {advice} upload")),
                "{said}"
            );
        }
        let missing = client
            .send("GET", &format!("/api/v1/{kind}/mine"), &[], &[])
            .unwrap();
        assert_eq!(missing.status, 404, "{kind}");
    }
    let checked = post(
        &mut client,
        "/api/v1/applications/validate",
        &configuration.to_string(),
    );
    assert_eq!(
        support::problem(&checked, "a check")["errors"][0]["code"],
        "PF-A025"
    );
    // Each is taken where it belongs.
    support::save(&mut client, "applications", &application);
    support::save(&mut client, "configurations", &configuration);
    service.stop().unwrap();
}
