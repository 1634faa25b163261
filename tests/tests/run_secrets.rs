//! What a run is given for a parameter that is declared as secret is kept as a secret; and a
//! secret that a step hands on does not alter its data unseen.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::http::Client;
use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::service::{Plan, Service};
use harness::simulators::{self, Simulators};
use serde_json::{Value, json};
use support::leaks::{SECRET, assert_without, kept_out_of_the_cache, run_and_read, scan};

#[test]
fn a_secret_that_a_run_is_given_is_found_nowhere() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap().with("log.level", "debug");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    let gives_away = json!({
        "name": "gives_away", "app_variables": [{"name": "held", "param_type": "secret"}],
        "steps": [
            {"name": "before", "file": "Echo", "syncpack": "trial_pack", "value": "it is ${appvar.held}", "output_to": ["give"]},
            {"name": "give", "file": "GiveAway", "syncpack": "trial_pack", "value": "${before}",
                "text": "${appvar.held}", "secret": "${appvar.held}"},
        ],
    });
    support::save(&mut client, "applications", &gives_away);
    let debug = json!({"held": SECRET, "loglevel": 10});
    run_and_read(&service, "gives_away", &debug, "warning");
    kept_out_of_the_cache(&service, 1, "the run's parameter `held`");

    // The same request is the same run, though each sealing differs.
    let body = json!({"name": "gives_away", "params": debug}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ];
    let mut ask = |body: &str| {
        client
            .send(
                "POST",
                "/api/v1/applications/run",
                &headers,
                body.as_bytes(),
            )
            .unwrap()
    };
    let first = ask(&body).json().unwrap();
    assert_eq!(ask(&body).json().unwrap()["task_id"], first["task_id"]);
    let other = ask(&body.replace("0815", "0816"));
    assert_eq!(
        support::problem(&other, "another secret")["code"],
        "PF-1003"
    );
    support::ended(&mut client, first["task_id"].as_str().unwrap());
    scan(folder.path(), &mut 0);
    service.stop().unwrap();
    let mut seen = 0;
    scan(folder.path(), &mut seen);
    assert!(seen > 5, "{seen} files");
}

/// Simulators, and a service whose configuration object holds no password for them.
fn prepare(service: &Service, simulators: &Simulators) {
    let mut configuration = simulators.configuration();
    for variable in configuration["configuration_data"].as_array_mut().unwrap() {
        if variable["encrypted"] == true {
            variable["value"] = "of no use here".into();
        }
    }
    support::align(service, &configuration);
    let mut client = service.client().unwrap();
    let event = simulators.events().unwrap()[0].clone();
    let ticket = json!({
        "name": "ticket", "configuration": "servicenow_example",
        "steps": [
            {"name": "hold", "file": "Hold", "syncpack": "trial_pack", "output_to": ["ticket"]},
            {"name": "ticket", "file": "UpdateSl1ExternalTicket", "syncpack": "servicenow_example",
                "sl1_url": "${config.sl1_url}", "sl1_user": "${config.sl1_user}",
                "eid": event["eid"]},
        ],
    });
    support::save(&mut client, "applications", &ticket);
    support::save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release"}]),
    );
}

fn replay(client: &mut Client, id: &str) -> Value {
    client
        .send_json(
            "POST",
            &format!("/api/v1/tasks/{id}/replay?wait=50"),
            &json!({}),
        )
        .unwrap()
}

#[test]
fn a_secret_that_a_run_is_given_survives_a_crash_and_a_replay() {
    let folder = support::folder();
    let simulators = simulators::Plan {
        events: 1,
        password: Some(SECRET),
        ..simulators::Plan::default()
    };
    let elsewhere = support::folder();
    let simulators = simulators.start(elsewhere.path()).unwrap();
    let plan = Plan::new(folder.path()).unwrap().with("log.level", "debug");
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC, TRIAL]);
    prepare(&service, &simulators);
    let mut client = service.client().unwrap();
    // The process dies while a step before it executes.
    let params = json!({"key": "k", "sl1_password": SECRET, "number": "INC4711"});
    let id = support::start(&mut client, "ticket", &params);
    support::until("the step that holds", || {
        let run = support::task(&mut client, &id);
        (support::step(&run, "hold")["state"] == "running").then_some(())
    });
    service.kill().unwrap();
    scan(folder.path(), &mut 0);
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    support::run(&mut client, "release", &json!({"key": "k"}));
    let run = support::ended(&mut client, &id);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(simulators.events().unwrap()[0]["ext_ticket_ref"], "INC4711");
    let data = client.get(&format!("/api/v1/tasks/{id}/data")).unwrap();
    let shown = json!({"key": "k", "sl1_password": "********", "number": "INC4711"});
    assert_eq!(data["input"], shown);

    // A replay is given it too, and keeps it as one even if nothing declares it any more.
    let again = replay(&mut client, &id);
    assert_eq!(again["state"], "success", "{again}");
    let unaware = json!({
        "name": "ticket",
        "steps": [{"name": "echo", "file": "Echo", "syncpack": "trial_pack", "value": "${appvar.sl1_password}"}],
        "app_variables": [{"name": "sl1_password"}],
    });
    support::save(&mut client, "applications", &unaware);
    let again = replay(&mut client, &id);
    assert_eq!(again["state"], "warning", "{again}");
    assert_without("a replay", again.to_string().as_bytes());
    let replayed = again["task_id"].as_str().unwrap();
    let data = client
        .get(&format!("/api/v1/tasks/{replayed}/data"))
        .unwrap();
    assert_eq!(
        (&data["input"], &data["outputs"]["echo"]),
        (&shown, &json!("********"))
    );
    scan(folder.path(), &mut 0);
    service.stop().unwrap();
    let mut seen = 0;
    scan(folder.path(), &mut seen);
    assert!(seen > 5, "{seen} files");
}

/// Masking changes what later steps get, so the step does not end as if nothing had been.
#[test]
fn a_step_whose_data_was_masked_warns_and_names_the_variable() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let configuration = json!({"name": "c", "configuration_data": [
        {"name": "community", "value": "public", "encrypted": true},
        {"name": "pin", "value": "123", "encrypted": true},
    ]});
    let saved = support::save(&mut client, "configurations", &configuration);
    let warnings = saved["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{saved}");
    assert_eq!(warnings[0]["code"], "PF-C010", "{saved}");
    assert_eq!(warnings[0]["at"], "/configuration_data/pin", "{saved}");
    let steps = |value: &Value| {
        json!({"name": "a", "configuration": "c", "steps": [
            {"name": "one", "file": "Echo", "syncpack": "trial_pack", "value": value, "output_to": ["two"]},
            {"name": "two", "file": "Gather", "syncpack": "trial_pack"},
        ]})
    };
    let mut ends = |value: Value| {
        support::save(&mut client, "applications", &steps(&value));
        let run = support::run(&mut client, "a", &json!({}));
        let output = support::output(&mut client, &run, "two");
        (run, output)
    };
    // Nothing refers to the secret, and yet the word is in the data.
    let (run, output) = ends(json!({"mode": "a public place", "n": 123}));
    assert_eq!(run["state"], "warning", "{run}");
    assert_eq!(
        output,
        json!({"one": {"mode": "a ******** place", "n": 123}})
    );
    let one = support::step(&run, "one");
    assert_eq!(
        (&one["state"], &one["error"]["code"]),
        (&json!("warning"), &json!("masked-output"))
    );
    let message = one["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("the configuration variable `community`") && !message.contains("public"),
        "{message}"
    );
    // Without it nothing is altered and nothing warns.
    let (run, output) = ends(json!({"mode": "a private place"}));
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(output, json!({"one": {"mode": "a private place"}}));
    service.stop().unwrap();
}

/// The step takes it as text, and the entry refers to an encrypted variable.
#[test]
fn what_a_run_is_given_in_place_of_a_configured_secret_is_secret() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let configured = json!({"name": "held", "configuration_data": [
        {"name": "password", "value": "configured-password", "encrypted": true},
        {"name": "user", "value": "somebody", "encrypted": false},
    ]});
    support::put_configuration(&service, "held", &configured);
    let application = json!({
        "name": "instead", "configuration": "held",
        "app_variables": [{"name": "token", "value": "${config.password}"}],
        "steps": [
            {"name": "echo", "file": "Echo", "syncpack": "trial_pack",
                "value": "${appvar.token} of ${config.user}"},
        ],
    });
    support::save(&mut client, "applications", &application);
    let body = json!({"name": "instead", "params": {"token": "given-password-0815"}});
    let run = client
        .send_json("POST", "/api/v1/applications/run?wait=20", &body)
        .unwrap();
    let id = run["task_id"].as_str().unwrap();
    let data = client.get(&format!("/api/v1/tasks/{id}/data")).unwrap();
    assert_eq!(data["input"]["token"], "********", "{data}");
    assert!(!data.to_string().contains("given-password-0815"), "{data}");
    service.stop().unwrap();
}
