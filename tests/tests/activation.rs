//! What a SyncPack may do after it was activated again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use harness::http::Client;
use harness::packs::INCIDENT_SYNC;
use harness::service::Service;
use harness::simulators;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/syncpacks/servicenow_example/activate";

fn activate(service: &Service, body: &Value) -> Value {
    service
        .client()
        .unwrap()
        .send_json("POST", PATH, body)
        .unwrap()
}

#[test]
fn grants_last_until_somebody_decides_otherwise() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    service.upload(&INCIDENT_SYNC.build().unwrap()).unwrap();
    let first = activate(&service, &json!({}));
    assert_eq!(first["not_granted"], json!(["servicenow", "sl1"]));
    let both = json!({"grants": [{"id": "servicenow", "private_network": true}, {"id": "sl1"}]});
    let given = activate(&service, &both);
    assert_eq!(
        (&given["not_granted"], &given["taken_away"]),
        (&json!([]), &json!([]))
    );

    // By default nothing changes, whoever asks and however.
    let again = activate(&service, &json!({"version": "1.0.0"}));
    assert_eq!(again["grants"], given["grants"]);
    assert_eq!(
        given["grants"][0]["configurations"][0]["name"],
        "servicenow_example"
    );
    assert_eq!(
        (&again["not_granted"], &again["taken_away"]),
        (&json!([]), &json!([]))
    );
    let pfctl = ["syncpack", "activate", "servicenow_example"];
    let output = support::pfctl(&service, &pfctl);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && !said.contains("not granted"),
        "{said}"
    );

    let output = support::pfctl(&service, &[&pfctl[..], &["--grant", "sl1"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("taken away: servicenow"), "{said}");
    let output = support::pfctl(&service, &[&pfctl[..], &["--no-grants"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("taken away: sl1"), "{said}");
    let none = activate(&service, &json!({}));
    assert_eq!(none["not_granted"], json!(["servicenow", "sl1"]));
    service.stop().unwrap();
}

/// A host of somebody else's: its URL, and how many bytes it was sent.
fn elsewhere() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let count = stream.read(&mut [0; 4096]).unwrap_or(0);
            counter.fetch_add(count, Ordering::SeqCst);
        }
    });
    (url, sent)
}

fn set(configuration: &mut Value, variable: &str, value: &Value) {
    for one in configuration["configuration_data"].as_array_mut().unwrap() {
        if one["name"] == variable {
            one["value"] = value.clone();
        }
    }
}

fn value(configuration: &Value, variable: &str) -> Value {
    let all = configuration["configuration_data"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == variable).unwrap();
    one["value"].clone()
}

/// Runs the application of the incident pack with that configuration object; the run, and its log.
fn run(client: &mut Client, event: &Value, configuration: &str) -> (Value, String) {
    let params = json!({"event": event, "configuration": configuration});
    let run = support::run(client, support::SYNC, &params);
    let id = run["task_id"].as_str().unwrap();
    let log = client.get(&format!("/api/v1/tasks/{id}/logs")).unwrap();
    (run, log.to_string())
}

#[test]
#[expect(clippy::too_many_lines, reason = "one attack, step by step")]
fn a_secret_reaches_no_host_that_its_object_was_not_granted_for() {
    const GIVEN: &str = "servicenow_example";
    let folder = support::folder();
    let plan = simulators::Plan {
        events: 1,
        ..simulators::Plan::default()
    };
    let simulators = plan.start(folder.path()).unwrap();
    let event = simulators.events().unwrap()[0].clone();
    let service = support::serve(folder.path(), &[INCIDENT_SYNC]);
    support::lead_to(&service, &simulators);
    let mut client = service.client().unwrap();
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "success");
    let (url, sent) = elsewhere();
    let path = format!("/api/v1/configurations/{GIVEN}");
    let stored = client.get(&path).unwrap();

    // An object of one's own with another's ciphertext: it can be saved, and leads nowhere.
    let mut mine = stored.clone();
    mine["name"] = "mine".into();
    set(&mut mine, "sn_url", &url.clone().into());
    support::save(&mut client, "configurations", &mine);
    let (denied, log) = run(&mut client, &event, "mine");
    assert_eq!(denied["state"], "failed", "{denied}");
    let command = "pfctl syncpack activate servicenow_example --add --grant servicenow=mine";
    assert!(log.contains(command), "{log}");
    // Nor does a grant for the SyncPack's own objects, given again, hold for it.
    service.activate(GIVEN, INCIDENT_SYNC.grants).unwrap();
    assert_eq!(run(&mut client, &event, "mine").0["state"], "failed");

    // Another host in the object that it was given for.
    let mut moved = stored.clone();
    set(&mut moved, "sn_url", &url.into());
    support::put_configuration(&service, GIVEN, &moved);
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "failed");
    support::put_configuration(&service, GIVEN, &stored);
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "success");

    // Ciphertext of another variable in an object that exists.
    let mut swapped = stored.clone();
    set(&mut swapped, "sl1_password", &value(&stored, "sn_password"));
    let refused = client
        .send(
            "PUT",
            &path,
            &[("content-type", "application/json"), ("if-match", "*")],
            swapped.to_string().as_bytes(),
        )
        .unwrap();
    let problem = support::problem(&refused, "ciphertext of another variable");
    assert_eq!(refused.status, 422, "{problem}");
    assert_eq!(problem["errors"][0]["code"], "PF-C008", "{problem}");
    // What the variable had once may come back.
    let mut changed = stored.clone();
    set(&mut changed, "sn_password", &"another one".into());
    support::put_configuration(&service, GIVEN, &changed);
    support::put_configuration(&service, GIVEN, &stored);
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "success");

    // Deleted and made again, it is another object.
    let application = client
        .get(&format!("/api/v1/applications/{}", support::SYNC))
        .unwrap();
    let mut free = application.clone();
    free["configuration"] = Value::Null;
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let put = |client: &mut Client, document: &Value| {
        let path = format!("/api/v1/applications/{}", support::SYNC);
        let body = document.to_string();
        client
            .send("PUT", &path, &headers, body.as_bytes())
            .unwrap()
    };
    assert_eq!(put(&mut client, &free).status, 200);
    let deleted = client
        .send("DELETE", &path, &[("if-match", "*")], b"")
        .unwrap();
    assert!(deleted.is_success(), "{}", deleted.status);
    support::put_configuration(&service, GIVEN, &stored);
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "failed");
    assert_eq!(sent.load(Ordering::SeqCst), 0);

    // Given for an object by its name, it holds for that one and no other.
    set(&mut mine, "sn_url", &value(&stored, "sn_url"));
    support::put_configuration(&service, "mine", &mine);
    let wrong = support::pfctl(
        &service,
        &[
            "syncpack",
            "activate",
            GIVEN,
            "--add",
            "--grant",
            "servicenow=your",
        ],
    );
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.contains("PF-2003") && said.contains("`your`"),
        "{said}"
    );
    let given = support::pfctl(
        &service,
        &[
            "syncpack",
            "activate",
            GIVEN,
            "--add",
            "--grant",
            "servicenow=mine",
            "--grant",
            "sl1=mine",
        ],
    );
    let said = String::from_utf8_lossy(&given.stderr).into_owned();
    assert!(said.contains("mine (127.0.0.1:"), "{said}");
    assert_eq!(run(&mut client, &event, "mine").0["state"], "success");
    assert_eq!(run(&mut client, &event, GIVEN).0["state"], "failed");
    service.stop().unwrap();
}

/// The incident pack as another version, which asks for ServiceNow in other words.
fn other_version(folder: &Path, version: &str) -> PathBuf {
    let file = fs::read(INCIDENT_SYNC.build().unwrap()).unwrap();
    let mut metadata = syncpack::Archive::read(&file).unwrap().metadata;
    version.clone_into(&mut metadata.manifest.meta.version);
    metadata.manifest.meta.grants[0].host = Some("*.service-now.com".to_owned());
    let path = folder.join(format!("{version}.wasm"));
    fs::write(&path, syncpack::Archive::write(&file, &metadata).unwrap()).unwrap();
    path
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn going_on_and_back_says_what_changes() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let pfctl = |line: &[&str]| {
        let output = support::pfctl(&service, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    service.upload(&INCIDENT_SYNC.build().unwrap()).unwrap();
    let pack = "servicenow_example";
    let line = [
        "syncpack",
        "activate",
        pack,
        "--private",
        "servicenow",
        "--grant",
        "sl1",
    ];
    let (_, said) = pfctl(&line);
    assert!(
        said.contains("granted: sl1, servicenow (private addresses too); new to it"),
        "{said}"
    );

    // Another version asks for something else: that is told and not given by itself.
    let newer = other_version(folder.path(), "1.1.0").display().to_string();
    let (_, said) = pfctl(&["syncpack", "upload", &newer]);
    assert!(
        said.contains("--version 1.1.0 --private servicenow --grant sl1"),
        "{said}"
    );
    let (code, said) = pfctl(&["syncpack", "activate", pack, "--version", "1.1.0"]);
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "before, 1.0.0 was active",
        "taken away: servicenow",
        "not granted: servicenow",
        "--version 1.1.0 --add --grant servicenow",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let shown = support::pfctl_well(&service, &["syncpack", "show", pack]);
    for words in [
        "not active; was given for servicenow_example (dev1.service-now.com:443), private addresses too",
        "GET, POST, PATCH",
        "denied",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // Back: that version has what it had, for nobody has taken it away since.
    let back = activate(&service, &json!({"version": "1.0.0"}));
    assert_eq!(back["previous_version"], "1.1.0");
    assert_eq!(back["newly_granted"], json!(["servicenow"]));
    assert_eq!(
        (&back["not_granted"], &back["taken_away"]),
        (&json!([]), &json!([]))
    );
    let none = activate(&service, &json!({"version": "1.0.0", "grants": []}));
    assert_eq!(none["taken_away"], json!(["servicenow", "sl1"]));
    activate(&service, &json!({"version": "1.1.0"}));
    let back = activate(&service, &json!({"version": "1.0.0"}));
    assert_eq!(back["not_granted"], json!(["servicenow", "sl1"]));

    // A version keeps its file; who stops what applications need is told which.
    fs::write(
        &newer,
        fs::read(other_version(folder.path(), "1.0.0")).unwrap(),
    )
    .unwrap();
    let (code, said) = pfctl(&["syncpack", "upload", &newer]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("error[PF-0423]") && said.contains("next: raise `version` in meta.json"),
        "{said}"
    );
    let (_, said) = pfctl(&["syncpack", "deactivate", pack]);
    assert!(
        said.contains(&format!(
            "refused until it is active again: {}",
            support::SYNC
        )),
        "{said}"
    );
    assert!(
        said.contains(&format!("pfctl syncpack activate {pack} --version ")),
        "{said}"
    );
    service.stop().unwrap();
}

#[test]
fn a_list_is_no_request() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    let mut client = service.client().unwrap();
    let headers = [("content-type", "application/json")];
    for (path, body) in [
        ("/api/v1/applications/run", " [\"name\", {}]"),
        (PATH, "[]"),
        ("/api/v1/steps/run", "[\"Noop\"]"),
    ] {
        let response = client
            .send("POST", path, &headers, body.as_bytes())
            .unwrap();
        let problem = support::problem(&response, path);
        assert_eq!(response.status, 400, "{problem}");
        assert!(
            problem.to_string().contains("must be an object"),
            "{problem}"
        );
    }
    service.stop().unwrap();
}
