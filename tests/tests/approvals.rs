//! Steps that ask: a person decides, a message comes, or a deadline passes. They hold no
//! worker and survive the process.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, output, save, start, step, task, until};

/// An application whose second step is that operator.
fn application(client: &mut Client, name: &str, operator: Value) -> Value {
    let pack = "trial_pack";
    let mut operator = operator;
    operator["name"] = json!("ask");
    operator["output_to"] = json!(["last"]);
    let refused = operator["task_on_error"].is_array();
    let mut application = json!({"name": name,
        "app_variables": [{"name": "device", "value": "core-1"}],
        "steps": [
            {"name": "first", "file": "Echo", "syncpack": pack, "value": 1, "output_to": ["ask"]},
            operator,
            {"name": "last", "file": "Echo", "syncpack": pack, "value": "${ask}"}]});
    if refused {
        let step = json!({"name": "refused", "file": "Echo", "syncpack": pack, "value": "${ask.error.code}"});
        application["steps"].as_array_mut().unwrap().push(step);
    }
    save(client, "applications", &application)
}

/// Waits until the step asks; answers its id.
fn asking(client: &mut Client, run: &str) -> String {
    let run = until("a step that asks", || {
        let run = task(client, run);
        (step(&run, "ask")["state"] == "waiting").then_some(run)
    });
    step(&run, "ask")["task_id"].as_str().unwrap().to_owned()
}

fn decide(client: &mut Client, id: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/v1/tasks/{id}/decision");
    post(client, &path, body)
}

fn post(client: &mut Client, path: &str, body: &Value) -> (u16, Value) {
    let json = [("content-type", "application/json")];
    let reply = client.send("POST", path, &json, body.to_string().as_bytes());
    let reply = reply.unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn signal(client: &mut Client, body: &Value) -> Value {
    client.send_json("POST", "/api/v1/signals", body).unwrap()
}

fn approvals(client: &mut Client) {
    let saved = application(
        client,
        "careful",
        json!({"operator": "approval", "question": "Restart ${appvar.device}?",
            "task_on_error": ["refused"]}),
    );
    assert_eq!(saved["faults"], json!([]), "{saved}");
    let run = start(client, "careful", &json!({}));
    let id = asking(client, &run);
    let shown = task(client, &run);
    let waits = &step(&shown, "ask")["waits_for"];
    assert_eq!(waits["kind"], "approval", "{shown}");
    assert_eq!(waits["message"], "waiting for a decision: Restart core-1?");
    let list = client.get("/api/v1/approvals?application=careful");
    let pending = &list.unwrap()["items"][0];
    assert_eq!(pending["task_id"], id.as_str());
    assert_eq!(pending["question"], "Restart core-1?");
    assert_eq!(pending["step"], "ask");
    assert_eq!(pending["run_id"], run.as_str());

    let (status, problem) = decide(client, &id, &json!({"decision": "yes"}));
    assert_eq!((status, &problem["code"]), (400, &json!("PF-0400")));
    let body = json!({"decision": "approve", "note": "by phone", "data": {"at": "22:00"}});
    let (status, _) = decide(client, &id, &body);
    assert_eq!(status, 200);
    let (status, problem) = decide(client, &id, &json!({"decision": "reject"}));
    assert_eq!((status, &problem["code"]), (409, &json!("PF-1004")));
    let done = ended(client, &run);
    assert_eq!(done["state"], "success", "{done}");
    let data = output(client, &done, "last");
    assert_eq!(data["decision"], "approved");
    assert_eq!(
        (&data["by"], &data["note"]),
        (&json!("isadmin"), &json!("by phone"))
    );
    assert_eq!(data["data"], json!({"at": "22:00"}));
    assert_eq!(step(&done, "refused")["state"], "not_taken");
    assert_eq!(step(&done, "ask")["attempts"], 1, "{done}");

    let run = start(client, "careful", &json!({"device": "core-2"}));
    let id = asking(client, &run);
    let (status, _) = decide(
        client,
        &id,
        &json!({"decision": "reject", "note": "not now"}),
    );
    assert_eq!(status, 200);
    let done = ended(client, &run);
    let error = &step(&done, "ask")["error"];
    assert_eq!(error["code"], "rejected", "{done}");
    assert_eq!(error["message"], "isadmin rejected it: not now");
    assert_eq!(output(client, &done, "refused"), "rejected");

    // Somebody else has to decide.
    application(
        client,
        "owners",
        json!({"operator": "approval", "question": "?", "approvers": ["ann"]}),
    );
    let run = start(client, "owners", &json!({}));
    let id = asking(client, &run);
    let (status, problem) = decide(client, &id, &json!({"decision": "approve"}));
    assert_eq!(status, 409);
    assert!(
        problem["detail"].as_str().unwrap().contains("of ann"),
        "{problem}"
    );
    let path = format!("/api/v1/tasks/{run}");
    client.send("DELETE", &path, &[], &[]).unwrap();
    let left = client.get("/api/v1/approvals").unwrap();
    assert_eq!(left["items"], json!([]), "{left}");
}

fn deadlines(client: &mut Client) {
    for (name, operator, state) in [
        (
            "late",
            json!({"operator": "approval", "question": "?", "within": 0.1}),
            "failed",
        ),
        (
            "late_yes",
            json!({"operator": "approval", "question": "?", "within": 0.1, "on_timeout": "approve"}),
            "success",
        ),
        (
            "late_no",
            json!({"operator": "approval", "question": "?", "within": 0.1, "on_timeout": "reject"}),
            "failed",
        ),
        (
            "silent",
            json!({"operator": "wait_for_webhook", "key": "never", "within": 0.1}),
            "failed",
        ),
        (
            "silent_on",
            json!({"operator": "wait_for_webhook", "key": "never", "within": 0.1, "on_timeout": "continue"}),
            "success",
        ),
    ] {
        let saved = application(client, name, operator);
        assert_eq!(saved["faults"], json!([]), "{saved}");
        let run = start(client, name, &json!({}));
        let done = ended(client, &run);
        assert_eq!(step(&done, "ask")["state"], state, "{name}: {done}");
        if state == "failed" {
            let code = if name == "late_no" {
                "rejected"
            } else {
                "no-answer"
            };
            assert_eq!(step(&done, "ask")["error"]["code"], code, "{done}");
        }
    }
}

fn messages(client: &mut Client) {
    let saved = application(
        client,
        "change",
        json!({"operator": "wait_for_webhook", "key": "change ${appvar.device}"}),
    );
    assert_eq!(saved["faults"], json!([]), "{saved}");
    let run = start(client, "change", &json!({"device": "a"}));
    let id = asking(client, &run);
    let shown = task(client, &run);
    let message = &step(&shown, "ask")["waits_for"]["message"];
    assert_eq!(message, "waiting for a message under the key `change a`");
    let body = json!({"key": "change a", "body": {"state": "größer"}, "id": "evt-1"});
    let sent = signal(client, &body);
    assert_eq!(
        (&sent["outcome"], &sent["task_id"]),
        (&json!("delivered"), &json!(id))
    );
    assert_eq!(signal(client, &body)["outcome"], "duplicate");
    let done = ended(client, &run);
    let data = output(client, &done, "last");
    assert_eq!(data["body"], json!({"state": "größer"}), "{data}");
    assert_eq!(
        (&data["by"], &data["key"]),
        (&json!("isadmin"), &json!("change a"))
    );

    // One that comes first is kept, unless its sender does not want it to be.
    let sent = signal(
        client,
        &json!({"key": "change b", "body": {"n": 1}, "keep": 60}),
    );
    assert_eq!(sent["outcome"], "kept", "{sent}");
    assert!(sent["kept_until"].is_string());
    let run = start(client, "change", &json!({"device": "b"}));
    let done = ended(client, &run);
    assert_eq!(
        output(client, &done, "last")["body"],
        json!({"n": 1}),
        "{done}"
    );
    let nobody = signal(client, &json!({"key": "change c", "keep": 0}));
    assert_eq!(nobody["outcome"], "nobody");

    for (body, at) in [
        (json!({"key": ""}), "key"),
        (json!({"key": "a\nb"}), "key"),
        (json!({"key": "a", "id": ""}), "id"),
        (json!({"key": "a", "keep": 1_000_000_000}), "keep"),
        (
            json!({"key": "a", "body": {"x": "x".repeat(1 << 20)}}),
            "body",
        ),
    ] {
        let (status, problem) = post(client, "/api/v1/signals", &body);
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["errors"][0]["code"], "PF-1012", "{problem}");
        assert_eq!(problem["errors"][0]["at"], at, "{problem}");
    }
}

#[test]
fn one_process_asks() {
    let folder = support::folder();
    // Steps that ask hold no slot.
    let plan = Plan::new(folder.path()).unwrap().with("worker.slots", "1");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    approvals(&mut client);
    deadlines(&mut client);
    messages(&mut client);
    for (operator, code, at) in [
        (
            json!({"operator": "approval", "question": ""}),
            "PF-A044",
            "question",
        ),
        (
            json!({"operator": "approval", "question": "?", "approvers": []}),
            "PF-A044",
            "approvers",
        ),
        (
            json!({"operator": "approval", "question": "?", "approvers": [7]}),
            "PF-A044",
            "approvers/0",
        ),
        (
            json!({"operator": "approval", "question": "?", "within": "soon"}),
            "PF-A044",
            "within",
        ),
        (
            json!({"operator": "approval", "question": "?", "on_timeout": "fail"}),
            "PF-A044",
            "on_timeout",
        ),
        (
            json!({"operator": "approval", "question": "?", "within": 1, "on_timeout": "aprove"}),
            "PF-A044",
            "on_timeout",
        ),
        (
            json!({"operator": "wait_for_webhook", "key": 7}),
            "PF-A045",
            "key",
        ),
        (
            json!({"operator": "wait_for_webhook", "key": "a", "within": 1, "on_timeout": "approve"}),
            "PF-A045",
            "on_timeout",
        ),
    ] {
        let saved = application(&mut client, "wrong", operator.clone());
        assert_eq!(saved["faults"][0]["code"], code, "{operator}: {saved}");
        assert_eq!(
            saved["faults"][0]["at"],
            format!("/steps/1/{at}"),
            "{saved}"
        );
    }
    service.stop().unwrap();
}

/// A process that is killed while steps ask.
#[test]
fn a_question_survives_the_process() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    application(
        &mut client,
        "asks",
        json!({"operator": "approval", "question": "?"}),
    );
    let key = json!({"operator": "wait_for_webhook", "key": "k"});
    application(&mut client, "waits", key);
    let asks = start(&mut client, "asks", &json!({}));
    let id = asking(&mut client, &asks);
    let waits = start(&mut client, "waits", &json!({}));
    asking(&mut client, &waits);
    let early = signal(&mut client, &json!({"key": "later", "body": {"n": 1}}));
    assert_eq!(early["outcome"], "kept");
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    assert_eq!(
        decide(&mut client, &id, &json!({"decision": "approve"})).0,
        200
    );
    let sent = signal(&mut client, &json!({"key": "k", "body": {"n": 2}}));
    assert_eq!(sent["outcome"], "delivered", "{sent}");
    for run in [&asks, &waits] {
        let done = ended(&mut client, run);
        assert_eq!(done["state"], "success", "{done}");
        assert_eq!(step(&done, "first")["attempts"], 1);
    }
    let key = json!({"operator": "wait_for_webhook", "key": "later"});
    application(&mut client, "late", key);
    let run = start(&mut client, "late", &json!({}));
    let done = ended(&mut client, &run);
    assert_eq!(output(&mut client, &done, "last")["body"]["n"], 1);
    service.stop().unwrap();
}

#[test]
fn a_cluster_asks() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    approvals(&mut client);
    deadlines(&mut client);
    messages(&mut client);
    cluster.stop().unwrap();
}
