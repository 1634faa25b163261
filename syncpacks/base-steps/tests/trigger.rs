//! What the step asks the host to start.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use base_steps::TriggerApplication;
use powerflow_sdk::{Value, json, testing::MockHost};

fn asked(parameters: Value) -> Result<Value, String> {
    let Value::Object(parameters) = parameters else {
        return Err("no object".to_owned());
    };
    parameters
        .into_iter()
        .fold(MockHost::new(), |host, (name, value)| {
            host.parameter(&name, value)
        })
        .run::<TriggerApplication>()
        .map(|output| {
            assert!(output.starts_children());
            output.data().unwrap()
        })
        .map_err(|error| error.message().to_owned())
}

#[test]
fn one_application_is_started_with_its_parameters() {
    assert_eq!(
        asked(json!({"application": "ticket", "params": {"event": 7}, "queue": "acme"})),
        Ok(json!({
            "children": [{"application": "ticket", "params": {"event": 7, "queue": "acme"}}],
            "wait": true,
            "parallel": 1000,
            "on_failure": "fail",
        }))
    );
}

#[test]
fn a_list_starts_one_for_each_item() {
    let objects = json!({"application": "sync", "params": {"region": "eu", "depth": 1},
        "items": [{"device": "a"}, {"device": "b", "depth": 2}],
        "wait": false, "parallel": 5, "on_failure": "ignore"});
    assert_eq!(
        asked(objects),
        Ok(json!({
            "children": [
                {"application": "sync", "params": {"region": "eu", "depth": 1, "device": "a"}},
                {"application": "sync", "params": {"region": "eu", "depth": 2, "device": "b"}},
            ],
            "wait": false,
            "parallel": 5,
            "on_failure": "ignore",
        }))
    );
    let plain =
        asked(json!({"application": "sync", "items": [1, {"a": 2}], "item_parameter": "device"}));
    assert_eq!(
        plain.unwrap()["children"],
        json!([
            {"application": "sync", "params": {"device": 1}},
            {"application": "sync", "params": {"device": {"a": 2}}},
        ])
    );
    let none = asked(json!({"application": "sync", "items": []}));
    assert_eq!(none.unwrap()["children"], json!([]));
}

#[test]
fn several_applications_are_started_together() {
    let given = json!({"configuration": "acme", "params": {"event": 7}, "children": [
        {"application": "ticket"},
        {"application": "mail", "params": {"event": 8, "configuration": "other"}}]});
    assert_eq!(
        asked(given).unwrap()["children"],
        json!([
            {"application": "ticket", "params": {"event": 7, "configuration": "acme"}},
            {"application": "mail", "params": {"event": 8, "configuration": "other"}},
        ])
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    for (parameters, expected) in [
        (json!({}), "name the `application` to start"),
        (
            json!({"application": "a", "items": [1]}),
            "`item_parameter`",
        ),
        (
            json!({"application": "a", "item_parameter": "device"}),
            "there are no `items`",
        ),
        (
            json!({"application": "a", "children": []}),
            "leave out `application`",
        ),
        (
            json!({"children": [{}]}),
            "`children[0]` names no application",
        ),
        (
            json!({"children": [{"application": "a", "params": []}]}),
            "`children[0].params`",
        ),
    ] {
        let message = asked(parameters).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}
