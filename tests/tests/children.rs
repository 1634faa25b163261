//! Child applications where something goes wrong: their parent is cancelled, one cannot run,
//! what they were made of is deleted.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Barrier;
use std::thread;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::{BENCH, TRIAL};
use harness::service::{Plan, Service};
use serde_json::{Value, json};
use support::{ended, output, pfctl_well, run, save, save_steps, start, step, task, until};

/// More than are accepted in a moment.
const MANY: usize = 4_000;

fn echo(client: &mut Client, name: &str) {
    save_steps(client, name, json!([{"name": "echo", "file": "Echo"}]));
}

fn launch(request: &Value) -> Value {
    json!([{"name": "launch", "file": "Launch", "request": request}])
}

fn calls(application: &str, count: usize) -> Vec<Value> {
    let call = |at: usize| json!({"application": application, "params": {"value": at}});
    (0..count).map(call).collect()
}

/// How many runs of an application there are, and how many of them have not ended.
fn runs_of(client: &mut Client, application: &str) -> (usize, usize) {
    let (mut all, mut open, mut after) = (0, 0, String::new());
    loop {
        let path = format!("/api/v1/applications/{application}/logs?limit=200{after}");
        let page = client.get(&path).unwrap();
        let items = page["items"].as_array().unwrap();
        all += items.len();
        open += items.iter().filter(|run| run["ended"] == false).count();
        let Some(next) = page["next"].as_str() else {
            return (all, open);
        };
        after = format!("&after={next}");
    }
}

/// Whatever was accepted when its parent was cancelled ends, and nothing is accepted later.
fn a_parent_is_cancelled(service: &Service, client: &mut Client) {
    echo(client, "leaf");
    for wait in [true, false] {
        let name = format!("parent_{wait}");
        let request = json!({"children": calls("leaf", MANY), "parallel": MANY, "wait": wait});
        save_steps(client, &name, launch(&request));
        let before = runs_of(client, "leaf").0;
        let id = start(client, &name, &json!({}));
        until("the first children", || {
            (runs_of(client, "leaf").0 > before).then_some(())
        });
        pfctl_well(service, &["run", "cancel", &id]);
        let (accepted, _) = until("the end of all children", || {
            let (all, open) = runs_of(client, "leaf");
            (open == 0).then_some((all, open))
        });
        assert_eq!(ended(client, &id)["state"], "cancelled");
        // A slot that nobody gave back would show now.
        assert_eq!(run(client, "leaf", &json!({}))["state"], "success");
        assert_eq!(runs_of(client, "leaf").0, accepted + 1);
        assert!(accepted - before < MANY, "all {MANY} were accepted before");
    }
}

#[test]
fn a_parent_is_cancelled_while_it_starts_children() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    a_parent_is_cancelled(&service, &mut client);
}

#[test]
fn a_parent_of_a_cluster_is_cancelled_while_it_starts_children() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    a_parent_is_cancelled(cluster.api(), &mut client);
    cluster.stop().unwrap();
}

/// One that cannot run keeps all others from being started, wherever it stands.
#[test]
fn no_child_starts_where_one_cannot() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    echo(&mut client, "child");
    save_steps(
        &mut client,
        "needs",
        json!([{"name": "hold", "file": "Hold"}]),
    );
    for (call, at) in [
        (json!({"application": "needs"}), "/children/3: hold.key"),
        (
            json!({"application": "child", "params": {"configuration": "nobody"}}),
            "/children/3: configuration",
        ),
        (
            json!({"application": "child", "params": {"queue": "a\nb"}}),
            "/children/3: queue",
        ),
    ] {
        let mut children = calls("child", 3);
        children.push(call);
        let request = json!({"children": children, "parallel": 2});
        save_steps(&mut client, "parent", launch(&request));
        let done = run(&mut client, "parent", &json!({}));
        let error = &step(&done, "launch")["error"];
        assert_eq!(error["code"], "child-refused", "{error}");
        assert_eq!(error["detail"]["faults"][0]["at"], at, "{error}");
        assert_eq!(runs_of(&mut client, "child"), (0, 0));
    }
}

/// What a child made is its parent's, also when the pack is gone that the child ran with.
#[test]
fn the_pack_of_an_ended_child_may_go() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL, BENCH]);
    let mut client = service.client().unwrap();
    let steps = json!([{"name": "noop", "file": "Noop", "syncpack": BENCH.name, "input": 7}]);
    save(
        &mut client,
        "applications",
        &json!({"name": "short", "steps": steps}),
    );
    save_steps(
        &mut client,
        "held",
        json!([{"name": "hold", "file": "Hold", "key": "go"}]),
    );
    save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release", "key": "go"}]),
    );
    let request = json!({"children": [{"application": "short"}, {"application": "held"}]});
    save_steps(&mut client, "parent", launch(&request));
    let id = start(&mut client, "parent", &json!({}));
    until("the end of the short child", || {
        let run = task(&mut client, &id);
        (step(&run, "launch")["state"] == "waiting" && runs_of(&mut client, "short") == (1, 0))
            .then_some(())
    });
    pfctl_well(&service, &["syncpack", "deactivate", BENCH.name]);
    pfctl_well(&service, &["syncpack", "delete", BENCH.name]);
    run(&mut client, "release", &json!({}));
    let done = ended(&mut client, &id);
    assert_eq!(done["state"], "success", "{done}");
    let data = output(&mut client, &done, "launch");
    assert_eq!(
        (&data[0]["data"], &data[0]["state"]),
        (&json!(7), &json!("success"))
    );
}

/// What a document says about failures holds for a step whose worker was lost.
#[test]
fn a_lost_step_is_handled_as_any_that_fails() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    for (name, on_error) in [("goes_on", json!("continue")), ("handled", json!(["then"]))] {
        let mut lost = json!({"name": "lost", "file": "Endless", "on_worker_lost": "fail",
            "task_on_error": on_error});
        let mut then = json!({"name": "then", "file": "Echo", "value": "${lost.error.code}"});
        if name == "goes_on" {
            lost["output_to"] = json!(["then"]);
            then["data_from"] = json!(["lost"]);
        }
        save_steps(&mut client, name, json!([lost, then]));
    }
    let started: Vec<String> = ["goes_on", "handled"]
        .map(|name| {
            let id = start(&mut client, name, &json!({}));
            until("the begin", || {
                let run = task(&mut client, &id);
                (step(&run, "lost")["state"] == "running").then_some(())
            });
            id
        })
        .into();
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    for (id, state) in started.iter().zip(["warning", "failed"]) {
        let done = ended(&mut client, id);
        assert_eq!(done["state"], "warning", "{done}");
        assert_eq!(step(&done, "lost")["state"], state, "{done}");
        assert_eq!(output(&mut client, &done, "then"), "worker-lost");
    }
}

/// Starts one application by its name, or by one that is made when the step runs.
fn calling(name: &str, application: &str) -> Value {
    json!({"name": name, "app_variables": [{"name": "self", "value": name}],
        "steps": [{"name": "launch", "file": "Launch", "syncpack": "trial_pack",
            "request": {"children": [{"application": application}]}}]})
}

fn post(client: &mut Client, document: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let body = document.to_string();
    client
        .send("POST", "/api/v1/applications", &headers, body.as_bytes())
        .unwrap()
}

/// Applications that lead back to themselves are not saved, whoever closes the circle.
fn no_circle_is_saved(client: &mut Client) {
    // What is not there yet leads nowhere.
    for (name, calls) in [("first", "second"), ("second", "third")] {
        save(client, "applications", &calling(name, calls));
    }
    for (name, calls, way) in [
        ("third", "first", "third → first → second → third"),
        ("third", "third", "third → third"),
        ("first", "first", "first → first"),
    ] {
        let refused = post(client, &calling(name, calls));
        let problem = support::problem(&refused, way);
        assert_eq!(refused.status, 422, "{problem}");
        let fault = &problem["errors"][0];
        assert_eq!(
            (&fault["code"], &fault["at"]),
            (&json!("PF-A072"), &json!("/steps"))
        );
        let message = fault["message"].as_str().unwrap();
        assert!(message.contains(&format!(": {way};")), "{message}");
    }
    let missing = client
        .send("GET", "/api/v1/applications/third", &[], &[])
        .unwrap();
    assert_eq!(missing.status, 404);
    // Checking says it as well.
    let checked = client.send_json(
        "POST",
        "/api/v1/applications/validate",
        &calling("third", "first"),
    );
    assert_eq!(checked.unwrap()["faults"][0]["code"], "PF-A072");
    // Nobody can say before it runs what a name will be: the depth ends it.
    save(client, "applications", &calling("loop", "${appvar.self}"));
    let id = start(client, "loop", &json!({}));
    let deepest = until("the one that goes no deeper", || {
        let page = client
            .get("/api/v1/applications/loop/logs?limit=50&state=failed")
            .unwrap();
        let runs = page["items"].as_array().unwrap().clone();
        runs.iter()
            .map(|run| task(client, run["task_id"].as_str().unwrap()))
            .find(|run| step(run, "launch")["error"]["code"] == "too-deep")
    });
    assert_eq!(deepest["state"], "failed");
    assert_eq!(ended(client, &id)["state"], "failed");
}

/// Two save one application each, at the same moment, again and again: never both of a pair
/// that start each other.
fn no_circle_is_saved_by_two(clients: [Client; 2]) {
    const PAIRS: usize = 30;
    let gates: Vec<Barrier> = (0..PAIRS).map(|_| Barrier::new(2)).collect();
    let [mut one, mut other] = clients;
    let save_all = |client: &mut Client, own: &str, called: &str| -> Vec<u16> {
        let saved = gates.iter().enumerate().map(|(pair, gate)| {
            let document = calling(&format!("{own}{pair}"), &format!("{called}{pair}"));
            gate.wait();
            let answer = post(client, &document);
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status == 201 || body.contains("PF-A072"), "{body}");
            answer.status
        });
        saved.collect()
    };
    let (left, right) = thread::scope(|scope| {
        let right = scope.spawn(|| save_all(&mut other, "right", "left"));
        let left = save_all(&mut one, "left", "right");
        (left, right.join().unwrap())
    });
    for (pair, both) in left.into_iter().zip(right).enumerate() {
        assert!(
            both == (201, 422) || both == (422, 201),
            "pair {pair}: {both:?}"
        );
    }
}

#[test]
fn applications_that_start_each_other_in_a_circle_are_refused() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    no_circle_is_saved(&mut client);
    no_circle_is_saved_by_two([service.client().unwrap(), client]);
    service.stop().unwrap();
}

#[test]
fn two_processes_close_no_circle_together() {
    let folder = support::folder();
    let size = Size {
        apis: 2,
        ..Size::default()
    };
    let cluster = Cluster::start(folder.path(), &size, &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    // The other process knows the steps of the pack.
    let mut other = cluster.apis[1].client().unwrap();
    until("the pack in the other process", || {
        let found = other.send("GET", "/api/v1/steps/Launch", &[], &[]).unwrap();
        found.is_success().then_some(())
    });
    no_circle_is_saved(&mut cluster.api().client().unwrap());
    no_circle_is_saved_by_two([cluster.api().client().unwrap(), other]);
    cluster.stop().unwrap();
}
