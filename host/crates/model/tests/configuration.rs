//! References between configuration variables, and what is secret.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::collections::BTreeSet;

use model::configuration::{Configuration, Error, Resolved, code};
use proptest::prelude::*;
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "called with json!")]
fn object(variables: Value) -> Configuration {
    Configuration::from_value(json!({"name": "c", "configuration_data": variables})).unwrap()
}

fn resolve(variables: Value) -> Result<Resolved, Error> {
    object(variables).resolve(|_, value| Ok(value.clone()))
}

fn json_of<'a>(resolved: &'a Resolved, name: &str) -> &'a str {
    &resolved.get(name).unwrap().json
}

#[test]
fn references_resolve_with_their_types() {
    let resolved = resolve(json!([
        {"name": "url", "value": "https://${config.host}:${config.port}/"},
        {"name": "port", "value": "${config.ports.1}"},
        {"name": "ports", "value": [80, 443]},
        {"name": "host", "value": "${config.höst.namé}"},
        {"name": "höst", "value": {"namé": "hôte", "n": 1.5}},
        {"name": "all", "value": {"p": "${config.port}", "list": ["${config.ports}", "${config.höst} x"], "n": null}},
        {"name": "a.b", "value": 7},
        {"name": "a", "value": {"b": 8, "c": 9}},
        {"name": "dots", "value": ["${config.a.b}", "${config.a.c}"]},
        {"name": "text", "value": "$${config.x} ${other} ${HOME $5"},
        {"name": "none"},
    ]))
    .unwrap();
    for (name, value) in [
        ("url", json!("https://hôte:443/")),
        ("port", json!(443)),
        (
            "all",
            json!({"p": 443, "list": [[80, 443], "{\"namé\":\"hôte\",\"n\":1.5} x"], "n": null}),
        ),
        ("dots", json!([7, 9])),
        ("text", json!("${config.x} ${other} ${HOME $5")),
        ("none", json!(null)),
    ] {
        assert_eq!(json_of(&resolved, name), value.to_string(), "{name}");
    }
}

#[test]
fn a_cycle_is_named() {
    let circle = json!([
        {"name": "ok", "value": "${config.a}"},
        {"name": "a", "value": "x${config.b}"},
        {"name": "b", "value": {"deep": ["${config.c.d}"]}},
        {"name": "c", "value": "${config.a}"},
    ]);
    let Err(Error::Cycle(names)) = resolve(circle.clone()) else {
        panic!("no cycle")
    };
    assert_eq!(names, ["a", "b", "c", "a"]);
    let problems = object(circle).problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, code::CYCLE);
    assert!(
        problems[0].message.contains("a → b → c → a"),
        "{}",
        problems[0].message
    );
    let Err(Error::Cycle(names)) = resolve(json!([{"name": "self", "value": "${config.self}"}]))
    else {
        panic!("no cycle")
    };
    assert_eq!(names, ["self", "self"]);
}

#[test]
fn a_reference_to_nothing_is_named() {
    assert!(matches!(
        resolve(json!([{"name": "a", "value": "${config.b}"}])),
        Err(Error::Unknown { variable, reference }) if variable == "a" && reference == "b"
    ));
    assert!(matches!(
        resolve(json!([{"name": "a", "value": "${config.b.c}"}, {"name": "b", "value": {}}])),
        Err(Error::NoSuchPath { variable, .. }) if variable == "a"
    ));
}

#[test]
fn what_refers_to_a_secret_is_secret() {
    let configuration = object(json!([
        {"name": "third", "value": {"x": "${config.second}"}},
        {"name": "second", "value": "Bearer ${config.first}"},
        {"name": "first", "value": "sealed", "encrypted": true},
        {"name": "plain", "value": "${config.other}"},
        {"name": "other", "value": 1, "encrypted": false},
    ]));
    assert_eq!(
        configuration.secret_names(),
        BTreeSet::from(["first", "second", "third"])
    );
    let resolved = configuration
        .resolve(|name, value| {
            assert_eq!((name, value), ("first", &json!("sealed")));
            // A password is taken as it is.
            Ok(json!("p$${config.plain} ${config.third}"))
        })
        .unwrap();
    assert_eq!(
        json_of(&resolved, "third"),
        json!({"x": "Bearer p$${config.plain} ${config.third}"}).to_string()
    );
    for name in ["first", "second", "third", "plain", "other"] {
        assert_eq!(
            resolved.get(name).unwrap().secret,
            configuration.secret_names().contains(name),
            "{name}"
        );
    }
    // The encrypted one first: what several have in common is its own.
    let password = "p$${config.plain} ${config.third}";
    let bearer = format!("Bearer {password}");
    let secrets = resolved.secrets();
    let named: Vec<_> = secrets
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        named,
        [
            ("first", password),
            ("second", bearer.as_str()),
            ("third", bearer.as_str())
        ]
    );
    assert!(!format!("{resolved:?}").contains("Bearer"));
    let error = configuration
        .resolve(|_, _| Err("wrong key k1".to_owned()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration variable `first` cannot be decrypted: wrong key k1"
    );
}

#[test]
fn growth_is_limited_and_chains_are_not() {
    let mut bomb = vec![json!({"name": "v0", "value": "0123456789"})];
    for at in 1..64 {
        let before = format!("${{config.v{}}}", at - 1);
        bomb.push(json!({"name": format!("v{at}"), "value": format!("{before}{before}")}));
    }
    assert!(matches!(
        resolve(Value::from(bomb)),
        Err(Error::TooLarge(_))
    ));
    let chain: Vec<Value> = (0..50_000)
        .map(|at| json!({"name": format!("v{at}"), "value": format!("${{config.v{}}}", at + 1)}))
        .chain([json!({"name": "v50000", "value": 5})])
        .collect();
    assert_eq!(json_of(&resolve(Value::from(chain)).unwrap(), "v0"), "5");
}

#[test]
fn every_problem_is_listed() {
    let configuration = Configuration::from_value(json!({"friendly_name": 3, "configuration_data": [
        1, {}, {"name": 2}, {"name": "a", "encrypted": "maybe"}, {"name": "a"}, {"name": "b", "value": "${config.zz}"},
    ]}))
    .unwrap();
    let found: Vec<(String, &str)> = configuration
        .problems()
        .into_iter()
        .map(|one| (one.path, one.code))
        .collect();
    let expected = [
        ("/friendly_name", code::WRONG_TYPE),
        ("/name", code::NAME_MISSING),
        ("/configuration_data/0", code::WRONG_TYPE),
        ("/configuration_data/1/name", code::NAME_MISSING),
        ("/configuration_data/2/name", code::WRONG_TYPE),
        ("/configuration_data/3/encrypted", code::WRONG_TYPE),
        ("/configuration_data/4/name", code::DUPLICATE_VARIABLE),
        ("/configuration_data/5/value", code::UNKNOWN_REFERENCE),
    ];
    assert_eq!(found, expected.map(|(path, code)| (path.to_owned(), code)));
    assert_eq!(
        Configuration::parse("[{\"name\":\"a\",\"value\":1}]")
            .unwrap()
            .problems(),
        []
    );
}

#[test]
fn a_bare_list_gets_a_name_and_values_are_replaced_in_place() {
    let mut list = Configuration::parse(
        r#"[{"encrypted":true,"name":"p","value":"x"},{"name":"q","value":1}]"#,
    )
    .unwrap();
    for (name, value) in list.encrypted_values_mut() {
        assert_eq!(name, "p");
        *value = json!("sealed");
    }
    list.set_name("acme");
    assert_eq!(
        list.to_json(),
        r#"{"name":"acme","configuration_data":[{"encrypted":true,"name":"p","value":"sealed"},{"name":"q","value":1}]}"#
    );
}

proptest! {
    /// A chain or tree of whole references keeps value and type, whatever the order
    /// of the variables; closing it to a circle is refused.
    #[test]
    fn types_survive_any_way(
        value in prop_oneof![any::<i64>().prop_map(Value::from), any::<bool>().prop_map(Value::from), "\\PC{0,20}".prop_map(|text| Value::from(text.replace("${", ""))), Just(json!({"a": [1, null, 2.5]}))],
        parents in proptest::collection::vec(any::<prop::sample::Index>(), 1..20),
        rotate in any::<prop::sample::Index>(),
    ) {
        let mut list = vec![json!({"name": "v0", "value": value})];
        for (at, parent) in parents.iter().enumerate() {
            list.push(json!({"name": format!("v{}", at + 1), "value": format!("${{config.v{}}}", parent.index(at + 1))}));
        }
        let size = list.len();
        list.rotate_left(rotate.index(size));
        let resolved = resolve(Value::from(list.clone())).unwrap();
        for at in 0..size {
            prop_assert_eq!(json_of(&resolved, &format!("v{at}")), value.to_string());
        }
        for one in &mut list {
            if one["name"] == "v0" {
                one["value"] = format!("${{config.v{}}}", size - 1).into();
            }
        }
        prop_assert!(matches!(resolve(Value::from(list)), Err(Error::Cycle(_))));
    }
}
