//! Steps that are executed once for each element of a list: in order, bounded, with their own
//! attempts, and through crashes.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, output, run, save, save_steps, start, step, task, until};

/// How many elements the step has started and counted as ended.
fn counted(client: &mut Client, run: &str) -> (u64, u64) {
    let shown = task(client, run);
    let id = step(&shown, "each")["task_id"].as_str().unwrap().to_owned();
    let children = &task(client, &id)["children"];
    let number = |key: &str| children[key].as_u64().unwrap_or(0);
    (number("total"), number("ended"))
}

/// A list, a step for each of its elements, and a step that reads what they made.
fn each(client: &mut Client, name: &str, each: &Value, keys: &Value) {
    let mut step = json!({"name": "each", "data_from": ["list"], "task_for_each": each});
    for (key, value) in keys.as_object().unwrap() {
        step[key] = value.clone();
    }
    let steps = json!([
        {"name": "list", "file": "Echo", "value": "${appvar.list}"},
        step,
        {"name": "after", "file": "Echo", "data_from": ["each"], "value": "${each}"},
    ]);
    let application = json!({"name": name, "steps": steps,
        "app_variables": [{"name": "list", "value": []}, {"name": "word", "value": "w"}]});
    let saved = save(client, "applications", &application);
    assert_eq!(saved["faults"], json!([]), "{saved}");
}

fn echo() -> Value {
    json!({"file": "Echo", "value": {"n": "${item.n}", "at": "${index}", "all": "${list.0.n}", "word": "${appvar.word}"}})
}

fn numbers(count: usize) -> Value {
    (0..count).map(|n| json!({"n": n * 10})).collect()
}

fn expected(count: usize, word: &str) -> Value {
    (0..count)
        .map(|n| json!({"n": n * 10, "at": n, "all": 0, "word": word}))
        .collect()
}

fn elements(client: &mut Client) {
    let bounded = json!({"items": "${list}", "parallel": 7});
    each(client, "many", &bounded, &echo());
    for count in [100, 1, 0] {
        let done = run(
            client,
            "many",
            &json!({"list": numbers(count), "word": "given"}),
        );
        assert_eq!(done["state"], "success", "{done}");
        assert_eq!(output(client, &done, "each"), expected(count, "given"));
        assert_eq!(output(client, &done, "after"), expected(count, "given"));
        assert_eq!(step(&done, "each")["attempts"], 1, "{done}");
    }
    // Runs of elements are no runs of the application.
    let listed = client.get("/api/v1/applications/many/logs").unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3, "{listed}");

    each(
        client,
        "fixed",
        &json!({"items": [1, "two", null]}),
        &json!({"file": "Echo", "value": "${item}"}),
    );
    let done = run(client, "fixed", &json!({}));
    assert_eq!(output(client, &done, "each"), json!([1, "two", null]));

    for wrong in [json!({"a": 1}), json!("text"), json!(7)] {
        let done = run(client, "many", &json!({"list": wrong}));
        let error = &step(&done, "each")["error"];
        assert_eq!(error["code"], "PF-R005", "{done}");
    }
}

fn failures(client: &mut Client) {
    let flaky = json!({"file": "Flaky", "failures": "${item}",
        "task_retry": {"max_attempts": 2, "initial_delay": 0.01}});
    each(client, "strict", &json!({"items": "${list}"}), &flaky);
    let done = run(client, "strict", &json!({"list": [0, 1, 9, 0, 9]}));
    let error = &step(&done, "each")["error"];
    assert_eq!(error["code"], "element-failed", "{done}");
    assert_eq!(
        error["message"],
        "2 of 5 elements failed, the first: element 2: not in attempt 2"
    );
    let elements = error["detail"]["elements"].as_array().unwrap();
    let places: Vec<_> = elements
        .iter()
        .map(|one| one["index"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [2, 4]);
    assert_eq!(elements[0]["error"]["code"], "busy");
    assert_eq!(step(&done, "after")["state"], "skipped");
    assert_eq!(
        step(&done, "each")["attempts"],
        1,
        "each element has had its attempts"
    );

    // An element's run has the one step, and is not repeated by itself.
    let id = elements[0]["run_id"].as_str().unwrap();
    let element = task(client, id);
    assert_eq!(element["steps"].as_array().unwrap().len(), 1, "{element}");
    assert_eq!(step(&element, "each")["attempts"], 2, "{element}");
    for what in ["replay", "retry"] {
        let path = format!("/api/v1/tasks/{id}/{what}");
        let reply = client.send(
            "POST",
            &path,
            &[("content-type", "application/json")],
            b"{}",
        );
        assert_eq!(reply.unwrap().status, 409, "{what}");
    }

    each(
        client,
        "lenient",
        &json!({"items": "${list}", "on_failure": "ignore"}),
        &flaky,
    );
    let done = run(client, "lenient", &json!({"list": [0, 1, 9, 0]}));
    let ends = &step(&done, "each");
    assert_eq!(ends["state"], "warning", "{done}");
    assert_eq!(
        ends["error"]["message"],
        "1 of 4 elements failed, their data is null: 2"
    );
    let data = output(client, &done, "after");
    assert_eq!(
        data,
        json!([{"attempt": 1}, {"attempt": 2}, null, {"attempt": 1}])
    );
}

/// Elements take places of their step's limit, and give them back, also where they fail.
fn limited(client: &mut Client) {
    let keys = json!({"file": "Flaky", "failures": "${item}",
        "task_concurrency": {"key": "element ${appvar.word}", "limit": 2}});
    let lenient = json!({"items": "${list}", "parallel": 6, "on_failure": "ignore"});
    each(client, "limited", &lenient, &keys);
    for _ in 0..2 {
        let list = json!([0, 0, 9, 0, 9, 0]);
        let done = run(client, "limited", &json!({"list": list}));
        assert_eq!(step(&done, "each")["state"], "warning", "{done}");
    }
    let limits = client.get("/api/v1/limits").unwrap();
    assert_eq!(limits["items"], json!([]), "{limits}");
}

/// A trigger step for each element: children of children.
fn triggers(client: &mut Client) {
    save_steps(client, "leaf", json!([{"name": "echo", "file": "Echo"}]));
    let launch = json!({"file": "Launch", "request": {"children": [
        {"application": "leaf", "params": {"value": "${item}"}}]}});
    each(
        client,
        "launches",
        &json!({"items": "${list}", "parallel": 2}),
        &launch,
    );
    let done = run(client, "launches", &json!({"list": ["a", "b", "c"]}));
    assert_eq!(done["state"], "success", "{done}");
    let data = output(client, &done, "each");
    for (at, word) in ["a", "b", "c"].iter().enumerate() {
        assert_eq!(data[at][0]["data"], *word, "{data}");
    }
}

fn cancelled(client: &mut Client) {
    each(
        client,
        "stuck",
        &json!({"items": "${list}", "parallel": 5}),
        &json!({"file": "Hold", "key": "nobody"}),
    );
    let id = start(client, "stuck", &json!({"list": [1, 2, 3, 4, 5, 6, 7]}));
    until("elements under way", || {
        (counted(client, &id).0 == 5).then_some(())
    });
    let shown = task(client, &id);
    let each = step(&shown, "each")["task_id"].as_str().unwrap().to_owned();
    let children = task(client, &each)["children"]["runs"].clone();
    let children = children.as_array().unwrap();
    assert_eq!(children.len(), 5);
    let path = format!("/api/v1/tasks/{id}");
    client.send("DELETE", &path, &[], &[]).unwrap();
    assert_eq!(ended(client, &id)["state"], "cancelled");
    for child in children {
        let child = task(client, child["task_id"].as_str().unwrap());
        assert_eq!(child["state"], "cancelled", "{child}");
    }
}

#[test]
fn one_process_executes_each() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    elements(&mut client);
    failures(&mut client);
    limited(&mut client);
    triggers(&mut client);
    cancelled(&mut client);
    for (each, at) in [
        (json!("${list}"), ""),
        (json!({"items": "list"}), "/items"),
        (json!({"items": [], "parallel": 0}), "/parallel"),
        (json!({"items": [], "on_failure": "ignroe"}), "/on_failure"),
    ] {
        let steps = json!([{"name": "a", "file": "Echo", "task_for_each": each}]);
        let application = json!({"name": "wrong", "steps": steps});
        let saved = save(&mut client, "applications", &application);
        assert_eq!(saved["faults"][0]["code"], "PF-A052", "{each}: {saved}");
        assert_eq!(
            saved["faults"][0]["at"],
            format!("/steps/0/task_for_each{at}")
        );
    }
    // Elsewhere there is no element.
    let steps = json!([{"name": "a", "file": "Echo", "value": "${item}"}]);
    let saved = save(
        &mut client,
        "applications",
        &json!({"name": "wrong", "steps": steps}),
    );
    assert_eq!(saved["faults"][0]["at"], "/steps/0/value", "{saved}");
    service.stop().unwrap();
}

/// One slot is enough, and a process that is killed in the middle loses and repeats nothing
/// that was committed.
#[test]
fn elements_survive_the_process() {
    const COUNT: usize = 400;
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap().with("worker.slots", "1");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    each(
        &mut client,
        "many",
        &json!({"items": "${list}", "parallel": 20}),
        &echo(),
    );
    let id = start(&mut client, "many", &json!({"list": numbers(COUNT)}));
    until("some elements", || {
        (counted(&mut client, &id).1 >= 30).then_some(())
    });
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let done = ended(&mut client, &id);
    assert_eq!(done["state"], "success", "{done}");
    assert_eq!(output(&mut client, &done, "after"), expected(COUNT, "w"));
    service.stop().unwrap();
    let store = support::open(folder.path());
    assert_eq!(
        support::number(&store, "SELECT count(*) FROM run"),
        COUNT + 1
    );
}

#[test]
fn a_cluster_executes_each() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    elements(&mut client);
    failures(&mut client);
    limited(&mut client);
    triggers(&mut client);
    cluster.stop().unwrap();
}
