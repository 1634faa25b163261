//! What a single process does with time limits, with steps whose worker was lost, and with
//! requests to stop one step or many runs.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{ended, log, pfctl, pfctl_well, run, save_steps, start, step, task, until};

/// What a step may take from the end of its time limit to its recorded end.
const SOON: Duration = Duration::from_secs(1);

fn send(client: &mut Client, method: &str, path: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    client
        .send(method, path, &headers, body.as_bytes())
        .unwrap()
}

/// How many lines of a task's log hold that text.
fn said(client: &mut Client, id: &str, text: &str) -> usize {
    let lines = log(client, id);
    let holds = |line: &&Value| line["message"].as_str().unwrap().contains(text);
    lines.iter().filter(holds).count()
}

/// Seconds since the epoch of an RFC 3339 time in UTC of one day, without its date.
fn second_of_day(time: &Value) -> f64 {
    let clock = time.as_str().unwrap().split_once('T').unwrap().1;
    clock
        .trim_end_matches('Z')
        .split(':')
        .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

/// How long a step took as it is recorded.
fn took(step: &Value) -> Duration {
    let [from, to] = ["started_at", "finished_at"].map(|key| second_of_day(&step[key]));
    // Midnight may lie between.
    Duration::from_secs_f64((to - from).rem_euclid(86_400.0))
}

/// Starts a run and waits until that step has begun to execute.
fn begun(client: &mut Client, application: &str, name: &str) -> (String, String) {
    let id = start(client, application, &json!({"loglevel": 20}));
    until("the step's first words", || {
        let run = task(client, &id);
        let task = step(&run, name)["task_id"].as_str().unwrap().to_owned();
        (said(client, &task, "begins without an end") == 1).then_some((id.clone(), task))
    })
}

#[test]
fn a_step_is_late_and_then_ended() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.step_timeout", "10m")
        .with("worker.step_timeout_max", "1h");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    for (name, busy) in [("computes", true), ("sleeps", false)] {
        save_steps(
            &mut client,
            name,
            json!([
                {"name": "endless", "file": "Endless", "busy": busy, "output_to": ["then"],
                    "task_soft_time_limit": 1, "task_time_limit": 3.5},
                {"name": "beside", "file": "Echo", "value": 1},
                {"name": "then", "file": "Echo", "value": 2},
            ]),
        );
        // The warning is there at every level.
        let id = start(&mut client, name, &json!({"loglevel": 40}));
        let late = until("the mark", || {
            let run = task(&mut client, &id);
            let endless = step(&run, "endless");
            endless["late_at"].is_string().then(|| endless.clone())
        });
        assert_eq!(late["state"], "running", "{late}");
        assert_eq!(said(&mut client, &id, "takes longer than 1 s"), 1);
        let shown = pfctl_well(&service, &["run", "show", &id]);
        assert!(shown.contains("running, late"), "{shown}");

        let run = ended(&mut client, &id);
        let endless = step(&run, "endless");
        let error = &endless["error"];
        assert_eq!(
            (&run["state"], &error["code"]),
            (&json!("failed"), &json!("timeout"))
        );
        assert!(
            error["message"].as_str().unwrap().contains("3.5 s"),
            "{error}"
        );
        assert_eq!(endless["attempts"], 1, "it is not executed again");
        assert_eq!(step(&run, "then")["state"], "skipped");
        assert_eq!(step(&run, "beside")["state"], "success");
        let over = took(endless).checked_sub(Duration::from_millis(3500));
        println!("{name}: ended {over:?} after its time limit");
        assert!(over.unwrap() < SOON, "{name}: {over:?}");
        assert_eq!(said(&mut client, &id, "takes longer than"), 1);
    }

    // What holds for a step is shown: its own word, its application's, the service's.
    support::save(
        &mut client,
        "applications",
        &json!({"name": "says", "task_soft_time_limit": 7, "on_worker_lost": "fail", "steps": [
            {"name": "own", "file": "Echo", "syncpack": "trial_pack", "task_time_limit": 5,
                "on_worker_lost": "retry"},
            {"name": "none", "file": "Echo", "syncpack": "trial_pack", "task_time_limit": null},
        ]}),
    );
    let run = run(&mut client, "says", &json!({}));
    let rules = |name: &str| {
        let step = step(&run, name);
        let keys = [
            "task_soft_time_limit",
            "task_time_limit",
            "on_worker_lost",
            "late_at",
        ];
        keys.map(|key| step[key].clone())
    };
    assert_eq!(
        rules("own"),
        [json!(7.0), json!(5.0), json!("retry"), Value::Null]
    );
    assert_eq!(
        rules("none"),
        [json!(7.0), json!(600.0), json!("fail"), Value::Null]
    );
    service.stop().unwrap();
}

#[test]
fn a_wrong_policy_is_refused_and_one_beyond_the_maximum_is_told() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let document = json!({"name": "wrong", "task_time_limit": "1h", "on_worker_lost": "fial",
        "steps": [{"name": "one", "file": "Echo", "syncpack": "trial_pack",
            "task_soft_time_limit": 0, "on_worker_lost": ["retry"]}]});
    let refused = send(&mut client, "POST", "/api/v1/applications", &document);
    let problem = support::problem(&refused, "a wrong policy");
    assert_eq!(problem["code"], "PF-1001");
    let faults = problem["errors"].as_array().unwrap();
    let found: Vec<_> = faults
        .iter()
        .map(|fault| {
            (
                fault["code"].as_str().unwrap(),
                fault["at"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("PF-A030", "/task_time_limit"),
        ("PF-A031", "/on_worker_lost"),
        ("PF-A030", "/steps/0/task_soft_time_limit"),
        ("PF-A031", "/steps/0/on_worker_lost"),
    ];
    assert_eq!(found, expected, "{problem}");
    let meant = faults[1]["message"].as_str().unwrap();
    assert!(meant.ends_with("did you mean `fail`?"), "{meant}");

    let long = json!({"name": "long", "steps": [{"name": "one", "file": "Echo",
        "syncpack": "trial_pack", "value": 1, "task_time_limit": 1e6}]});
    let saved = support::save(&mut client, "applications", &long);
    let warnings = saved["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{saved}");
    assert_eq!(
        (&warnings[0]["code"], &warnings[0]["at"]),
        (&json!("PF-A030"), &json!("/steps/0/task_time_limit"))
    );
    let run = run(&mut client, "long", &json!({}));
    assert_eq!(step(&run, "one")["task_time_limit"], 86_400.0);
    service.stop().unwrap();
}

#[test]
fn what_becomes_of_a_step_whose_process_was_killed() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    support::save(
        &mut client,
        "applications",
        &json!({"name": "lost", "on_worker_lost": "fail", "steps": [
            {"name": "once", "file": "Endless", "syncpack": "trial_pack", "output_to": ["after"]},
            {"name": "again", "file": "Hold", "syncpack": "trial_pack", "key": "k",
                "on_worker_lost": "retry", "output_to": ["then"]},
            {"name": "after", "file": "Echo", "syncpack": "trial_pack", "value": 1},
            {"name": "then", "file": "Echo", "syncpack": "trial_pack", "value": 2},
        ]}),
    );
    save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release", "key": "k"}]),
    );
    let (id, _) = begun(&mut client, "lost", "once");
    until("the other step", || {
        let run = task(&mut client, &id);
        (step(&run, "again")["state"] == "running").then_some(())
    });
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    // It has failed when the service answers.
    let lost = task(&mut client, &id);
    assert_eq!(
        step(&lost, "once")["error"]["code"],
        "worker-lost",
        "{lost}"
    );
    run(&mut client, "release", &json!({}));
    let run = ended(&mut client, &id);
    let state = |name: &str| {
        let step = step(&run, name);
        (
            step["state"].as_str().unwrap(),
            step["attempts"].as_i64().unwrap(),
        )
    };
    assert_eq!(run["state"], "failed", "{run}");
    assert_eq!(state("once"), ("failed", 1));
    assert_eq!(state("after"), ("skipped", 0));
    assert_eq!(state("again"), ("success", 2));
    assert_eq!(state("then"), ("success", 1));
    assert_eq!(said(&mut client, &id, "begins without an end"), 1);
    service.stop().unwrap();
}

#[test]
fn one_step_is_revoked_and_others_go_on() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "two",
        json!([
            {"name": "endless", "file": "Endless", "busy": true, "output_to": ["after"]},
            {"name": "hold", "file": "Hold", "key": "k", "output_to": ["then"]},
            {"name": "after", "file": "Echo", "value": 1},
            {"name": "then", "file": "Echo", "value": 2},
        ]),
    );
    save_steps(
        &mut client,
        "release",
        json!([{"name": "release", "file": "Release", "key": "k"}]),
    );
    let (id, endless) = begun(&mut client, "two", "endless");
    let path = |task: &str| format!("/api/v1/tasks/{task}");
    let id_of = |run: &Value, name: &str| step(run, name)["task_id"].as_str().unwrap().to_owned();

    // Nothing has reached what comes after.
    let after = id_of(&task(&mut client, &id), "after");
    let refused = send(&mut client, "DELETE", &path(&after), &Value::Null);
    let problem = support::problem(&refused, "a step that is not reached");
    assert_eq!(problem["code"], "PF-1004");
    assert!(
        problem["detail"].as_str().unwrap().contains("is pending"),
        "{problem}"
    );

    let asked = Instant::now();
    let shown = pfctl_well(&service, &["task", "revoke", &endless]);
    println!("revoked within {:?}", asked.elapsed());
    assert_eq!(shown, format!("{endless} cancelled: endless\n"));
    // Who did it is in its log when the answer comes.
    assert_eq!(said(&mut client, &endless, "isadmin revoked it"), 1);
    let again = send(&mut client, "DELETE", &path(&endless), &Value::Null);
    assert_eq!(again.json().unwrap()["state"], "cancelled", "twice is once");
    let under_way = task(&mut client, &id);
    assert_eq!(under_way["state"], "running", "{under_way}");
    run(&mut client, "release", &json!({}));
    let run = ended(&mut client, &id);
    let states = ["endless", "hold", "after", "then"].map(|name| step(&run, name)["state"].clone());
    assert_eq!(states, ["cancelled", "success", "skipped", "success"]);
    assert_eq!(run["state"], "cancelled");
    let then = id_of(&run, "then");
    let late = send(&mut client, "DELETE", &path(&then), &Value::Null);
    assert_eq!(
        support::problem(&late, "one that has ended")["code"],
        "PF-1004"
    );

    service.stop().unwrap();
}

#[test]
fn a_step_that_waits_in_the_queue_is_revoked_and_its_run_ends() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_steps(
        &mut client,
        "waits",
        json!([
            {"name": "first", "file": "Echo", "value": 1, "output_to": ["second"]},
            {"name": "second", "file": "Echo", "value": 2},
        ]),
    );
    let waiting = start(&mut client, "waits", &json!({"queue": "nobody"}));
    let run = task(&mut client, &waiting);
    let first = step(&run, "first")["task_id"].as_str().unwrap().to_owned();
    let revoked = send(
        &mut client,
        "POST",
        &format!("/api/v1/tasks/{first}/revoke"),
        &json!({}),
    );
    let revoked = revoked.json().unwrap();
    assert_eq!(
        (&revoked["state"], &revoked["run"]["state"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert_eq!(
        said(&mut client, &first, "isadmin revoked the step before"),
        1
    );
    let run = task(&mut client, &waiting);
    assert_eq!(step(&run, "second")["state"], "skipped");
    let wrong = pfctl(&service, &["task", "revoke", &waiting]);
    assert_eq!(wrong.status.code(), Some(2));
    let hint = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        hint.contains(&format!("pfctl run cancel {waiting}")),
        "{hint}"
    );
    service.stop().unwrap();
}

#[test]
fn runs_are_cancelled_by_application_and_queue_or_all() {
    const EACH: usize = 30;
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    for name in ["one", "other"] {
        save_steps(
            &mut client,
            name,
            json!([{"name": "endless", "file": "Endless"}]),
        );
    }
    let mut started = Vec::new();
    for (application, queue) in [
        ("one", "a"),
        ("one", "b"),
        ("other", "a"),
        ("other", "default"),
    ] {
        let ids: Vec<String> = (0..EACH)
            .map(|_| start(&mut client, application, &json!({"queue": queue})))
            .collect();
        started.push(ids);
    }
    let mut cancel = |body: Value| send(&mut client, "POST", "/api/v1/runs/cancel", &body);
    for unclear in [
        json!({}),
        json!({"all": true, "queue": "a"}),
        json!({"everything": true}),
    ] {
        assert_eq!(
            support::problem(&cancel(unclear), "which?")["code"],
            "PF-0400"
        );
    }
    let unknown = cancel(json!({"application": "onne"}));
    assert_eq!(
        support::problem(&unknown, "no such application")["code"],
        "PF-0404"
    );
    let done = cancel(json!({"application": "one", "queue": "b"}))
        .json()
        .unwrap();
    assert_eq!(
        done,
        json!({"cancelled": EACH, "more": false, "until": null})
    );

    // Without a terminal nobody can be asked.
    let refused = pfctl(&service, &["run", "cancel", "--all", "--queue", "a"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let hint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(hint.contains("--yes"), "{hint}");
    let queue = ["run", "cancel", "--all", "--queue", "a", "--yes"];
    assert_eq!(
        pfctl_well(&service, &queue),
        format!("{} runs cancelled\n", 2 * EACH)
    );
    assert_eq!(
        pfctl_well(&service, &queue),
        "0 runs cancelled\n",
        "twice is once"
    );
    for id in &started[3] {
        assert_eq!(task(&mut client, id)["ended"], false);
    }
    // Those that execute stop, and say who stopped them.
    let all = ["run", "cancel", "--all", "--yes", "--json"];
    let done: Value = serde_json::from_str(&pfctl_well(&service, &all)).unwrap();
    assert_eq!(done, json!({"cancelled": EACH}));
    for id in &started[3] {
        assert_eq!(task(&mut client, id)["state"], "cancelled");
    }
    save_steps(
        &mut client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    assert_eq!(run(&mut client, "echo", &json!({}))["state"], "success");
    service.stop().unwrap();
}
