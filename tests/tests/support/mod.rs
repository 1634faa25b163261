//! What the tests of the whole service share.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test uses a part; tests fail by panicking"
)]

pub(crate) mod endurance;
pub(crate) mod incidents;
pub(crate) mod leaks;

use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use harness::http::{Client, Response};
use harness::packs::{INCIDENT_SYNC, Pack};
use harness::place;
use harness::service::{ADMIN, Plan, Service};
use harness::simulators::Simulators;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that a busy machine delays.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
const GLANCE: Duration = Duration::from_millis(20);

/// The application of the incident pack.
pub(crate) const SYNC: &str = "create_or_update_servicenow_incident_from_sl1_event";

/// A folder that is removed at the end.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A service in that folder with these packs active.
pub(crate) fn serve(folder: &Path, packs: &[Pack]) -> Service {
    serve_plan(&Plan::new(folder).unwrap(), packs)
}

/// The same with settings.
pub(crate) fn serve_plan(plan: &Plan, packs: &[Pack]) -> Service {
    let service = plan.start().unwrap();
    for pack in packs {
        service.upload(&pack.build().unwrap()).unwrap();
        service.activate(pack.name, pack.grants).unwrap();
    }
    service
}

/// Aligns the incident pack, which was uploaded, with the simulators, and gives it its grants for
/// them.
pub(crate) fn lead_to(service: &Service, simulators: &Simulators) {
    align(service, &simulators.configuration());
}

/// The same with this configuration object.
pub(crate) fn align(service: &Service, configuration: &Value) {
    put_configuration(service, INCIDENT_SYNC.name, configuration);
    service
        .activate(INCIDENT_SYNC.name, INCIDENT_SYNC.grants)
        .unwrap();
}

/// Saves a configuration object, whatever was there before.
pub(crate) fn put_configuration(service: &Service, name: &str, document: &Value) {
    service.configure(&part(name), document).unwrap();
}

/// Saves a document in a collection.
pub(crate) fn save(client: &mut Client, collection: &str, document: &Value) -> Value {
    client
        .send_json("POST", &format!("/api/v1/{collection}"), document)
        .unwrap()
}

/// Saves an application of steps of the trial pack: names, files and whatever else.
pub(crate) fn save_steps(client: &mut Client, name: &str, steps: Value) {
    let mut steps = steps;
    for step in steps.as_array_mut().unwrap() {
        step["syncpack"] = "trial_pack".into();
    }
    let saved = save(
        client,
        "applications",
        &json!({"name": name, "steps": steps}),
    );
    assert_eq!(saved["faults"], json!([]), "{name}: {saved}");
    for warning in saved["warnings"].as_array().unwrap() {
        // What only a run can give.
        let code = warning["code"].as_str().unwrap();
        assert!(["PF-A011", "PF-R004"].contains(&code), "{name}: {warning}");
    }
}

/// Starts a run without waiting for it; its id.
pub(crate) fn start(client: &mut Client, application: &str, params: &Value) -> String {
    let body = json!({"name": application, "params": params});
    let accepted = client
        .send_json("POST", "/api/v1/applications/run", &body)
        .unwrap();
    accepted["task_id"].as_str().unwrap().to_owned()
}

/// Runs an application to its end.
pub(crate) fn run(client: &mut Client, application: &str, params: &Value) -> Value {
    let id = start(client, application, params);
    ended(client, &id)
}

/// A run.
pub(crate) fn task(client: &mut Client, id: &str) -> Value {
    client.get(&format!("/api/v1/tasks/{id}")).unwrap()
}

/// A run, when it has ended.
pub(crate) fn ended(client: &mut Client, id: &str) -> Value {
    until(&format!("the end of {id}"), || {
        let run = task(client, id);
        (run["ended"] == true).then_some(run)
    })
}

/// A step of a run, by its name.
pub(crate) fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap();
    steps
        .iter()
        .find(|step| step["name"] == name)
        .unwrap_or_else(|| panic!("no step {name} in {run}"))
}

/// What a step handed on.
pub(crate) fn output(client: &mut Client, run: &Value, name: &str) -> Value {
    let id = run["task_id"].as_str().unwrap();
    let data = client.get(&format!("/api/v1/tasks/{id}/data")).unwrap();
    data["outputs"][name].clone()
}

/// All lines of a task's log.
pub(crate) fn log(client: &mut Client, id: &str) -> Vec<Value> {
    let part = client
        .get(&format!("/api/v1/tasks/{id}/logs?limit=5000"))
        .unwrap();
    part["items"].as_array().unwrap().clone()
}

/// Looks until there is something, and fails when there is not for very long.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(GLANCE);
    }
}

/// A problem document, checked for its form.
pub(crate) fn problem(response: &Response, about: &str) -> Value {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let status = response.status;
    assert!((400..600).contains(&status), "{about}: {status} {text}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json"),
        "{about}: {text}"
    );
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["status"], status, "{about}: {text}");
    let code = document["code"].as_str().unwrap_or_default();
    assert!(code.starts_with("PF-"), "{about}: {text}");
    let detail = document["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty(), "{about}: {text}");
    for fault in document["errors"].as_array().into_iter().flatten() {
        let code = fault["code"].as_str().unwrap_or_default();
        assert!(code.starts_with("PF-"), "{about}: {text}");
        assert_ne!(fault["message"], "", "{about}: {text}");
    }
    document
}

/// A part of an address, percent-encoded.
pub(crate) fn part(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Runs `pfctl` against the service.
pub(crate) fn pfctl(service: &Service, arguments: &[&str]) -> Output {
    pfctl_in(Path::new("."), service, arguments)
}

/// The same in a folder.
pub(crate) fn pfctl_in(folder: &Path, service: &Service, arguments: &[&str]) -> Output {
    let mut command = Command::new(place::program("pfctl").unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PFCTL_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .env("PFCTL_CONFIG", "/nowhere/config.toml")
        .env("PFCTL_URL", service.url())
        .env("PFCTL_USER", ADMIN)
        .env("PFCTL_PASSWORD", service.password())
        .output()
        .unwrap()
}

/// The same; it must succeed. Its standard output.
pub(crate) fn pfctl_well(service: &Service, arguments: &[&str]) -> String {
    let output = pfctl(service, arguments);
    assert!(
        output.status.success(),
        "pfctl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The store's file, for reading beside or after the service.
pub(crate) fn open(folder: &Path) -> Connection {
    let path = folder.join("data/powerflow.db");
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection
}

/// The one number that a query gives.
pub(crate) fn number(store: &Connection, sql: &str) -> usize {
    let number: i64 = store.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(number).unwrap()
}

/// A small generator of numbers that are the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
