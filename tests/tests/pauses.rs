//! Pausing an application, a queue and everything: what executes goes on, what is accepted
//! waits and says why, and all of it goes on when it is resumed, after restarts as well.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::thread;
use std::time::Duration;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, part, save_steps, start, step, task, until};

fn send(client: &mut Client, action: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1/runs/{action}");
    let body = body.to_string();
    client
        .send("POST", &path, &headers, body.as_bytes())
        .unwrap()
}

fn pause(client: &mut Client, body: &Value) -> Value {
    let answer = send(client, "pause", body);
    assert_eq!(answer.status, 201, "{body}: {answer:?}");
    answer.json().unwrap()
}

fn resume(client: &mut Client, body: &Value) {
    let answer = send(client, "resume", body);
    assert_eq!(answer.status, 204, "{body}: {answer:?}");
}

/// `hold` executes until it is released, and `then` follows; `echo` ends at once.
fn save_applications(client: &mut Client) {
    save_steps(
        client,
        "hold",
        json!([
            {"name": "hold", "file": "Hold", "output_to": ["then"]},
            {"name": "then", "file": "Echo", "value": "done"},
        ]),
    );
    save_steps(
        client,
        "release",
        json!([{"name": "release", "file": "Release"}]),
    );
    save_steps(
        client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
}

/// A run waits, has started nothing for a while, and says why.
fn expect_waiting(client: &mut Client, id: &str, step_name: &str, why: &str) {
    let run = until(&format!("what {id} waits for"), || {
        let run = task(client, id);
        (!run["waiting"].is_null()).then_some(run)
    });
    assert_eq!(run["waiting"]["code"], "PF-R018", "{run}");
    let message = run["waiting"]["message"].as_str().unwrap();
    assert!(message.contains(why), "{message}");
    assert_eq!(step(&run, step_name)["state"], "ready", "{run}");
}

#[test]
fn an_application_is_paused_and_resumed() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_applications(&mut client);
    let held = start(&mut client, "hold", &json!({"key": "a"}));
    until("the step that holds", || {
        let path = format!("/api/v1/cache/{}", part("a/holding"));
        let answer = client.send("GET", &path, &[], &[]).unwrap();
        answer.is_success().then_some(())
    });
    let asked = json!({"application": "hold", "reason": "an upgrade"});
    let paused = pause(&mut client, &asked);
    assert_eq!(
        (&paused["application"], &paused["queue"], &paused["by"]),
        (&json!("hold"), &Value::Null, &json!("isadmin")),
    );
    let again = send(
        &mut client,
        "pause",
        &json!({"application": "hold", "reason": "mine"}),
    );
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json().unwrap()["reason"], "an upgrade");

    // One that is accepted now waits from its first step on, and is told so.
    let body = json!({"name": "hold", "params": {"key": "b"}});
    let accepted = client
        .send_json("POST", "/api/v1/applications/run", &body)
        .unwrap();
    assert_eq!(accepted["warnings"][0]["code"], "PF-R018", "{accepted}");
    let second = accepted["task_id"].as_str().unwrap().to_owned();
    // Others run.
    assert_eq!(
        support::run(&mut client, "echo", &json!({}))["state"],
        "success"
    );
    assert_eq!(
        support::run(&mut client, "release", &json!({"key": "a"}))["state"],
        "success"
    );
    // What executed ended well, and nothing followed.
    until("the end of what executed", || {
        (step(&task(&mut client, &held), "hold")["state"] == "success").then_some(())
    });
    thread::sleep(Duration::from_millis(500));
    expect_waiting(
        &mut client,
        &held,
        "then",
        "isadmin paused application `hold`",
    );
    expect_waiting(
        &mut client,
        &second,
        "hold",
        ": an upgrade. Steps that execute",
    );

    // It is so after a restart.
    service.stop().unwrap();
    let service = Plan::new(folder.path()).unwrap().start().unwrap();
    let mut client = service.client().unwrap();
    thread::sleep(Duration::from_millis(500));
    expect_waiting(&mut client, &held, "then", "paused application `hold`");
    let list = client.get("/api/v1/runs/pauses").unwrap();
    assert_eq!(list["items"][0]["reason"], "an upgrade", "{list}");
    resume(&mut client, &json!({"application": "hold"}));
    let list = client.get("/api/v1/runs/pauses").unwrap();
    assert_eq!(list["items"], json!([]));
    assert_eq!(ended(&mut client, &held)["state"], "success");
    support::run(&mut client, "release", &json!({"key": "b"}));
    assert_eq!(ended(&mut client, &second)["state"], "success");
    service.stop().unwrap();
}

#[test]
fn a_queue_and_everything_are_paused() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_applications(&mut client);
    pause(&mut client, &json!({"queue": "acme"}));
    let acme = start(&mut client, "echo", &json!({"queue": "acme"}));
    expect_waiting(&mut client, &acme, "echo", "paused queue `acme`");
    assert_eq!(
        support::run(&mut client, "echo", &json!({}))["state"],
        "success"
    );
    pause(&mut client, &json!({"all": true}));
    let other = start(&mut client, "echo", &json!({}));
    expect_waiting(&mut client, &other, "echo", "paused everything");
    // What two pauses hold up goes on with the last.
    resume(&mut client, &json!({"queue": "acme"}));
    thread::sleep(Duration::from_millis(300));
    expect_waiting(&mut client, &acme, "echo", "paused everything");
    resume(&mut client, &json!({"all": true}));
    assert_eq!(ended(&mut client, &acme)["state"], "success");
    assert_eq!(ended(&mut client, &other)["state"], "success");

    for (action, body, status, code) in [
        ("pause", json!({}), 400, "PF-0400"),
        ("pause", json!({"all": true, "queue": "q"}), 400, "PF-0400"),
        ("pause", json!({"aplication": "echo"}), 400, "PF-0400"),
        ("pause", json!({"application": "ecko"}), 404, "PF-0404"),
        ("pause", json!({"queue": "a\nb"}), 422, "PF-1001"),
        (
            "pause",
            json!({"queue": "q", "reason": "a\nb"}),
            422,
            "PF-1001",
        ),
        ("resume", json!({"queue": "acme"}), 404, "PF-0404"),
        ("resume", json!({}), 400, "PF-0400"),
    ] {
        let refused = send(&mut client, action, &body);
        let said = support::problem(&refused, &body.to_string());
        assert_eq!(
            (refused.status, &said["code"]),
            (status, &json!(code)),
            "{said}"
        );
    }
    service.stop().unwrap();
}

/// A pause reaches workers through the store, and a thousand runs wait for its end without
/// one of them being lost.
#[test]
fn a_cluster_is_paused_under_load() {
    const RUNS: usize = 1000;
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    save_steps(
        &mut client,
        "three",
        json!([
            {"name": "a", "file": "Echo", "value": 1, "output_to": ["b"]},
            {"name": "b", "file": "Echo", "value": 2, "output_to": ["c"]},
            {"name": "c", "file": "Echo", "value": 3},
        ]),
    );
    let count = |sql: &str| cluster.postgres.number(sql).unwrap();
    let ended = || count("SELECT count(*) FROM run WHERE finished_at IS NOT NULL");
    let started = || count("SELECT coalesce(sum(token), 0)::bigint FROM step");
    thread::scope(|scope| {
        for part in 0..4 {
            let mut client = client.another();
            scope.spawn(move || {
                for _ in 0..RUNS / 4 {
                    start(&mut client, "three", &json!({"loglevel": 30}));
                }
                part
            });
        }
        until("some ends", || (ended() > 50).then_some(()));
        pause(&mut client, &json!({"all": true}));
        let executing = "SELECT count(*) FROM step s JOIN run r ON r.id = s.run_id
            WHERE r.finished_at IS NULL AND s.state = 2";
        until("the end of what executed", || {
            (count(executing) == 0).then_some(())
        });
        let before = started();
        thread::sleep(Duration::from_secs(1));
        assert_eq!(started(), before, "a step started");
    });
    assert_eq!(count("SELECT count(*) FROM run"), RUNS as i64);
    assert!(ended() < RUNS as i64);
    resume(&mut client, &json!({"all": true}));
    until("the end of all", || (ended() == RUNS as i64).then_some(()));
    assert_eq!(started(), 3 * RUNS as i64, "each step started once");
    cluster.stop().unwrap();
}
