//! Applications that run by themselves: by the API and by `pfctl`, in one process and in a
//! cluster, when processes are killed.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::Plan;
use serde_json::{Value, json};
use support::{part, pfctl, pfctl_well, task, until};

/// How soon another scheduler goes on: the promise.
const TAKEN: Duration = Duration::from_secs(5);

fn echo(client: &mut Client) {
    let application = json!({"name": "echo",
        "app_variables": [{"name": "what", "value": "nothing"}],
        "steps": [{"name": "echo", "file": "Echo", "syncpack": "trial_pack", "value": "${appvar.what}"}]});
    support::save(client, "applications", &application);
}

fn address(name: &str) -> String {
    format!("/api/v1/schedules/{}", part(name))
}

fn put(client: &mut Client, name: &str, condition: (&str, &str), document: &Value) -> Response {
    let headers = [("content-type", "application/json"), condition];
    let body = document.to_string();
    client
        .send("PUT", &address(name), &headers, body.as_bytes())
        .unwrap()
}

fn create(client: &mut Client, name: &str, document: &Value) -> Value {
    let response = put(client, name, ("if-none-match", "*"), document);
    assert_eq!(
        response.status,
        201,
        "{}",
        String::from_utf8_lossy(&response.body)
    );
    response.json().unwrap()
}

fn occurrences(client: &mut Client, name: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = format!("{}/occurrences?limit=200", address(name));
    loop {
        let page = client.get(&path).unwrap();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("{}/occurrences?limit=200&after={next}", address(name)),
            None => break,
        }
    }
    all.reverse();
    all
}

/// Microseconds since 1970 of a time in an answer.
fn micros(value: &Value) -> i64 {
    let text = value.as_str().unwrap();
    let at = model_time(text);
    assert!(at > 0, "{text}");
    at
}

/// `2027-01-15T08:00:00.123456Z`
fn model_time(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from civil: Howard Hinnant's algorithm.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    let fraction = text[19..].trim_start_matches('.').trim_end_matches('Z');
    let fraction = format!("{fraction:0<6}");
    seconds * 1_000_000 + fraction[..6].parse::<i64>().unwrap()
}

/// Each second has its occurrence, each occurrence its run, and no run is without one.
/// Answers how late the latest was, in microseconds.
fn each_second_once(client: &mut Client, name: &str) -> i64 {
    until("some occurrences", || {
        (occurrences(client, name).len() > 3).then_some(())
    });
    // Nothing more starts while runs are counted.
    client
        .send_json("POST", &format!("{}/pause", address(name)), &json!({}))
        .unwrap();
    let all = occurrences(client, name);
    let mut runs = Vec::new();
    let mut latest = 0;
    for (before, one) in all.iter().zip(&all[1..]) {
        assert_eq!(
            micros(&one["due"]) - micros(&before["due"]),
            1_000_000,
            "{before} {one}"
        );
    }
    for one in &all {
        assert_eq!(one["outcome"], "started", "{one}");
        runs.push(one["run"].as_str().unwrap().to_owned());
        latest = latest.max(micros(&one["at"]) - micros(&one["due"]));
    }
    let trigger = format!("schedule:{name}");
    let mut started = Vec::new();
    let mut path = "/api/v1/runs?limit=200".to_owned();
    loop {
        let page = client.get(&path).unwrap();
        for run in page["items"].as_array().unwrap() {
            if run["trigger"] == trigger.as_str() {
                started.push(run["task_id"].as_str().unwrap().to_owned());
            }
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/runs?limit=200&after={next}"),
            None => break,
        }
    }
    runs.sort();
    started.sort();
    assert_eq!(runs, started);
    let counted = client.get(&format!("{}?meta=true", address(name))).unwrap();
    assert_eq!(counted["total_runs"], runs.len());
    latest
}

#[test]
fn a_schedule_runs_with_what_is_its_own() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    echo(&mut client);
    let configuration =
        json!({"name": "acme", "configuration_data": [{"name": "a", "value": "1"}]});
    support::save(&mut client, "configurations", &configuration);
    let saved = create(
        &mut client,
        "each second",
        &json!({"application_id": "echo", "frequency": 1,
            "params": {"what": "mine", "configuration": "acme", "queue": "own"}}),
    );
    assert_eq!(
        (&saved["description"], &saved["warnings"]),
        (&json!("Every second"), &json!([]))
    );
    let run = until("a run", || {
        let all = occurrences(&mut client, "each second");
        Some(all.first()?["run"].as_str().unwrap().to_owned())
    });
    let run = support::ended(&mut client, &run);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(run["trigger"], "schedule:each second");
    assert_eq!(
        (&run["queue"], &run["configuration"]),
        (&json!("own"), &json!("acme"))
    );
    let data = support::step(&run, "echo")["task_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let data = client.get(&format!("/api/v1/tasks/{data}/data")).unwrap();
    assert!(data.to_string().contains("mine"), "{data}");
    each_second_once(&mut client, "each second");

    // The predecessor's list tells the same.
    let list = client.get("/api/v1/schedule").unwrap();
    let one = &list.as_array().unwrap()[0];
    assert_eq!(
        one["schedule"],
        json!({"schedule_type": "frequency", "schedule_info": {"run_every": 1}})
    );
    assert!(one["total_runs"].as_i64().unwrap() > 0);
    let href = one["last_run"]["href"].as_str().unwrap().to_owned();
    assert_eq!(
        client.get(&href).unwrap()["trigger"],
        "schedule:each second"
    );
    assert!(one["last_run"]["start_time"].as_i64().unwrap() > 1_700_000_000);
    service.stop().unwrap();
}

#[test]
fn existing_schedules_import_unchanged() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/schedules/customers.json");
    let documents: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let said = pfctl_well(&service, &["schedule", "upload", file.to_str().unwrap()]);
    assert_eq!(said.lines().count(), 3, "{said}");
    let same = |client: &mut Client| {
        let list = client.get("/api/v1/schedule").unwrap();
        assert_eq!(list.as_array().unwrap().len(), 3);
        for document in documents.as_array().unwrap() {
            let of = |one: &&Value| one["entry_id"] == document["entry_id"];
            let found = list.as_array().unwrap().iter().find(of).unwrap();
            for (key, value) in document.as_object().unwrap() {
                // What is counted starts anew.
                if !["total_runs", "last_run"].contains(&key.as_str()) {
                    assert_eq!(&found[key], value, "{key}");
                }
            }
            assert_eq!(
                (&found["total_runs"], &found["last_run"]),
                (&json!(0), &json!(null))
            );
        }
    };
    same(&mut client);
    // Again, by the API: nothing changes.
    for document in documents.as_array().unwrap() {
        let saved = client
            .send_json("POST", "/api/v1/schedule", document)
            .unwrap();
        assert_eq!(
            (&saved["created"], &saved["changed"]),
            (&json!(false), &json!(false))
        );
    }
    same(&mut client);
    // A name of another application is not taken.
    let mut other = documents[0].clone();
    other["application_id"] = "other".into();
    let body = other.to_string();
    let json_type = [("content-type", "application/json")];
    let refused = client
        .send("POST", "/api/v1/schedule", &json_type, body.as_bytes())
        .unwrap();
    assert_eq!(
        support::problem(&refused, "another application")["code"],
        "PF-0409"
    );
    // One without a name gets one, always the same, and can be deleted.
    let unnamed = json!({"application_id": "x", "params": {}, "schedule":
        {"schedule_type": "frequency", "schedule_info": {"run_every": 300}}});
    for created in [true, false] {
        let saved = client
            .send_json("POST", "/api/v1/schedule", &unnamed)
            .unwrap();
        assert_eq!(
            (&saved["created"], &saved["name"]),
            (&json!(created), &json!("x: Every 5 minutes"))
        );
    }
    let by_body = json!({"entry_id": "x: Every 5 minutes"});
    client
        .send_json("DELETE", "/api/v1/schedule", &by_body)
        .unwrap();
    for document in documents.as_array().unwrap() {
        let path = format!(
            "/api/v1/schedule?entry_id={}",
            part(document["entry_id"].as_str().unwrap())
        );
        assert_eq!(client.send("DELETE", &path, &[], &[]).unwrap().status, 204);
    }
    assert_eq!(client.get("/api/v1/schedule").unwrap(), json!([]));
    service.stop().unwrap();
}

#[test]
fn nobody_overwrites_unseen_and_faults_are_listed() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    echo(&mut client);
    let nightly =
        json!({"application_id": "echo", "cron": "30 2 * * *", "time_zone": "Europe/Berlin"});
    create(&mut client, "größe 1/2", &nightly);
    let status = |response: &Response| response.status;
    assert_eq!(
        status(&put(
            &mut client,
            "größe 1/2",
            ("if-none-match", "*"),
            &nightly
        )),
        412
    );
    assert_eq!(
        status(&put(&mut client, "größe 1/2", ("x-none", ""), &nightly)),
        428
    );
    assert_eq!(
        status(&put(&mut client, "other", ("if-match", "*"), &nightly)),
        412
    );
    let read = client.send("GET", &address("größe 1/2"), &[], &[]).unwrap();
    let tag = read
        .headers
        .iter()
        .find(|(name, _)| name == "etag")
        .unwrap()
        .1
        .clone();
    assert_eq!(tag, "\"1\"");
    let mut later = nightly.clone();
    later["cron"] = "0 3 * * *".into();
    assert_eq!(
        status(&put(&mut client, "größe 1/2", ("if-match", &tag), &later)),
        200
    );
    assert_eq!(
        status(&put(&mut client, "größe 1/2", ("if-match", &tag), &later)),
        412
    );
    // Everything that is wrong, at its place; nothing of it is stored.
    let wrong = json!({"application_id": "", "cron": "61 * * * *", "time_zone": "Mars", "overlap": "never"});
    let refused = put(&mut client, "wrong", ("if-none-match", "*"), &wrong);
    let document = support::problem(&refused, "a wrong schedule");
    assert_eq!(refused.status, 422);
    let at: Vec<_> = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["at"].clone())
        .collect();
    assert_eq!(
        json!(at),
        json!(["/application_id", "/time_zone", "/cron", "/overlap"])
    );
    assert_eq!(
        client
            .send("GET", &address("wrong"), &[], &[])
            .unwrap()
            .status,
        404
    );
    // When it is due, without saving it: over the change of the clocks.
    let path = "/api/v1/schedules/preview?from=2027-03-27T12:00:00Z&limit=2";
    let preview = client.send_json("POST", path, &nightly).unwrap();
    assert_eq!(
        preview["next"],
        json!(["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"])
    );
    // An application that is scheduled stays.
    let kept = client
        .send("DELETE", "/api/v1/applications/echo", &[], &[])
        .unwrap();
    assert_eq!(
        support::problem(&kept, "a scheduled application")["code"],
        "PF-0423"
    );
    service.stop().unwrap();
}

#[test]
fn pfctl_manages_schedules() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    echo(&mut client);
    let well = |arguments: &[&str]| {
        let all = [&["schedule"], arguments].concat();
        pfctl_well(&service, &all)
    };
    assert_eq!(well(&["list"]).trim(), "none");
    let said = well(&[
        "create",
        "nightly",
        "--application",
        "echo",
        "--cron",
        "30 2 * * *",
        "--time-zone",
        "Europe/Berlin",
        "--param",
        "what=7",
        "--queue",
        "own",
        "--overlap",
        "skip",
    ]);
    assert!(
        said.starts_with("created nightly: At 02:30 (Europe/Berlin); next "),
        "{said}"
    );
    let listed = well(&["list", "--application", "echo"]);
    assert!(
        listed.contains("nightly") && listed.contains("At 02:30"),
        "{listed}"
    );
    let shown = well(&["show", "nightly"]);
    assert!(
        shown.contains("overlap      skip") && shown.contains("\"what\": 7"),
        "{shown}"
    );
    assert!(well(&["pause", "nightly"]).contains("is paused"));
    assert!(well(&["list"]).contains("(paused)"));
    assert!(well(&["resume", "nightly"]).contains("runs; next "));
    let said = well(&["edit", "nightly", "--every", "1h", "--catch-up", "all"]);
    assert!(said.contains("Every hour"), "{said}");
    let document = client.get(&address("nightly")).unwrap();
    assert_eq!(document["cron"], json!(null), "{document}");
    assert_eq!(
        (&document["frequency"], &document["params"]["queue"]),
        (&json!(3600), &json!("own"))
    );
    let next = well(&["next", "nightly", "--count", "3"]);
    assert_eq!(next.lines().count(), 4, "{next}");
    let next = well(&["next", "--cron", "0 0 29 2 *", "--count", "1"]);
    assert!(next.contains("02-29 00:00:00Z"), "{next}");
    service.stop().unwrap();
}

#[test]
fn pfctl_tells_what_became_of_occurrences() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    echo(&mut service.client().unwrap());
    let well = |arguments: &[&str]| {
        let all = [&["schedule"], arguments].concat();
        pfctl_well(&service, &all)
    };
    let hourly = [
        "create",
        "nightly",
        "--application",
        "echo",
        "--every",
        "1h",
    ];
    well(&[&hourly[..], &["--overlap", "skip"]].concat());
    let range = [
        "--from",
        "2026-01-10T00:00:00Z",
        "--until",
        "2026-01-10T03:59:59Z",
    ];
    let preview = well(&[&["backfill", "nightly"], &range[..], &["--preview"]].concat());
    assert!(preview.starts_with("4 would run"), "{preview}");
    assert_eq!(well(&["history", "nightly"]).trim(), "none");
    well(&[&["backfill", "nightly"], &range[..]].concat());
    let history = until("the range", || {
        let history = well(&["history", "nightly", "--outcome", "started"]);
        // Skip lets no two overlap: one after another.
        (history.lines().count() == 5).then_some(history)
    });
    assert!(history.contains("isapp-"), "{history}");
    assert!(
        well(&[&["backfill", "nightly"], &range[..]].concat()).starts_with("0 to run, 4 have run")
    );
    // A run that is refused is told with its reason.
    well(&[
        "create",
        "wrong",
        "--application",
        "echo",
        "--every",
        "1",
        "--configuration",
        "none such",
    ]);
    let history = until("a refused run", || {
        let history = well(&["history", "wrong"]);
        history.contains("failed").then_some(history)
    });
    assert!(
        history.contains("there is no configuration object `none such`"),
        "{history}"
    );
    // Whoever looks at it sees it without looking for it.
    let shown = well(&["show", "wrong"]);
    assert!(
        shown.contains("failed: ") && shown.contains("`none such`"),
        "{shown}"
    );
    well(&["delete", "wrong", "nightly"]);
    let output = pfctl(&service, &["schedule", "show", "nightly"]);
    assert_eq!(output.status.code(), Some(3));
    let output = pfctl(
        &service,
        &["schedule", "create", "a", "--cron", "* * * * *"],
    );
    assert_eq!(output.status.code(), Some(2));
    service.stop().unwrap();
}

/// A process that is killed and started again goes on where it was.
#[test]
fn a_killed_service_misses_nothing() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    echo(&mut client);
    create(
        &mut client,
        "each second",
        &json!({"application_id": "echo", "frequency": 1, "catch_up": "all"}),
    );
    until("some runs", || {
        (occurrences(&mut client, "each second").len() >= 3).then_some(())
    });
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let before = occurrences(&mut client, "each second").len();
    until("more runs", || {
        (occurrences(&mut client, "each second").len() > before + 2).then_some(())
    });
    each_second_once(&mut client, "each second");
    service.stop().unwrap();
}

/// The process that leads.
fn leader(cluster: &Cluster) -> Option<usize> {
    let now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let sql = format!(
        "SELECT coalesce(max(w.pid), 0) FROM leader l JOIN worker w ON w.id = l.worker
         WHERE l.lease_until > {now}"
    );
    let pid = cluster.postgres.number(&sql).unwrap();
    (pid != 0).then_some(pid as usize)
}

#[test]
fn another_scheduler_goes_on_within_five_seconds() {
    let folder = support::folder();
    let size = Size {
        workers: 1,
        schedulers: 3,
        ..Size::default()
    };
    let settings = [
        ("worker.lease", "3s"),
        ("queue.lease", "5s"),
        ("worker.slots", "16"),
    ];
    let mut cluster = Cluster::start(folder.path(), &size, &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    echo(&mut client);
    create(
        &mut client,
        "each second",
        &json!({"application_id": "echo", "frequency": 1, "catch_up": "all"}),
    );
    for round in 1..=2 {
        let before = occurrences(&mut client, "each second").len();
        until("some runs", || {
            (occurrences(&mut client, "each second").len() >= before + 3).then_some(())
        });
        let first = until("a leader", || leader(&cluster));
        let place = cluster
            .schedulers
            .iter_mut()
            .position(|one| one.process().id() as usize == first)
            .unwrap();
        cluster.schedulers.remove(place).kill().unwrap();
        let before = occurrences(&mut client, "each second").len();
        until("runs by another leader", || {
            (occurrences(&mut client, "each second").len() >= before + 8).then_some(())
        });
        assert_ne!(leader(&cluster), Some(first), "round {round}");
    }
    let run = occurrences(&mut client, "each second").pop().unwrap();
    let id = run["run"].as_str().unwrap().to_owned();
    assert_eq!(support::ended(&mut client, &id)["state"], "success");
    let latest = Duration::from_micros(each_second_once(&mut client, "each second") as u64);
    println!("the latest started {latest:?} after it was due");
    assert!(latest < TAKEN, "{latest:?}");
    assert_eq!(task(&mut client, &id)["trigger"], "schedule:each second");
    cluster.stop().unwrap();
}
