//! What a SyncPack may do after it was activated again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::packs::INCIDENT_SYNC;
use harness::service::Service;
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
