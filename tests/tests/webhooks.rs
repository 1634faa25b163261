//! Webhooks over real HTTP: who sends is proven, what comes becomes the parameters of one run,
//! and the log says what became of everything.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::cluster::{Cluster, Size};
use harness::http::{Client, Response};
use harness::packs::TRIAL;
use harness::service::{Plan, Service};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use support::{ended, part, pfctl, pfctl_well, save_steps, task, until};

const SECRET: &str = "Tr0ub4dor-of-the-sender";

fn sign(secret: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a sender outside has a clock of its own"
)]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A sender outside: without a name and a password.
struct Sender {
    client: Client,
    path: String,
}

impl Sender {
    fn send(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.client.send("POST", &self.path, &all, body).unwrap()
    }

    /// As GitHub signs.
    fn signed(&mut self, secret: &str, id: &str, body: &Value) -> Response {
        let body = body.to_string();
        let signature = format!("sha256={}", sign(secret, body.as_bytes()));
        let headers = [
            ("x-hub-signature-256", &*signature),
            ("x-github-delivery", id),
        ];
        self.send(&headers, body.as_bytes())
    }
}

fn make(service: &Service, client: &mut Client, document: &Value) -> Sender {
    let made = client
        .send_json("POST", "/api/v1/webhooks", document)
        .unwrap();
    Sender {
        client: Client::new(service.url()).unwrap(),
        path: made["url"].as_str().unwrap().to_owned(),
    }
}

fn github(name: &str) -> Value {
    json!({
        "name": name, "application": "echo", "secret": SECRET,
        "mapping": {"value": {"body": "/event/id"}, "kind": {"header": "x-kind", "required": false}},
        "signature": {"scheme": "hmac-sha256", "header": "X-Hub-Signature-256", "prefix": "sha256="},
        "deduplicate": {"header": "X-GitHub-Delivery"},
    })
}

fn save_echo(client: &mut Client) {
    save_steps(client, "echo", json!([{"name": "echo", "file": "Echo"}]));
}

fn log(client: &mut Client, name: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{}/deliveries?limit=200", part(name));
    let page = client.get(&path).unwrap();
    page["items"].as_array().unwrap().clone()
}

fn outcomes(client: &mut Client, name: &str) -> Vec<String> {
    let all = log(client, name);
    let words = all.iter().map(|one| one["outcome"].as_str().unwrap());
    words.map(str::to_owned).collect()
}

fn run_of(response: &Response, status: u16) -> String {
    let text = String::from_utf8_lossy(&response.body);
    assert_eq!(response.status, status, "{text}");
    response.json().unwrap()["task_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn runs(client: &mut Client) -> usize {
    let page = client
        .get("/api/v1/applications/echo/logs?limit=200")
        .unwrap();
    page["items"].as_array().unwrap().len()
}

/// Why the newest delivery has no run, or what its run waits for.
fn reason(client: &mut Client) -> String {
    let newest = log(client, "github push").swap_remove(0);
    newest["reason"].as_str().unwrap().to_owned()
}

/// What a sender meets, with whatever store behind the service.
fn a_sender_meets(service: &Service, client: &mut Client) {
    save_echo(client);
    let mut sender = make(service, client, &github("github push"));
    let id = an_event_is_taken_once(&mut sender, client);
    nobody_else_learns_anything(service, &mut sender);
    what_is_no_event_starts_nothing(&mut sender, client);
    the_log_says_so(client, &id);
    one_is_delivered_again(client, &id);
    it_is_disabled(&mut sender, client);
    it_is_paused(&mut sender, client);
    its_application_is_deleted(&mut sender, client);
}

fn event() -> Value {
    json!({"event": {"id": 4711}})
}

fn an_event_is_taken_once(sender: &mut Sender, client: &mut Client) -> String {
    let event = event();
    let id = run_of(&sender.signed(SECRET, "d-1", &event), 202);
    let run = ended(client, &id);
    assert_eq!(
        (&run["state"], &run["trigger"]),
        (&json!("success"), &json!("webhook:github push"))
    );
    assert_eq!(support::output(client, &run, "echo"), 4711, "{run}");

    // The same event again, with another body: the run of then.
    let again = sender.signed(SECRET, "d-1", &json!({"event": {"id": 4712}}));
    assert_eq!(run_of(&again, 200), id);
    assert_eq!(again.json().unwrap()["duplicate"], true);
    assert_eq!(runs(client), 1);
    id
}

/// A wrong signature, none at all, and an address that nobody has: one answer.
fn nobody_else_learns_anything(service: &Service, sender: &mut Sender) {
    let event = event();
    let told = |response: &Response, path: &str| {
        let mut problem = support::problem(response, "an unproven delivery");
        assert_eq!(response.status, 404);
        let text = problem.to_string();
        assert!(
            !text.contains("echo") && !text.contains("github push"),
            "{text}"
        );
        for key in ["instance", "request_id"] {
            problem.as_object_mut().unwrap().remove(key);
        }
        problem
            .to_string()
            .replace(path.rsplit('/').next().unwrap(), "ID")
    };
    let wrong = sender.signed("another secret", "d-2", &event);
    let wrong = told(&wrong, &sender.path);
    let none = sender.send(
        &[("x-github-delivery", "d-2")],
        event.to_string().as_bytes(),
    );
    assert_eq!(told(&none, &sender.path), wrong);
    let mut stranger = Sender {
        client: Client::new(service.url()).unwrap(),
        path: format!("/hooks/{}", "0".repeat(32)),
    };
    let unknown = stranger.signed(SECRET, "d-2", &event);
    assert_eq!(told(&unknown, &stranger.path), wrong);
}

/// The sender learns nothing of what runs here.
fn what_is_no_event_starts_nothing(sender: &mut Sender, client: &mut Client) {
    let refused = sender.signed(SECRET, "d-3", &json!({"event": {}}));
    let problem = support::problem(&refused, "a delivery without its value");
    assert_eq!((refused.status, &problem["code"]), (422, &json!("PF-1009")));
    assert!(!problem.to_string().contains("echo"), "{problem}");
    let broken = sender.send(
        &[(
            "x-hub-signature-256",
            &*format!("sha256={}", sign(SECRET, b"{")),
        )],
        b"{",
    );
    assert_eq!(support::problem(&broken, "no JSON")["code"], "PF-1009");
    let large = vec![b' '; (1 << 20) + 1];
    let large = sender.send(&[], &large);
    assert_eq!(support::problem(&large, "a large body")["code"], "PF-0413");
    assert_eq!(runs(client), 1);
}

fn the_log_says_so(client: &mut Client, id: &str) {
    let told = log(client, "github push");
    let words: Vec<_> = told
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "refused",
            "refused",
            "unproven",
            "unproven",
            "duplicate",
            "accepted"
        ]
    );
    assert_eq!(
        (&told[5]["run"], &told[5]["size"], &told[5]["kept"]),
        (&json!(id), &json!(21), &json!(true))
    );
    assert_eq!(told[5]["address"], "127.0.0.1");
    assert_eq!(told[5]["digest"].as_str().unwrap().len(), 64);
    let reason = told[1]["reason"].as_str().unwrap();
    assert!(reason.contains("`/event/id` of the body"), "{reason}");
    let seen = client.get("/api/v1/webhooks/github%20push").unwrap();
    assert_eq!((&seen["proven"], &seen["unproven"]), (&json!(4), &json!(2)));
    assert!(!seen.to_string().contains(SECRET), "{seen}");
}

/// A new run, whatever its key.
fn one_is_delivered_again(client: &mut Client, id: &str) {
    let path = "/api/v1/webhooks/github%20push/deliveries/1/redeliver";
    let redelivered = client.send("POST", path, &[], &[]).unwrap();
    let second = run_of(&redelivered, 202);
    assert_ne!(second, id);
    let run = ended(client, &second);
    assert_eq!(support::output(client, &run, "echo"), 4711);
    assert_eq!(log(client, "github push")[0]["repeats"], 1);
    let path = "/api/v1/webhooks/github%20push/deliveries/2/redeliver";
    let lost = client.send("POST", path, &[], &[]).unwrap();
    assert_eq!(support::problem(&lost, "a duplicate")["code"], "PF-1004");
}

/// Who does not prove it learns not even that.
fn it_is_disabled(sender: &mut Sender, client: &mut Client) {
    let event = event();
    let mut document = github("github push");
    document["enabled"] = json!(false);
    document.as_object_mut().unwrap().remove("secret");
    let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
    let body = document.to_string();
    let path = "/api/v1/webhooks/github%20push";
    let saved = client.send("PUT", path, &headers, body.as_bytes()).unwrap();
    assert_eq!(saved.json().unwrap()["url"], *sender.path);
    let disabled = sender.signed(SECRET, "d-4", &event);
    assert_eq!(
        support::problem(&disabled, "a disabled webhook")["code"],
        "PF-1010"
    );
    assert_eq!(sender.signed("another secret", "d-4", &event).status, 404);
    let stale = client.send("PUT", path, &headers, body.as_bytes()).unwrap();
    assert_eq!(support::problem(&stale, "a stale save")["code"], "PF-0412");
    document["enabled"] = json!(true);
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let body = document.to_string();
    client
        .send("PUT", path, &headers, body.as_bytes())
        .unwrap()
        .json()
        .unwrap();
}

/// It is accepted, and the log says what it waits for.
fn it_is_paused(sender: &mut Sender, client: &mut Client) {
    let event = event();
    let pause = json!({"application": "echo", "reason": "an upgrade"});
    client
        .send_json("POST", "/api/v1/runs/pause", &pause)
        .unwrap();
    let waits = run_of(&sender.signed(SECRET, "d-5", &event), 202);
    let reason = reason(client);
    assert!(reason.contains("an upgrade"), "{reason}");
    client
        .send_json(
            "POST",
            "/api/v1/runs/resume",
            &json!({"application": "echo"}),
        )
        .unwrap();
    ended(client, &waits);
}

/// The sender is refused, and the log says why; at last the webhook is deleted as well.
fn its_application_is_deleted(sender: &mut Sender, client: &mut Client) {
    let event = event();
    let path = "/api/v1/webhooks/github%20push";
    client
        .send("DELETE", "/api/v1/applications/echo", &[], &[])
        .unwrap()
        .json()
        .unwrap();
    // Another process may not know it for a moment.
    let gone = until("the refusal of a deleted application", || {
        let answer = sender.signed(
            SECRET,
            &format!("d-6-{}", log(client, "github push").len()),
            &event,
        );
        (answer.status == 422).then_some(answer)
    });
    assert_eq!(
        support::problem(&gone, "a deleted application")["code"],
        "PF-1009"
    );
    let reason = reason(client);
    assert!(
        reason.contains("there is no application `echo`"),
        "{reason}"
    );
    client
        .send("DELETE", path, &[], &[])
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(sender.signed(SECRET, "d-7", &event).status, 404);
}

#[test]
fn a_sender_meets_one_process() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    a_sender_meets(&service, &mut client);
    service.stop().unwrap();
    // Neither the secret nor what came is readable in the store.
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!holds(SECRET));
    }
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap();
    assert!(!log.contains(SECRET));
}

#[test]
fn a_sender_meets_a_cluster() {
    let folder = support::folder();
    let cluster = Cluster::start(folder.path(), &Size::default(), &[]).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    let mut client = cluster.api().client().unwrap();
    a_sender_meets(cluster.api(), &mut client);
    cluster.stop().unwrap();
}

#[test]
fn a_signed_time_that_is_old_is_refused_and_secrets_are_rotated() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let mut sender = make(
        &service,
        &mut client,
        &json!({"name": "slack", "application": "echo", "secret": SECRET, "body_parameter": "value",
            "signature": {"scheme": "hmac-sha256", "header": "x-slack-signature", "prefix": "v0=",
                "timestamp_header": "x-slack-request-timestamp", "signed": "v0:{timestamp}:{body}"}}),
    );
    let mut send = |secret: &str, at: u64| {
        let text = format!("v0:{at}:{{\"a\":1}}");
        let signature = format!("v0={}", sign(secret, text.as_bytes()));
        let at = at.to_string();
        let headers = [
            ("x-slack-signature", &*signature),
            ("x-slack-request-timestamp", &*at),
        ];
        sender.send(&headers, b"{\"a\":1}")
    };
    let id = run_of(&send(SECRET, now()), 202);
    let run = ended(&mut client, &id);
    assert_eq!(support::output(&mut client, &run, "echo"), json!({"a": 1}));
    // Recorded by somebody and sent again later.
    assert_eq!(send(SECRET, now() - 3600).status, 404);
    assert_eq!(send(SECRET, now() + 3600).status, 404);
    let reason = log(&mut client, "slack")[0]["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reason.contains("s from now"), "{reason}");

    // Both are right for a while, and then only the new one.
    let rotate = |client: &mut Client, body: &Value| {
        client
            .send_json("POST", "/api/v1/webhooks/slack/rotate", body)
            .unwrap()
    };
    let rotated = rotate(&mut client, &json!({"keep_seconds": 3600}));
    let made_up = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2, "{rotated}");
    assert_eq!(send(&made_up, now()).status, 202);
    assert_eq!(send(SECRET, now()).status, 202);
    let third = "the third secret of all";
    let rotated = rotate(&mut client, &json!({"secret": third, "keep_seconds": 0}));
    assert_eq!(
        (
            &rotated["secret"],
            rotated["secrets"].as_array().unwrap().len()
        ),
        (&Value::Null, 1)
    );
    assert_eq!(send(third, now()).status, 202);
    for old in [SECRET, &made_up] {
        assert_eq!(send(old, now()).status, 404);
    }
    service.stop().unwrap();
}

#[test]
fn many_at_once_with_one_key_start_one_run() {
    const SENDERS: usize = 8;
    const EVENTS: usize = 20;
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let first = make(&service, &mut client, &github("many"));
    let ids: Vec<Vec<String>> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let mut sender = Sender {
                    client: first.client.another(),
                    path: first.path.clone(),
                };
                scope.spawn(move || {
                    let one = |event: usize| {
                        let body = json!({"event": {"id": event}});
                        let answer = sender.signed(SECRET, &format!("e-{event}"), &body);
                        assert!(answer.is_success(), "{answer:?}");
                        run_of(&answer, answer.status)
                    };
                    (0..EVENTS).map(one).collect()
                })
            })
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    });
    for other in &ids {
        assert_eq!(other, &ids[0]);
    }
    assert_eq!(runs(&mut client), EVENTS);
    let words = outcomes(&mut client, "many");
    let accepted = words.iter().filter(|word| *word == "accepted").count();
    assert_eq!((words.len(), accepted), (SENDERS * EVENTS, EVENTS));
    service.stop().unwrap();
}

/// What was answered is there after the process is killed at any moment, and a sender that saw no
/// answer and sends again starts no second run.
#[test]
fn an_answer_outlives_the_process() {
    const DEATHS: usize = 4;
    let folder = support::folder();
    let mut plan = Plan::new(folder.path()).unwrap();
    plan.port = Some(harness::place::free_port().unwrap());
    let mut service = support::serve_plan(&plan, &[TRIAL]);
    save_echo(&mut service.client().unwrap());
    let mut client = service.client().unwrap();
    let path = make(&service, &mut client, &github("crash")).path;
    let mut answered: Vec<(String, String)> = Vec::new();
    for death in 0..DEATHS {
        let url = service.url().to_owned();
        let path = path.clone();
        let sending = thread::spawn(move || {
            let mut sender = Sender {
                client: Client::new(&url).unwrap(),
                path,
            };
            let mut done = Vec::new();
            for event in 0.. {
                let id = format!("k-{death}-{event}");
                let body = json!({"event": {"id": id}}).to_string();
                let signature = format!("sha256={}", sign(SECRET, body.as_bytes()));
                let headers = [
                    ("content-type", "application/json"),
                    ("x-hub-signature-256", &*signature),
                    ("x-github-delivery", &*id),
                ];
                let answer = sender
                    .client
                    .send("POST", &sender.path, &headers, body.as_bytes());
                match answer {
                    Ok(answer) => {
                        let run = run_of(&answer, 202);
                        done.push((id, run));
                    }
                    // The one that nobody answered: it may be there or not.
                    Err(_) => return (done, id),
                }
            }
            unreachable!()
        });
        // Killed while it is busy with them.
        let mut looking = service.client().unwrap();
        until("some deliveries", || {
            (outcomes(&mut looking, "crash").len() > death * 20 + 10).then_some(())
        });
        service.kill().unwrap();
        let (done, lost) = sending.join().unwrap();
        answered.extend(done);
        service = plan.start().unwrap();
        let mut sender = Sender {
            client: Client::new(service.url()).unwrap(),
            path: path_of(&service),
        };
        // Sent again: whichever it is, twice it is the same.
        let event = json!({"event": {"id": lost}});
        let first = sender.signed(SECRET, &lost, &event);
        let run = run_of(&first, first.status);
        assert_eq!(run_of(&sender.signed(SECRET, &lost, &event), 200), run);
        answered.push((lost, run));
    }
    let mut client = service.client().unwrap();
    for (id, run) in &answered {
        let found = ended(&mut client, run);
        assert_eq!(support::output(&mut client, &found, "echo"), **id);
    }
    // Each event has one run, and nothing else has run.
    let store = support::open(folder.path());
    assert_eq!(
        support::number(&store, "SELECT count(*) FROM run"),
        answered.len()
    );
    service.stop().unwrap();
}

fn path_of(service: &Service) -> String {
    let seen = service
        .client()
        .unwrap()
        .get("/api/v1/webhooks/crash")
        .unwrap();
    seen["url"].as_str().unwrap().to_owned()
}

#[test]
fn webhooks_are_made_and_looked_at_on_the_command_line() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    save_echo(&mut client);
    let line = [
        "--json",
        "webhook",
        "create",
        "from gitlab",
        "--app",
        "echo",
        "--sender",
        "gitlab",
        "--map",
        "value=body:/n",
        "--param",
        "kind=push",
    ];
    let made: Value = serde_json::from_str(&pfctl_well(&service, &line)).unwrap();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let mut sender = Sender {
        client: Client::new(service.url()).unwrap(),
        path: made["url"].as_str().unwrap().to_owned(),
    };
    let headers = [("x-gitlab-token", &*secret), ("x-gitlab-event-uuid", "u-1")];
    let id = run_of(&sender.send(&headers, b"{\"n\": 7}"), 202);
    ended(&mut client, &id);
    let shown = pfctl_well(&service, &["webhook", "list"]);
    assert!(
        shown.contains("from gitlab") && shown.contains("token"),
        "{shown}"
    );
    let shown = pfctl_well(&service, &["webhook", "show", "from gitlab"]);
    assert!(
        shown.contains(&format!("{}{}", service.url(), sender.path)),
        "{shown}"
    );
    assert!(!shown.contains(&secret), "{shown}");
    let shown = pfctl_well(&service, &["webhook", "deliveries", "from gitlab"]);
    assert!(shown.contains("accepted") && shown.contains(&id), "{shown}");
    let again = pfctl_well(&service, &["webhook", "redeliver", "from gitlab", "1"]);
    assert_eq!(
        task(&mut client, again.trim())["trigger"],
        "webhook:from gitlab"
    );
    pfctl_well(&service, &["webhook", "edit", "from gitlab", "--disable"]);
    assert_eq!(sender.send(&headers, b"{}").status, 409);
    pfctl_well(&service, &["webhook", "edit", "from gitlab", "--enable"]);
    let rotated = pfctl_well(
        &service,
        &["webhook", "rotate", "from gitlab", "--keep", "0"],
    );
    assert!(rotated.contains("secret"), "{rotated}");
    assert_eq!(sender.send(&headers, b"{\"n\": 7}").status, 404);
    let taken = pfctl(
        &service,
        &[
            "webhook",
            "create",
            "from gitlab",
            "--app",
            "echo",
            "--sender",
            "nobody",
        ],
    );
    assert_eq!(taken.status.code(), Some(4));
    pfctl_well(&service, &["webhook", "delete", "from gitlab"]);
    assert_eq!(
        pfctl(&service, &["webhook", "show", "from gitlab"])
            .status
            .code(),
        Some(3)
    );
    service.stop().unwrap();
}

/// At its place, all at once.
#[test]
fn what_is_wrong_with_a_webhook_is_named() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let wrong = json!({"name": "w", "application": "echo", "secret": "short", "queeue": 1});
    let body = wrong.to_string();
    let headers = [("content-type", "application/json")];
    let refused = client
        .send("POST", "/api/v1/webhooks", &headers, body.as_bytes())
        .unwrap();
    assert_eq!(
        support::problem(&refused, "an unknown field")["code"],
        "PF-0400"
    );
    let wrong = json!({"name": "w", "application": "echo", "secret": "short",
        "mapping": {"queue": {"query": "q"}}, "signature": {"scheme": "none"}});
    let body = wrong.to_string();
    let refused = client
        .send("POST", "/api/v1/webhooks", &headers, body.as_bytes())
        .unwrap();
    let problem = support::problem(&refused, "faults");
    let at: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["at"].as_str().unwrap())
        .collect();
    assert_eq!(at, ["/mapping/queue", "/secret"], "{problem}");
    service.stop().unwrap();
}
