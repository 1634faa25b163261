//! What applications ran last, and in a span of time, on the real service and on a cluster.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::service::Service;
use serde_json::{Value, json};
use support::{pfctl_well, problem, run, save};

fn application(name: &str, template: &str) -> Value {
    json!({"name": name, "app_variables": [{"name": "list", "value": [1, 2, 3]}],
        "steps": [{"name": "Say", "operator": "transform", "template": template}]})
}

fn listed(client: &mut Client, name: &str) -> Value {
    let page = client.get("/api/v1/applications?limit=200").unwrap();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .find(|one| one["name"] == name)
        .unwrap()
        .clone()
}

fn timeline_of(client: &mut Client, query: &str) -> Value {
    client
        .get(&format!("/api/v1/applications/busy/timeline{query}"))
        .unwrap()
}

fn what_ran_is_shown(service: &Service, client: &mut Client) {
    for (name, template) in [("busy", "{{ ${appvar.list}.sort() }}"), ("idle", "x")] {
        save(client, "applications", &application(name, template));
    }
    let mut internal = application("inside", "x");
    internal["hidden"] = json!(true);
    save(client, "applications", &internal);
    assert_eq!(listed(client, "busy")["last_run"], Value::Null);

    let good = run(client, "busy", &json!({}));
    let bad = run(client, "busy", &json!({"list": 7}));
    assert_eq!(
        (&good["state"], &bad["state"]),
        (&json!("success"), &json!("failed"))
    );
    let last = listed(client, "busy")["last_run"].clone();
    assert_eq!(
        (&last["task_id"], &last["state"], &last["finished_at"]),
        (&bad["task_id"], &json!("failed"), &bad["finished_at"])
    );
    assert_eq!(listed(client, "idle")["last_run"], Value::Null);

    // Two hours up to now, where nothing else is said.
    let all = timeline_of(client, "");
    assert_eq!((&all["total"], &all["more"]), (&json!(2), &json!(false)));
    assert_eq!(all["part_seconds"], 60.0);
    let ids: Vec<&Value> = all["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["task_id"])
        .collect();
    assert_eq!(ids, [&bad["task_id"], &good["task_id"]]);
    let states = |found: &Value, state: &str| -> u64 {
        let parts = found["parts"].as_array().unwrap().iter();
        parts
            .filter_map(|part| part["states"][state].as_u64())
            .sum()
    };
    assert_eq!((states(&all, "success"), states(&all, "failed")), (1, 1));
    let one = timeline_of(client, "?limit=1");
    assert_eq!(
        (one["runs"].as_array().unwrap().len(), &one["more"]),
        (1, &json!(true))
    );
    assert_eq!(states(&one, "success"), 1);

    let failed = timeline_of(client, "?state=failed&queue=default");
    assert_eq!(
        (&failed["total"], states(&failed, "success")),
        (&json!(1), 0)
    );
    assert_eq!(timeline_of(client, "?queue=other")["total"], 0);
    let of_bad = bad["created_at"].as_str().unwrap();
    let before = timeline_of(client, &format!("?until={of_bad}"));
    assert_eq!(before["total"], 1);
    what_is_none_is_refused(client);
    it_is_shown_by_pfctl(service, &bad);
}

fn what_is_none_is_refused(client: &mut Client) {
    // A span that is none says so; so do a state and a time.
    for (query, status, code) in [
        (
            "?until=2020-01-01T00:00:00Z&from=2021-01-01T00:00:00Z",
            422,
            "PF-1001",
        ),
        (
            "?until=2020-01-01T00:00:00Z&from=2010-01-01T00:00:00Z",
            422,
            "PF-1001",
        ),
        ("?state=broken", 400, "PF-0400"),
        ("?from=yesterday", 400, "PF-0400"),
    ] {
        let path = format!("/api/v1/applications/busy/timeline{query}");
        let refused = client.send("GET", &path, &[], &[]).unwrap();
        assert_eq!(refused.status, status, "{query}");
        assert_eq!(problem(&refused, query)["code"], code, "{query}");
    }
}

fn it_is_shown_by_pfctl(service: &Service, bad: &Value) {
    let shown = pfctl_well(service, &["application", "list"]);
    assert!(
        shown.contains("busy") && !shown.contains("inside"),
        "{shown}"
    );
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("busy") && line.ends_with("failed")),
        "{shown}"
    );
    let shown = pfctl_well(service, &["application", "list", "--hidden"]);
    assert!(shown.contains("inside"), "{shown}");
    let shown = pfctl_well(service, &["application", "timeline", "busy"]);
    assert!(shown.starts_with("2 runs from "), "{shown}");
    let shown = pfctl_well(
        service,
        &[
            "application",
            "timeline",
            "busy",
            "--runs",
            "--state",
            "failed",
        ],
    );
    assert!(shown.contains(bad["task_id"].as_str().unwrap()), "{shown}");
}

#[test]
fn last_runs_and_timelines() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    what_ran_is_shown(&service, &mut client);
    service.stop().unwrap();
}

#[test]
fn last_runs_and_timelines_of_a_cluster() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    let mut client = cluster.api().client().unwrap();
    what_ran_is_shown(cluster.api(), &mut client);
    cluster.stop().unwrap();
}
