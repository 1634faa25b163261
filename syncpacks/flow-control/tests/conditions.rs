//! Conditions compare typed operands, and choose the first branch that holds.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use flow_control::{Condition, Data, Transform, When};
use powerflow_sdk::{Value, json, testing::MockHost};

fn holds(when: Value) -> Result<bool, String> {
    let text = when.to_string();
    let when: When = serde_json::from_str(&text).unwrap();
    let data = Data::new([("Get Event", r#"{"n": 3, "list": []}"#)]);
    when.holds(&data)
        .map_err(|error| error.message().to_owned())
}

#[test]
fn operands_are_compared_with_their_types() {
    for (when, expected) in [
        (json!({"equal": [1, 1.0]}), true),
        (json!({"equal": [1, "1"]}), false),
        (json!({"equal": ["a", "a"]}), true),
        (json!({"equal": [true, "true"]}), false),
        (json!({"equal": [null, null]}), true),
        (json!({"equal": [[1, {"a": 2}], [1.0, {"a": 2}]]}), true),
        (
            json!({"equal": [9_007_199_254_740_993_i64, 9_007_199_254_740_992_i64]}),
            false,
        ),
        (json!({"equal": [u64::MAX, -1]}), false),
        (json!({"not_equal": [1, 2]}), true),
        (json!({"above": [2, 1]}), true),
        (json!({"above": [1, 1]}), false),
        (json!({"above": ["10", 9]}), true),
        (json!({"above": [null, 1]}), false),
        (json!({"below": [1.5, 2]}), true),
        (json!({"below": [null, 2]}), false),
        (json!({"at_least": [2, 2]}), true),
        (json!({"at_most": [3, 2]}), false),
        (json!({"contains": ["abc", "b"]}), true),
        (json!({"contains": [[1, "x"], "x"]}), true),
        (json!({"contains": [{"k": 1}, "k"]}), true),
        (json!({"contains": [null, "k"]}), false),
        (json!({"exists": null}), false),
        (json!({"exists": false}), true),
        (json!({"not": {"exists": null}}), true),
        (json!({"and": [{"exists": 1}, {"exists": null}]}), false),
        (
            json!({"or": [{"exists": null}, {"not": {"or": [{"exists": null}]}}]}),
            true,
        ),
        (json!({"template": {"text": "{{ input.n > 2 }}"}}), true),
        (json!({"template": {"text": "{{ input.list }}"}}), false),
        (
            json!({"template": {"text": "{% if input.n == 3 %}false{% endif %}"}}),
            false,
        ),
        (
            json!({"template": {"text": "Get_Event.n == 3 and steps['Get Event'].n == 3", "expression": true}}),
            true,
        ),
        (
            json!({"template": {"text": "__ref0 == 'x'", "expression": true, "references": ["x"]}}),
            true,
        ),
        (
            json!({"template": {"text": "'False'", "expression": true}}),
            false,
        ),
        (
            json!({"template": {"text": "missing", "expression": true}}),
            false,
        ),
    ] {
        assert_eq!(holds(when.clone()), Ok(expected), "{when}");
    }
    for (when, error) in [
        (json!({"above": [[], 1]}), "first operand is a list"),
        (json!({"below": [1, "x"]}), "second operand is a text"),
        (json!({"contains": [1, 1]}), "first operand is a number"),
        (
            json!({"template": {"text": "1 +", "expression": true}}),
            "line 1",
        ),
        (
            json!({"template": {"text": "a\n{{ nope.nope }}"}}),
            "line 2",
        ),
    ] {
        let said = holds(when.clone()).unwrap_err();
        assert!(said.contains(error), "{when}: {said}");
    }
}

#[test]
fn the_first_branch_that_holds_is_chosen() {
    let chosen = |branches: Value| {
        let host = MockHost::new()
            .parameter("branches", branches)
            .parameter("connected", json!([]));
        host.run::<Condition>().map(|output| output.data().unwrap())
    };
    let yes = json!({"exists": 1});
    let no = json!({"exists": null});
    assert_eq!(
        chosen(json!([{"label": "a", "when": no}, {"label": "b", "when": yes}, {"label": "else"}]))
            .unwrap(),
        json!({"branch": "b", "index": 1})
    );
    assert_eq!(
        chosen(json!([{"label": "a", "when": no}, {"label": "else"}])).unwrap()["index"],
        1
    );
    assert_eq!(
        chosen(json!([{"label": "a", "when": no}])).unwrap(),
        json!({"branch": null, "index": null})
    );
    let error = chosen(json!([{"label": "a", "when": {"above": [{}, 1]}}])).unwrap_err();
    assert!(error.message().starts_with("branch \"a\": "), "{error}");
}

#[test]
fn a_transform_makes_json_where_it_can() {
    let made = |template: &str, output: &str| {
        let host = MockHost::new()
            .parameter(
                "template",
                json!({"text": template, "references": [{"a": "\"x\""}]}),
            )
            .parameter("output", output)
            .parameter("connected", json!(["Get Event"]))
            .data("Get Event", json!({"b": 1, "a": [1, 2]}));
        host.run::<Transform>().map(|output| output.data().unwrap())
    };
    assert_eq!(
        made("{\"n\": {{ input.b }}}", "auto").unwrap(),
        json!({"n": 1})
    );
    assert_eq!(
        made("{{ input|tojson }}", "auto").unwrap(),
        json!({"b": 1, "a": [1, 2]})
    );
    assert_eq!(
        made("{{ __ref0|__text }} {{ __ref0.a|__text }}", "auto").unwrap(),
        "{\"a\":\"\\\"x\\\"\"} \"x\""
    );
    assert_eq!(made("{{ input.b }}", "text").unwrap(), "1");
    let error = made("no json", "json").unwrap_err();
    assert_eq!(error.code(), "template-json");
    let error = made("\n\n{{ input.x.y }}", "auto").unwrap_err();
    assert_eq!(
        (error.code(), &error.detail().unwrap()["line"]),
        ("template-undefined", &json!(3))
    );
}
