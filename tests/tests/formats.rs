//! Files of the shapes that existing content has: they import by API and by `pfctl`, export
//! unchanged, and run.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use harness::http::Client;
use harness::packs::{BENCH, TRIAL};
use harness::service::Service;
use serde_json::{Value, json};
use support::part;

fn files(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let mut found: Vec<PathBuf> = fs::read_dir(path.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    assert!(found.len() >= 3);
    found
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// Uploads every file, by the API or by `pfctl`. The names that they got, in the order of files.
fn import(service: &Service, collection: &str, files: &[PathBuf], by_pfctl: bool) -> Vec<String> {
    if by_pfctl {
        let word = collection.strip_suffix('s').unwrap();
        let mut arguments = vec!["--json", word, "upload"];
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        let said = support::pfctl_well(service, &arguments);
        let said: Value = serde_json::from_str(&said).unwrap();
        let saved = said["items"].as_array();
        return saved
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect();
    }
    let mut client = service.client().unwrap();
    files
        .iter()
        .map(|file| {
            // A file without a name inside is given its own, as `pfctl` does.
            let text = fs::read(file).unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            let mut path = format!("/api/v1/{collection}");
            if document["name"].is_null() {
                path = format!("{path}?name={}", part(stem(file)));
            }
            let headers = [("content-type", "application/json")];
            let response = client.send("POST", &path, &headers, &text).unwrap();
            assert_eq!(response.status, 201, "{}", file.display());
            response.json().unwrap()["name"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// A document as the API and `pfctl` give it, which must be the same.
fn export(service: &Service, collection: &str, name: &str) -> Value {
    let mut client = service.client().unwrap();
    let path = format!("/api/v1/{collection}/{}", part(name));
    let by_api = client.get(&path).unwrap();
    let word = collection.strip_suffix('s').unwrap();
    let said = support::pfctl_well(service, &[word, "export", name]);
    let by_pfctl: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(by_api.to_string(), by_pfctl.to_string(), "{name}");
    by_api
}

/// Keys keep their order, so equal texts mean an equal order.
fn assert_same(exported: &Value, file: &Path, name: &str) {
    let text = fs::read_to_string(file).unwrap();
    let mut expected: Value = serde_json::from_str(&text).unwrap();
    let mut exported = exported.clone();
    if expected.is_array() {
        assert_eq!(exported["name"], name);
        exported = exported["configuration_data"].take();
    } else if expected["name"].is_null() {
        // The one thing that is added: the name that everything else calls it by.
        assert_eq!(
            exported.as_object_mut().unwrap().shift_remove("name"),
            Some(name.into())
        );
    }
    // Secrets come back as ciphertext of ours.
    for (index, entry) in variables(&mut expected).into_iter().enumerate() {
        if entry["encrypted"] == true {
            let kept = &variables(&mut exported)[index]["value"].clone();
            let text = kept.as_str().unwrap();
            assert!(text.starts_with("pfenc:1:"), "{text}");
            entry["value"] = kept.clone();
        }
    }
    assert_eq!(
        exported.to_string(),
        expected.to_string(),
        "{}",
        file.display()
    );
}

fn variables(document: &mut Value) -> Vec<&mut Value> {
    let list = if document.is_array() {
        document.as_array_mut()
    } else {
        document
            .get_mut("configuration_data")
            .and_then(Value::as_array_mut)
    };
    list.map(|list| list.iter_mut().collect())
        .unwrap_or_default()
}

fn round_trip(by_pfctl: bool) -> (tempfile::TempDir, Service) {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH, TRIAL]);
    for collection in ["configurations", "applications"] {
        let short = if collection == "configurations" {
            "configs"
        } else {
            "apps"
        };
        let files = files(short);
        let names = import(&service, collection, &files, by_pfctl);
        assert_eq!(names.len(), files.len());
        for (file, name) in files.iter().zip(&names) {
            let exported = export(&service, collection, name);
            assert_same(&exported, file, name);
            // What was exported comes in again as what it is: no new revision.
            let path = format!("/api/v1/{collection}/{}", part(name));
            let mut client = service.client().unwrap();
            let stored = client.send("GET", &path, &[], &[]).unwrap().body;
            let headers = [("content-type", "application/json")];
            let again = client
                .send("POST", &format!("/api/v1/{collection}"), &headers, &stored)
                .unwrap()
                .json()
                .unwrap();
            assert_eq!(again["revision"], 1, "{name}: {again}");
            let exported_again = export(&service, collection, name);
            assert_eq!(exported_again.to_string(), exported.to_string(), "{name}");
        }
    }
    (folder, service)
}

#[test]
fn files_come_out_of_the_api_as_they_went_in() {
    let (_folder, service) = round_trip(false);
    let mut client = service.client().unwrap();
    runs_with_types(&mut client);
    runs_in_order(&mut client);
    runs_beyond_ascii(&service, &mut client);
    keeps_what_it_does_not_know(&mut client);
    let run = support::run(&mut client, "no_name", &json!({}));
    assert_eq!(run["state"], "success", "{run}");
    service.stop().unwrap();
}

#[test]
fn files_come_out_of_pfctl_as_they_went_in() {
    let (folder, service) = round_trip(true);
    let to = folder.path().join("backup");
    support::pfctl_well(
        &service,
        &[
            "application",
            "export",
            "mixed_edges",
            "all_variable_keys",
            "--dir",
            to.to_str().unwrap(),
        ],
    );
    for name in ["mixed_edges", "all_variable_keys"] {
        let text = fs::read_to_string(to.join(format!("{name}.json"))).unwrap();
        let exported: Value = serde_json::from_str(&text).unwrap();
        let file = files("apps")
            .into_iter()
            .find(|file| stem(file) == name)
            .unwrap();
        assert_same(&exported, &file, name);
    }
    let said = support::pfctl_well(
        &service,
        &["--json", "application", "run", "mixed_edges", "--wait"],
    );
    let run: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(run["state"], "success", "{run}");
    service.stop().unwrap();
}

fn runs_with_types(client: &mut Client) {
    // What is required and missing is named before anything executes.
    let refused = cannot_run(client, "all_variable_keys");
    assert!(refused["errors"].to_string().contains("must"), "{refused}");

    let run = support::run(
        client,
        "all_variable_keys",
        &json!({"must": {"a": [1.5, null]}}),
    );
    assert_eq!(run["state"], "success", "{run}");
    let types = support::output(client, &run, "types");
    let expected = json!({
        "integer": 8443, "float": 0.25, "yes": true,
        "list": ["a.example.com", "b.example.com"],
        "object": {"z": 1, "a": {"b": [null, 8443]}}, "none": null,
        "as text": "port 8443, ratio 0.25, true, [\"a.example.com\",\"b.example.com\"]",
        "appvar": [1, "two", 3.0], "port": 8443,
        "url": "https://em7.example.com:8443/base/api?x=8443",
        "must": {"a": [1.5, null]}, "literal": "${config.port}",
        "big": 9_007_199_254_740_993_i64, "small": -0.000_125,
    });
    // Objects are compared by key: what a step returns is the step's affair.
    assert_eq!(types, expected);
    let deep = support::output(client, &run, "deep");
    assert_eq!(deep, json!([[null, 8443], "b.example.com", "has 8443"]));
}

fn runs_in_order(client: &mut Client) {
    let run = support::run(client, "mixed_edges", &json!({}));
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(
        support::output(client, &run, "last"),
        json!({"left": "l", "right": "r"})
    );
    let time = |name: &str, key: &str| support::step(&run, name)[key].as_str().unwrap().to_owned();
    for (earlier, later) in [
        ("start", "left"),
        ("start", "right"),
        ("left", "last"),
        ("right", "last"),
    ] {
        let (end, begin) = (time(earlier, "finished_at"), time(later, "started_at"));
        assert!(
            end <= begin,
            "{later} began at {begin}, {earlier} ended at {end}"
        );
    }
}

fn runs_beyond_ascii(service: &Service, client: &mut Client) {
    let name = "übergröße 名前/Δ%?#";
    let path = format!("/api/v1/applications/{}/run?wait=30", part(name));
    let run = client.send_json("POST", &path, &json!({})).unwrap();
    let id = run["task_id"].as_str().unwrap().to_owned();
    let run = support::ended(client, &id);
    assert_eq!(run["state"], "success", "{run}");
    assert_eq!(run["application"], name);
    assert_eq!(
        support::output(client, &run, "zweiter Schritt: größer?"),
        "42 µm & 😀 \"quoted\" \\ back"
    );
    // What answers lead to can be followed.
    let found = client
        .get(run["application_href"].as_str().unwrap())
        .unwrap();
    assert_eq!(found["name"], name);
    let listed = client
        .get(&format!("/api/v1/applications/{}/logs", part(name)))
        .unwrap();
    assert_eq!(listed["items"][0]["task_id"], id);
    let said = support::pfctl_well(service, &["application", "show", name]);
    assert!(said.contains("第一歩"), "{said}");
    let lines = support::log(client, &id);
    assert!(
        lines.iter().any(|line| line["step"] == "第一歩"),
        "{lines:?}"
    );
}

fn keeps_what_it_does_not_know(client: &mut Client) {
    let text = client.get("/api/v1/applications/operators").unwrap();
    let checked = client
        .send_json("POST", "/api/v1/applications/validate", &text)
        .unwrap();
    let faults = checked["faults"].as_array().unwrap();
    assert!(
        faults
            .iter()
            .any(|fault| fault["code"] == "PF-A019" && fault["at"] == "/steps/1"),
        "{checked}"
    );
    // It is kept, and cannot run before somebody has looked at it.
    let refused = cannot_run(client, "operators");
    assert!(refused.to_string().contains("Condition 1"), "{refused}");
}

/// The refusal of a run, without parameters, of an application that needs more.
fn cannot_run(client: &mut Client, application: &str) -> Value {
    let body = json!({"name": application}).to_string();
    let headers = [("content-type", "application/json")];
    let refused = client
        .send(
            "POST",
            "/api/v1/applications/run",
            &headers,
            body.as_bytes(),
        )
        .unwrap();
    assert_eq!(refused.status, 422);
    support::problem(&refused, application)
}
