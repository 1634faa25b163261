//! The steps of the built-in SyncPack `base_steps`, on the real service.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::packs::TRIAL;
use serde_json::{Value, json};
use support::{ended, output, run, save, start, step, task};

/// An application of one trigger step, with variables that it may refer to.
fn trigger(name: &str, variables: &Value, parameters: &Value) -> Value {
    let mut entry =
        json!({"name": "start", "file": "TriggerApplication", "syncpack": "base_steps"});
    let entry_of = entry.as_object_mut().unwrap();
    entry_of.extend(parameters.as_object().unwrap().clone());
    json!({"name": name, "app_variables": variables, "steps": [entry]})
}

#[test]
fn applications_are_triggered_without_a_syncpack_of_ones_own() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[TRIAL]);
    let mut client = service.client().unwrap();
    let leaf = json!({"name": "leaf", "app_variables": [{"name": "value", "required": true}],
        "steps": [{"name": "echo", "file": "Echo", "value": "${appvar.value}"}]});
    save(&mut client, "applications", &leaf);

    // One for each item, whose values keep their types.
    let variables = json!([{"name": "devices", "value": []}]);
    let each = trigger(
        "each",
        &variables,
        &json!({"application": "leaf", "items": "${appvar.devices}", "item_parameter": "value"}),
    );
    save(&mut client, "applications", &each);
    let devices = json!([1, {"a": [2]}, "three"]);
    let done = run(&mut client, "each", &json!({"devices": devices}));
    assert_eq!(done["state"], "success", "{done}");
    let data = output(&mut client, &done, "start");
    let results: Vec<&Value> = data.as_array().unwrap().iter().collect();
    for (result, device) in results.iter().zip(devices.as_array().unwrap()) {
        assert_eq!(result["state"], "success");
        assert_eq!(&result["data"], device, "{result}");
        let child = task(&mut client, result["run_id"].as_str().unwrap());
        assert_eq!(child["application"], "leaf");
    }
    assert_eq!(results.len(), 3);

    // A child that is refused starts none, and the step says which.
    let several = trigger(
        "several",
        &json!([]),
        &json!({"children": [
            {"application": "leaf", "params": {"value": 1}}, {"application": "leaf"}]}),
    );
    save(&mut client, "applications", &several);
    let id = start(&mut client, "several", &json!({}));
    let failed = ended(&mut client, &id);
    let error = &step(&failed, "start")["error"];
    assert_eq!(error["code"], "child-refused", "{error}");

    // What it cannot mean is said in its error.
    let empty = trigger("empty", &json!([]), &json!({}));
    save(&mut client, "applications", &empty);
    let id = start(&mut client, "empty", &json!({}));
    let failed = ended(&mut client, &id);
    let error = &step(&failed, "start")["error"];
    assert_eq!(error["code"], "bad-parameter", "{error}");

    // The part of the service is there by itself, and stays.
    let part = client.get("/api/v1/syncpacks/base_steps").unwrap();
    assert_eq!(part["versions"][0]["activated"], true, "{part}");
    let refused = client
        .send("POST", "/api/v1/syncpacks/base_steps/deactivate", &[], &[])
        .unwrap();
    let problem = support::problem(&refused, "deactivate");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("part of PowerFlow"),
        "{problem}"
    );
    service.stop().unwrap();
}
