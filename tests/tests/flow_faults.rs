//! Faults in the middle of runs that wait: for children, for the elements of a list, for another
//! attempt, for a decision, for a place under a limit, for a while; and of a schedule. After each fault
//! every run ended well, with one result for everything that it started, each question was
//! decided once, each occurrence started one run, and nobody holds a place.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::place;
use harness::service::{Plan, Service};
use serde_json::{Value, json};
use support::{Random, ended, output, save, until};

const RUNS: usize = 40;
/// Elements of each run's list, and how many times it starts the other application.
const ELEMENTS: usize = 8;
const CHILDREN: usize = 3;
const SCHEDULE: &str = "each second";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// What is run, and its schedule.
fn furnish(service: &Service) {
    service.upload(&TRIAL.build().unwrap()).unwrap();
    service.activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = service.client().unwrap();
    let echo = json!({"file": "Echo", "syncpack": TRIAL.name});
    let entry = |name: &str, more: Value| {
        let mut entry = echo.clone();
        let all = entry.as_object_mut().unwrap();
        all.insert("name".to_owned(), json!(name));
        all.extend(more.as_object().unwrap().clone());
        entry
    };
    let leaf = json!({"name": "leaf", "app_variables": [{"name": "number", "value": 0}],
        "steps": [entry("echo", json!({"value": "${appvar.number}"}))]});
    let elements: Vec<usize> = (0..ELEMENTS).collect();
    let children: Vec<usize> = (0..CHILDREN).collect();
    let mixed = json!({"name": "mixed", "steps": [
        {"name": "flaky", "file": "Flaky", "syncpack": TRIAL.name, "failures": 1,
            "task_retry": {"max_attempts": 20, "initial_delay": 0.5}},
        entry("each", json!({"value": "${item}",
            "task_for_each": {"items": elements, "parallel": 3},
            "task_concurrency": {"key": "device", "limit": 4}})),
        {"name": "start", "file": "TriggerApplication", "syncpack": "base_steps",
            "application": "leaf", "items": children, "item_parameter": "number"},
        {"name": "ask", "operator": "approval", "question": "Go on?", "within": 3600},
        {"name": "settle", "operator": "delay", "seconds": 1},
        {"name": "all", "operator": "transform", "output": "text",
            "data_from": ["flaky", "each", "start", "ask", "settle"],
            "template": "{{ each }} {{ start | map(attribute='data') | list }} {{ ask.decision }} {{ flaky.attempt > 1 }}"}]});
    for document in [leaf, mixed] {
        let saved = save(&mut client, "applications", &document);
        assert_eq!(saved["faults"], json!([]), "{saved}");
    }
    // What executes operators is compiled once. A process that is killed each time before that is
    // done has lost its steps too often in the end, as it should be.
    let operator = json!({"operator": {"operator": "transform", "template": "x"}, "data": {}});
    client
        .send_json("POST", "/api/v1/operators/preview", &operator)
        .unwrap();
    let schedule = json!({"application_id": "leaf", "frequency": 1, "catch_up": "all",
        "catch_up_limit": 1000});
    let path = "/api/v1/schedules/each%20second";
    let saved = client
        .send(
            "PUT",
            path,
            &[JSON[0], ("if-none-match", "*")],
            schedule.to_string().as_bytes(),
        )
        .unwrap();
    assert!(
        saved.is_success(),
        "{}",
        String::from_utf8_lossy(&saved.body)
    );
}

/// Submits every run, each until it is accepted.
fn submit(mut client: Client, ids: &Mutex<BTreeSet<String>>) {
    for number in 0..RUNS {
        let body = json!({"name": "mixed"}).to_string();
        let key = format!("mixed {number}");
        let headers = [JSON[0], ("idempotency-key", key.as_str())];
        let id = until("a run is accepted", || {
            let answer = client.send(
                "POST",
                "/api/v1/applications/run",
                &headers,
                body.as_bytes(),
            );
            let answer = answer.ok().filter(Response::is_success)?;
            Some(answer.json().ok()?["task_id"].as_str()?.to_owned())
        });
        ids.lock().unwrap().insert(id);
        thread::sleep(Duration::from_millis(100));
    }
}

/// Approves what is asked until all is done; how often a step's decision was taken.
fn decide(mut client: Client, done: &AtomicBool) -> BTreeMap<String, u32> {
    let mut taken = BTreeMap::new();
    let body = json!({"decision": "approve"}).to_string();
    while !done.load(Ordering::Relaxed) {
        let asked = client
            .get("/api/v1/approvals?limit=200")
            .unwrap_or_default();
        for one in asked["items"].as_array().into_iter().flatten() {
            let id = one["task_id"].as_str().unwrap().to_owned();
            // Two people at once.
            for _ in 0..2 {
                let path = format!("/api/v1/tasks/{id}/decision");
                let answer = client.send("POST", &path, &JSON, body.as_bytes());
                if answer.is_ok_and(|answer| answer.is_success()) {
                    *taken.entry(id.clone()).or_default() += 1;
                }
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
    taken
}

/// Whatever was done meanwhile: all that was accepted has ended as it should.
fn check(client: &mut Client, ids: &BTreeSet<String>, taken: &BTreeMap<String, u32>) {
    assert_eq!(ids.len(), RUNS);
    let list = |count: usize| {
        let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        format!("[{}]", all.join(", "))
    };
    let expected = format!("{} {} approved True", list(ELEMENTS), list(CHILDREN));
    for id in ids {
        let run = ended(client, id);
        assert_eq!(run["state"], "success", "{run}");
        assert_eq!(output(client, &run, "all"), json!(expected), "{run}");
    }
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    // Runs of the application and of the elements are children of their steps, no more and no less.
    for id in ids {
        for (place, count) in [(2, ELEMENTS), (3, CHILDREN)] {
            let step = client
                .get(&format!("/api/v1/tasks/{}{place:06}", step_of(id)))
                .unwrap();
            let children = &step["children"];
            assert_eq!(
                (&children["total"], &children["ended"]),
                (&json!(count), &json!(count)),
                "{step}"
            );
        }
    }
    let limits = client.get("/api/v1/limits").unwrap();
    let held = |one: &&Value| one["held"] != 0 || one["waiting"] != 0;
    let held: Vec<&Value> = limits["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(held)
        .collect();
    assert!(held.is_empty(), "{held:?}");
    occurrences_are_whole(client);
}

/// A step's id without its place.
fn step_of(run: &str) -> String {
    let name = run.strip_prefix("isapp-").unwrap();
    format!("istask-{}", &name[..name.len() - 6])
}

/// Each second has one run, from the first to the last.
fn occurrences_are_whole(client: &mut Client) {
    client
        .send_json("POST", "/api/v1/schedules/each%20second/pause", &json!({}))
        .unwrap();
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/schedules/each%20second/occurrences?limit=200{after}");
        let page = client.get(&path).unwrap();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let seconds: Vec<i64> = all
        .iter()
        .rev()
        .map(|one| {
            let due: jiff::Timestamp = one["due"].as_str().unwrap().parse().unwrap();
            due.as_second()
        })
        .collect();
    assert!(
        seconds.len() > 5,
        "{SCHEDULE} was due {} times",
        seconds.len()
    );
    for two in seconds.windows(2) {
        assert_eq!(two[1] - two[0], 1, "{seconds:?}");
    }
    let runs: BTreeSet<&str> = all.iter().filter_map(|one| one["run"].as_str()).collect();
    assert_eq!(runs.len(), all.len(), "an occurrence has no run of its own");
    for run in runs {
        assert_eq!(ended(client, run)["state"], "success");
    }
}

/// Runs everything while `fault` is done to `scene`; gives it back.
fn endure<S: Send>(client: &Client, scene: S, fault: impl FnOnce(S) -> S + Send) -> S {
    let (ids, done) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let mut asks = client.another();
    let (scene, taken) = thread::scope(|scope| {
        let decider = scope.spawn(|| decide(client.another(), &done));
        let submitter = scope.spawn(|| submit(client.another(), &ids));
        let scene = fault(scene);
        submitter.join().unwrap();
        let all = ids.lock().unwrap().clone();
        for id in &all {
            until(&format!("the end of {id}"), || {
                let run = asks.get(&format!("/api/v1/tasks/{id}")).ok()?;
                (run["ended"] == true).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        (scene, decider.join().unwrap())
    });
    check(&mut asks, &ids.into_inner().unwrap(), &taken);
    scene
}

#[test]
fn a_process_is_killed_again_and_again() {
    let folder = support::folder();
    let mut plan = Plan::new(folder.path()).unwrap();
    // A slow machine compiles a component for longer than a process lives here.
    plan = plan.with("worker.max_attempts_lost", "50");
    plan.port = Some(place::free_port().unwrap());
    let service = plan.start().unwrap();
    furnish(&service);
    let client = service.client().unwrap();
    let mut random = Random::new(20_261_124);
    let service = endure(&client, service, |mut service| {
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(200 + random.below(1500)));
            service.kill().unwrap();
            service = plan.start().unwrap();
        }
        service
    });
    service.stop().unwrap();
}

#[test]
fn processes_and_servers_of_a_cluster_fail() {
    let folder = support::folder();
    let size = Size {
        schedulers: 2,
        ..Size::default()
    };
    let settings = support::endurance::SETTINGS;
    let cluster = Cluster::start(folder.path(), &size, &settings).unwrap();
    furnish(cluster.api());
    let client = cluster.api().client().unwrap();
    let pause = || thread::sleep(Duration::from_secs(1));
    let cluster = endure(&client, cluster, |mut cluster| {
        pause();
        cluster.workers.remove(0).kill().unwrap();
        let worker = cluster.plan("worker", 7).unwrap();
        cluster.workers.push(worker.start().unwrap());
        pause();
        cluster.redis.ask(&["FLUSHALL"]).unwrap();
        pause();
        cluster.schedulers.remove(0).kill().unwrap();
        let scheduler = cluster.plan("scheduler", 7).unwrap();
        cluster.schedulers.push(scheduler.start().unwrap());
        pause();
        cluster.postgres.cut_connections().unwrap();
        pause();
        cluster.postgres.stop().unwrap();
        pause();
        cluster.postgres.launch().unwrap();
        pause();
        cluster.workers.remove(0).kill().unwrap();
        pause();
        cluster
    });
    cluster.stop().unwrap();
}
