//! Limits of steps: who comes too much waits in the store, in line, and holds nothing.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::{Plan, Service};
use serde_json::{Value, json};
use support::{ended, pfctl_well, run, save, start, step, task, until};

/// Runs that come at once.
const RUNS: usize = 20;
/// How many of them may execute at a time.
const LIMIT: usize = 2;
/// One slot more than that: were any held by those who wait, nobody could let go on who holds.
const SLOTS: &str = "3";

/// Saves an application that holds a device until it is let go, and one that lets it.
fn save_applications(client: &mut Client) {
    let pack = "trial_pack";
    let saved = save(
        client,
        "applications",
        &json!({"name": "hold",
            "app_variables": [{"name": "number", "value": 0}, {"name": "device", "value": "x"}],
            "steps": [{"name": "hold", "file": "Hold", "syncpack": pack,
                "key": "${appvar.device}/${appvar.number}",
                "task_concurrency": {"key": "device ${appvar.device}", "limit": LIMIT}}]}),
    );
    assert_eq!(saved["faults"], json!([]), "{saved}");
    save(
        client,
        "applications",
        &json!({"name": "release", "app_variables": [{"name": "key", "value": ""}],
            "steps": [{"name": "release", "file": "Release", "syncpack": pack,
                "key": "${appvar.key}"}]}),
    );
}

fn start_holding(client: &mut Client, device: &str, number: usize) -> String {
    let params = json!({"number": number, "device": device});
    start(client, "hold", &params)
}

/// The numbers of those that have begun to execute: each leaves a record when it does.
fn begun(client: &mut Client, device: &str) -> BTreeSet<usize> {
    let page = client
        .get(&format!("/api/v1/cache?prefix={device}/&limit=200"))
        .unwrap();
    let items = page["items"].as_array().unwrap().iter();
    let numbers = items.filter_map(|item| {
        let key = item["key"].as_str().unwrap();
        let rest = key.strip_prefix(device)?.strip_prefix('/')?;
        rest.strip_suffix("/holding")?.parse().ok()
    });
    numbers.collect()
}

/// Waits until so many have begun; more must not have.
fn until_begun(client: &mut Client, device: &str, count: usize) -> BTreeSet<usize> {
    until(&format!("the begin of {count}"), || {
        let begun = begun(client, device);
        assert!(begun.len() <= count, "{begun:?}");
        (begun.len() == count).then_some(begun)
    })
}

fn release(client: &mut Client, device: &str, number: usize) {
    let key = format!("{device}/{number}");
    let done = run(client, "release", &json!({"key": key}));
    assert_eq!(done["state"], "success", "{done}");
}

fn limit(client: &mut Client, device: &str) -> Value {
    let key = client
        .get(&format!("/api/v1/limits/device%20{device}"))
        .unwrap();
    assert_eq!(key["rate"], Value::Null, "{key}");
    key["concurrency"].clone()
}

/// The runs of a list of places.
fn runs_of(places: &Value) -> Vec<String> {
    let places = places.as_array().unwrap().iter();
    let ids = places.map(|one| one["run_id"].as_str().unwrap().to_owned());
    ids.collect()
}

fn until_line(client: &mut Client, device: &str, held: usize, waiting: usize) -> Value {
    until("the line", || {
        let found = limit(client, device);
        (found["held"] == held && found["waiting"] == waiting).then_some(found)
    })
}

/// Twenty come at once: two execute at a time, the others in the order of the line.
fn a_line_is_served(service: &Service, client: &mut Client, device: &str) {
    let ids: Vec<String> = (0..RUNS)
        .map(|number| start_holding(client, device, number))
        .collect();
    let number_of = |id: &str| ids.iter().position(|one| one == id).unwrap();
    let all = until_line(client, device, LIMIT, RUNS - LIMIT);
    assert_eq!(
        (&all["kind"], &all["limit"]),
        (&json!("concurrency"), &json!(LIMIT))
    );
    let (holders, line) = (runs_of(&all["holders"]), runs_of(&all["line"]));
    let begun = until_begun(client, device, LIMIT);
    let expected: BTreeSet<usize> = holders.iter().map(|id| number_of(id)).collect();
    assert_eq!(begun, expected);

    everybody_sees_why(service, client, device, (&holders, &line));

    let mut holding: Vec<usize> = begun.into_iter().collect();
    for (served, next) in line.iter().enumerate() {
        release(client, device, holding.remove(0));
        let begun = until_begun(client, device, LIMIT + served + 1);
        let next = number_of(next);
        assert!(begun.contains(&next), "{next} is the next: {begun:?}");
        holding.push(next);
    }
    for number in holding {
        release(client, device, number);
    }
    for id in &ids {
        let done = ended(client, id);
        assert_eq!(done["state"], "success", "{done}");
        assert_eq!(step(&done, "hold")["attempts"], 1, "{done}");
    }
    let left = until_line(client, device, 0, 0);
    assert_eq!((&left["holders"], &left["line"]), (&json!([]), &json!([])));
}

/// Whoever waits is told for what, and who has it.
fn everybody_sees_why(
    service: &Service,
    client: &mut Client,
    device: &str,
    (holders, line): (&[String], &[String]),
) {
    let waiting = task(client, &line[3]);
    let hold = step(&waiting, "hold");
    assert_eq!(hold["state"], "waiting", "{hold}");
    let waits = &hold["waits_for"];
    assert_eq!(waits["kind"], "limit", "{hold}");
    assert_eq!(waits["limit"]["key"], format!("device {device}"), "{hold}");
    assert_eq!(waits["limit"]["limit"], LIMIT, "{hold}");
    assert_eq!(waits["limit"]["before"], 3, "{hold}");
    assert_eq!(waits["limit"]["holders"].as_array().unwrap().len(), LIMIT);
    let shown = pfctl_well(service, &["run", "show", &line[3]]);
    assert!(
        shown.contains(&format!("limit `device {device}`")),
        "{shown}"
    );
    assert!(shown.contains("behind 3 others"), "{shown}");
    let key = format!("device {device}");
    let told = pfctl_well(service, &["limit", "show", &key]);
    let list = pfctl_well(service, &["limit", "list"]);
    assert!(
        list.contains(&key) && list.contains("2 at a time"),
        "{list}"
    );
    for holder in holders {
        assert!(shown.contains(holder.as_str()), "{shown}");
        assert!(told.contains(holder.as_str()), "{told}");
    }
    assert!(told.contains(line[0].as_str()), "{told}");
}

/// A holder that is stopped, whichever way, hands its place on; so does one that leaves the
/// line none.
fn a_stopped_holder_hands_on(service: &Service, client: &mut Client, device: &str) {
    for number in 0..6 {
        start_holding(client, device, number);
    }
    let all = until_line(client, device, LIMIT, 4);
    let (holders, line) = (runs_of(&all["holders"]), runs_of(&all["line"]));
    until_begun(client, device, LIMIT);
    // The next in line is gone before its turn.
    pfctl_well(service, &["run", "cancel", &line[0]]);
    pfctl_well(service, &["run", "cancel", &holders[0]]);
    let all = until_line(client, device, LIMIT, 2);
    assert!(runs_of(&all["holders"]).contains(&line[1]), "{all}");
    until_begun(client, device, LIMIT + 1);
    let revoked = all["holders"][0]["task_id"].as_str().unwrap();
    pfctl_well(service, &["task", "revoke", revoked]);
    let all = until_line(client, device, LIMIT, 1);
    assert!(runs_of(&all["holders"]).contains(&line[2]), "{all}");
    until_begun(client, device, LIMIT + 2);
    pfctl_well(
        service,
        &["run", "cancel", "--all", "--application", "hold", "--yes"],
    );
    until_line(client, device, 0, 0);
    assert_eq!(begun(client, device).len(), LIMIT + 2);
}

/// Starts are spread over time.
fn a_rate_spreads_starts(client: &mut Client) {
    const STARTS: u32 = 8;
    let rate = json!({"key": "api", "limit": 5, "per": 1});
    let saved = save(
        client,
        "applications",
        &json!({"name": "rated", "steps": [{"name": "echo", "file": "Echo",
            "syncpack": "trial_pack", "value": 1, "task_rate": rate}]}),
    );
    assert_eq!(saved["faults"], json!([]), "{saved}");
    let began = Instant::now();
    let ids: Vec<String> = (0..STARTS)
        .map(|_| start(client, "rated", &json!({})))
        .collect();
    for id in ids {
        let done = ended(client, &id);
        assert_eq!(done["state"], "success", "{done}");
    }
    // A fifth of a second between any two.
    let least = Duration::from_millis(200) * (STARTS - 1);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}

/// What is wrong is told where the application is saved, or at the step whose key becomes none.
fn what_is_wrong_is_told(client: &mut Client) {
    let wrong = json!({"name": "wrong", "steps": [
        {"name": "a", "file": "Echo", "syncpack": "trial_pack", "value": 1,
         "task_concurrency": {"key": "", "limit": 0, "per": 3}, "task_rate": 5}]});
    let told = client
        .send_json("POST", "/api/v1/applications/validate", &wrong)
        .unwrap();
    let faults = told["faults"].as_array().unwrap().iter();
    let found: Vec<_> = faults
        .map(|one| (one["code"].as_str().unwrap(), one["at"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("PF-A054", "/steps/0/task_concurrency/key"),
            ("PF-A054", "/steps/0/task_concurrency/limit"),
            ("PF-A054", "/steps/0/task_concurrency/per"),
            ("PF-A054", "/steps/0/task_rate"),
        ],
        "{told}"
    );
    save(
        client,
        "applications",
        &json!({"name": "keyless", "app_variables": [{"name": "device", "value": {"a": 1}}],
            "steps": [{"name": "echo", "file": "Echo", "syncpack": "trial_pack", "value": 1,
                "task_concurrency": {"key": "${appvar.device}", "limit": 1}}]}),
    );
    let done = run(client, "keyless", &json!({}));
    let error = &step(&done, "echo")["error"];
    assert_eq!(error["code"], "PF-R020", "{done}");
    let named = run(client, "keyless", &json!({"device": "router"}));
    assert_eq!(named["state"], "success", "{named}");
}

/// A retry waits outside, and comes back to the end of the line.
fn a_retry_gives_its_place_back(client: &mut Client) {
    let again = json!({"max_attempts": 2, "initial_delay": 600, "jitter": 0});
    save(
        client,
        "applications",
        &json!({"name": "failing", "steps": [{"name": "flaky", "file": "Flaky",
            "syncpack": "trial_pack", "failures": 1, "task_retry": again,
            "task_concurrency": {"key": "device r", "limit": 1}}]}),
    );
    let waits = start(client, "failing", &json!({}));
    until("the wait for another attempt", || {
        let found = task(client, &waits);
        (step(&found, "flaky")["waits_for"]["kind"] == "retry").then_some(())
    });
    let held = client.get("/api/v1/limits/device%20r").unwrap();
    assert_eq!(held["concurrency"]["held"], 0, "{held}");
    let other = start_holding(client, "r", 0);
    until_begun(client, "r", 1);
    release(client, "r", 0);
    assert_eq!(ended(client, &other)["state"], "success");
}

fn all(service: &Service, client: &mut Client) {
    save_applications(client);
    what_is_wrong_is_told(client);
    a_line_is_served(service, client, "a");
    a_stopped_holder_hands_on(service, client, "b");
    a_retry_gives_its_place_back(client);
    a_rate_spreads_starts(client);
}

#[test]
fn one_process_keeps_limits() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.slots", SLOTS);
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    all(&service, &mut client);
    service.stop().unwrap();
}

#[test]
fn a_cluster_keeps_limits() {
    let folder = support::folder();
    let settings = [("worker.slots", SLOTS)];
    let mut cluster = Cluster::start(folder.path(), &Size::default(), &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    all(cluster.api(), &mut client);

    // A worker is lost with what it holds: another executes it, in the same place.
    let ids: Vec<String> = (0..RUNS)
        .map(|number| start_holding(&mut client, "c", number))
        .collect();
    until_line(&mut client, "c", LIMIT, RUNS - LIMIT);
    until_begun(&mut client, "c", LIMIT);
    cluster.workers.remove(0).kill().unwrap();
    release_all(&mut client, "c", &ids);
    cluster.stop().unwrap();
}

/// Lets all go on, one after the other; never more have begun than may.
fn release_all(client: &mut Client, device: &str, ids: &[String]) {
    let mut released = BTreeSet::new();
    while released.len() < ids.len() {
        let next = until("one that holds", || {
            let begun = begun(client, device);
            assert!(begun.len() <= released.len() + LIMIT, "{begun:?}");
            begun.difference(&released).next().copied()
        });
        release(client, device, next);
        released.insert(next);
    }
    for id in ids {
        let done = ended(client, id);
        assert_eq!(done["state"], "success", "{done}");
    }
    until_line(client, device, 0, 0);
}

/// Places and lines are rows of the store: after `kill -9` the same steps have them.
#[test]
fn a_killed_process_loses_no_place() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.slots", SLOTS);
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    save_applications(&mut client);
    let ids: Vec<String> = (0..RUNS)
        .map(|number| start_holding(&mut client, "k", number))
        .collect();
    let before = until_line(&mut client, "k", LIMIT, RUNS - LIMIT);
    until_begun(&mut client, "k", LIMIT);
    service.kill().unwrap();
    let service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let after = until_line(&mut client, "k", LIMIT, RUNS - LIMIT);
    assert_eq!(runs_of(&after["holders"]), runs_of(&before["holders"]));
    assert_eq!(runs_of(&after["line"]), runs_of(&before["line"]));
    release_all(&mut client, "k", &ids);
    service.stop().unwrap();
}
