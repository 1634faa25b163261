//! What pages are made of: runs followed as they happen, applications narrowed and sorted,
//! everything at a glance; on the real service and on a cluster.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Event, Events};
use harness::service::Plan;
use serde_json::{Value, json};
use support::{part, problem, run, save, start, step, task, until};

/// An application of three steps, the second of which asks.
fn asking(client: &mut Client, name: &str) {
    let document = json!({"name": name, "steps": [
        {"name": "before", "operator": "transform", "template": "1", "output_to": ["ask"]},
        {"name": "ask", "operator": "approval", "question": "Go on?", "output_to": ["after"]},
        {"name": "after", "operator": "transform", "template": "2"}]});
    let saved = save(client, "applications", &document);
    assert_eq!(saved["faults"], json!([]), "{saved}");
}

fn follow(client: &Client, run: &str) -> Events {
    let path = format!("/api/v1/tasks/{run}/events");
    client
        .events(&path, &[])
        .unwrap()
        .unwrap_or_else(|answer| panic!("no events: {}", String::from_utf8_lossy(&answer.body)))
}

fn names(event: &Event) -> Vec<&str> {
    let steps = event.data["steps"].as_array().unwrap().iter();
    steps.map(|step| step["name"].as_str().unwrap()).collect()
}

/// The first event has everything, the others what has changed, and the last the end; also for one that
/// lost the stream, and when another process executes the run.
fn a_run_is_followed(client: &mut Client) {
    asking(client, "careful");
    let id = start(client, "careful", &json!({}));
    let mut events = follow(client, &id);
    let first = events.next_event().unwrap().unwrap();
    assert_eq!(first.name, "run");
    assert_eq!(first.data["task_id"], id.as_str());
    assert_eq!(names(&first), ["before", "ask", "after"]);
    let mut last = first;
    while step(&task(client, &id), "ask")["state"] != "waiting" {
        last = events.next_event().unwrap().unwrap();
        assert!(names(&last).len() < 3, "{last:?}");
    }
    let mut late = follow(client, &id);
    let whole = late.next_event().unwrap().unwrap();
    assert_eq!(names(&whole), ["before", "ask", "after"]);
    assert_eq!(step(&whole.data, "ask")["state"], "waiting");
    assert!(whole.id.parse::<i64>().unwrap() >= last.id.parse::<i64>().unwrap());
    drop(late);

    let shown = task(client, &id);
    let decision = format!("{}/decision", step(&shown, "ask")["href"].as_str().unwrap());
    client
        .send_json("POST", &decision, &json!({"decision": "approve"}))
        .unwrap();
    let mut states = Vec::new();
    while let Some(event) = events.next_event().unwrap() {
        states.push(event.data["state"].as_str().unwrap().to_owned());
        last = event;
    }
    assert_eq!(states.last().unwrap(), "success", "{states:?}");
    assert_eq!(last.data["ended"], true);
    assert!(names(&last).contains(&"after"), "{last:?}");
    // A run that has ended is told once.
    let mut over = follow(client, &id);
    assert_eq!(names(&over.next_event().unwrap().unwrap()).len(), 3);
    assert!(over.next_event().unwrap().is_none());
}

fn only_a_run_is_followed(client: &mut Client, ended: &str) {
    let shown = task(client, ended);
    let a_step = shown["steps"][0]["task_id"].as_str().unwrap().to_owned();
    for (id, code) in [
        ("isapp-01890a5d-ac96-774b-bcce-b30200000000", "PF-0404"),
        (&*a_step, "PF-0400"),
        ("nonsense", "PF-0400"),
    ] {
        let path = format!("/api/v1/tasks/{id}/events");
        let answer = client.send("GET", &path, &[], &[]).unwrap();
        assert_eq!(problem(&answer, &path)["code"], code, "{id}");
    }
}

fn list(client: &mut Client, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("/api/v1/applications?limit=2&{query}");
    loop {
        let page = client.get(&path).unwrap();
        let items = page["items"].as_array().unwrap().iter();
        found.extend(items.map(|one| one["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            return found;
        };
        path = format!("/api/v1/applications?limit=2&{query}&after={next}");
    }
}

fn applications_are_narrowed_and_sorted(client: &mut Client) {
    for (name, version, more) in [
        ("a1", "1.10.0", json!({"configuration": "acme"})),
        (
            "a2",
            "1.9.0",
            json!({"friendly_name": "Zebra", "hidden": true}),
        ),
        ("a3", "", json!({"friendly_name": "Apple"})),
        ("a4", "2", json!({"friendly_name": "mango"})),
        ("a5", "1.9.0", json!({})),
    ] {
        let template = if name == "a4" { "{{ 1 / 0 }}" } else { "1" };
        let mut document = json!({"name": name, "version": version, "friendly_name": name,
            "steps": [{"name": "one", "operator": "transform", "template": template}]});
        for (key, value) in more.as_object().unwrap() {
            document[key] = value.clone();
        }
        save(client, "applications", &document);
    }
    save(
        client,
        "configurations",
        &json!({"name": "acme", "configuration_data": []}),
    );
    let schedule = json!({"application_id": "a5", "frequency": 86_400}).to_string();
    let headers = [("content-type", "application/json"), ("if-none-match", "*")];
    let path = "/api/v1/schedules/daily";
    let saved = client.send("PUT", path, &headers, schedule.as_bytes());
    assert_eq!(saved.unwrap().status, 201);
    run(client, "a4", &json!({}));
    run(client, "a1", &json!({}));
    for (query, expected) in [
        ("search=a", "a1 a2 a3 a4 a5"),
        ("sort=-name", "a5 a4 a3 a2 a1"),
        ("sort=friendly_name", "a1 a5 a3 a4 a2"),
        // What is empty stands at the end; equal ones are by name.
        ("sort=version", "a2 a5 a1 a4 a3"),
        ("sort=-version", "a4 a1 a2 a5 a3"),
        ("sort=-last_run", "a1 a4 a2 a3 a5"),
        ("sort=edited", "a1 a2 a3 a4 a5"),
        ("sort=state", "a4 a1 a2 a3 a5"),
        ("state=failed", "a4"),
        ("state=failed,never", "a2 a3 a4 a5"),
        ("hidden=true", "a2"),
        ("hidden=false&version=1.9", "a5"),
        ("configuration=ACM", "a1"),
        ("syncpack=any", ""),
        ("edited_by=admin&scheduled=true", "a5"),
        ("scheduled=false&state=success", "a1"),
        ("sort=-edited&hidden=false", "a5 a4 a3 a1"),
    ] {
        let found = list(client, query);
        let found: Vec<&str> = found
            .iter()
            .map(String::as_str)
            .filter(|name| name.len() == 2)
            .collect();
        assert_eq!(found.join(" "), expected, "{query}");
    }
    for (query, told) in [
        ("sort=colour", "last_run"),
        ("state=broken", "cancelled"),
        ("colour=red", "colour"),
    ] {
        let path = format!("/api/v1/applications?{query}");
        let answer = client.send("GET", &path, &[], &[]).unwrap();
        let refused = problem(&answer, &path);
        assert_eq!(refused["code"], "PF-0400");
        assert!(refused.to_string().contains(told), "{refused}");
    }
    let first = client
        .get("/api/v1/applications?limit=1&sort=version")
        .unwrap();
    let foreign = part(first["next"].as_str().unwrap());
    let path = format!("/api/v1/applications?limit=1&after={foreign}x");
    let answer = client.send("GET", &path, &[], &[]).unwrap();
    assert_eq!(problem(&answer, &path)["code"], "PF-1005");
}

fn everything_is_seen_at_a_glance(client: &mut Client) {
    asking(client, "waits");
    start(client, "waits", &json!({}));
    client
        .send_json(
            "POST",
            "/api/v1/runs/pause",
            &json!({"queue": "closed", "reason": "tests"}),
        )
        .unwrap();
    let document = json!({"name": "a5", "params": {"queue": "closed"}});
    client
        .send_json("POST", "/api/v1/applications/run", &document)
        .unwrap();
    let seen = until("the approval", || {
        let seen = client.get("/api/v1/overview").unwrap();
        let queued = seen["queues"].as_array().unwrap().len() == 2;
        (queued && seen["attention"]["approvals"]["count"] == 1).then_some(seen)
    });
    let failing = &seen["attention"]["failing"];
    assert_eq!(failing.as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(
        (&failing[0]["name"], &failing[0]["run"]["state"]),
        (&json!("a4"), &json!("failed"))
    );
    let stand = &seen["applications"];
    assert_eq!(stand["last_run"]["failed"], 1, "{seen}");
    let counted: u64 = stand["last_run"]
        .as_object()
        .unwrap()
        .values()
        .map(|one| one.as_u64().unwrap())
        .sum();
    assert_eq!(
        stand["total"],
        counted + stand["never_run"].as_u64().unwrap()
    );
    let queue = |name: &str| {
        let queues = seen["queues"].as_array().unwrap();
        queues.iter().find(|one| one["queue"] == name).unwrap()
    };
    assert_eq!(
        (&queue("closed")["queued"], &queue("default")["running"]),
        (&json!(1), &json!(1))
    );
    assert!(queue("closed")["oldest_queued"].is_string());
    assert_eq!(seen["attention"]["pauses"][0]["queue"], "closed");
    assert_eq!(seen["attention"]["lost_workers"], json!([]));
    assert_eq!(seen["upcoming"][0]["name"], "daily");
    assert!(!seen["workers"].as_array().unwrap().is_empty());

    let volume = client.get("/api/v1/overview/volume?hours=2").unwrap();
    let all: u64 = volume["states"]
        .as_object()
        .unwrap()
        .values()
        .map(|one| one.as_u64().unwrap())
        .sum();
    let in_parts: u64 = volume["parts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|part| part["states"].as_object().unwrap().values())
        .map(|one| one.as_u64().unwrap())
        .sum();
    assert!(all >= 4 && all == in_parts, "{volume}");
    assert_eq!(volume["part_seconds"], 150.0);
    for wrong in ["0", "745", "x"] {
        let path = format!("/api/v1/overview/volume?hours={wrong}");
        let answer = client.send("GET", &path, &[], &[]).unwrap();
        assert!(problem(&answer, &path).to_string().contains("hours"));
    }

    what_is_due_is_seen(client);
}

fn what_is_due_is_seen(client: &mut Client) {
    let calendar = client.get("/api/v1/schedules/calendar").unwrap();
    let entry = &calendar["items"][0];
    assert_eq!(
        (&entry["name"], &entry["more"]),
        (&json!("daily"), &json!(false))
    );
    let due = entry["due"].as_array().unwrap();
    assert_eq!((due.len(), &due[0]), (7, &entry["next_due"]));
    let path = "/api/v1/schedules/calendar?until=2999-01-01T00:00:00Z";
    let answer = client.send("GET", path, &[], &[]).unwrap();
    assert_eq!(problem(&answer, path)["code"], "PF-1001");
}

fn all_of_it(client: &mut Client) {
    a_run_is_followed(client);
    let runs = client.get("/api/v1/runs?application=careful").unwrap();
    let ended = runs["items"][0]["task_id"].as_str().unwrap().to_owned();
    only_a_run_is_followed(client, &ended);
    applications_are_narrowed_and_sorted(client);
    everything_is_seen_at_a_glance(client);
}

#[test]
fn pages_have_what_they_show() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    all_of_it(&mut service.client().unwrap());
    service.stop().unwrap();
}

#[test]
fn pages_have_what_they_show_on_a_cluster() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    all_of_it(&mut cluster.api().client().unwrap());
    cluster.stop().unwrap();
}

/// A service that ends in order ends the streams, and is not kept by them; who followed goes on
/// with the next.
#[test]
fn a_stream_does_not_keep_the_service() {
    let folder = support::folder();
    let plan = Plan::new(folder.path()).unwrap();
    let service = support::serve_plan(&plan, &[]);
    let mut client = service.client().unwrap();
    asking(&mut client, "careful");
    let id = start(&mut client, "careful", &json!({}));
    let mut events = follow(&client, &id);
    events.next_event().unwrap().unwrap();
    until("the step that asks", || {
        (step(&task(&mut client, &id), "ask")["state"] == "waiting").then_some(())
    });
    let stopping = std::time::Instant::now();
    service.stop().unwrap();
    while events.next_event().unwrap().is_some() {}
    assert!(
        stopping.elapsed() < Duration::from_secs(10),
        "{:?}",
        stopping.elapsed()
    );
    let service = support::serve_plan(&plan, &[]);
    let mut events = follow(&service.client().unwrap(), &id);
    let whole: Value = events.next_event().unwrap().unwrap().data;
    assert_eq!(whole["steps"].as_array().unwrap().len(), 3);
    drop(events);
    service.stop().unwrap();
}

/// Whoever logs out sees no more of a run that was followed with the session.
#[test]
fn a_stream_ends_with_its_session() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    asking(&mut client, "careful");
    let id = start(&mut client, "careful", &json!({}));
    let mut browser = Client::new(service.url()).unwrap();
    let login = json!({"user": "isadmin", "password": service.password()}).to_string();
    let json = [("content-type", "application/json")];
    let session = browser.send("POST", "/api/v1/session", &json, login.as_bytes());
    let session = session.unwrap();
    let cookie = session.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = session.json().unwrap()["csrf"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/tasks/{id}/events");
    let Ok(mut events) = browser.events(&path, &[("cookie", &cookie)]).unwrap() else {
        panic!("no events");
    };
    events.next_event().unwrap().unwrap();
    let headers = [("cookie", &*cookie), ("x-powerflow-csrf", &*csrf)];
    let ended = browser.send("DELETE", "/api/v1/session", &headers, &[]);
    assert_eq!(ended.unwrap().status, 204);
    let begun = std::time::Instant::now();
    while events.next_event().unwrap().is_some() {}
    // Far less than the five minutes that a stream lasts.
    assert!(begun.elapsed() < Duration::from_mins(1));
    service.stop().unwrap();
}
