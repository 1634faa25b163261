//! Retrying runs that have ended: what ended well is not executed again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::Service;
use serde_json::{Value, json};
use support::{ended, log, run, save, save_steps, start, step};

fn steps(failing: &str) -> Value {
    json!([
        {"name": "first", "file": "Echo", "value": {"n": 1}, "output_to": ["flaky", "warn"]},
        {"name": "warn", "file": "Warn", "output_to": ["all"]},
        {"name": "flaky", "file": "Flaky", "output_to": [failing]},
        {"name": "all", "file": "Gather", "output_to": ["last"]},
        {"name": "last", "file": "Echo", "value": "${all.flaky.attempt}"},
    ])
}

fn ask(client: &mut Client, id: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1/tasks/{id}/retry");
    client
        .send("POST", &path, &headers, body.to_string().as_bytes())
        .unwrap()
}

/// Retries it and waits for the end of the new run.
fn retry(client: &mut Client, id: &str, body: &Value) -> Value {
    let answer = ask(client, id, body);
    assert_eq!(answer.status, 202, "{body}: {answer:?}");
    let new = answer.json().unwrap()["task_id"].clone();
    ended(client, new.as_str().unwrap())
}

fn refused(client: &mut Client, id: &str, body: &Value, expected: (u16, &str)) -> Value {
    let answer = ask(client, id, body);
    let said = support::problem(&answer, &body.to_string());
    assert_eq!(
        (answer.status, said["code"].as_str().unwrap()),
        expected,
        "{said}"
    );
    said
}

/// The steps that were executed, by name.
fn executed(run: &Value) -> Vec<String> {
    let steps = run["steps"].as_array().unwrap();
    let executed = steps.iter().filter(|step| step["attempts"] != 0);
    executed
        .map(|step| step["name"].as_str().unwrap().to_owned())
        .collect()
}

fn id_of(run: &Value) -> &str {
    run["task_id"].as_str().unwrap()
}

#[test]
fn what_did_not_succeed_is_executed_again() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(&mut client, "sync", steps("all"));
    let failed = run(
        &mut client,
        "sync",
        &json!({"failures": 1, "queue": "acme"}),
    );
    assert_eq!(failed["state"], "failed");
    assert_eq!(executed(&failed), ["first", "warn", "flaky"]);
    let id = id_of(&failed).to_owned();

    // As it was: it fails again, and nothing but the failed step was executed.
    let again = retry(&mut client, &id, &json!({}));
    assert_eq!(again["state"], "failed", "{again}");
    assert_eq!(executed(&again), ["flaky"]);
    assert_eq!(again["queue"], "acme");
    assert_eq!(again["trigger"], format!("retry:{id}"));

    // With another parameter, and from a run that is a retry itself.
    let body = json!({"params": {"failures": 0}});
    let done = retry(&mut client, id_of(&again), &body);
    assert_eq!(done["state"], "warning", "the kept warning counts: {done}");
    assert_eq!(executed(&done), ["flaky", "all", "last"]);
    for (name, state) in [
        ("first", "success"),
        ("warn", "warning"),
        ("flaky", "success"),
    ] {
        assert_eq!(step(&done, name)["state"], state, "{done}");
    }
    assert_eq!(step(&done, "warn")["error"]["message"], "careful");
    let data = client
        .get(&format!("/api/v1/tasks/{}/data", id_of(&done)))
        .unwrap();
    assert_eq!(data["outputs"]["first"], json!({"n": 1}));
    assert_eq!(
        data["outputs"]["all"],
        json!({"warn": {"warned": true}, "flaky": {"attempt": 1}})
    );
    assert_eq!(data["outputs"]["last"], 1);
    let lines = log(&mut client, id_of(&done));
    let said = |text: &str| lines.iter().any(|line| line["message"] == text);
    assert!(said("kept first") && !said("start first"), "{lines:?}");
    assert!(said("start last"), "{lines:?}");

    // From a step on, by its own id or by name, although it ended well.
    let begin = step(&done, "warn")["task_id"].as_str().unwrap();
    let from = retry(&mut client, begin, &json!({}));
    assert_eq!(executed(&from), ["warn", "all", "last"]);
    let from = retry(&mut client, id_of(&done), &json!({"from": ["first"]}));
    assert_eq!(executed(&from).len(), 5);

    refused(&mut client, id_of(&done), &json!({}), (409, "PF-1004"));
    let unknown = json!({"from": ["frist", "all"]});
    let said = refused(&mut client, &id, &unknown, (422, "PF-1001"));
    assert_eq!(said["errors"][0]["code"], "PF-1008");
    let message = said["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("did you mean `first`"), "{message}");
    refused(
        &mut client,
        &id,
        &json!({"form": ["all"]}),
        (400, "PF-0400"),
    );
    refused(
        &mut client,
        &id,
        &json!({"revision": "old"}),
        (400, "PF-0400"),
    );
    let nobody = "isapp-01890a5d-ac96-774b-bcce-b30200000000";
    refused(&mut client, nobody, &json!({}), (404, "PF-0404"));
    save_steps(
        &mut client,
        "slow",
        json!([{"name": "slow", "file": "Endless", "busy": false}]),
    );
    let slow = start(&mut client, "slow", &json!({}));
    refused(&mut client, &slow, &json!({}), (409, "PF-1004"));
    client
        .send("DELETE", &format!("/api/v1/tasks/{slow}"), &[], &[])
        .unwrap();
    by_pfctl(&service, &id);
    service.stop().unwrap();
}

fn by_pfctl(service: &Service, id: &str) {
    let said = support::pfctl(service, &["run", "retry", id, "-p", "failures=0", "--wait"]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{said:?}");
    assert!(text.contains("warning") && text.contains("last"), "{text}");
}

/// The original revision is what the run ran; the newest has a step more, and a mended one.
#[test]
fn the_newest_revision_keeps_what_it_still_has() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(&mut client, "sync", steps("all"));
    let failed = run(&mut client, "sync", &json!({"failures": 1}));
    let id = id_of(&failed).to_owned();
    let mut changed = steps("audit");
    let list = changed.as_array_mut().unwrap();
    list.push(json!({"name": "audit", "file": "Echo", "value": 2, "output_to": ["all"]}));
    // Another step of the same name: its result is not that of the old one.
    list[1]["file"] = "Echo".into();
    list[4]["value"] = "done".into();
    save_steps(&mut client, "sync", changed);
    let original = retry(&mut client, &id, &json!({"params": {"failures": 0}}));
    assert_eq!(original["state"], "warning");
    assert_eq!(original["steps"].as_array().unwrap().len(), 5);
    let body = json!({"params": {"failures": 0}, "revision": "newest"});
    let newest = retry(&mut client, &id, &body);
    assert_eq!(newest["state"], "success", "{newest}");
    assert_eq!(executed(&newest), ["warn", "flaky", "all", "last", "audit"]);
    service.stop().unwrap();
}

/// A condition is not evaluated again: the run goes on where it went.
#[test]
fn a_kept_condition_leads_where_it_led() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let pack = "trial_pack";
    let application = json!({"name": "choice", "steps": [
        {"name": "what", "file": "Echo", "syncpack": pack, "value": {"n": 3}},
        {"name": "which", "operator": "condition", "branches": [
            {"label": "large", "when": {"above": ["${what.n}", 2]}, "steps": ["flaky"]},
            {"label": "small", "steps": ["small"]}]},
        {"name": "flaky", "file": "Flaky", "syncpack": pack, "output_to": ["end"]},
        {"name": "small", "file": "Echo", "syncpack": pack, "value": 1, "output_to": ["end"]},
        {"name": "end", "file": "Echo", "syncpack": pack, "value": 1}]});
    let mut application = application;
    application["steps"][0]["output_to"] = json!(["which"]);
    let saved = save(&mut client, "applications", &application);
    assert_eq!(saved["faults"], json!([]), "{saved}");
    let failed = run(&mut client, "choice", &json!({"failures": 1}));
    assert_eq!(step(&failed, "small")["state"], "not_taken", "{failed}");
    let id = id_of(&failed).to_owned();
    let done = retry(&mut client, &id, &json!({"params": {"failures": 0}}));
    assert_eq!(done["state"], "success", "{done}");
    assert_eq!(executed(&done), ["flaky", "end"]);
    assert_eq!(step(&done, "small")["state"], "not_taken");
    service.stop().unwrap();
}
