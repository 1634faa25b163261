//! Several processes as one service: what is done on one holds on all, and what one leaves
//! another takes up.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use serde_json::{Value, json};
use support::endurance::{Endurance, check_redis};
use support::{log, run, save_steps, start, step, task, until};

/// Settings under which lost processes are noticed soon.
const SETTINGS: [(&str, &str); 3] = [
    ("worker.lease", "3s"),
    ("queue.lease", "5s"),
    ("worker.slots", "16"),
];
/// What reaches all processes does so at once, or with the next renewal of their leases.
const SOON: Duration = Duration::from_secs(1);

fn cluster(folder: &std::path::Path, size: &Size) -> Cluster {
    let cluster = Cluster::start(folder, size, &SETTINGS).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    cluster
}

fn post(client: &mut Client, path: &str, body: &Value) -> harness::http::Response {
    let body = body.to_string();
    let headers = [("content-type", "application/json")];
    client
        .send("POST", path, &headers, body.as_bytes())
        .unwrap()
}

/// How long it took until that was seen; it must be soon.
fn soon(what: &str, mut seen: impl FnMut() -> bool) {
    let since = Instant::now();
    until(what, || seen().then_some(()));
    let took = since.elapsed();
    println!("{what}: {took:?}");
    assert!(took < SOON, "{what}: {took:?}");
}

/// How often a process has compiled that component.
fn compiled(process: &Path, digest: &str) -> usize {
    let log = fs::read_to_string(process.join("service.log")).unwrap();
    log.lines()
        .filter(|line| line.contains("compiled a component") && line.contains(digest))
        .count()
}

#[test]
fn what_is_changed_on_one_process_holds_on_all() {
    let folder = support::folder();
    let size = Size {
        apis: 2,
        ..Size::default()
    };
    let cluster = cluster(folder.path(), &size);
    let (mut one, mut other) = (
        cluster.apis[0].client().unwrap(),
        cluster.apis[1].client().unwrap(),
    );

    // The pack is known to the other API, and a document that one saves the other runs.
    soon("the pack is active everywhere", || {
        let steps = other.get("/api/v1/steps").unwrap();
        steps.to_string().contains("Gather")
    });
    let echo = |value: i64| {
        json!({"name": "echo", "steps": [
            {"name": "echo", "file": "Echo", "syncpack": "trial_pack", "value": value},
        ]})
    };
    support::save(&mut one, "applications", &echo(1));
    let first = run(&mut other, "echo", &json!({}));
    assert_eq!(first["state"], "success", "{first}");
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let second = echo(2).to_string();
    let saved = one.send(
        "PUT",
        "/api/v1/applications/echo",
        &headers,
        second.as_bytes(),
    );
    saved.unwrap().json().unwrap();
    soon("the next revision runs on the other API", || {
        let run = run(&mut other, "echo", &json!({}));
        support::output(&mut other, &run, "echo") == 2
    });

    // Both workers execute, and none of them had to compile.
    let ids: Vec<String> = (0..200)
        .map(|_| start(&mut one, "echo", &json!({})))
        .collect();
    for id in &ids {
        assert_eq!(support::ended(&mut other, id)["state"], "success");
    }
    let workers = cluster
        .postgres
        .number("SELECT count(DISTINCT worker) FROM step")
        .unwrap();
    assert_eq!(workers, 2);
    let pack = one.get("/api/v1/syncpacks/trial_pack").unwrap();
    let digest = pack["versions"][0]["digest"].as_str().unwrap();
    let processes = ["api-0", "api-1", "worker-0", "worker-1", "scheduler-0"];
    let counts = processes.map(|process| compiled(&folder.path().join(process), digest));
    assert_eq!(counts, [1, 0, 0, 0, 0]);

    // A grant that one API takes away is gone for the steps of runs of the other.
    save_steps(
        &mut one,
        "remember",
        json!([{"name": "remember", "file": "Release", "key": "k"}]),
    );
    let remember = run(&mut other, "remember", &json!({}));
    assert_eq!(remember["state"], "success", "{remember}");
    let path = "/api/v1/syncpacks/trial_pack/activate";
    one.send_json("POST", path, &json!({"grants": []})).unwrap();
    soon("the grant is gone", || {
        run(&mut other, "remember", &json!({}))["state"] == "failed"
    });

    // So is a pack that is deactivated.
    let path = "/api/v1/syncpacks/trial_pack/deactivate";
    assert!(post(&mut one, path, &json!({})).is_success());
    soon("the pack is gone", || {
        let body = json!({"name": "echo", "params": {}});
        let answer = post(&mut other, "/api/v1/applications/run", &body);
        if answer.is_success() {
            return false;
        }
        assert_eq!(support::problem(&answer, "no pack")["code"], "PF-1002");
        true
    });
    check_redis(&cluster);
    cluster.stop().unwrap();
}

/// Starts an endless step and waits until it executes somewhere.
fn start_endless(client: &mut Client) -> String {
    let id = start(client, "endless", &json!({"loglevel": 20}));
    until("the endless step", || {
        let run = task(client, &id);
        (step(&run, "endless")["state"] == "running").then_some(())
    });
    // It has begun, not only been claimed.
    until("its first words", || {
        let lines = log(client, &id);
        let begun = lines
            .iter()
            .any(|line| line["message"].as_str().unwrap().contains("begins"));
        begun.then_some(())
    });
    id
}

fn stops_soon(client: &mut Client, id: &str, what: &str) {
    let since = Instant::now();
    let answer = client.send("DELETE", &format!("/api/v1/tasks/{id}"), &[], &[]);
    assert_eq!(answer.unwrap().json().unwrap()["state"], "cancelled");
    println!("{what}: answered after {:?}", since.elapsed());
    // The worker says so when the step has stopped.
    soon(what, || {
        log(client, id).iter().any(|line| {
            let text = line["message"].as_str().unwrap();
            text.contains("the step was stopped") && text.contains("cancelled the run")
        })
    });
}

#[test]
fn a_run_that_executes_elsewhere_is_cancelled_with_and_without_redis() {
    let folder = support::folder();
    let size = Size {
        apis: 2,
        ..Size::default()
    };
    let mut cluster = cluster(folder.path(), &size);
    let (mut one, mut other) = (
        cluster.apis[0].client().unwrap(),
        cluster.apis[1].client().unwrap(),
    );
    save_steps(
        &mut one,
        "endless",
        json!([{"name": "endless", "file": "Endless", "busy": true}]),
    );
    let first = start_endless(&mut one);
    stops_soon(&mut other, &first, "stopped, with Redis");

    let second = start_endless(&mut one);
    cluster.redis.kill().unwrap();
    thread::sleep(Duration::from_secs(3));
    stops_soon(&mut other, &second, "stopped, without Redis");
    cluster.redis.launch().unwrap();
    // The workers have their slots back and listen again.
    save_steps(
        &mut one,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    let since = Instant::now();
    assert_eq!(run(&mut one, "echo", &json!({}))["state"], "success");
    println!("a run after Redis came back: {:?}", since.elapsed());
    check_redis(&cluster);
    cluster.stop().unwrap();
}

#[test]
fn waiting_for_a_run_of_another_process() {
    const LASTS: Duration = Duration::from_secs(3);
    let folder = support::folder();
    let mut cluster = cluster(folder.path(), &Size::default());
    let mut client = cluster.api().client().unwrap();
    save_steps(
        &mut client,
        "slow",
        json!([{"name": "slow", "file": "Slow", "seconds": LASTS.as_secs()}]),
    );
    run(&mut client, "slow", &json!({}));
    let body = json!({"name": "slow", "params": {}});
    let waited = |what: &str, kill: &mut dyn FnMut()| {
        let since = Instant::now();
        let mut waiting = client.another();
        let answer = thread::scope(|scope| {
            let asked =
                scope.spawn(|| post(&mut waiting, "/api/v1/applications/run?wait=30", &body));
            thread::sleep(Duration::from_secs(1));
            kill();
            asked.join().unwrap()
        });
        let late = since.elapsed().saturating_sub(LASTS);
        println!("{what}: answered {late:?} after the step's time");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json().unwrap()["state"], "success");
        late
    };
    let told = waited("with Redis", &mut || {});
    assert!(told < Duration::from_millis(500), "{told:?}");
    let redis = &mut cluster.redis;
    let looked = waited("without Redis", &mut || redis.kill().unwrap());
    assert!(looked < Duration::from_millis(1500), "{looked:?}");
    cluster.redis.launch().unwrap();
    check_redis(&cluster);
    cluster.stop().unwrap();
}

#[test]
fn a_full_backlog_is_seen_to_have_emptied_elsewhere() {
    const LIMIT: usize = 20;
    const RUNS: usize = 300;
    let folder = support::folder();
    let limit = LIMIT.to_string();
    let settings = [&SETTINGS[..], &[("limits.backlog", limit.as_str())]].concat();
    let cluster = Cluster::start(folder.path(), &Size::default(), &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    save_steps(
        &mut client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    let body = json!({"name": "echo", "params": {}});
    let (since, mut refused) = (Instant::now(), 0);
    for _ in 0..RUNS {
        loop {
            let answer = post(&mut client, "/api/v1/applications/run", &body);
            if answer.status == 202 {
                break;
            }
            assert_eq!(support::problem(&answer, "full")["code"], "PF-0430");
            refused += 1;
            thread::sleep(Duration::from_millis(20));
        }
    }
    let took = since.elapsed();
    println!("{RUNS} runs in {took:?}, refused {refused} times");
    assert!(refused > 0, "the limit was never reached");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let waiting = "SELECT count(*) FROM run WHERE finished_at IS NULL";
    until("the end of all", || {
        (cluster.postgres.number(waiting).unwrap() == 0).then_some(())
    });
    check_redis(&cluster);
    cluster.stop().unwrap();
}

#[test]
fn a_worker_drains_in_the_middle_of_runs() {
    let mut endurance = Endurance::set(600);
    let seen = endurance.endure(|cluster, _| {
        let since = Instant::now();
        cluster.workers.remove(0).stop().unwrap();
        println!("drained within {:?}", since.elapsed());
    });
    assert_eq!(seen.again, 0, "what it had begun it ended, once");
    // What follows was handed on, not left to be found.
    assert!(seen.standstill < Duration::from_secs(3), "{seen:?}");
    endurance.stop();
}

/// The process that leads.
fn leader(cluster: &Cluster) -> i64 {
    let now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let sql = format!(
        "SELECT coalesce(max(w.pid), 0) FROM leader l JOIN worker w ON w.id = l.worker
         WHERE l.lease_until > {now}"
    );
    cluster.postgres.number(&sql).unwrap()
}

#[test]
fn the_lead_is_taken_over_and_two_leaders_do_no_harm() {
    /// The promise.
    const TAKEN: Duration = Duration::from_secs(5);
    let size = Size {
        schedulers: 2,
        ..Size::default()
    };
    let mut endurance = Endurance::set_in(support::folder(), &size, 1200);
    let place = |cluster: &mut Cluster, pid: i64| {
        cluster
            .schedulers
            .iter_mut()
            .position(|one| i64::from(one.process().id()) == pid)
            .unwrap()
    };
    let taken_over = |cluster: &Cluster, before: i64| {
        let since = Instant::now();
        until("another leader", || {
            let now = leader(cluster);
            (now != 0 && now != before).then_some(())
        });
        let took = since.elapsed();
        println!("the lead was taken over after {took:?}");
        assert!(took < TAKEN, "{took:?}");
    };
    endurance.endure(|cluster, _| {
        // One that believes to lead when it awakes finds that another does.
        let first = until("a leader", || Some(leader(cluster)).filter(|pid| *pid != 0));
        let asleep = place(cluster, first);
        cluster.schedulers[asleep].process().signal("STOP").unwrap();
        taken_over(cluster, first);
        // There is work for both at the same moment.
        cluster.workers.remove(0).kill().unwrap();
        thread::sleep(Duration::from_millis(2900));
        cluster.schedulers[asleep].process().signal("CONT").unwrap();
        thread::sleep(Duration::from_secs(2));
        let second = until("a leader", || Some(leader(cluster)).filter(|pid| *pid != 0));
        let killed = place(cluster, second);
        cluster.schedulers.remove(killed).kill().unwrap();
        taken_over(cluster, second);
    });
    endurance.stop();
}
