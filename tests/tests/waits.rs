//! Steps that wait and hold no worker: retries after a delay, and child applications.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::{Plan, Service};
use serde_json::{Value, json};
use support::{ended, log, output, pfctl_well, run, save_steps, start, step, task, until};

/// How long a step of these tests waits: long enough to be seen, and to be killed in.
const DELAY: f64 = 1.5;

fn steps_said(client: &mut Client, id: &str, text: &str) -> usize {
    let lines = log(client, id);
    let holds = |line: &&Value| line["message"].as_str().unwrap().contains(text);
    lines.iter().filter(holds).count()
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn retries(service: &Service, client: &mut Client) {
    let often = json!({"max_attempts": 4, "initial_delay": 0.05, "jitter": 0});
    save_steps(
        client,
        "flaky",
        json!([
            {"name": "flaky", "file": "Flaky", "failures": 2, "task_retry": often, "output_to": ["then"]},
            {"name": "then", "file": "Echo", "value": "${flaky.attempt}"},
        ]),
    );
    let done = run(client, "flaky", &json!({"loglevel": 20}));
    assert_eq!(done["state"], "success", "{done}");
    assert_eq!(output(client, &done, "then"), 3);
    let flaky = step(&done, "flaky");
    assert_eq!(flaky["attempts"], 3, "{flaky}");
    let id = flaky["task_id"].as_str().unwrap();
    let past = task(client, id)["past_attempts"].clone();
    let told: Vec<_> = past
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["attempt"].as_i64().unwrap(),
                one["state"].as_str().unwrap(),
                one["error"]["message"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "failed", "not in attempt 1"),
            (2, "failed", "not in attempt 2")
        ]
    );
    assert_eq!(
        steps_said(client, id, "attempt 1 of 4 failed (busy): not in attempt 1"),
        1
    );
    assert_eq!(steps_said(client, id, "this is attempt"), 3);

    for (name, changes, attempts) in [
        ("too_often", json!({"failures": 9}), 4),
        ("for_good", json!({"failures": 9, "retryable": false}), 1),
        (
            "named",
            json!({"failures": 2, "retryable": false, "task_retry": {"initial_delay": 0, "on": ["busy"]}}),
            3,
        ),
        ("none", json!({"failures": 1, "task_retry": null}), 1),
    ] {
        let mut flaky = json!({"name": "flaky", "file": "Flaky", "task_retry": often});
        for (key, value) in changes.as_object().unwrap() {
            flaky[key] = value.clone();
        }
        save_steps(client, name, json!([flaky]));
        let done = run(client, name, &json!({}));
        let flaky = step(&done, "flaky");
        assert_eq!(flaky["attempts"], attempts, "{name}: {flaky}");
        assert_eq!(
            done["state"],
            if name == "named" { "success" } else { "failed" },
            "{name}"
        );
    }
    // While it waits, everybody can see what for.
    let slow = json!({"max_attempts": 2, "initial_delay": 600, "jitter": 0});
    save_steps(
        client,
        "slow",
        json!([{"name": "flaky", "file": "Flaky", "failures": 1, "task_retry": slow}]),
    );
    let id = start(client, "slow", &json!({}));
    let waiting = until("the wait", || {
        let run = task(client, &id);
        let flaky = step(&run, "flaky");
        (flaky["state"] == "waiting").then(|| flaky.clone())
    });
    assert_eq!(waiting["waits_for"]["kind"], "retry", "{waiting}");
    assert!(waiting["waits_for"]["until"].is_string(), "{waiting}");
    let shown = pfctl_well(service, &["run", "show", &id]);
    assert!(shown.contains("waiting for the next attempt"), "{shown}");
    pfctl_well(service, &["run", "cancel", &id]);
    assert_eq!(ended(client, &id)["state"], "cancelled");
}

fn failures(client: &mut Client) {
    save_steps(
        client,
        "handled",
        json!([
            {"name": "try", "file": "Fail", "output_to": ["then"], "task_on_error": ["mend"]},
            {"name": "then", "file": "Echo", "value": 1, "output_to": ["last"]},
            {"name": "mend", "file": "Echo", "value": "${try.error.code}", "output_to": ["last"]},
            {"name": "last", "file": "Gather", "data_from": ["mend"]},
        ]),
    );
    let done = run(client, "handled", &json!({}));
    assert_eq!(done["state"], "warning", "{done}");
    let states: Vec<_> = ["try", "then", "mend", "last"]
        .map(|name| step(&done, name)["state"].clone())
        .into();
    assert_eq!(
        Value::from(states),
        json!(["failed", "not_taken", "success", "success"])
    );
    assert_eq!(output(client, &done, "mend"), "teapot");
    assert_eq!(output(client, &done, "last"), json!({"mend": "teapot"}));

    // What it reads besides brings it not to life where nothing fails.
    for (name, file, expected) in [
        ("well", "Echo", ["success", "success", "not_taken"]),
        ("badly", "Fail", ["success", "failed", "success"]),
    ] {
        save_steps(
            client,
            name,
            json!([
                {"name": "fetch", "file": "Echo", "value": 7},
                {"name": "try", "file": file, "data_from": ["fetch"], "task_on_error": ["mend"]},
                {"name": "mend", "file": "Gather", "data_from": ["fetch"]},
            ]),
        );
        let done = run(client, name, &json!({}));
        let states = ["fetch", "try", "mend"].map(|name| step(&done, name)["state"].clone());
        assert_eq!(json!(states), json!(expected), "{done}");
    }

    save_steps(
        client,
        "goes_on",
        json!([
            {"name": "try", "file": "Fail", "task_on_error": "continue", "output_to": ["then"]},
            {"name": "then", "file": "Gather", "data_from": ["try"]},
        ]),
    );
    let done = run(client, "goes_on", &json!({}));
    assert_eq!(done["state"], "warning", "{done}");
    assert_eq!(step(&done, "try")["state"], "warning");
    let error = &output(client, &done, "then")["try"]["error"];
    assert_eq!(error["code"], "teapot", "{error}");
}

fn calls(application: &str, count: usize) -> Value {
    let call = |at: usize| json!({"application": application, "params": {"value": at}});
    (0..count).map(call).collect()
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn children(service: &Service, client: &mut Client) {
    save_steps(client, "child", json!([{"name": "echo", "file": "Echo"}]));
    save_steps(client, "failing", json!([{"name": "fail", "file": "Fail"}]));
    let launch = |request: Value| {
        json!([
            {"name": "launch", "file": "Launch", "request": request, "output_to": ["then"]},
            {"name": "then", "file": "Gather", "data_from": ["launch"]},
        ])
    };
    save_steps(
        client,
        "parent",
        launch(json!({"children": calls("child", 7), "parallel": 2})),
    );
    let done = run(client, "parent", &json!({"loglevel": 20}));
    assert_eq!(done["state"], "success", "{done}");
    let data = output(client, &done, "launch");
    let values: Vec<_> = data
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["data"].clone())
        .collect();
    assert_eq!(Value::from(values), json!([0, 1, 2, 3, 4, 5, 6]));
    assert_eq!(output(client, &done, "then")["launch"], data);
    let first = data[0]["run_id"].as_str().unwrap();
    let child = task(client, first);
    assert_eq!(
        child["trigger"],
        format!("run:{}", done["task_id"].as_str().unwrap())
    );
    let launched = task(client, step(&done, "launch")["task_id"].as_str().unwrap());
    assert_eq!(launched["children"]["total"], 7, "{launched}");

    // What fails is told, or ignored.
    let mut mixed = calls("child", 1);
    mixed
        .as_array_mut()
        .unwrap()
        .push(json!({"application": "failing"}));
    save_steps(client, "strict", launch(json!({"children": mixed})));
    let done = run(client, "strict", &json!({}));
    assert_eq!(done["state"], "failed", "{done}");
    let error = &step(&done, "launch")["error"];
    assert_eq!(error["code"], "child-failed", "{error}");
    assert_eq!(error["detail"]["children"][0]["application"], "failing");
    assert_eq!(step(&done, "then")["state"], "skipped");
    save_steps(
        client,
        "lenient",
        launch(json!({"children": mixed, "on_failure": "ignore"})),
    );
    let done = run(client, "lenient", &json!({}));
    let states: Vec<_> = output(client, &done, "launch")
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].clone())
        .collect();
    assert_eq!(
        (done["state"].as_str().unwrap(), Value::from(states)),
        ("success", json!(["success", "failed"]))
    );

    // Without waiting.
    save_steps(
        client,
        "forgets",
        launch(json!({"children": calls("child", 3), "wait": false})),
    );
    let done = run(client, "forgets", &json!({}));
    for started in output(client, &done, "launch").as_array().unwrap() {
        let id = started["run_id"].as_str().unwrap();
        assert_eq!(ended(client, id)["state"], "success");
    }

    // What cannot start says why, and nothing starts.
    for (name, request, code) in [
        (
            "asks_nobody",
            json!({"children": [{"application": "child"}, {"application": "nobody"}]}),
            "child-refused",
        ),
        ("shapeless", json!({"childen": []}), "invalid-children"),
        (
            "itself",
            json!({"children": [{"application": "itself"}]}),
            "child-failed",
        ),
    ] {
        // Made when it runs: an application that names itself in its document is refused.
        let steps = json!([
            {"name": "request", "file": "Echo", "value": request},
            {"name": "launch", "file": "Launch", "data_from": ["request"], "request": "${request}"},
        ]);
        save_steps(client, name, steps);
        let done = run(client, name, &json!({}));
        let error = &step(&done, "launch")["error"];
        assert_eq!(error["code"], code, "{name}: {error}");
    }

    // Cancelled with its parent.
    save_steps(
        client,
        "endless",
        json!([{"name": "endless", "file": "Endless"}]),
    );
    save_steps(
        client,
        "waits",
        launch(json!({"children": [{"application": "endless"}]})),
    );
    let id = start(client, "waits", &json!({}));
    let child = until("the child", || {
        let page = client.get("/api/v1/applications/endless/logs").unwrap();
        page["items"][0]["task_id"].as_str().map(str::to_owned)
    });
    until("its begin", || {
        (task(client, &child)["state"] == "running").then_some(())
    });
    let shown = pfctl_well(service, &["run", "show", &id]);
    assert!(
        shown.contains("waiting for 1 of 1 child application"),
        "{shown}"
    );
    pfctl_well(service, &["run", "cancel", &id]);
    assert_eq!(ended(client, &child)["state"], "cancelled");
}

#[test]
fn one_process_waits() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    retries(&service, &mut client);
    failures(&mut client);
    children(&service, &mut client);
}

#[test]
fn a_cluster_waits() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    retries(cluster.api(), &mut client);
    failures(&mut client);
    children(cluster.api(), &mut client);
    cluster.stop().unwrap();
}

/// As many parents as there are runs and one slot: whoever waits holds none.
#[test]
fn parents_hold_no_slot() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap().with("worker.slots", "1");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "leaf",
        json!([{"name": "echo", "file": "Echo"}]),
    );
    for (name, child) in [("third", "leaf"), ("second", "third"), ("first", "second")] {
        save_steps(
            &mut client,
            name,
            json!([{"name": "launch", "file": "Launch", "request": {"children": calls(child, 1)}}]),
        );
    }
    let started: Vec<String> = (0..200)
        .map(|_| start(&mut client, "first", &json!({})))
        .collect();
    for id in started {
        assert_eq!(ended(&mut client, &id)["state"], "success");
    }
}

/// A step that failed while a child of it was under way is tried again, and counts the
/// children of its new attempt alone.
#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn a_child_of_an_earlier_attempt_counts_for_that_one() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "child",
        json!([{"name": "hold", "file": "Hold", "key": "go"}]),
    );
    save_steps(
        &mut client,
        "late",
        json!([{"name": "echo", "file": "Echo"}]),
    );
    save_steps(
        &mut client,
        "held",
        json!([{"name": "hold", "file": "Hold", "key": "free"}]),
    );
    let mut calls: Value = (0..3).map(|_| json!({"application": "child"})).collect();
    for name in ["held", "late"] {
        let call = json!({"application": name});
        calls.as_array_mut().unwrap().push(call);
    }
    let again =
        json!({"max_attempts": 2, "initial_delay": 2, "jitter": 0, "on": ["child-refused"]});
    save_steps(
        &mut client,
        "parent",
        json!([{"name": "launch", "file": "Launch", "task_retry": again,
            "request": {"children": calls, "parallel": 4}}]),
    );
    let id = start(&mut client, "parent", &json!({}));
    // The last child is refused when the first ones have ended.
    until("the wait for the first children", || {
        let run = task(&mut client, &id);
        (step(&run, "launch")["state"] == "waiting").then_some(())
    });
    pfctl_well(&service, &["application", "delete", "late"]);
    save_steps(
        &mut client,
        "go",
        json!([{"name": "release", "file": "Release", "key": "go"}]),
    );
    run(&mut client, "go", &json!({}));
    until("the wait for another attempt", || {
        let run = task(&mut client, &id);
        (step(&run, "launch")["waits_for"]["kind"] == "retry").then_some(())
    });
    save_steps(
        &mut client,
        "late",
        json!([{"name": "echo", "file": "Echo"}]),
    );
    let held = |client: &mut Client| -> Vec<(String, bool)> {
        let page = client.get("/api/v1/applications/held/logs").unwrap();
        let runs = page["items"].as_array().unwrap().iter();
        runs.map(|run| {
            (
                run["task_id"].as_str().unwrap().to_owned(),
                run["ended"] == true,
            )
        })
        .collect()
    };
    until("the held child of the second attempt", || {
        (held(&mut client).len() == 2).then_some(())
    });
    until("the end of all others", || {
        let page = client.get("/api/v1/applications/late/logs").unwrap();
        (page["items"][0]["ended"] == true).then_some(())
    });
    let (first, _) = held(&mut client).pop().unwrap();
    pfctl_well(&service, &["run", "cancel", &first]);
    let launch = until("the count of the cancelled child", || {
        let run = task(&mut client, &id);
        let id = step(&run, "launch")["task_id"].as_str().unwrap().to_owned();
        let launch = task(&mut client, &id);
        (launch["children"]["ended"] == 5 && launch["state"] == "waiting").then_some(launch)
    });
    assert_eq!(launch["waits_for"]["kind"], "children", "{launch}");
    save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release", "key": "free"}]),
    );
    run(&mut client, "release", &json!({}));
    let done = ended(&mut client, &id);
    assert_eq!(done["state"], "success", "{done}");
    let data = output(&mut client, &done, "launch");
    let states: Vec<_> = data
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].clone())
        .collect();
    assert_eq!(
        Value::from(states),
        json!(["success", "success", "success", "success", "success"])
    );
    assert_eq!(data[3]["data"]["released"], "free");
}

/// A wait is a row of the store: it goes on after the process that began it was killed.
#[test]
fn a_wait_survives_the_process() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    let policy = json!({"max_attempts": 3, "initial_delay": DELAY, "backoff": 1, "jitter": 0});
    save_steps(
        &mut client,
        "flaky",
        json!([{"name": "flaky", "file": "Flaky", "failures": 1, "task_retry": policy}]),
    );
    save_steps(
        &mut client,
        "parent",
        json!([{"name": "launch", "file": "Launch", "request": {"children": [{"application": "flaky"}, {"application": "flaky"}]}}]),
    );
    let began = Instant::now();
    let id = start(&mut client, "parent", &json!({}));
    until("the wait of the parent", || {
        (step(&task(&mut client, &id), "launch")["state"] == "waiting").then_some(())
    });
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let done = ended(&mut client, &id);
    assert_eq!(done["state"], "success", "{done}");
    let data = output(&mut client, &done, "launch");
    let attempts: Vec<_> = data
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["data"]["attempt"].clone())
        .collect();
    // An attempt that the kill cut off counts as well.
    assert!(
        attempts
            .iter()
            .all(|attempt| (2..=3).contains(&attempt.as_i64().unwrap())),
        "{data}"
    );
    assert!(began.elapsed() >= Duration::from_secs_f64(DELAY));
}
