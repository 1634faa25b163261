//! One trace from the caller through API, queue, workers and steps to the systems that steps
//! speak with, as a collector of OpenTelemetry is told it; and nothing where traces are off.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/collector.rs"]
mod collector;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use collector::{Collector, Seen, tree};
use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::{INCIDENT_SYNC, TRIAL};
use harness::place;
use harness::service::Plan;
use harness::simulators::{self, Simulators};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use support::leaks::{SECRET, assert_without};
use support::{SYNC, ended, save_steps, step, task, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// The caller's request, the submit, the run and its steps.
const SPANS: usize = 3 + support::incidents::STEPS;

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// Starts a run in the caller's trace; its id.
fn start_in(client: &mut Client, parent: &str, application: &str, params: &Value) -> String {
    let body = json!({"name": application, "params": params}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", parent),
        ("tracestate", "shop=basket7"),
    ];
    let path = "/api/v1/applications/run";
    let answer = client.send("POST", path, &headers, body.as_bytes());
    let accepted = answer.unwrap().json().unwrap();
    accepted["task_id"].as_str().unwrap().to_owned()
}

fn simulators(folder: &Path) -> Simulators {
    let plan = simulators::Plan {
        events: 5,
        ..simulators::Plan::default()
    };
    plan.start(folder).unwrap()
}

fn event(simulators: &Simulators) -> Value {
    json!({"event": simulators.events().unwrap()[0]})
}

/// What the far sides were told of traces, apart from this test's own requests to them.
fn told(simulators: &Simulators) -> Vec<Value> {
    [simulators.servicenow(), simulators.sl1()]
        .into_iter()
        .flat_map(|client| {
            let stats = client.unwrap().get("/_sim/stats").unwrap();
            stats["traces"].as_array().unwrap().clone()
        })
        .collect()
}

/// What they were told that is something.
fn parents(simulators: &Simulators) -> BTreeSet<String> {
    let told = told(simulators);
    let parents = told.iter().filter_map(|one| one["traceparent"].as_str());
    parents.map(str::to_owned).collect()
}

fn named<'a>(spans: &'a [Seen], name: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn only<'a>(spans: &'a [Seen], name: &str) -> &'a Seen {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{name} in\n{}", tree(spans));
    found[0]
}

fn of_kind(spans: &[Seen], kind: SpanKind) -> Vec<&Seen> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

/// The trace of one run of the incident example: whole, each span once and below its own.
fn check_sync(spans: &[Seen], id: &str, simulators: &Simulators) {
    let server = only(spans, "POST /api/v1/applications/run");
    assert_eq!((&*server.parent, server.kind), (CALLER, SpanKind::Server));
    assert_eq!(server.is("http.route"), "/api/v1/applications/run");
    assert_eq!(server.is("http.response.status_code"), "202");
    let submit = only(spans, &format!("submit {SYNC}"));
    assert_eq!(submit.parent, server.id);
    let run = only(spans, &format!("run {SYNC}"));
    assert_eq!(run.parent, submit.id);
    assert_eq!(run.is("powerflow.run.id"), id);
    assert_eq!(run.is("powerflow.outcome"), "success");
    let ids: BTreeSet<&str> = spans.iter().map(|span| &*span.id).collect();
    assert_eq!(ids.len(), spans.len(), "a span was told twice");

    let steps = [
        "Transform Event",
        "Create or Update Incident",
        "Read Incident",
        "Update SL1 External Ticket",
    ];
    let mut before = run.start;
    for name in steps {
        let step = only(spans, &format!("step {name}"));
        assert_eq!(step.parent, run.id, "{name}");
        assert_eq!(step.is("powerflow.step"), name);
        assert_eq!(step.is("powerflow.attempt"), "1");
        assert_eq!(step.is("powerflow.outcome"), "success");
        assert_eq!(step.is("powerflow.queue"), "default");
        assert_eq!(step.is("powerflow.syncpack"), INCIDENT_SYNC.name);
        assert!(step.start >= before, "{name} before what it follows");
        before = step.start;
    }

    let requests = of_kind(spans, SpanKind::Client);
    assert!(requests.len() >= 3, "{}", tree(spans));
    for request in &requests {
        let caller = spans.iter().find(|span| span.id == request.parent).unwrap();
        assert!(caller.name.starts_with("step "), "{}", tree(spans));
        assert_eq!(request.is("server.address"), "127.0.0.1");
        assert!(["200", "201"].contains(&request.is("http.response.status_code")));
    }
    // The far side knows each request by its own span.
    let sent: BTreeSet<String> = requests
        .iter()
        .map(|request| format!("00-{TRACE}-{}-01", request.id))
        .collect();
    assert_eq!(parents(simulators), sent);
    for one in told(simulators) {
        if !one["traceparent"].is_null() {
            assert_eq!(one["tracestate"], "shop=basket7");
        }
    }
    assert!(spans.iter().all(|span| span.state == "shop=basket7"));
}

#[test]
fn one_trace_from_the_call_to_the_systems_outside() {
    let folder = support::folder();
    let (collector, simulators) = (Collector::start(), simulators(folder.path()));
    let headers = folder.path().join("headers");
    fs::write(&headers, "authorization: Bearer of-the-collector\n").unwrap();
    let mut plan = Plan::new(folder.path())
        .unwrap()
        .with("telemetry.headers_file", headers.display().to_string())
        .with("log.format", "json")
        .with("log.level", "debug");
    plan.environment = vec![
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            collector.url.clone(),
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES".to_owned(),
            "deployment.environment.name=trial".to_owned(),
        ),
    ];
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC]);
    support::lead_to(&service, &simulators);
    let mut client = service.client().unwrap();
    let id = start_in(&mut client, &parent("01"), SYNC, &event(&simulators));
    let run = ended(&mut client, &id);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(run["trace_id"], TRACE);
    let shown = support::pfctl_well(&service, &["run", "show", &id, "--json"]);
    assert!(shown.contains(TRACE), "{shown}");

    let requests = told(&simulators)
        .iter()
        .filter(|one| !one["traceparent"].is_null())
        .count();
    let spans = collector.whole(TRACE, SPANS + requests);
    println!("{}", tree(&spans));
    assert_eq!(spans.len(), SPANS + requests, "{}", tree(&spans));
    check_sync(&spans, &id, &simulators);
    for span in &spans {
        assert_eq!(span.resource["service.name"], "powerflow");
        assert_eq!(span.resource["powerflow.role"], "all");
        assert_eq!(span.resource["deployment.environment.name"], "trial");
    }
    for sent in collector.headers() {
        assert_eq!(sent["authorization"], "Bearer of-the-collector");
        assert_eq!(sent["content-type"], "application/x-protobuf");
    }
    // Without a caller's trace, a run begins one of its own.
    let own = support::run(&mut client, SYNC, &event(&simulators));
    let trace = own["trace_id"].as_str().unwrap();
    assert_ne!(trace, TRACE);
    until("the end of the second trace", || {
        let spans = collector.trace(trace);
        let run = spans.iter().any(|span| span.name == format!("run {SYNC}"));
        let first = spans.iter().find(|span| span.parent.is_empty())?;
        (run && first.kind == SpanKind::Server).then_some(())
    });
    // Lines of the service's log name the trace.
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap();
    let marked = log.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["span"]["trace_id"] == TRACE
    });
    assert!(marked.count() > 0, "{log}");
    service.stop().unwrap();
}

#[test]
fn a_cluster_tells_one_trace_and_a_lost_worker_does_not_break_it() {
    let folder = support::folder();
    let (collector, simulators) = (Collector::start(), simulators(folder.path()));
    let settings = [
        ("worker.lease", "3s"),
        ("queue.lease", "5s"),
        ("telemetry.otlp_endpoint", &*collector.url),
    ];
    let mut cluster = Cluster::start(folder.path(), &Size::default(), &settings).unwrap();
    for pack in [INCIDENT_SYNC, TRIAL] {
        cluster.api().upload(&pack.build().unwrap()).unwrap();
    }
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    support::lead_to(cluster.api(), &simulators);
    let mut client = cluster.api().client().unwrap();
    let id = start_in(&mut client, &parent("01"), SYNC, &event(&simulators));
    assert_eq!(ended(&mut client, &id)["state"], "success");
    let requests = told(&simulators)
        .iter()
        .filter(|one| !one["traceparent"].is_null())
        .count();
    // One more: the first step came through the queue.
    let spans = collector.whole(TRACE, SPANS + requests + 1);
    println!("{}", tree(&spans));
    assert_eq!(spans.len(), SPANS + requests + 1, "{}", tree(&spans));
    check_sync(&spans, &id, &simulators);
    let waited = only(&spans, "receive default");
    assert_eq!(waited.is("messaging.system"), "redis");
    assert_eq!(waited.kind, SpanKind::Consumer);
    let role = |name: &str| only(&spans, name).resource["powerflow.role"].clone();
    assert_eq!(role("POST /api/v1/applications/run"), "api");
    assert_eq!(role("step Read Incident"), "worker");

    lose_a_worker(&mut cluster, &mut client, &collector);
    cluster.stop().unwrap();
}

/// The worker that executes a step is killed: another takes it up, in the same trace.
fn lose_a_worker(cluster: &mut Cluster, client: &mut Client, collector: &Collector) {
    save_steps(
        client,
        "held",
        json!([
            {"name": "hold", "file": "Hold", "key": "k", "output_to": ["after"]},
            {"name": "after", "file": "Echo", "value": 1},
        ]),
    );
    save_steps(
        client,
        "release",
        json!([{"name": "go", "file": "Release", "key": "k"}]),
    );
    let other = "5bf92f3577b34da6a3ce929d0e0e4736";
    let id = start_in(
        client,
        &format!("00-{other}-{CALLER}-01"),
        "held",
        &json!({}),
    );
    let worker = until("the step that holds", || {
        let run = task(client, &id);
        let hold = step(&run, "hold");
        (hold["state"] == "running").then(|| hold["worker"].as_i64().unwrap())
    });
    let sql = format!("SELECT pid FROM worker WHERE id = {worker}");
    let pid = cluster.postgres.number(&sql).unwrap();
    let place = cluster
        .workers
        .iter_mut()
        .position(|one| i64::from(one.process().id()) == pid)
        .unwrap();
    cluster.workers.remove(place).kill().unwrap();
    until("the second attempt", || {
        let run = task(client, &id);
        let hold = step(&run, "hold");
        (hold["state"] == "running" && hold["attempts"] == 2).then_some(())
    });
    support::run(client, "release", &json!({}));
    assert_eq!(ended(client, &id)["state"], "success");
    let spans = until("the run's span", || {
        let spans = collector.trace(other);
        let there = |name| spans.iter().any(|span: &Seen| span.name == name);
        (there("run held") && there("step after") && there("submit held")).then_some(spans)
    });
    println!("{}", tree(&spans));
    let run = only(&spans, "run held");
    assert_eq!(run.parent, only(&spans, "submit held").id);
    let hold = only(&spans, "step hold");
    assert_eq!(
        (&*hold.parent, hold.is("powerflow.attempt")),
        (&*run.id, "2")
    );
    assert_eq!(only(&spans, "step after").parent, run.id);
    assert!(run.start < hold.start && run.end >= hold.start);
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_spans() {
    const RUNS: usize = 40;
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let nobody = format!("http://127.0.0.1:{}", place::free_port().unwrap());
    for (collector, queue) in [(nobody, "8192"), (silent, "16")] {
        let folder = support::folder();
        let plan = Plan::new(folder.path())
            .unwrap()
            .with("telemetry.otlp_endpoint", &*collector)
            .with("telemetry.queue", queue);
        let service = support::serve_plan(&plan, &[TRIAL]);
        let mut client = service.client().unwrap();
        save_steps(
            &mut client,
            "echo",
            json!([{"name": "echo", "file": "Echo", "value": 1}]),
        );
        for _ in 0..RUNS {
            let run = support::run(&mut client, "echo", &json!({}));
            assert_eq!(run["state"], "success", "{run}");
        }
        // Every span is given up, most of them at once.
        let dropped = until("dropped spans", || {
            let dropped = spans(&mut client, "dropped");
            (dropped > 0).then_some(dropped)
        });
        println!("{collector}: {dropped} spans dropped by now");
        assert_eq!(spans(&mut client, "exported"), 0);
        let log = folder.path().join("service.log");
        service.stop().unwrap();
        let log = fs::read_to_string(log).unwrap();
        // Once a minute at most, and once at the end where it keeps one waiting.
        let complaints = log.matches("the collector does not take spans").count();
        assert!(complaints <= 1, "{log}");
    }
}

/// How many spans had that outcome.
fn spans(client: &mut Client, outcome: &str) -> u64 {
    let response = client.send("GET", "/metrics", &[], &[]).unwrap();
    let text = String::from_utf8(response.body).unwrap();
    let name = format!("powerflow_spans_total{{outcome=\"{outcome}\"}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&name));
    found.map_or(0, |number| number.parse().unwrap())
}

#[test]
fn what_is_stopped_is_told_as_stopped() {
    type Way = fn(&Value) -> (&'static str, String, Value);
    let folder = support::folder();
    let collector = Collector::start();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("telemetry.otlp_endpoint", &*collector.url);
    let service = support::serve_plan(&plan, &[TRIAL]);
    let mut client = service.client().unwrap();
    let steps = json!([{"name": "endless", "file": "Endless", "busy": true}]);
    save_steps(&mut client, "endless", steps);
    // The run is stopped, all runs are, and the only step of one is.
    let ways: [Way; 3] = [
        |run| {
            let id = run["task_id"].as_str().unwrap();
            ("DELETE", format!("tasks/{id}"), Value::Null)
        },
        |_| {
            let which = json!({"application": "endless"});
            ("POST", "runs/cancel".to_owned(), which)
        },
        |run| {
            let id = step(run, "endless")["task_id"].as_str().unwrap();
            ("POST", format!("tasks/{id}/revoke"), Value::Null)
        },
    ];
    for way in ways {
        let id = support::start(&mut client, "endless", &json!({}));
        let run = until("the endless step", || {
            let run = task(&mut client, &id);
            (step(&run, "endless")["state"] == "running").then_some(run)
        });
        let (method, path, body) = way(&run);
        let path = format!("/api/v1/{path}");
        client.send_json(method, &path, &body).unwrap();
        let run = ended(&mut client, &id);
        let trace = run["trace_id"].as_str().unwrap();
        let spans = until("the run's span", || {
            let spans = collector.trace(trace);
            let told = |name| spans.iter().any(|span: &Seen| span.name == name);
            (told("run endless") && told("step endless")).then_some(spans)
        });
        assert_eq!(
            only(&spans, "run endless").is("powerflow.outcome"),
            run["state"]
        );
        let step = only(&spans, "step endless");
        assert_eq!(step.is("powerflow.outcome"), "stopped");
        assert!(step.failed, "{step:?}");
    }
    service.stop().unwrap();
}

#[test]
fn off_means_off() {
    let folder = support::folder();
    let simulators = simulators(folder.path());
    let service = support::serve(folder.path(), &[INCIDENT_SYNC]);
    support::lead_to(&service, &simulators);
    let mut client = service.client().unwrap();
    let id = start_in(&mut client, &parent("01"), SYNC, &event(&simulators));
    let run = ended(&mut client, &id);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(run["trace_id"], Value::Null);
    assert!(told(&simulators).len() >= 3);
    assert_eq!(parents(&simulators), BTreeSet::new());
    let metrics = client.send("GET", "/metrics", &[], &[]).unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(!metrics.contains("powerflow_spans_total{"), "{metrics}");
    service.stop().unwrap();
    let store = support::open(folder.path());
    let kept = support::number(&store, "SELECT COUNT(*) FROM run WHERE trace IS NOT NULL");
    assert_eq!(kept, 0);
}

#[test]
fn who_is_told_what_can_be_set() {
    let folder = support::folder();
    let (collector, simulators) = (Collector::start(), simulators(folder.path()));
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("telemetry.otlp_endpoint", &*collector.url)
        .with("telemetry.sampling", "0")
        .with("telemetry.service_name", "integrations");
    let mut quiet = plan.clone().with("telemetry.propagate", "false");
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC]);
    support::lead_to(&service, &simulators);
    let mut client = service.client().unwrap();

    // A caller that does not record is handed on as it is, and nothing is told of it.
    let id = start_in(&mut client, &parent("00"), SYNC, &event(&simulators));
    let run = ended(&mut client, &id);
    assert_eq!(
        (&run["state"], &run["trace_id"]),
        (&json!("success"), &json!(TRACE))
    );
    let handed = parents(&simulators);
    assert!(handed.len() >= 3);
    for parent in handed {
        assert!(
            parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-00"),
            "{parent}"
        );
    }
    service.stop().unwrap();
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());

    // One that does is recorded, and the far side is told nothing where that is switched off.
    simulators.clear().unwrap();
    simulators
        .load(&::simulators::events::generate(5, 1).collect::<Vec<_>>())
        .unwrap();
    quiet.port = None;
    let service = quiet.start().unwrap();
    let mut client = service.client().unwrap();
    let before = parents(&simulators);
    let id = start_in(&mut client, &parent("01"), SYNC, &event(&simulators));
    assert_eq!(ended(&mut client, &id)["state"], "success");
    // What waits is sent when it ends.
    service.stop().unwrap();
    assert_eq!(parents(&simulators), before);
    let spans = collector.trace(TRACE);
    assert_eq!(
        only(&spans, &format!("run {SYNC}")).is("powerflow.run.id"),
        id
    );
    assert_eq!(collector.spans().len(), spans.len(), "others were recorded");
    assert_eq!(spans[0].resource["service.name"], "integrations");
}

#[test]
fn no_secret_is_told() {
    let folder = support::folder();
    let collector = Collector::start();
    let plan = simulators::Plan {
        events: 5,
        password: Some(SECRET),
        ..simulators::Plan::default()
    };
    let simulators = plan.start(support::folder().path()).unwrap();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("telemetry.otlp_endpoint", &*collector.url);
    let service = support::serve_plan(&plan, &[INCIDENT_SYNC, TRIAL]);
    support::lead_to(&service, &simulators);
    let mut client = service.client().unwrap();
    let configuration = json!({"name": "guarded", "friendly_name": "Guarded", "configuration_data": [
        {"name": "password", "value": SECRET, "encrypted": true},
    ]});
    support::save(&mut client, "configurations", &configuration);
    let document = json!({"name": "gives_away", "configuration": "guarded", "steps": [
        {"name": "give", "file": "GiveAway", "syncpack": "trial_pack", "value": "${config.password}",
            "text": "${config.password}", "secret": "${config.password}", "fail": true},
    ]});
    support::save(&mut client, "applications", &document);
    let params = json!({"event": event(&simulators)["event"], "loglevel": 10});
    assert_eq!(support::run(&mut client, SYNC, &params)["state"], "success");
    let failed = support::run(&mut client, "gives_away", &json!({"loglevel": 10}));
    assert_eq!(failed["state"], "failed");
    // Nor does what callers send to prove who they are, or write into addresses, come out.
    let mut stranger = Client::new(service.url())
        .unwrap()
        .with_basic("isadmin", SECRET);
    let path = format!("/api/v1/runs?application={}", support::part(SECRET));
    assert_eq!(stranger.send("GET", &path, &[], &[]).unwrap().status, 401);
    client
        .send(
            "GET",
            &format!("/api/v1/{}", support::part(SECRET)),
            &[],
            &[],
        )
        .unwrap();
    service.stop().unwrap();

    let spans = collector.spans();
    let give = only(&spans, "step give");
    assert!(give.failed && !give.is("error.type").is_empty(), "{give:?}");
    assert!(only(&spans, "run gives_away").failed);
    assert!(of_kind(&spans, SpanKind::Client).len() >= 3);
    for body in collector.bodies() {
        assert_without("what was exported", &body);
    }
}
