//! Many runs together: counted, retried and cancelled, each once, over restarts; and steps whose
//! workers were lost, which are listed until somebody has seen to them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeMap;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::{Plan, Service};
use serde_json::{Value, json};
use support::{ended, part, pfctl, pfctl_well, save_steps, start, task, until};

/// More than one part.
const MANY: usize = 250;

fn ask(client: &mut Client, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    client
        .send("POST", "/api/v1/runs/bulk", &headers, body.as_bytes())
        .unwrap()
}

fn begin(client: &mut Client, body: &Value) -> String {
    let answer = ask(client, body);
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.json().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/api/v1/runs/bulk/{id}"))
    );
    id
}

fn seen(client: &mut Client, id: &str) -> Value {
    client.get(&format!("/api/v1/runs/bulk/{id}")).unwrap()
}

fn done(client: &mut Client, id: &str) -> Value {
    until("the end of work on many runs", || {
        let found = seen(client, id);
        (found["state"] != "running").then_some(found)
    })
}

/// All runs of an application.
fn runs(client: &mut Client, application: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/applications/{application}/logs?limit=200{after}");
        let page = client.get(&path).unwrap();
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

/// Runs that fail, of an application that is corrected afterwards.
fn fail_many(client: &mut Client) {
    save_steps(client, "job", json!([{"name": "one", "file": "Fail"}]));
    for _ in 0..MANY {
        start(client, "job", &json!({}));
    }
    until("the failure of all", || {
        let all = runs(client, "job");
        all.iter().all(|run| run["state"] == "failed").then_some(())
    });
    save_steps(client, "job", json!([{"name": "one", "file": "Echo"}]));
}

/// Each run that failed has one retry, and nothing else has been started.
fn each_was_retried_once(client: &mut Client) {
    let all = until("the end of what was retried", || {
        let all = runs(client, "job");
        all.iter().all(|run| run["ended"] == true).then_some(all)
    });
    let mut retries: BTreeMap<String, usize> = BTreeMap::new();
    for run in &all {
        if let Some(of) = run["trigger"].as_str().unwrap().strip_prefix("retry:") {
            assert_eq!(run["state"], "success", "{run}");
            *retries.entry(of.to_owned()).or_default() += 1;
        }
    }
    assert_eq!((all.len(), retries.len()), (2 * MANY, MANY));
    assert!(retries.values().all(|count| *count == 1), "{retries:?}");
}

#[test]
fn many_runs_are_retried_once_over_deaths() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let mut service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    fail_many(&mut client);
    let asked = json!({"action": "retry", "application": "job", "newest": true});
    let mut preview = asked.clone();
    preview["preview"] = json!(true);
    let counted = ask(&mut client, &preview);
    assert_eq!(
        (counted.status, &counted.json().unwrap()["count"]),
        (200, &json!(MANY))
    );
    let id = begin(&mut client, &asked);
    // Killed wherever it stands, and again.
    for _ in 0..2 {
        service.kill().unwrap();
        service = plan.start().unwrap();
    }
    let mut client = service.client().unwrap();
    let found = done(&mut client, &id);
    assert_eq!(
        (
            &found["state"],
            &found["total"],
            &found["done"],
            &found["skipped"]
        ),
        (&json!("done"), &json!(MANY), &json!(MANY), &json!(0)),
        "{found}"
    );
    each_was_retried_once(&mut client);
    let listed = pfctl_well(&service, &["run", "bulk", "list"]);
    assert!(
        listed.contains("retry") && listed.contains(&format!("{MANY}/{MANY}")),
        "{listed}"
    );
    service.stop().unwrap();
}

#[test]
fn many_runs_of_a_cluster_are_retried_once() {
    let folder = support::folder();
    let size = Size {
        schedulers: 2,
        ..Size::default()
    };
    let mut cluster = Cluster::start(folder.path(), &size, &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    fail_many(&mut client);
    let id = begin(
        &mut client,
        &json!({"action": "retry", "application": "job", "newest": true}),
    );
    // One of the two leads; the other goes on where it stood.
    cluster.schedulers.remove(0).kill().unwrap();
    let found = done(&mut client, &id);
    assert_eq!(
        (&found["done"], &found["skipped"]),
        (&json!(MANY), &json!(0)),
        "{found}"
    );
    each_was_retried_once(&mut client);
    cluster.stop().unwrap();
}

fn save_applications(client: &mut Client) {
    for (name, file) in [("hold", "Hold"), ("echo", "Echo")] {
        save_steps(client, name, json!([{"name": name, "file": file}]));
    }
}

/// Before anything is done.
#[test]
fn what_is_wrong_with_a_request_is_told() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_applications(&mut client);
    let held = start(&mut client, "hold", &json!({"key": "a"}));
    for (body, status, code) in [
        (json!({"action": "cancel"}), 400, "PF-0400"),
        (json!({"application": "hold"}), 400, "PF-0400"),
        (
            json!({"action": "cancel", "application": "hold", "all": true}),
            400,
            "PF-0400",
        ),
        (
            json!({"action": "cancel", "application": "hold", "from": "yesterday"}),
            400,
            "PF-0400",
        ),
        (
            json!({"action": "cancel", "application": "nothing"}),
            404,
            "PF-0404",
        ),
        (
            json!({"action": "cancel", "application": "hold", "states": ["failed"]}),
            422,
            "PF-1001",
        ),
        (
            json!({"action": "retry", "all": true, "states": ["asleep"]}),
            422,
            "PF-1001",
        ),
    ] {
        let refused = ask(&mut client, &body);
        let problem = support::problem(&refused, &body.to_string());
        assert_eq!(
            (refused.status, &problem["code"]),
            (status, &json!(code)),
            "{problem}"
        );
    }
    let list = client.get("/api/v1/runs/bulk").unwrap();
    assert_eq!(list["items"], json!([]));
    assert_eq!(task(&mut client, &held)["ended"], false);
    pfctl_well(&service, &["run", "cancel", &held]);
    service.stop().unwrap();
}

#[test]
fn many_runs_are_narrowed_cancelled_and_replayed() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_applications(&mut client);
    let held: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|key| start(&mut client, "hold", &json!({"key": key})))
        .collect();
    let echoed = support::run(&mut client, "echo", &json!({"value": 7}));
    let echoed = echoed["task_id"].as_str().unwrap();
    // A window that none falls into.
    let none = json!({"action": "cancel", "until": "2020-01-01T00:00:00Z"});
    let id = begin(&mut client, &none);
    assert_eq!(done(&mut client, &id)["total"], 0);

    let cancel = |how: &str| {
        let line = format!("--json run bulk start cancel --application hold {how}");
        let words: Vec<_> = line.split(' ').collect();
        serde_json::from_str::<Value>(&pfctl_well(&service, &words)).unwrap()
    };
    assert_eq!(cancel("--preview")["count"], 3);
    let found = cancel("--wait");
    assert_eq!(
        (&found["done"], &found["skipped"]),
        (&json!(3), &json!(0)),
        "{found}"
    );
    for id in &held {
        assert_eq!(ended(&mut client, id)["state"], "cancelled");
    }
    assert_eq!(task(&mut client, echoed)["state"], "success");

    // Those that succeeded, and nothing of the others.
    let replay = json!({"action": "replay", "all": true, "states": ["success"]});
    let id = begin(&mut client, &replay);
    assert_eq!(done(&mut client, &id)["done"], 1);
    let all = until("the replay", || {
        let all = runs(&mut client, "echo");
        (all.len() == 2 && all.iter().all(|run| run["ended"] == true)).then_some(all)
    });
    assert_eq!(all[0]["trigger"], format!("replay:{echoed}"));

    // What cannot be done to a run is told, and the others go on.
    client
        .send("DELETE", "/api/v1/applications/echo", &[], &[])
        .unwrap()
        .json()
        .unwrap();
    let id = begin(
        &mut client,
        &json!({"action": "replay", "all": true, "states": ["success", "cancelled"]}),
    );
    let found = done(&mut client, &id);
    assert_eq!(
        (&found["done"], &found["skipped"]),
        (&json!(3), &json!(2)),
        "{found}"
    );
    let why = found["problems"][0]["message"].as_str().unwrap();
    assert!(why.contains("there is no application `echo`"), "{why}");
    let stopped = client
        .send("DELETE", &format!("/api/v1/runs/bulk/{id}"), &[], &[])
        .unwrap();
    assert_eq!(
        support::problem(&stopped, "stopping what has ended")["code"],
        "PF-1004"
    );
    for run in runs(&mut client, "hold") {
        let id = run["task_id"].as_str().unwrap();
        pfctl(&service, &["run", "cancel", id]);
    }
    service.stop().unwrap();
}

fn letters(client: &mut Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/api/v1/dead-letters{query}")).unwrap();
    page["items"].as_array().unwrap().clone()
}

/// Two runs whose worker is killed while it executes a step of theirs that may not be executed
/// twice.
fn lose_two(plan: &Plan) -> (Service, Vec<String>) {
    let service = support::serve_plan(plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "fragile",
        json!([{"name": "before", "file": "Echo", "output_to": ["hold"]},
            {"name": "hold", "file": "Hold", "on_worker_lost": "fail"}]),
    );
    save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release"}]),
    );
    let lost: Vec<String> = ["x", "y"]
        .iter()
        .map(|key| start(&mut client, "fragile", &json!({"key": key})))
        .collect();
    for key in ["x/holding", "y/holding"] {
        until("the step that holds", || {
            let path = format!("/api/v1/cache/{}", part(key));
            let answer = client.send("GET", &path, &[], &[]).unwrap();
            answer.is_success().then_some(())
        });
    }
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    for id in &lost {
        assert_eq!(ended(&mut client, id)["state"], "failed");
    }
    (service, lost)
}

#[test]
fn a_step_whose_worker_was_lost_is_listed_until_somebody_sees_to_it() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let (service, lost) = lose_two(&plan);
    let mut client = service.client().unwrap();
    let found = letters(&mut client, "");
    assert_eq!(found.len(), 2, "{found:?}");
    for letter in &found {
        assert_eq!(
            (
                &letter["code"],
                &letter["step"],
                &letter["application"],
                &letter["attempts"]
            ),
            (
                &json!("worker-lost"),
                &json!("hold"),
                &json!("fragile"),
                &json!(1)
            ),
            "{letter}"
        );
        assert!(lost.contains(&letter["run"].as_str().unwrap().to_owned()));
        let step = task(&mut client, letter["task"].as_str().unwrap());
        assert_eq!(step["state"], "failed", "{step}");
    }
    assert_eq!(letters(&mut client, "?application=release").len(), 0);
    assert_eq!(letters(&mut client, "?code=dead-letter").len(), 0);
    assert_eq!(letters(&mut client, "?queue=default&limit=1").len(), 1);
    let shown = pfctl_well(&service, &["run", "dead-letters", "list"]);
    assert!(
        shown.contains("worker-lost") && shown.contains("fragile"),
        "{shown}"
    );

    // One is replayed: what ended well is kept, and it is off the list.
    for key in ["x", "y"] {
        support::run(&mut client, "release", &json!({"key": key}));
    }
    let number = found[0]["id"].as_str().unwrap();
    let again = pfctl_well(&service, &["run", "dead-letters", "replay", number]);
    let retried = ended(&mut client, again.trim());
    assert_eq!(retried["state"], "success", "{retried}");
    assert_eq!(
        retried["trigger"],
        format!("retry:{}", found[0]["run"].as_str().unwrap())
    );
    assert_eq!(letters(&mut client, ""), &found[1..]);
    let path = format!("/api/v1/dead-letters/{number}/replay");
    let twice = client.send("POST", &path, &[], &[]).unwrap();
    assert_eq!(support::problem(&twice, "a settled letter")["status"], 404);

    // All that fit, together.
    let id = begin(
        &mut client,
        &json!({"action": "retry", "dead_letters": true}),
    );
    assert_eq!(done(&mut client, &id)["done"], 1);
    until("an empty list", || {
        letters(&mut client, "").is_empty().then_some(())
    });
    service.stop().unwrap();
}
