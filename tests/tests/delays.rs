//! Delays: they let time pass, hold no worker, and survive the process.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, output, run, save, start, step, task, until};

/// An application that waits between two steps.
fn save_delay(client: &mut Client, name: &str, seconds: &Value) -> Value {
    let pack = "trial_pack";
    let application = json!({"name": name,
        "app_variables": [{"name": "pause", "value": 0.2}],
        "steps": [
            {"name": "first", "file": "Echo", "syncpack": pack, "value": 1, "output_to": ["wait"]},
            {"name": "wait", "operator": "delay", "seconds": seconds, "output_to": ["last"]},
            {"name": "last", "file": "Echo", "syncpack": pack, "value": "${wait.seconds}"}]});
    save(client, "applications", &application)
}

fn expect_waiting(client: &mut Client, id: &str) {
    let run = until("a step that waits", || {
        let run = task(client, id);
        (step(&run, "wait")["state"] == "waiting").then_some(run)
    });
    let waits = &step(&run, "wait")["waits_for"];
    assert_eq!(waits["kind"], "delay", "{run}");
    assert!(waits["until"].is_string(), "{run}");
}

fn delays(client: &mut Client) {
    let saved = save_delay(client, "short", &json!("${appvar.pause}"));
    assert_eq!(saved["faults"], json!([]), "{saved}");
    for (params, seconds) in [
        (json!({}), 0.2),
        (json!({"pause": 0}), 0.0),
        (json!({"pause": "0.1"}), 0.1),
    ] {
        let began = Instant::now();
        let done = run(client, "short", &params);
        assert_eq!(done["state"], "success", "{done}");
        assert!(
            began.elapsed() >= Duration::from_secs_f64(seconds),
            "{params}"
        );
        assert_eq!(output(client, &done, "last"), seconds);
        assert_eq!(step(&done, "wait")["attempts"], 1, "{done}");
    }
    let failed = run(client, "short", &json!({"pause": "soon"}));
    assert_eq!(
        step(&failed, "wait")["error"]["code"],
        "PF-R005",
        "{failed}"
    );
    assert_eq!(step(&failed, "last")["state"], "skipped");

    // Many of them hold no slot: all wait at the same time.
    save_delay(client, "second", &json!(1));
    let began = Instant::now();
    let ids: Vec<String> = (0..40)
        .map(|_| start(client, "second", &json!({})))
        .collect();
    for id in &ids {
        assert_eq!(ended(client, id)["state"], "success");
    }
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "they waited one after the other"
    );

    // One that is cancelled, or revoked, waits no longer.
    save_delay(client, "long", &json!(3600));
    let id = start(client, "long", &json!({}));
    expect_waiting(client, &id);
    let path = format!("/api/v1/tasks/{id}");
    client.send("DELETE", &path, &[], &[]).unwrap();
    assert_eq!(ended(client, &id)["state"], "cancelled");
}

#[test]
fn one_process_lets_time_pass() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap().with("worker.slots", "1");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    delays(&mut client);
    for seconds in [json!(null), json!(-1), json!("30"), json!([1])] {
        let saved = save_delay(&mut client, "wrong", &seconds);
        assert_eq!(saved["faults"][0]["code"], "PF-A043", "{seconds}: {saved}");
        assert_eq!(saved["faults"][0]["at"], "/steps/1/seconds");
    }
    let operator = json!({"operator": "delay", "seconds": 5});
    let body = json!({"operator": operator, "data": {}});
    let shown = client
        .send_json("POST", "/api/v1/operators/preview", &body)
        .unwrap();
    assert_eq!(shown["data"], json!({"seconds": 5}), "{shown}");
    service.stop().unwrap();
}

/// A process that is killed while a step waits.
#[test]
fn a_delay_survives_the_process() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_delay(&mut client, "three", &json!(3));
    let began = Instant::now();
    let id = start(&mut client, "three", &json!({}));
    expect_waiting(&mut client, &id);
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let done = ended(&mut client, &id);
    assert_eq!(done["state"], "success", "{done}");
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert_eq!(step(&done, "first")["attempts"], 1);
    service.stop().unwrap();
}

#[test]
fn a_cluster_lets_time_pass() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    delays(&mut cluster.api().client().unwrap());
    cluster.stop().unwrap();
}
