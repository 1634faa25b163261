//! Stopping and time limits on a cluster: many runs at once, one step, steps in an endless
//! loop and in a call that does not return, and steps whose worker is lost.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::{INCIDENT_SYNC, TRIAL};
use serde_json::{Value, json};
use support::endurance::check_redis;
use support::{ended, log, run, save_steps, start, step, task, until};

/// Settings under which lost processes are noticed soon.
const SETTINGS: [(&str, &str); 3] = [
    ("worker.lease", "3s"),
    ("queue.lease", "5s"),
    ("worker.slots", "16"),
];
/// What reaches all processes does so at once, or with the next renewal of their leases.
const SOON: Duration = Duration::from_secs(1);
const UNFINISHED: &str = "SELECT count(*) FROM run WHERE finished_at IS NULL";

fn cluster(folder: &Path) -> Cluster {
    let cluster = Cluster::start(folder, &Size::default(), &SETTINGS).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    save_steps(
        &mut client,
        "endless",
        json!([
            {"name": "endless", "file": "Endless", "busy": false, "output_to": ["then"]},
            {"name": "then", "file": "Echo", "value": 1},
        ]),
    );
    save_steps(
        &mut client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    cluster
}

/// How many lines of a task's log hold that text.
fn said(client: &mut Client, id: &str, text: &str) -> usize {
    let lines = log(client, id);
    let holds = |line: &&Value| line["message"].as_str().unwrap().contains(text);
    lines.iter().filter(holds).count()
}

/// Waits until a step of that name has said its first words; its id.
fn wait_begun(client: &mut Client, id: &str, name: &str) -> String {
    until("the step's first words", || {
        let run = task(client, id);
        let task = step(&run, name)["task_id"].as_str().unwrap().to_owned();
        (said(client, &task, "begins without an end") > 0).then_some(task)
    })
}

/// How many steps are recorded as running.
fn running(cluster: &Cluster) -> i64 {
    let sql = "SELECT count(*) FROM step JOIN run ON run.id = run_id
         WHERE run.finished_at IS NULL AND step.state = 2";
    cluster.postgres.number(sql).unwrap()
}

/// Starts that many runs of an application, from several clients.
fn start_many(cluster: &Cluster, application: &str, runs: usize) -> Vec<String> {
    const CLIENTS: usize = 8;
    let template = cluster.api().client().unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut client = template.another();
                let mine = runs / CLIENTS + usize::from(number < runs % CLIENTS);
                scope.spawn(move || {
                    (0..mine)
                        .map(|_| start(&mut client, application, &json!({"loglevel": 20})))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

fn cancel_all(client: &mut Client, scope: &Value) -> Value {
    client
        .send_json("POST", "/api/v1/runs/cancel", scope)
        .unwrap()
}

/// The workers' slots hold endless steps and the rest waits; then all of it is cancelled.
fn cancel_two_thousand(cluster: &mut Cluster, redis: bool) {
    const RUNS: usize = 2000;
    /// The slots of two workers.
    const SLOTS: i64 = 32;
    let mut client = cluster.api().client().unwrap();
    let ids = start_many(cluster, "endless", RUNS);
    assert_eq!(ids.len(), RUNS);
    until("full workers", || (running(cluster) == SLOTS).then_some(()));
    // Those that execute have begun to, or their log would not say who stopped them.
    thread::sleep(Duration::from_secs(2));
    if !redis {
        cluster.redis.kill().unwrap();
        thread::sleep(Duration::from_secs(2));
    }
    let told = "SELECT count(*) FROM log
         WHERE convert_from(lines, 'UTF8') LIKE '%cancelled the run%'";
    let told = || cluster.postgres.number(told).unwrap();
    let before = told();

    let asked = Instant::now();
    let mut cancelled = cancel_all(&mut client, &json!({"application": "endless"}));
    println!("Redis {redis}: {cancelled} within {:?}", asked.elapsed());
    let mut sum = cancelled["cancelled"].as_u64().unwrap();
    while cancelled["more"] == true {
        let rest = json!({"application": "endless", "until": cancelled["until"]});
        cancelled = cancel_all(&mut client, &rest);
        sum += cancelled["cancelled"].as_u64().unwrap();
    }
    assert_eq!(sum, RUNS as u64);
    assert_eq!(cluster.postgres.number(UNFINISHED).unwrap(), 0);
    let since = Instant::now();
    until("the end of what executed", || {
        (told() - before >= SLOTS).then_some(())
    });
    let late = since.elapsed();
    println!("Redis {redis}: the workers had stopped {late:?} after the answer");
    assert!(late < SOON, "{late:?}");
    let again = cancel_all(&mut client, &json!({"all": true}));
    assert_eq!(again, json!({"cancelled": 0, "more": false, "until": null}));
    for id in ids.iter().step_by(97) {
        assert_eq!(task(&mut client, id)["state"], "cancelled");
    }
}

#[test]
fn two_thousand_runs_are_cancelled_with_and_without_redis() {
    let folder = support::folder();
    let mut cluster = cluster(folder.path());
    cancel_two_thousand(&mut cluster, true);
    let mut client = cluster.api().client().unwrap();
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    cancel_two_thousand(&mut cluster, false);
    // What the queue still names is passed over, and the workers have their slots back.
    cluster.redis.launch().unwrap();
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    let sql = "SELECT count(*) FROM step WHERE state NOT IN (4, 8)";
    assert_eq!(cluster.postgres.number(sql).unwrap(), 0);
    check_redis(&cluster);
    cluster.stop().unwrap();
}

#[test]
fn a_step_that_executes_elsewhere_is_revoked_with_and_without_redis() {
    let folder = support::folder();
    let mut cluster = cluster(folder.path());
    let mut client = cluster.api().client().unwrap();
    for redis in [true, false] {
        let id = start(&mut client, "endless", &json!({"loglevel": 20}));
        let endless = wait_begun(&mut client, &id, "endless");
        if !redis {
            cluster.redis.kill().unwrap();
            thread::sleep(Duration::from_secs(3));
        }
        let since = Instant::now();
        let answer = client.send("DELETE", &format!("/api/v1/tasks/{endless}"), &[], &[]);
        let revoked = answer.unwrap().json().unwrap();
        assert_eq!(revoked["state"], "cancelled", "{revoked}");
        assert_eq!(revoked["run"]["state"], "cancelled", "{revoked}");
        until("the worker's word", || {
            (said(&mut client, &endless, "revoked it") == 1).then_some(())
        });
        println!("Redis {redis}: stopped after {:?}", since.elapsed());
        assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
        let run = task(&mut client, &id);
        assert_eq!(step(&run, "then")["state"], "skipped");
    }
    cluster.redis.launch().unwrap();
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    cluster.stop().unwrap();
}

#[test]
fn a_time_limit_ends_an_endless_loop_and_a_call_that_does_not_return() {
    const LIMIT: f64 = 2.5;
    let folder = support::folder();
    let cluster = cluster(folder.path());
    let api = cluster.api();
    api.upload(&INCIDENT_SYNC.build().unwrap()).unwrap();
    // Accepts connections and answers nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    support::align(
        api,
        &json!({"name": "servicenow_example", "configuration_data": [
            {"name": "sn_url", "value": url},
            {"name": "sl1_url", "value": url},
            {"name": "sn_password", "value": "correct horse", "encrypted": true},
        ]}),
    );
    let mut client = api.client().unwrap();
    support::save(
        &mut client,
        "applications",
        &json!({"name": "calls", "configuration": "servicenow_example",
            "task_time_limit": LIMIT, "steps": [
            {"name": "stuck", "file": "ReadIncident", "syncpack": "servicenow_example",
                "sn_url": "${config.sn_url}", "sn_user": "u",
                "sn_password": "${config.sn_password}", "sys_id": "1"},
        ]}),
    );
    save_steps(
        &mut client,
        "loops",
        json!([{"name": "stuck", "file": "Endless", "busy": true, "task_time_limit": LIMIT}]),
    );
    for application in ["loops", "calls"] {
        let run = run(&mut client, application, &json!({}));
        let stuck = step(&run, "stuck");
        assert_eq!(stuck["error"]["code"], "timeout", "{run}");
        assert_eq!(
            (&run["state"], &stuck["attempts"]),
            (&json!("failed"), &json!(1))
        );
        let took = cluster
            .postgres
            .number("SELECT finished_at - started_at FROM step ORDER BY run_id DESC LIMIT 1")
            .unwrap();
        let over = took as f64 / 1e6 - LIMIT;
        println!("{application}: ended {over:.3} s after its time limit");
        assert!(
            (0.0..SOON.as_secs_f64()).contains(&over),
            "{application}: {over}"
        );
    }
    drop(silent);
    check_redis(&cluster);
    cluster.stop().unwrap();
}

/// A line waits to be stored while the step loops. Its end is recorded as it was.
#[test]
fn a_time_limit_holds_while_postgresql_is_away() {
    const LIMIT: f64 = 6.0;
    let folder = support::folder();
    // Longer than PostgreSQL is away: the worker keeps what it executes.
    let settings = [("worker.lease", "60s"), ("worker.slots", "16")];
    let mut cluster = Cluster::start(folder.path(), &Size::default(), &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    save_steps(
        &mut client,
        "stuck",
        json!([{"name": "stuck", "file": "Endless", "busy": true,
            "task_soft_time_limit": LIMIT / 2.0, "task_time_limit": LIMIT}]),
    );
    let id = start(&mut client, "stuck", &json!({"loglevel": 20}));
    wait_begun(&mut client, &id, "stuck");
    cluster.postgres.stop().unwrap();
    thread::sleep(Duration::from_secs(10));
    cluster.postgres.launch().unwrap();
    until("the API", || {
        let answer = client.send("GET", "/readyz", &[], &[]);
        answer.is_ok_and(|answer| answer.is_success()).then_some(())
    });
    let run = ended(&mut client, &id);
    let stuck = step(&run, "stuck");
    assert_eq!(stuck["error"]["code"], "timeout", "{run}");
    assert_eq!(stuck["attempts"], 1, "{run}");
    let took = cluster
        .postgres
        .number("SELECT max(finished_at - started_at) FROM step")
        .unwrap();
    let over = took as f64 / 1e6 - LIMIT;
    println!("ended {over:.3} s after the time limit");
    assert!((0.0..SOON.as_secs_f64()).contains(&over), "{over}");
    cluster.stop().unwrap();
}

#[test]
fn a_step_of_a_lost_worker_fails_where_it_must_not_be_repeated() {
    let folder = support::folder();
    let mut cluster = cluster(folder.path());
    let mut client = cluster.api().client().unwrap();
    support::save(
        &mut client,
        "applications",
        &json!({"name": "once", "on_worker_lost": "fail", "steps": [
            {"name": "endless", "file": "Endless", "syncpack": "trial_pack", "output_to": ["then"]},
            {"name": "then", "file": "Echo", "syncpack": "trial_pack", "value": 1},
        ]}),
    );
    // Runs on both workers: one is killed, the other sleeps past its lease.
    let ids = start_many(&cluster, "once", 24);
    for id in &ids {
        wait_begun(&mut client, id, "endless");
    }
    let workers = cluster
        .postgres
        .number("SELECT count(DISTINCT worker) FROM step WHERE state = 2")
        .unwrap();
    assert_eq!(workers, 2);
    cluster.workers.remove(0).kill().unwrap();
    let asleep = cluster.workers[0].process();
    asleep.signal("STOP").unwrap();
    let began = Instant::now();
    for id in &ids {
        let run = ended(&mut client, id);
        let endless = step(&run, "endless");
        assert_eq!(endless["error"]["code"], "worker-lost", "{run}");
        assert_eq!(
            (&run["state"], &endless["attempts"]),
            (&json!("failed"), &json!(1))
        );
        assert_eq!(step(&run, "then")["state"], "skipped");
    }
    println!(
        "all had failed {:?} after their workers were lost",
        began.elapsed()
    );
    asleep.signal("CONT").unwrap();
    // It works on, and nothing of before is executed, by it or anybody else.
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    for id in &ids {
        assert_eq!(said(&mut client, id, "begins without an end"), 1);
        assert_eq!(task(&mut client, id)["state"], "failed");
    }
    assert_eq!(running(&cluster), 0);
    cluster.stop().unwrap();
}
