//! An encrypted value reaches the system that it is for, and nothing else: no answer, no log, no
//! data, no error, no file.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::place;
use harness::service::{Plan, Service};
use harness::simulators;
use serde_json::{Value, json};
use support::leaks::{SECRET, assert_without, forms, kept_out_of_the_cache, run_and_read, scan};
use support::{SYNC, part};

/// An application that tries to give the secret away, aligned with a configuration object where
/// other variables refer to it.
fn prepare(service: &Service) {
    let mut client = service.client().unwrap();
    let configuration = json!({
        "name": "guarded", "friendly_name": "Guarded",
        "configuration_data": [
            {"name": "password", "value": SECRET, "encrypted": true},
            {"name": "nested", "value": {"key": SECRET, "number": 7}, "encrypted": true},
            {"name": "alias", "value": "${config.password}"},
            {"name": "url", "value": "https://user:${config.password}@example.com/"},
        ],
    });
    let saved = support::save(&mut client, "configurations", &configuration);
    assert_without("the answer to a save", saved.to_string().as_bytes());
    for (name, fail) in [("gives_away", false), ("fails_with_it", true)] {
        let document = json!({
            "name": name, "configuration": "guarded",
            "app_variables": [{"name": "held", "value": "${config.alias}"}],
            "steps": [
                {"name": "before", "file": "Echo", "syncpack": "trial_pack", "output_to": ["give"],
                    "value": {"direct": "${config.password}", "alias": "${config.alias}", "url": "${config.url}",
                        "nested": "${config.nested}", "inside": "it is ${appvar.held}, isn't it"}},
                {"name": "give", "file": "GiveAway", "syncpack": "trial_pack", "output_to": ["after"],
                    "value": "${config.nested}", "text": "${config.password}", "secret": "${appvar.held}", "fail": fail},
                {"name": "after", "file": "Gather", "syncpack": "trial_pack", "note": "${before}"},
            ],
        });
        let saved = support::save(&mut client, "applications", &document);
        assert_without("the answer to a save", saved.to_string().as_bytes());
    }
}

#[test]
fn a_secret_reaches_only_the_system_that_it_is_for() {
    let folder = support::folder();
    let simulators = simulators::Plan {
        events: 5,
        password: Some(SECRET),
        ..simulators::Plan::default()
    };
    // The simulators hold it in their arguments, so their log lies elsewhere.
    let elsewhere = support::folder();
    let simulators = simulators.start(elsewhere.path()).unwrap();
    let plan = Plan::new(folder.path()).unwrap().with("log.level", "debug");
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC, TRIAL]);
    support::lead_to(&service, &simulators);
    prepare(&service);

    // The simulators let nobody in without it, so a success shows that they received it.
    let event = simulators.events().unwrap()[0].clone();
    let params = json!({"event": event, "loglevel": 10});
    run_and_read(&service, SYNC, &params, "success");
    assert_eq!(simulators.incidents().unwrap().len(), 1);
    let debug = json!({"loglevel": 10});
    run_and_read(&service, "gives_away", &debug, "warning");
    run_and_read(&service, "fails_with_it", &debug, "failed");
    // Two variables have the value; the first is named.
    kept_out_of_the_cache(&service, 2, "the configuration variable `nested`");

    let mut client = service.client().unwrap();
    let lists = [
        "applications",
        "configurations",
        "runs",
        "cache",
        "cache?limit=200",
        "about",
        "configurations/guarded",
        "configurations/guarded?meta=true",
        "configurations/servicenow_example",
    ];
    for list in lists {
        let text = client.get(&format!("/api/v1/{list}")).unwrap().to_string();
        if list == "configurations/guarded" {
            assert!(text.contains("pfenc:1:"), "{text}");
        }
        assert_without(list, text.as_bytes());
    }
    for arguments in [
        ["configuration", "show", "guarded"],
        ["configuration", "export", "guarded"],
        ["application", "show", "gives_away"],
    ] {
        let said = support::pfctl_well(&service, &arguments);
        assert_without(&format!("pfctl {arguments:?}"), said.as_bytes());
    }
    // Refusals repeat no values either.
    let body = json!({"name": "guarded", "configuration_data": [{"name": "p", "value": SECRET, "encrypted": 7}]});
    let refused = client
        .send(
            "POST",
            "/api/v1/configurations",
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
        .unwrap();
    support::problem(&refused, "a wrong type");
    assert_without("a refusal", &refused.body);
    let mut seen = 0;
    // While the write-ahead log is there, and after it was taken over.
    scan(folder.path(), &mut seen);
    service.stop().unwrap();
    scan(folder.path(), &mut seen);
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap();
    assert!(
        log.contains("DEBUG") && !log.contains("pf-secret:"),
        "{log}"
    );
    assert!(seen > 10, "{seen} files");
}

#[test]
fn what_the_scan_looks_for_can_be_found() {
    let found = |text: &str| {
        forms().iter().any(|(_, form)| {
            text.as_bytes()
                .windows(form.len())
                .any(|window| window == form)
        })
    };
    assert!(found(&format!(
        "Basic {}",
        STANDARD.encode(format!("simulator:{SECRET}"))
    )));
    assert!(found(&json!({"a": [SECRET]}).to_string()));
    assert!(found(
        &Value::from(json!({"a": SECRET}).to_string()).to_string()
    ));
    assert!(found(&format!("/?q={}", part(SECRET))));
    assert!(!found("Zürich"));
}

#[test]
fn a_service_with_another_key_refuses_to_start_and_names_both() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[]);
    prepare_configuration(&service);
    service.stop().unwrap();
    let key = folder.path().join("data/key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let own = key_id(&key);

    // The key of another service.
    let other = support::folder();
    support::serve_plan(&Plan::new(other.path()).unwrap(), &[])
        .stop()
        .unwrap();
    let foreign = other.path().join("data/key");
    let kept = fs::read(&key).unwrap();
    fs::copy(&foreign, &key).unwrap();
    let why = refusal(&plan);
    assert!(
        why.contains(&own) && why.contains(&key_id(&foreign)),
        "{why}"
    );
    // No key at all: none is made in its place.
    fs::remove_file(&key).unwrap();
    let why = refusal(&plan);
    assert!(why.contains(&own) && !key.exists(), "{why}");
    // Readable by others.
    fs::write(&key, &kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refusal(&plan).contains("chmod 600"));
    // Damaged.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, &kept[..kept.len() - 9]).unwrap();
    assert!(refusal(&plan).contains("damaged"));
    // And its own again.
    fs::write(&key, &kept).unwrap();
    let service = plan.start().unwrap();
    let found = service
        .client()
        .unwrap()
        .get("/api/v1/configurations/plain")
        .unwrap();
    assert!(
        found.to_string().contains(&format!("pfenc:1:{own}:")),
        "{found}"
    );
    service.stop().unwrap();
}

fn prepare_configuration(service: &Service) {
    let document = json!({"name": "plain", "configuration_data": [{"name": "p", "value": SECRET, "encrypted": true}]});
    support::save(&mut service.client().unwrap(), "configurations", &document);
}

/// The id of the current key in a file.
fn key_id(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.next().unwrap().split(' ').next().unwrap().to_owned()
}

/// What a service says that ends at once with a failure.
fn refusal(plan: &Plan) -> String {
    let output = Command::new(place::program("powerflow").unwrap())
        .arg("serve")
        .args(["--set", "server.listen=127.0.0.1:0"])
        .args([
            "--set",
            &format!("data.directory={}", plan.data().display()),
        ])
        .current_dir(&plan.folder)
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}
