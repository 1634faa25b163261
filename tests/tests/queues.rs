//! Who is served when more waits than can be: queues by weight, also when the weights change,
//! runs that do not keep a slot from others, and what is refused when too much waits.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, pfctl_well, save_steps, start, task, until};

/// Runs on each queue.
const EACH: usize = 60;

fn post(client: &mut Client, path: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    client
        .send("POST", path, &headers, body.as_bytes())
        .unwrap()
}

fn save_echo(client: &mut Client) {
    let steps = json!([{"name": "echo", "file": "Echo", "value": 1}]);
    save_steps(client, "echo", steps);
}

/// A time as text that sorts, whatever the length of its fraction.
fn sortable(time: &Value) -> String {
    let text = time.as_str().unwrap().trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<9}")
}

/// Puts runs on two queues while everything is paused, lets them go, and answers of how many of
/// those that began first the queue was `live`. Only one executes at a time.
fn served_first(client: &mut Client, first: usize) -> usize {
    let all = json!({"all": true});
    let paused = post(client, "/api/v1/runs/pause", &all);
    assert!(paused.is_success(), "{paused:?}");
    let mut runs = Vec::new();
    for queue in ["bulk", "live"] {
        for _ in 0..EACH {
            runs.push((queue, start(client, "echo", &json!({"queue": queue}))));
        }
    }
    let resumed = post(client, "/api/v1/runs/resume", &all);
    assert!(resumed.is_success(), "{resumed:?}");
    let mut began: Vec<(String, &str)> = runs
        .iter()
        .map(|(queue, id)| (sortable(&ended(client, id)["started_at"]), *queue))
        .collect();
    began.sort_unstable();
    let live = began
        .iter()
        .take(first)
        .filter(|(_, queue)| *queue == "live");
    live.count()
}

/// About: what is enqueued first is taken until the other queue is filled too.
fn assert_about(count: usize, expected: usize) {
    assert!(
        count.abs_diff(expected) <= 6,
        "{count}, not about {expected}"
    );
}

#[test]
fn one_process_serves_queues_by_weight_and_by_others_when_they_change() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.slots", "1")
        .with("worker.weights", "live=3");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let worker = &client.get("/api/v1/workers").unwrap()["items"][0];
    assert_eq!(worker["weights"], json!({"live": 3}), "{worker}");
    let number = worker["id"].to_string();
    assert_about(served_first(&mut client, 60), 45);

    let set = |arguments: &[&str]| {
        let all = [&["worker", "set", number.as_str()], arguments].concat();
        pfctl_well(&service, &all)
    };
    let shown = set(&["--weights", "live=1,bulk=9"]);
    assert!(shown.contains("bulk=9, live=1"), "{shown}");
    assert_about(served_first(&mut client, 60), 6);
    set(&["--weights", "bulk=0"]);
    assert_about(served_first(&mut client, 60), 60);
    let shown = set(&["--no-weights"]);
    assert!(!shown.contains("WEIGHTS"), "{shown}");
    assert_about(served_first(&mut client, 60), 30);
    service.stop().unwrap();
}

#[test]
fn a_cluster_serves_queues_by_weight_and_by_others_when_they_change() {
    let folder = support::folder();
    let size = Size {
        workers: 1,
        ..Size::default()
    };
    let settings = [("worker.slots", "1"), ("worker.weights", "live=3,bulk=1")];
    let cluster = Cluster::start(folder.path(), &size, &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    save_echo(&mut client);
    assert_about(served_first(&mut client, 60), 45);
    let workers = client.get("/api/v1/workers").unwrap();
    let workers = workers["items"].as_array().unwrap();
    let worker = workers.iter().find(|one| one["role"] == "worker").unwrap();
    let path = format!("/api/v1/workers/{}", worker["id"]);
    let change = json!({"weights": {"bulk": 0}});
    let changed = client.send_json("PATCH", &path, &change).unwrap();
    assert_eq!(changed["weights"], json!({"bulk": 0}));
    // It is told within half a second; a round before that is served as before.
    until("the other weights", || {
        (served_first(&mut client, 60) >= 54).then_some(())
    });
    cluster.stop().unwrap();
}

/// A worker goes on with the next step of a run, past the queue, but not for ever.
#[test]
fn a_long_run_does_not_keep_a_slot_from_what_waits() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap().with("worker.slots", "1");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let mut steps = Vec::new();
    for number in 0..8 {
        let mut step = json!({"name": format!("s{number}"), "file": "Slow", "seconds": 1});
        if number < 7 {
            step["output_to"] = json!([format!("s{}", number + 1)]);
        }
        steps.push(step);
    }
    save_steps(&mut client, "long", json!(steps));
    let long = start(&mut client, "long", &json!({}));
    until("its first step", || {
        (task(&mut client, &long)["state"] == "running").then_some(())
    });
    for queue in ["default", "other"] {
        let short = start(&mut client, "echo", &json!({"queue": queue}));
        assert_eq!(ended(&mut client, &short)["state"], "success");
        assert_eq!(task(&mut client, &long)["ended"], false, "{queue}");
    }
    let long = ended(&mut client, &long);
    assert_eq!(long["state"], "success", "{long}");
    service.stop().unwrap();
}

#[test]
fn a_full_queue_is_refused_and_others_are_not() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("limits.backlog_of_queue", "3")
        .with("limits.backlog", "5");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let all = json!({"all": true});
    assert!(post(&mut client, "/api/v1/runs/pause", &all).is_success());
    let mut accepted = Vec::new();
    for queue in ["acme", "acme", "acme", "other", "other"] {
        accepted.push(start(&mut client, "echo", &json!({"queue": queue})));
        if accepted.len() == 3 {
            refused(
                &mut client,
                "acme",
                &["queue `acme`", "3 accepted", "limits.backlog_of_queue"],
            );
        }
    }
    refused(
        &mut client,
        "third",
        &["5 accepted", "limit of a tenant", "limits.backlog)"],
    );
    let told = client.send("GET", "/metrics", &[], &[]).unwrap();
    let told = String::from_utf8(told.body).unwrap();
    for line in [
        "powerflow_queue_runs{queue=\"acme\"} 3",
        "powerflow_queue_runs{queue=\"other\"} 2",
        "powerflow_runs_refused_total 2",
    ] {
        assert!(told.lines().any(|one| one == line), "{line}: {told}");
    }
    assert!(post(&mut client, "/api/v1/runs/resume", &all).is_success());
    for id in &accepted {
        assert_eq!(ended(&mut client, id)["state"], "success");
    }
    for queue in ["acme", "third"] {
        let id = start(&mut client, "echo", &json!({"queue": queue}));
        assert_eq!(ended(&mut client, &id)["state"], "success");
    }
    service.stop().unwrap();
}

fn refused(client: &mut Client, queue: &str, words: &[&str]) {
    let body = json!({"name": "echo", "params": {"queue": queue}});
    let answer = post(client, "/api/v1/applications/run", &body);
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let problem = support::problem(&answer, queue);
    assert_eq!(problem["code"], "PF-0430", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "{word}: {detail}");
    }
}
