//! How runs go: branches, joins, failure, warning, cancelling, logs, waiting, replay, queues,
//! restart and drain.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::http::Client;
use harness::packs::TRIAL;
use harness::place;
use harness::service::{Plan, Service};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::{log, part, run, save_steps, start, step, task, until};

fn states(run: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    run["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (text(&step["name"]), text(&step["state"])))
        .collect()
}

fn expect_states(run: &Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, state)| ((*name).to_owned(), (*state).to_owned()))
        .collect();
    assert_eq!(states(run), expected, "{run}");
}

/// An application whose one step waits until it is released.
fn save_hold(client: &mut Client) {
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

/// Starts it and waits until its step is under way.
fn start_held(client: &mut Client, key: &str) -> String {
    let id = start(client, "hold", &json!({"key": key}));
    wait_held(client, key);
    id
}

/// Waits until a step holds at that key.
fn wait_held(client: &mut Client, key: &str) {
    let path = format!("/api/v1/cache/{}", part(&format!("{key}/holding")));
    until(&format!("the step that holds at {key}"), || {
        let response = client.send("GET", &path, &[], &[]).unwrap();
        response.is_success().then_some(())
    });
}

#[test]
fn branches_run_in_parallel_and_joins_wait() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    // Each branch ends only when the others are under way at the same time.
    save_steps(
        &mut client,
        "parallel",
        json!([
            {"name": "begin", "file": "Echo", "value": 1, "output_to": ["a", "b", "c"]},
            {"name": "a", "file": "Meet", "others": ["b", "c"], "output_to": ["join"]},
            {"name": "b", "file": "Meet", "others": ["a", "c"], "output_to": ["join"]},
            {"name": "c", "file": "Meet", "others": ["a", "b"], "output_to": ["c2"]},
            {"name": "c2", "file": "Echo", "value": 2, "output_to": ["join"]},
            {"name": "join", "file": "Gather"},
        ]),
    );
    let run = run(&mut client, "parallel", &json!({}));
    assert_eq!(run["state"], "success", "{run}");
    let joined = support::output(&mut client, &run, "join");
    let expected = json!({"a": {"met": ["b", "c"]}, "b": {"met": ["a", "c"]}, "c2": 2});
    assert_eq!(joined, expected);
    let begin = step(&run, "join")["started_at"].as_str().unwrap();
    for name in ["a", "b", "c2"] {
        let end = step(&run, name)["finished_at"].as_str().unwrap();
        assert!(
            end <= begin,
            "{name} ended at {end}, the join began at {begin}"
        );
    }
    service.stop().unwrap();
}

#[test]
fn a_failure_stops_what_depends_on_it_and_nothing_else() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "fails",
        json!([
            {"name": "begin", "file": "Echo", "value": 1, "output_to": ["bad", "good"]},
            {"name": "bad", "file": "Fail", "message": "no tea", "output_to": ["after bad"]},
            {"name": "after bad", "file": "Echo", "output_to": ["join"]},
            {"name": "good", "file": "Echo", "value": 2, "output_to": ["after good", "join"]},
            {"name": "after good", "file": "Echo", "value": 3},
            {"name": "join", "file": "Gather"},
        ]),
    );
    let failed = run(&mut client, "fails", &json!({}));
    assert_eq!(failed["state"], "failed");
    expect_states(
        &failed,
        &[
            ("begin", "success"),
            ("bad", "failed"),
            ("after bad", "skipped"),
            ("good", "success"),
            ("after good", "success"),
            ("join", "skipped"),
        ],
    );
    let error = &step(&failed, "bad")["error"];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("teapot"), &json!("no tea"))
    );
    assert_eq!(error["kind"], "permanent");

    save_steps(
        &mut client,
        "warns",
        json!([
            {"name": "warn", "file": "Warn", "text": "mind the gap", "output_to": ["then"]},
            {"name": "then", "file": "Gather"},
        ]),
    );
    let warned = run(&mut client, "warns", &json!({}));
    assert_eq!(warned["state"], "warning");
    expect_states(&warned, &[("warn", "warning"), ("then", "success")]);
    assert_eq!(step(&warned, "warn")["error"]["message"], "mind the gap");
    assert_eq!(
        support::output(&mut client, &warned, "then"),
        json!({"warn": {"warned": true}})
    );
    service.stop().unwrap();
}

#[test]
fn a_run_under_way_is_cancelled_at_once() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    for (application, busy) in [("computes", true), ("sleeps", false)] {
        save_steps(
            &mut client,
            application,
            json!([
                {"name": "endless", "file": "Endless", "busy": busy, "output_to": ["then"]},
                {"name": "beside", "file": "Echo", "value": 1},
                {"name": "then", "file": "Echo", "value": 2},
            ]),
        );
        let id = start(&mut client, application, &json!({"loglevel": 20}));
        until("the endless step", || {
            let run = task(&mut client, &id);
            let under_way = step(&run, "endless")["state"] == "running"
                && step(&run, "beside")["state"] == "success";
            under_way.then_some(())
        });
        let asked = Instant::now();
        let answer = client
            .send("DELETE", &format!("/api/v1/tasks/{id}"), &[], &[])
            .unwrap();
        assert_eq!(answer.json().unwrap()["state"], "cancelled");
        let run = support::ended(&mut client, &id);
        let took = asked.elapsed();
        println!("{application}: cancelled within {took:?}");
        expect_states(
            &run,
            &[
                ("endless", "cancelled"),
                ("beside", "success"),
                ("then", "cancelled"),
            ],
        );
        assert!(took < Duration::from_secs(10), "{took:?}");
        // What the step had logged is there, and who stopped it.
        let lines = log(&mut client, &id);
        let said = |text: &str| {
            let of_step = |line: &&Value| line["step"] == "endless";
            lines
                .iter()
                .filter(of_step)
                .any(|line| line["message"].as_str().unwrap().contains(text))
        };
        assert!(said("begins without an end"), "{lines:?}");
        assert!(said("isadmin cancelled the run"), "{lines:?}");
        // Twice is once.
        let again = client
            .send("DELETE", &format!("/api/v1/tasks/{id}"), &[], &[])
            .unwrap();
        assert_eq!(again.json().unwrap()["state"], "cancelled");
    }
    // The threads are free again: what follows runs, and the drain has nothing to wait for.
    save_hold(&mut client);
    let echo = run(&mut client, "echo", &json!({}));
    assert_eq!(echo["state"], "success");
    let ended = format!("/api/v1/tasks/{}", echo["task_id"].as_str().unwrap());
    let late = client.send("DELETE", &ended, &[], &[]).unwrap();
    assert_eq!(
        support::problem(&late, "one that has ended")["code"],
        "PF-1004"
    );
    let asked = Instant::now();
    service.stop().unwrap();
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn logs_show_as_much_as_was_asked_for_with_secrets_masked() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let configuration = json!({"name": "c", "configuration_data": [
        {"name": "password", "value": "correct horse", "encrypted": true}, {"name": "host", "value": "h.example.com"}]});
    support::save(&mut client, "configurations", &configuration);
    let document = json!({"name": "speaks", "configuration": "c", "steps": [
        {"name": "one", "file": "Echo", "syncpack": "trial_pack",
            "value": {"host": "${config.host}", "password": "${config.password}"}, "output_to": ["two"]},
        {"name": "two", "file": "Fail", "syncpack": "trial_pack"},
    ]});
    support::save(&mut client, "applications", &document);
    let mut lines = |level: Value| {
        let run = run(&mut client, "speaks", &json!({"loglevel": level}));
        assert_eq!(run["state"], "failed");
        log(&mut client, run["task_id"].as_str().unwrap())
    };
    let of = |lines: &[Value], level: &str| -> Vec<String> {
        lines
            .iter()
            .filter(|line| line["level"] == level)
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    };
    let debug = lines(json!(10));
    let parameters = of(&debug, "DEBUG").concat();
    assert!(
        parameters.contains("h.example.com") && !parameters.contains("correct horse"),
        "{parameters}"
    );
    assert!(
        of(&debug, "INFO")
            .iter()
            .any(|line| line.contains("the value is")),
        "{debug:?}"
    );
    for level in [json!(20), json!(30), json!(40), json!(1), Value::Null] {
        let lines = lines(level.clone());
        let flow = of(&lines, "FLOW");
        // Starts and stops are there at every level, and so is why a step failed.
        assert_eq!(flow.len(), 4, "{level}: {lines:?}");
        assert_eq!(
            of(&lines, "ERROR"),
            ["short and stout (teapot)"],
            "{level}: {lines:?}"
        );
        assert_eq!(flow[0], "start one");
        assert!(
            flow[1].starts_with("stop one|") && flow[3].starts_with("stop two|"),
            "{flow:?}"
        );
        assert!(of(&lines, "DEBUG").is_empty(), "{level}: {lines:?}");
        assert_eq!(
            of(&lines, "INFO").is_empty(),
            level != 20,
            "{level}: {lines:?}"
        );
    }
    service.stop().unwrap();
}

#[test]
fn waiting_replaying_and_repeating_a_request() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_hold(&mut client);
    let post = |client: &mut Client, query: &str, key: &str, body: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let path = format!("/api/v1/applications/run{query}");
        client
            .send("POST", &path, &headers, body.to_string().as_bytes())
            .unwrap()
    };
    // A wait that is too short answers how the run stands, one that is long enough its end.
    let hold = json!({"name": "hold", "params": {"key": "k1", "loglevel": 20}});
    let asked = Instant::now();
    let short = post(&mut client, "?wait=0.2", "one", &hold);
    assert_eq!(short.status, 202);
    assert!(asked.elapsed() >= Duration::from_millis(200));
    let short = short.json().unwrap();
    assert_eq!(short["ended"], false, "{short}");
    let id = short["task_id"].as_str().unwrap().to_owned();
    // The same key and request is the same run; another request with it is refused.
    assert_eq!(
        post(&mut client, "", "one", &hold).json().unwrap()["task_id"],
        *id
    );
    let other = json!({"name": "hold", "params": {"key": "k2"}});
    let reused = post(&mut client, "", "one", &other);
    assert_eq!(
        support::problem(&reused, "another request")["code"],
        "PF-1003"
    );
    run(&mut client, "release", &json!({"key": "k1"}));
    let whole = post(&mut client, "?wait=30", "one", &hold);
    assert_eq!(whole.status, 200);
    let whole = whole.json().unwrap();
    assert_eq!(
        (&whole["task_id"], &whole["state"]),
        (&json!(id), &json!("success"))
    );

    // A replay is another run of the same request.
    let again = client
        .send_json(
            "POST",
            &format!("/api/v1/tasks/{id}/replay?wait=30"),
            &json!({}),
        )
        .unwrap();
    assert_ne!(again["task_id"], *id);
    assert_eq!(
        (&again["state"], &again["log_level"]),
        (&json!("success"), &json!(20)),
        "{again}"
    );
    let data = |client: &mut Client, id: &Value| {
        client
            .get(&format!("/api/v1/tasks/{}/data", id.as_str().unwrap()))
            .unwrap()
    };
    let (first, second) = (
        data(&mut client, &json!(id)),
        data(&mut client, &again["task_id"]),
    );
    assert_eq!(
        (&first["input"], &first["outputs"]),
        (&second["input"], &second["outputs"])
    );
    let runs = client.get("/api/v1/applications/hold/logs").unwrap();
    assert_eq!(runs["items"].as_array().unwrap().len(), 2, "{runs}");
    service.stop().unwrap();
}

#[test]
fn runs_wait_for_a_worker_that_listens_on_their_queue() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_hold(&mut client);
    let waiting: Vec<String> = (0..3)
        .map(|_| start(&mut client, "echo", &json!({"queue": "acme queue"})))
        .collect();
    // What is served meanwhile passes by.
    for _ in 0..3 {
        assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    }
    let queued = |client: &mut Client| -> Vec<Value> {
        let path = "/api/v1/runs?queue=acme%20queue&state=queued";
        client.get(path).unwrap()["items"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(queued(&mut client).len(), 3);
    let one = task(&mut client, &waiting[0]);
    assert_eq!(
        (&one["state"], &one["queue"]),
        (&json!("queued"), &json!("acme queue"))
    );
    assert_eq!(step(&one, "echo")["state"], "ready");
    service.stop().unwrap();
    // A restart keeps them, and still leaves them alone.
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    assert_eq!(queued(&mut client).len(), 3);
    service.kill().unwrap();
    // One that listens on it executes them.
    let service = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "acme queue")
        .start()
        .unwrap();
    let mut client = service.client().unwrap();
    for id in &waiting {
        assert_eq!(support::ended(&mut client, id)["state"], "success");
    }
    service.stop().unwrap();
}

#[test]
fn a_drain_finishes_what_is_under_way_and_keeps_the_rest() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("server.drain_timeout", "50s");
    let mut service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "pair",
        json!([
            {"name": "one", "file": "Slow", "seconds": 8, "output_to": ["then"]},
            {"name": "other", "file": "Slow", "seconds": 9},
            {"name": "then", "file": "Echo", "value": "done"},
        ]),
    );
    let id = start(&mut client, "pair", &json!({}));
    until("both steps", || {
        let run = task(&mut client, &id);
        let under_way = ["one", "other"]
            .iter()
            .all(|name| step(&run, name)["state"] == "running");
        under_way.then_some(())
    });
    service.process().signal("TERM").unwrap();
    let ended = until("the end of the service", || {
        service.process().ended().unwrap()
    });
    assert_eq!(ended.code(), Some(0), "{}", service.process().last_words());
    drop(service);
    let store = support::open(folder.path());
    let by_state = |state: u8| {
        support::number(
            &store,
            &format!("SELECT COUNT(*) FROM step WHERE state = {state}"),
        )
    };
    // Both running steps ended well, and what follows waits for the next start.
    assert_eq!((by_state(4), by_state(1), by_state(2)), (2, 1, 0));
    drop(store);
    let service = plan.start().unwrap();
    let run = support::ended(&mut service.client().unwrap(), &id);
    assert_eq!(run["state"], "success", "{run}");
    for one in run["steps"].as_array().unwrap() {
        assert_eq!(one["attempts"], 1, "{run}");
    }
    service.stop().unwrap();
}

#[test]
fn a_killed_service_takes_up_what_was_under_way() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_hold(&mut client);
    let id = start_held(&mut client, "k");
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    run(&mut client, "release", &json!({"key": "k"}));
    let run = support::ended(&mut client, &id);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(step(&run, "hold")["attempts"], 2, "{run}");
    assert_eq!(step(&run, "then")["attempts"], 1, "{run}");
    service.stop().unwrap();
}

#[test]
fn log_lines_that_cannot_be_stored_yet_are_stored_later() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("server.drain_timeout", "1s");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    save_steps(
        &mut client,
        "endless",
        json!([{"name": "endless", "file": "Endless"}]),
    );
    run(&mut client, "echo", &json!({"loglevel": 20}));
    let store = Connection::open(folder.path().join("data/powerflow.db")).unwrap();
    store.busy_timeout(Duration::from_secs(30)).unwrap();
    let table: String = store
        .query_row(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'log_*'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    store
        .execute_batch(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON \"{table}\" BEGIN SELECT RAISE(ABORT, 'no room'); END;"
        ))
        .unwrap();
    let id = start(&mut client, "endless", &json!({"loglevel": 20}));
    let log_file = folder.path().join("service.log");
    until("a flush that fails", || {
        let said = fs::read_to_string(&log_file).unwrap();
        said.contains("log lines of a running step could not be stored")
            .then_some(())
    });
    store.execute_batch("DROP TRIGGER refuse").unwrap();
    until("the line", || {
        let lines = log(&mut client, &id);
        lines
            .iter()
            .any(|line| line["message"] == "begins without an end")
            .then_some(())
    });
    assert_eq!(task(&mut client, &id)["state"], "running");
    service.stop().unwrap();
    // What ended with the service says so too.
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let lines = log(&mut client, &id);
    let stopped = |line: &&Value| line["message"].as_str().unwrap().contains("shuts down");
    assert_eq!(lines.iter().filter(stopped).count(), 1, "{lines:?}");
    service.kill().unwrap();
}

#[test]
fn a_run_that_cannot_go_on_says_why() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "lost",
        json!([
            {"name": "first", "file": "Echo", "value": 1, "output_to": ["then"]},
            {"name": "then", "file": "Echo", "value": 2},
            {"name": "beside", "file": "Echo", "value": 3},
        ]),
    );
    let id = start(&mut client, "lost", &json!({"queue": "acme"}));
    service.stop().unwrap();
    // The file of the pack's version is another one now: as after a restored backup.
    let store = Connection::open(folder.path().join("data/powerflow.db")).unwrap();
    store
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             UPDATE pack_version SET digest = 'another';",
        )
        .unwrap();
    drop(store);
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "acme");
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let run = support::ended(&mut client, &id);
    assert_eq!(run["state"], "failed", "{run}");
    expect_states(
        &run,
        &[
            ("first", "failed"),
            ("then", "skipped"),
            ("beside", "failed"),
        ],
    );
    for name in ["first", "beside"] {
        let error = &step(&run, name)["error"];
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("the pack `trial_pack`"), "{error}");
        assert_eq!(error["code"], "PF-0500", "{error}");
    }
    let shown = support::pfctl(&service, &["run", "show", &id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("the pack `trial_pack`"), "{shown}");
    service.stop().unwrap();
}

#[test]
fn a_second_process_on_the_same_data_directory_is_refused() {
    let folder = support::folder();
    let service: Service = support::serve(folder.path(), &[TRIAL]);
    let output = Command::new(place::program("powerflow").unwrap())
        .arg("serve")
        .args(["--set", "server.listen=127.0.0.1:0"])
        .args([
            "--set",
            &format!("data.directory={}", folder.path().join("data").display()),
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("another process") || said.contains("in use"),
        "{said}"
    );
    // The first one does not notice.
    let mut client = service.client().unwrap();
    save_hold(&mut client);
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    assert!(fs::exists(folder.path().join("data/powerflow.db")).unwrap());
    service.stop().unwrap();
}
