//! SyncPacks that were damaged on their way: each is refused when it is uploaded, and nothing of
//! it stored, or can be dealt with like any other.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;

use harness::http::{Client, Response};
use harness::packs::BENCH;
use harness::service::Plan;
use serde_json::json;
use support::Random;

const PLACES: usize = 50;

fn upload(client: &mut Client, file: &[u8]) -> Response {
    let headers = [("content-type", "application/wasm")];
    client
        .send("POST", "/api/v1/syncpacks", &headers, file)
        .unwrap()
}

/// What is stored of packs: versions and files, without the built-in ones.
fn stored(folder: &std::path::Path) -> (usize, usize) {
    let store = support::open(folder);
    (
        support::number(
            &store,
            "SELECT COUNT(*) FROM pack_version WHERE imported_by <> 'PowerFlow'",
        ),
        support::number(
            &store,
            "SELECT COUNT(*) FROM component WHERE digest NOT IN
               (SELECT digest FROM pack_version WHERE imported_by = 'PowerFlow')",
        ),
    )
}

#[test]
fn a_damaged_pack_is_refused_or_works() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.step_timeout", "5s");
    let mut service = plan.start().unwrap();
    let mut client = service.client().unwrap();
    let whole = fs::read(BENCH.build().unwrap()).unwrap();
    let mut random = Random::new(0x5eed);
    let (mut refused, mut failed, mut executed) = (0, 0, 0);
    for at in 0..PLACES {
        let mut file = whole.clone();
        let place = random.below(file.len() as u64) as usize;
        let noise = random.below(255) as u8 + 1;
        let about = if at % 2 == 0 {
            file[place] ^= noise;
            format!("byte {place} changed by {noise}")
        } else {
            let more = 1 + random.below(16) as usize;
            file.splice(place..place, vec![noise; more]);
            format!("{more} times {noise} at byte {place}")
        };
        let before = stored(folder.path());
        let response = upload(&mut client, &file);
        if !response.is_success() {
            let problem = support::problem(&response, &about);
            assert!(response.status < 500, "{about}: {problem}");
            assert_eq!(stored(folder.path()), before, "{about}: {problem}");
            refused += 1;
            continue;
        }
        // It may have become another name or version; whatever it is, it can be used.
        let pack = response.json().unwrap();
        let name = pack["name"].as_str().unwrap();
        let activated = client
            .send(
                "POST",
                &format!("/api/v1/syncpacks/{}/activate", support::part(name)),
                &[("content-type", "application/json")],
                b"{}",
            )
            .unwrap();
        if activated.is_success() {
            activated.json().unwrap();
            executes(&mut client, &about);
            executed += 1;
        } else {
            let problem = support::problem(&activated, &about);
            assert_eq!(problem["code"], "PF-2002", "{about}: {problem}");
            failed += 1;
        }
        forget(&mut client, name);
        assert_eq!(stored(folder.path()), (0, 0), "{about}");
    }
    println!("{refused} refused, {failed} not installed, {executed} executed");
    assert!(refused >= PLACES * 3 / 4, "only {refused} were refused");
    // The service lives, and the whole file works.
    assert!(service.process().ended().unwrap().is_none());
    upload(&mut client, &whole).json().unwrap();
    service.activate(BENCH.name, BENCH.grants).unwrap();
    let steps = client.get("/api/v1/steps").unwrap();
    assert!(steps.to_string().contains(BENCH.name), "{steps}");
    service.stop().unwrap();
}

/// A run of each step ends: well, or with a reason.
fn executes(client: &mut Client, about: &str) {
    let steps = client.get("/api/v1/steps").unwrap();
    let steps = steps["items"].as_array().unwrap();
    assert!(!steps.is_empty(), "{about}");
    for step in steps {
        let name = &step["name"];
        let body = json!({"name": name, "params": {}});
        let response = client
            .send(
                "POST",
                "/api/v1/steps/run",
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
            )
            .unwrap();
        if !response.is_success() {
            // A damaged descriptor may ask for a parameter that nobody gives.
            let problem = support::problem(&response, about);
            assert!(response.status < 500, "{about}: {problem}");
            continue;
        }
        let run = response.json().unwrap();
        let run = support::ended(client, run["task_id"].as_str().unwrap());
        let step = &run["steps"][0];
        let reason = step["error"]["code"].as_str().unwrap_or_default();
        assert!(
            step["state"] == "success" || !reason.is_empty(),
            "{about}: {run}"
        );
    }
}

fn forget(client: &mut Client, name: &str) {
    let name = support::part(name);
    // One that is not active need not be deactivated.
    client
        .send(
            "POST",
            &format!("/api/v1/syncpacks/{name}/deactivate"),
            &[],
            &[],
        )
        .unwrap();
    client
        .send("DELETE", &format!("/api/v1/syncpacks/{name}"), &[], &[])
        .unwrap()
        .json()
        .unwrap();
}
