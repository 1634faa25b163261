#![expect(clippy::unwrap_used, reason = "tests")]

use std::{cell::RefCell, rc::Rc};

use powerflow_sdk::{
    ErrorKind, Value,
    http::Failure,
    json,
    testing::{MockHost, MockRequest, MockResponse},
};

use crate::{
    CreateOrUpdateIncident, ReadIncident, SYNCPACK, TransformEvent, UpdateSl1ExternalTicket,
};

fn event() -> Value {
    json!({
        "eid": "4000001", "severity": 4, "severity_name": "Critical", "message": "Gerät im Büro 東京 ist ausgefallen",
        "device_id": 100, "device_name": "münchen-core-sw-100", "device_ip": "10.1.0.1", "organization": "Łódź Szpital",
        "company_sys_id": "0af", "policy_id": 12, "policy_name": "Poller: Interface Down", "counter": 3,
    })
}

fn transformed(event: Value) -> Value {
    MockHost::new()
        .parameter("event", event)
        .run::<TransformEvent>()
        .unwrap()
        .data()
        .unwrap()
}

#[test]
fn an_event_becomes_an_incident() {
    assert_eq!(
        transformed(event()),
        json!({
            "eid": "4000001",
            "correlation_id": "SL1+DEV+100+POLICY+12",
            "incident": {
                "short_description": "münchen-core-sw-100: Gerät im Büro 東京 ist ausgefallen",
                "description": "Gerät im Büro 東京 ist ausgefallen\nDevice: münchen-core-sw-100\nAddress: 10.1.0.1\n\
                    Organization: Łódź Szpital\nPolicy: Poller: Interface Down\nSeverity: Critical\nCount: 3",
                "impact": "1", "urgency": "1", "correlation_id": "SL1+DEV+100+POLICY+12", "correlation_display": "SL1",
                "company": "0af", "cmdb_ci": "münchen-core-sw-100", "category": "network", "contact_type": "monitoring",
                "state": "1", "work_notes": "SL1 event 4000001: Gerät im Büro 東京 ist ausgefallen",
            },
        })
    );
}

#[test]
fn a_healthy_event_resolves_and_a_long_message_is_cut() {
    let mut event = event();
    event["severity"] = 0.into();
    event["message"] = "ü".repeat(500).into();
    event["eid"] = 7.into();
    let transformed = transformed(event);
    assert_eq!(transformed["eid"], "7");
    assert_eq!(transformed["incident"]["state"], "6");
    assert!(
        transformed["incident"]["close_notes"]
            .as_str()
            .unwrap()
            .starts_with("SL1 reports")
    );
    let short = transformed["incident"]["short_description"]
        .as_str()
        .unwrap();
    assert_eq!(short.chars().count(), 160);
    assert!(short.ends_with('…'));
}

#[test]
fn an_event_that_lacks_fields_is_refused_for_good_with_their_names() {
    let mut event = event();
    event["message"] = " ".into();
    event["policy_id"] = Value::Null;
    let error = MockHost::new()
        .parameter("event", event)
        .run::<TransformEvent>()
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Permanent, "event")
    );
    assert_eq!(error.message(), "event 4000001 lacks message, policy_id");
    let error = MockHost::new()
        .parameter("event", "no object")
        .run::<TransformEvent>()
        .unwrap_err();
    assert!(
        error.message().starts_with("the event lacks eid, message"),
        "{error}"
    );
}

#[test]
fn an_unknown_severity_is_refused_and_a_map_may_name_it() {
    let mut event = event();
    event["severity"] = 9.into();
    let host = MockHost::new().parameter("event", event);
    assert!(
        host.run::<TransformEvent>()
            .unwrap_err()
            .message()
            .contains("\"9\" is not in the severity map")
    );
    let host = host
        .parameter("severity_map", json!({ "9": [2, "1"] }))
        .parameter("region", "EU");
    let data = host.run::<TransformEvent>().unwrap().data().unwrap();
    assert_eq!(
        (&data["incident"]["impact"], &data["incident"]["urgency"]),
        (&json!("2"), &json!("1"))
    );
    assert_eq!(data["correlation_id"], "EU+DEV+100+POLICY+12");
}

/// The credentials `powerflow:päß`.
const BASIC: &str = "Basic cG93ZXJmbG93OnDDpMOf";

fn servicenow() -> MockHost {
    MockHost::new()
        .parameter("sn_url", "https://dev1.service-now.com/")
        .parameter("sn_user", "powerflow")
        .secret("sn_password", "päß")
        .parameter("incident", transformed(event())["incident"].clone())
}

fn found(state: &str) -> Value {
    json!({ "result": [{ "sys_id": "abc", "number": "INC0010001", "state": state }] })
}

fn one() -> MockResponse {
    MockResponse::json(
        200,
        &json!({ "result": { "sys_id": "abc", "number": "INC0010001", "correlation_id": "SL1+DEV+100+POLICY+12" } }),
    )
}

fn nothing() -> MockResponse {
    MockResponse::json(200, &json!({ "result": [] }))
}

/// Gives these answers one after the other.
fn script(answers: Vec<MockResponse>) -> impl FnMut(&MockRequest) -> MockResponse {
    let mut answers = answers.into_iter();
    move |request| {
        assert_eq!(request.header("authorization"), Some(BASIC));
        answers.next().unwrap()
    }
}

fn seen(host: &MockHost) -> Vec<(String, String)> {
    let path = |request: &MockRequest| request.path.split('?').next().unwrap().to_owned();
    host.requests()
        .iter()
        .map(|request| (request.method.clone(), path(request)))
        .collect()
}

const TABLE: &str = "/api/now/table/incident";

fn calls(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(method, path)| ((*method).to_owned(), format!("{TABLE}{path}")))
        .collect()
}

#[test]
fn an_unknown_correlation_is_created() {
    let created = MockResponse::json(
        201,
        &json!({ "result": { "sys_id": "n1", "number": "INC0010002" } }),
    );
    let host = servicenow().http(script(vec![nothing(), created]));
    let data = host
        .run::<CreateOrUpdateIncident>()
        .unwrap()
        .data()
        .unwrap();
    assert_eq!(
        data,
        json!({ "sys_id": "n1", "number": "INC0010002", "action": "created", "correlation_id": "SL1+DEV+100+POLICY+12" })
    );
    assert_eq!(seen(&host), calls(&[("GET", ""), ("POST", "")]));
    assert!(
        host.requests()[0].path.contains(
            "sysparm_query=correlation_id%3DSL1%2BDEV%2B100%2BPOLICY%2B12&sysparm_limit=1"
        )
    );
    assert_eq!(host.requests()[1].json(), transformed(event())["incident"]);
}

#[test]
fn a_known_correlation_is_updated() {
    let host = servicenow().http(script(vec![MockResponse::json(200, &found("1")), one()]));
    let data = host
        .run::<CreateOrUpdateIncident>()
        .unwrap()
        .data()
        .unwrap();
    assert_eq!(
        (&data["action"], &data["number"]),
        (&json!("updated"), &json!("INC0010001"))
    );
    assert_eq!(seen(&host), calls(&[("GET", ""), ("PATCH", "/abc")]));
    let notes = "SL1 event 4000001: Gerät im Büro 東京 ist ausgefallen";
    assert_eq!(
        host.requests()[1].json(),
        json!({ "work_notes": notes, "impact": "1", "urgency": "1" })
    );
}

#[test]
fn a_resolved_incident_opens_again_and_a_healthy_event_resolves() {
    let host = servicenow().http(script(vec![MockResponse::json(200, &found("6")), one()]));
    host.run::<CreateOrUpdateIncident>().unwrap();
    assert_eq!(host.requests()[1].json()["state"], "2");
    let mut healthy = event();
    healthy["severity"] = 0.into();
    let host = servicenow()
        .parameter("incident", transformed(healthy)["incident"].clone())
        .http(script(vec![MockResponse::json(200, &found("2")), one()]));
    host.run::<CreateOrUpdateIncident>().unwrap();
    assert_eq!(host.requests()[1].json()["state"], "6");
    assert!(host.requests()[1].json()["close_notes"].is_string());
}

#[test]
fn after_a_conflict_the_other_runs_incident_is_updated() {
    let conflict = MockResponse::json(409, &json!({ "error": { "message": "Operation Failed" } }));
    let host = servicenow().http(script(vec![
        nothing(),
        conflict,
        MockResponse::json(200, &found("1")),
        one(),
    ]));
    let data = host
        .run::<CreateOrUpdateIncident>()
        .unwrap()
        .data()
        .unwrap();
    assert_eq!(
        (&data["action"], &data["sys_id"]),
        (&json!("updated"), &json!("abc"))
    );
    assert_eq!(
        seen(&host),
        calls(&[("GET", ""), ("POST", ""), ("GET", ""), ("PATCH", "/abc")])
    );
}

#[test]
fn a_conflict_without_an_incident_is_tried_again() {
    let host = servicenow().http(script(vec![
        nothing(),
        MockResponse::text(409, ""),
        nothing(),
    ]));
    let error = host.run::<CreateOrUpdateIncident>().unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Retryable, "conflict")
    );
}

#[test]
fn what_may_pass_is_tried_again_and_the_rest_is_not() {
    for (answer, retryable) in [
        (MockResponse::text(429, ""), true),
        (MockResponse::text(503, ""), true),
        (MockResponse::failure(Failure::Timeout), true),
        (MockResponse::failure(Failure::Refused), true),
        (MockResponse::text(401, ""), false),
        (MockResponse::text(400, ""), false),
        (MockResponse::text(200, "<html>hibernating</html>"), false),
        (
            MockResponse::failure(Failure::Denied("no grant".to_owned())),
            false,
        ),
    ] {
        let shown = format!("{answer:?}");
        let error = servicenow()
            .http(move |_| answer.clone())
            .run::<CreateOrUpdateIncident>()
            .unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{shown}");
        assert!(
            error
                .message()
                .starts_with("GET https://dev1.service-now.com/api/now/table/incident:"),
            "{error}"
        );
    }
}

#[test]
fn a_correlation_cannot_change_the_query() {
    let host = servicenow()
        .parameter("incident", json!({ "correlation_id": "a^ORactive=true" }))
        .http(script(Vec::new()));
    assert!(
        !host
            .run::<CreateOrUpdateIncident>()
            .unwrap_err()
            .is_retryable()
    );
    let host = servicenow()
        .parameter("incident", json!({}))
        .http(script(Vec::new()));
    assert_eq!(
        host.run::<CreateOrUpdateIncident>().unwrap_err().message(),
        "the incident lacks correlation_id"
    );
}

#[test]
fn an_incident_is_read_back_and_checked() {
    let host = servicenow()
        .parameter("sys_id", "a/b")
        .http(script(vec![one(), one()]));
    assert_eq!(
        host.run::<ReadIncident>().unwrap().data().unwrap()["number"],
        "INC0010001"
    );
    assert_eq!(seen(&host), calls(&[("GET", "/a%2Fb")]));
    let error = host
        .parameter("correlation_id", "other")
        .run::<ReadIncident>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "incident INC0010001 has the correlation \"SL1+DEV+100+POLICY+12\", not \"other\""
    );
    let gone = servicenow()
        .parameter("sys_id", "x")
        .http(|_| MockResponse::text(404, ""));
    assert!(!gone.run::<ReadIncident>().unwrap_err().is_retryable());
}

#[test]
fn the_event_learns_its_ticket() {
    let bodies = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&bodies);
    let host = MockHost::new()
        .parameter("sl1_url", "sl1.example.com:8443")
        .parameter("sl1_user", "em7admin")
        .secret("sl1_password", "em7")
        .parameter("eid", "4000001")
        .parameter("number", "INC0010001")
        .http(move |request| {
            kept.borrow_mut().push(request.json());
            MockResponse::json(200, &json!({}))
        });
    assert_eq!(
        host.run::<UpdateSl1ExternalTicket>()
            .unwrap()
            .data()
            .unwrap(),
        json!({ "eid": "4000001", "ext_ticket_ref": "INC0010001" })
    );
    let request = &host.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "https://sl1.example.com:8443/api/event/4000001")
    );
    assert_eq!(
        *bodies.borrow(),
        [json!({ "ext_ticket_ref": "INC0010001" })]
    );
}

#[test]
fn the_pack_describes_its_steps() {
    let document: Value = parsed(&SYNCPACK.describe());
    let steps = document["steps"].as_array().unwrap();
    let names: Vec<_> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "TransformEvent",
            "CreateOrUpdateIncident",
            "ReadIncident",
            "UpdateSl1ExternalTicket"
        ]
    );
    assert_eq!(
        steps[1],
        json!({
            "name": "CreateOrUpdateIncident", "friendly_name": "Create or Update Incident", "version": "1.0.0", "kind": "standard",
            "description": "Updates the incident of a correlation, or creates it.\n\nWhen ServiceNow refuses the creation because \
                another run was faster (409), the step updates the incident that is there now.",
            "idempotent": true,
            "parameters": [
                { "name": "sn_url", "type": "string", "required": true, "sample": "https://dev1.service-now.com",
                  "description": "Base URL of the ServiceNow instance." },
                { "name": "sn_user", "type": "string", "required": true, "description": "User of the Table API." },
                { "name": "sn_password", "type": "secret", "required": true, "description": "Password of that user." },
                { "name": "incident", "type": "object", "required": true,
                  "description": "The fields of the incident, `correlation_id` among them." },
            ],
        })
    );
}

#[test]
fn the_application_names_only_steps_and_parameters_that_exist() {
    let application = parsed(include_str!(
        "../apps/create_or_update_servicenow_incident_from_sl1_event.json"
    ));
    let document = parsed(&SYNCPACK.describe());
    let variables: Vec<_> = application["app_variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| &variable["name"])
        .collect();
    for entry in application["steps"].as_array().unwrap() {
        let step = document["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|step| step["name"] == entry["file"])
            .unwrap();
        for parameter in step["parameters"].as_array().unwrap() {
            let name = &parameter["name"];
            let given = entry.get(name.as_str().unwrap()).is_some() || variables.contains(&name);
            assert!(
                given || parameter["required"] == false,
                "{name} of {}",
                entry["name"]
            );
        }
    }
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap()
}
