//! Saving what is there already makes no revision, however it is written; and a document of the
//! other kind is not taken.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::{INCIDENT_SYNC, TRIAL};
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

fn notes(client: &mut Client, path: &str) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut after = String::new();
    // In parts of two, so that what leads from one to the next is looked at as well.
    loop {
        let listed = client
            .get(&format!("{path}/revisions?limit=2{after}"))
            .unwrap();
        for one in listed["items"].as_array().unwrap() {
            let number = one["revision"].as_i64().unwrap();
            assert_eq!(one["edited_by"], "isadmin", "{one}");
            all.push((number, one["note"].as_str().unwrap().to_owned()));
        }
        match listed["next"].as_str() {
            Some(next) => after = format!("&after={}", support::part(next)),
            None => return all,
        }
    }
}

fn restore(client: &mut Client, path: &str, number: i64, if_match: Option<&str>) -> Response {
    let headers: Vec<_> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
    let path = format!("{path}/revisions/{number}/restore");
    client.send("POST", &path, &headers, &[]).unwrap()
}

/// An application is saved, compared and restored, with whatever store behind it.
fn there_and_back(client: &mut Client) {
    let path = "/api/v1/applications/app";
    let step = |name: &str, value: Value| json!({"name": name, "file": "Echo", "syncpack": "trial_pack", "value": value});
    let first = json!({"name": "app", "configuration": "acme", "steps": [step("a", json!(1))]});
    let mut led = step("a", json!(2));
    led["output_to"] = json!(["b"]);
    let second =
        json!({"name": "app", "configuration": "acme", "steps": [led, step("b", json!(1))]});
    let mut third = second.clone();
    third["configuration"] = json!("other");
    support::save(
        client,
        "configurations",
        &json!({"name": "acme", "configuration_data": []}),
    );
    support::save(
        client,
        "configurations",
        &json!({"name": "other", "configuration_data": []}),
    );
    for document in [&first, &second, &third] {
        support::save(client, "applications", document);
    }
    assert_eq!(
        notes(client, path),
        [
            (3, "changed `configuration`".to_owned()),
            (2, "added step `b`; changed step `a`".to_owned()),
            (1, "created".to_owned()),
        ]
    );
    // The document as it was, byte by byte.
    let old = client
        .send("GET", &format!("{path}/revisions/1"), &[], &[])
        .unwrap();
    assert_eq!(old.header("etag"), Some("\"1\""));
    assert_eq!(old.json().unwrap(), first);

    let found = client.get(&format!("{path}/revisions/1/diff/3")).unwrap();
    assert_eq!(found["steps"]["added"], json!(["b"]), "{found}");
    assert_eq!(
        found["steps"]["changed"],
        json!([{"name": "a", "changes": [
            {"at": "/value", "old": 1, "new": 2}, {"at": "/output_to", "new": ["b"]}]}])
    );
    assert_eq!(
        found["edges"]["added"],
        json!([{"from": "a", "to": "b", "kind": "follows", "branch": null}])
    );
    assert_eq!(
        found["metadata"],
        json!([{"at": "/configuration", "old": "acme", "new": "other"}])
    );
    let missing = client
        .send("GET", &format!("{path}/revisions/1/diff/9"), &[], &[])
        .unwrap();
    assert_eq!(support::problem(&missing, "no revision 9")["status"], 404);

    // Who has not seen the newest restores nothing.
    let stale = restore(client, path, 1, Some("\"2\""));
    assert_eq!(
        support::problem(&stale, "a stale restore")["code"],
        "PF-0412"
    );
    let restored = restore(client, path, 1, Some("\"3\"")).json().unwrap();
    assert_eq!(
        (&restored["revision"], &restored["changed"]),
        (&json!(4), &json!(true))
    );
    // Its steps are back, its alignment has stayed.
    let mut expected = first.clone();
    expected["configuration"] = json!("other");
    assert_eq!(client.get(path).unwrap(), expected);
    let again = restore(client, path, 1, None).json().unwrap();
    assert_eq!(
        (&again["revision"], &again["changed"]),
        (&json!(4), &json!(false))
    );

    // A run says which revision it runs.
    let run = support::run(client, "app", &json!({}));
    assert_eq!(run["application_revision"], 4, "{run}");
}

#[test]
fn a_revision_is_compared_and_restored() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    there_and_back(&mut client);
    // What could not run today is not restored, and every reason is named.
    service
        .client()
        .unwrap()
        .send("POST", "/api/v1/syncpacks/trial_pack/deactivate", &[], &[])
        .unwrap()
        .json()
        .unwrap();
    let refused = restore(&mut client, "/api/v1/applications/app", 2, None);
    let problem = support::problem(&refused, "a restore without its pack");
    let at: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["at"].as_str().unwrap())
        .collect();
    assert_eq!(
        (refused.status, at),
        (422, vec!["/steps/0/syncpack", "/steps/1/syncpack"])
    );
    let shown = support::pfctl_well(&service, &["application", "revisions", "app"]);
    assert!(
        shown.contains("4*") && shown.contains("added step `b`"),
        "{shown}"
    );
    let shown = support::pfctl_well(&service, &["application", "diff", "app", "1", "2"]);
    assert!(
        shown.contains("+ step b") && shown.contains("+ edge a → b"),
        "{shown}"
    );
    let shown = support::pfctl_well(&service, &["application", "diff", "app"]);
    assert!(shown.contains("- step b"), "{shown}");
    service.stop().unwrap();
}

#[test]
fn a_cluster_keeps_revisions_as_well() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    there_and_back(&mut client);
    cluster.stop().unwrap();
}

#[test]
fn an_encrypted_value_comes_back_and_is_never_shown() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let path = "/api/v1/configurations/acme";
    let object = |secret: &str, host: &str| {
        json!({"name": "acme", "configuration_data": [
            {"name": "password", "value": secret, "encrypted": true}, {"name": "host", "value": host}]})
    };
    for (secret, host) in [
        ("Tr0ub4dor-one", "a"),
        ("Tr0ub4dor-one", "b"),
        ("Tr0ub4dor-two", "b"),
    ] {
        support::save(&mut client, "configurations", &object(secret, host));
    }
    // The second save sealed the same value anew, which is no change of it.
    assert_eq!(
        notes(&mut client, path),
        [
            (3, "changed variable `password`".to_owned()),
            (2, "changed variable `host`".to_owned()),
            (1, "created".to_owned()),
        ]
    );
    let found = client.get(&format!("{path}/revisions/1/diff/3")).unwrap();
    assert_eq!(
        found["variables"]["changed"],
        json!([
            {"name": "password", "changes": [{"at": "/value", "old": "********", "new": "********"}]},
            {"name": "host", "changes": [{"at": "/value", "old": "a", "new": "b"}]},
        ])
    );
    let first = client.get(&format!("{path}/revisions/1")).unwrap();
    assert!(first.to_string().contains("pfenc:1:"), "{first}");
    let restored = restore(&mut client, path, 1, None).json().unwrap();
    assert_eq!(restored["revision"], 4, "{restored}");
    assert_eq!(client.get(path).unwrap(), first);
    // Nothing that a revision says shows what is a secret now.
    let plain =
        json!({"name": "open", "configuration_data": [{"name": "word", "value": "now-a-secret"}]});
    support::save(&mut client, "configurations", &plain);
    let sealed = json!({"name": "open", "configuration_data": [
        {"name": "word", "value": "now-a-secret", "encrypted": true}]});
    support::save(&mut client, "configurations", &sealed);
    let refused = restore(&mut client, "/api/v1/configurations/open", 1, None);
    let problem = support::problem(&refused, "a restore that would show a secret");
    assert_eq!(problem["errors"][0]["code"], "PF-C014", "{problem}");
    service.stop().unwrap();
}

fn set(client: &mut Client, body: &Value, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let body = body.to_string();
    let path = "/api/v1/applications/app/settings";
    client.send("PATCH", path, &all, body.as_bytes()).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn settings_are_changed_apart_from_the_definition() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    support::save(
        &mut client,
        "configurations",
        &json!({"name": "acme", "configuration_data": [{"name": "token", "value": "Tr0ub4dor", "encrypted": true}]}),
    );
    let document = json!({"name": "app", "unknown": {"kept": 1},
        "app_variables": [
            {"name": "word", "description": "What is said", "default_value": "hello"},
            {"name": "token", "param_type": "secret"}],
        "steps": [{"name": "a", "file": "Echo", "syncpack": "trial_pack", "value": "${appvar.word}"}]});
    support::save(&mut client, "applications", &document);

    let saved = set(
        &mut client,
        &json!({"configuration": "acme", "queue": "blue", "variables": {"word": "hi", "token": "${config.token}"}}),
        &[("if-match", "\"1\"")],
    );
    let saved = saved.json().unwrap();
    assert_eq!(saved["revision"], 2, "{saved}");
    let mut expected = document.clone();
    expected["configuration"] = json!("acme");
    expected["queue"] = json!("blue");
    expected["app_variables"][0]["value"] = json!("hi");
    expected["app_variables"][1]["value"] = json!("${config.token}");
    assert_eq!(client.get("/api/v1/applications/app").unwrap(), expected);
    let run = support::run(&mut client, "app", &json!({}));
    assert_eq!(
        (&run["queue"], &run["configuration"]),
        (&json!("blue"), &json!("acme"))
    );
    assert_eq!(support::output(&mut client, &run, "a"), "hi");
    let settings = client.get("/api/v1/applications/app/settings").unwrap();
    assert_eq!(
        settings["variables"][1],
        json!({"name": "token", "description": null, "value": "${config.token}", "default_value": null,
            "sample_value": null, "required": false, "secret": true, "refers": true})
    );

    let stale = set(
        &mut client,
        &json!({"queue": "none"}),
        &[("if-match", "\"1\"")],
    );
    assert_eq!(
        support::problem(&stale, "stale settings")["code"],
        "PF-0412"
    );
    let wrong = json!({"configuration": "acme_", "queue": "a\nb", "variables": {"wrod": 1, "token": "Tr0ub4dor"}});
    let refused = set(&mut client, &wrong, &[]);
    let problem = support::problem(&refused, "wrong settings");
    let told: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["code"].as_str().unwrap(), one["at"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("PF-A070", "/variables/wrod"),
            ("PF-A071", "/variables/token"),
            ("PF-R004", "/configuration"),
            ("PF-R011", "/queue"),
        ]
    );
    assert!(!problem.to_string().contains("Tr0ub4dor"), "{problem}");
    let line = [
        "application",
        "set",
        "app",
        "--config",
        "none",
        "--queue",
        "none",
        "--variable",
        "word=null",
        "--variable",
        "token=null",
        "--if-current",
        "2",
    ];
    support::pfctl_well(&service, &line);
    let mut expected = document;
    expected["configuration"] = json!("");
    assert_eq!(client.get("/api/v1/applications/app").unwrap(), expected);
    service.stop().unwrap();
}
