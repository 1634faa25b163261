//! The published JSON Schema of operators accepts what the compiler accepts, and refuses what
//! it refuses in form. It is read by the part of JSON Schema that it is written in.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{fs, path::Path, sync::Arc};

use serde_json::{Map, Value, json};

use model::{
    application::Application,
    descriptor::StepDescriptor,
    validate::{Lookup, Registry, Severity, validate},
};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
}

fn schema() -> Value {
    let text = fs::read_to_string(root().join("host/docs/operators.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Whether a value fits. A key of the schema that is not known here is a defect of this test.
#[expect(
    clippy::too_many_lines,
    reason = "a line or two for each key of JSON Schema"
)]
fn fits(all: &Value, schema: &Value, value: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return schema.as_bool().unwrap();
    };
    schema.iter().all(|(key, rule)| match key.as_str() {
        "$ref" => {
            let path = rule.as_str().unwrap().strip_prefix('#').unwrap();
            fits(all, all.pointer(path).unwrap(), value)
        }
        "oneOf" => {
            let fitting = rule
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| fits(all, one, value));
            fitting.count() == 1
        }
        "type" => match rule {
            Value::Array(words) => words
                .iter()
                .any(|word| is_of(word.as_str().unwrap(), value)),
            word => is_of(word.as_str().unwrap(), value),
        },
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "minItems" => value
            .as_array()
            .is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
        "maxItems" => value
            .as_array()
            .is_none_or(|list| list.len() as u64 <= rule.as_u64().unwrap()),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap()),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap()),
        "exclusiveMinimum" => value
            .as_f64()
            .is_none_or(|number| number > rule.as_f64().unwrap()),
        "minimum" => value
            .as_f64()
            .is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|number| number <= rule.as_f64().unwrap()),
        "pattern" => {
            assert_eq!(rule, r"\$\{", "the only one that is read here");
            value.as_str().is_none_or(|text| text.contains("${"))
        }
        "items" => value
            .as_array()
            .is_none_or(|list| list.iter().all(|one| fits(all, rule, one))),
        "required" => value.as_object().is_none_or(|map| {
            rule.as_array()
                .unwrap()
                .iter()
                .all(|name| map.contains_key(name.as_str().unwrap()))
        }),
        "dependentRequired" => value.as_object().is_none_or(|map| {
            let rules = rule.as_object().unwrap();
            rules.iter().all(|(name, needed)| {
                !map.contains_key(name)
                    || needed
                        .as_array()
                        .unwrap()
                        .iter()
                        .all(|one| map.contains_key(one.as_str().unwrap()))
            })
        }),
        "properties" => value.as_object().is_none_or(|map| {
            let rules = rule.as_object().unwrap();
            rules
                .iter()
                .all(|(name, rule)| map.get(name).is_none_or(|one| fits(all, rule, one)))
        }),
        "additionalProperties" => {
            assert_eq!(rule, &json!(false));
            value
                .as_object()
                .is_none_or(|map| map.keys().all(|name| is_known(schema, name)))
        }
        "patternProperties" | "title" | "description" | "default" | "$defs" | "$schema" | "$id" => {
            true
        }
        other => panic!("`{other}` is not read here"),
    })
}

fn is_known(schema: &Map<String, Value>, name: &str) -> bool {
    let listed = schema
        .get("properties")
        .is_some_and(|all| all.get(name).is_some());
    let extension = || {
        ["$", "_", "x-", "x_", "//"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    listed || (schema.contains_key("patternProperties") && extension())
}

fn is_of(word: &str, value: &Value) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("`{other}` is not read here"),
    }
}

struct Known;

impl Registry for Known {
    fn step(&self, _: Option<&str>, _: &str) -> Lookup {
        Lookup::Found {
            syncpack: "p".to_owned(),
            descriptor: Arc::new(StepDescriptor::default()),
        }
    }
}

/// Whether the compiler finds nothing at all wrong with it, warnings included.
fn compiles(operator: &Value) -> bool {
    let application = json!({"name": "a", "steps": [
        {"name": "Get Event", "file": "F"}, {"name": "A", "file": "F"}, operator]});
    let problems = validate(&Application::from_value(application).unwrap(), &Known);
    problems.is_empty()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) is a value, and a reference would be noise"
)]
fn condition(when: Value) -> Value {
    json!({"name": "C", "operator": "condition", "data_from": ["Get Event"],
        "branches": [{"label": "l", "when": when, "steps": ["A"]}, {"steps": []}]})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) is a value, and a reference would be noise"
)]
fn delay(seconds: Value) -> Value {
    json!({"name": "D", "operator": "delay", "data_from": ["Get Event"], "seconds": seconds})
}

/// The operator with these keys in place of its own, or beside them.
fn with(mut operator: Value, keys: &Value) -> Value {
    for (key, value) in keys.as_object().unwrap() {
        operator[key] = value.clone();
    }
    operator
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) is a value, and a reference would be noise"
)]
fn ask(keys: Value) -> Value {
    let ask = json!({"name": "Ask", "operator": "approval", "question": "${Get Event.name}?",
        "data_from": ["Get Event"]});
    with(ask, &keys)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) is a value, and a reference would be noise"
)]
fn wait(keys: Value) -> Value {
    let wait = json!({"name": "Wait", "operator": "wait_for_webhook", "key": "${Get Event.id}",
        "data_from": ["Get Event"]});
    with(wait, &keys)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn the_schema_and_the_compiler_agree() {
    let all = schema();
    for (operator, good) in [
        (
            condition(json!({"equal": ["${Get Event.a}", {"any": ["thing"]}]})),
            true,
        ),
        (condition(json!({"above": ["${Get Event.a}", 3]})), true),
        (condition(json!({"below": ["12.5", 3]})), true),
        (condition(json!({"exists": "${Get Event.a}"})), true),
        (condition(json!({"contains": [[1], 1]})), true),
        (condition(json!({"template": "{{ input.a }}"})), true),
        (
            condition(
                json!({"and": [{"or": [{"not": {"not_equal": [1, 2]}}]}, {"at_most": [1, 2]}]}),
            ),
            true,
        ),
        (condition(json!({"equal": [1]})), false),
        (condition(json!({"equal": [1, 2, 3]})), false),
        (condition(json!({"equals": [1, 2]})), false),
        (condition(json!({"above": [true, 2]})), false),
        (condition(json!({"and": []})), false),
        (condition(json!({"not": [{"exists": 1}]})), false),
        (condition(json!({"template": ""})), false),
        (condition(json!({})), false),
        (condition(json!({"exists": 1, "equal": [1, 1]})), false),
        (condition(json!(true)), false),
        (
            json!({"name": "C", "operator": "condition", "branches": []}),
            false,
        ),
        (
            json!({"name": "C", "operator": "condition", "branches": [{"label": "x"}]}),
            false,
        ),
        (
            json!({"name": "C", "operator": "condition", "branches": [{"steps": ["A"], "setps": []}]}),
            false,
        ),
        (
            json!({"name": "C", "operator": "condition", "branches": [{"steps": [1]}]}),
            false,
        ),
        (
            json!({"operator": "condition", "branches": [{"steps": []}]}),
            false,
        ),
        (
            json!({"name": "C", "operator": "switch", "branches": [{"steps": []}]}),
            false,
        ),
        (delay(json!(0)), true),
        (delay(json!(31_536_000)), true),
        (delay(json!("${Get Event.pause}")), true),
        (delay(json!(31_536_001)), false),
        (delay(json!(-1)), false),
        (delay(json!("30")), false),
        (delay(json!(null)), false),
        (json!({"name": "D", "operator": "delay"}), false),
        (
            json!({"name": "D", "operator": "delay", "seconds": 1, "template": "x"}),
            false,
        ),
        (ask(json!({})), true),
        (
            ask(
                json!({"approvers": ["ann", "${Get Event.owner}"], "within": 60, "on_timeout": "reject"}),
            ),
            true,
        ),
        (
            ask(json!({"approvers": "${Get Event.owners}", "within": "${Get Event.time}"})),
            true,
        ),
        (
            ask(json!({"task_on_error": ["A"], "task_retry": null})),
            true,
        ),
        (ask(json!({"task_on_error": "continue"})), true),
        (ask(json!({"task_on_error": [7]})), false),
        (ask(json!({"question": ""})), false),
        (ask(json!({"question": 7})), false),
        (ask(json!({"approvers": []})), false),
        (ask(json!({"approvers": "ann"})), false),
        (ask(json!({"approvers": [""]})), false),
        (ask(json!({"within": "soon"})), false),
        (ask(json!({"within": -1})), false),
        (ask(json!({"on_timeout": "reject"})), false),
        (ask(json!({"within": 1, "on_timeout": "continue"})), false),
        (ask(json!({"key": "k"})), false),
        (wait(json!({})), true),
        (wait(json!({"within": 0.5, "on_timeout": "continue"})), true),
        (wait(json!({"within": 0.5, "on_timeout": "approve"})), false),
        (wait(json!({"on_timeout": "continue"})), false),
        (wait(json!({"key": ""})), false),
        (wait(json!({"key": null})), false),
        (wait(json!({"approvers": ["ann"]})), false),
        (
            json!({"name": "T", "operator": "transform", "template": "x", "output": "text", "x-note": 1}),
            true,
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "x", "task_time_limit": 3.5}),
            true,
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "x", "task_time_limit": 0}),
            false,
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "x", "output": "xml"}),
            false,
        ),
        (
            json!({"name": "T", "operator": "transform", "template": ["x"]}),
            false,
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "x", "branches": []}),
            false,
        ),
        (json!({"name": "T", "operator": "transform"}), false),
    ] {
        assert_eq!(
            fits(&all, &all, &operator),
            good,
            "the schema on {operator}"
        );
        assert_eq!(compiles(&operator), good, "the compiler on {operator}");
    }
}

/// Every operator that the documentation and the example show.
#[test]
fn what_is_shown_fits() {
    let all = schema();
    let page = fs::read_to_string(root().join("host/docs/operators.md")).unwrap();
    let mut shown: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .collect();
    assert_eq!(shown.len(), 5);
    let example = fs::read_to_string(root().join("examples/triage/triage.json")).unwrap();
    let example: Value = serde_json::from_str(&example).unwrap();
    shown.extend(example["steps"].as_array().unwrap().iter().cloned());
    for operator in shown {
        assert!(fits(&all, &all, &operator), "{operator}");
    }
    let problems = validate(&Application::from_value(example).unwrap(), &Known);
    assert!(
        problems.iter().all(|one| one.severity == Severity::Warning),
        "{problems:?}"
    );
}
