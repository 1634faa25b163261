//! Existing files of each shape go in and come out unchanged.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{fs, path::PathBuf};

use model::{
    application::{Application, derive_name},
    configuration::Configuration,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// The text without the blanks and line ends between tokens.
fn compact(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in text.chars() {
        if inside || !character.is_ascii_whitespace() {
            out.push(character);
        }
        inside ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
    }
    out
}

#[test]
fn applications_come_out_as_they_went_in() {
    for name in ["application-minimal.json", "application-operators.json"] {
        let text = file(name);
        assert_eq!(
            Application::parse(&text).unwrap().to_json(),
            text.trim_end(),
            "{name}"
        );
    }
    let text = file("application-incident.json");
    let application = Application::parse(&text).unwrap();
    // Numbers have one spelling: 3.50 is 3.5, -3e2 is -300.0.
    let expected = compact(&text)
        .replace("3.50", "3.5")
        .replace("-3e2", "-300.0");
    assert_eq!(application.to_json(), expected);
    assert_eq!(serde_json::to_string(&application).unwrap(), expected);
    let again: Application = serde_json::from_str(&expected).unwrap();
    assert_eq!(again, application);
    assert_eq!(
        application.into_value(),
        serde_json::from_str::<Value>(&text).unwrap()
    );
}

#[test]
fn configurations_come_out_as_they_went_in() {
    let text = file("configuration-list.json");
    assert_eq!(
        Configuration::parse(&text).unwrap().to_json(),
        text.trim_end()
    );
    let text = file("configuration-object.json");
    let configuration = Configuration::parse(&text).unwrap();
    assert_eq!(
        configuration.to_json(),
        compact(&text).replace("2.50", "2.5")
    );
    assert_eq!(
        serde_json::to_string(&configuration).unwrap(),
        configuration.to_json()
    );
}

#[test]
fn an_application_is_read_through_views() {
    let application = Application::parse(&file("application-incident.json")).unwrap();
    assert_eq!(application.name(), Some("create_or_update_incident"));
    assert_eq!(application.configuration(), None);
    assert_eq!(application.queue(), Some("acmequeue"));
    assert_eq!(application.generate_report(), Some(true));
    let values: Vec<_> = application
        .variables()
        .map(|one| (one.name().unwrap(), one.value(), one.required()))
        .collect();
    assert_eq!(
        values[0],
        ("region", Some(("default_value", &json!("EMEA"))), false)
    );
    assert_eq!(values[1].1.unwrap().0, "value");
    assert!(values[2].2);
    let step = application.steps().nth(1).unwrap();
    assert_eq!(step.file(), Some("CreateOrUpdateIncident"));
    let given: Vec<_> = step.parameters().map(|(name, _)| name).collect();
    assert_eq!(given, ["sn_url", "short_description", "payload"]);
    assert_eq!(
        application
            .steps()
            .next()
            .unwrap()
            .output_to()
            .collect::<Vec<_>>(),
        ["Create or Update Incident"]
    );
    let minimal = Application::parse(&file("application-minimal.json")).unwrap();
    assert_eq!(
        (minimal.name(), minimal.generate_report()),
        (None, Some(false))
    );
    assert_eq!(minimal.variables().count(), 0);
}

#[test]
fn a_missing_name_is_derived() {
    let mut minimal = Application::parse(&file("application-minimal.json")).unwrap();
    assert_eq!(
        minimal.name_or_derived(None).as_deref(),
        Some("größe_prüfen")
    );
    assert_eq!(
        minimal
            .name_or_derived(Some("apps/My App-1.json"))
            .as_deref(),
        Some("my_app_1")
    );
    minimal.set_name("größe_prüfen");
    assert!(
        minimal
            .to_json()
            .starts_with(r#"{"name":"größe_prüfen","friendly_name":"Größe"#)
    );
    minimal.set_name("x");
    assert_eq!(
        minimal.name_or_derived(Some("y.json")).as_deref(),
        Some("x")
    );
    for (text, name) in [
        (
            "Create or Update Incident (v2)",
            Some("create_or_update_incident_v2_"),
        ),
        ("  a -- b  ", Some("a_b")),
        ("a__b", Some("a__b")),
        ("名前 その1", Some("名前_その1")),
        ("e\u{301}te\u{301}", Some("e\u{301}te\u{301}")),
        ("ПРИМЕР/№5", Some("пример_5")),
        ("---", None),
        ("", None),
    ] {
        assert_eq!(derive_name(text).as_deref(), name, "{text}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for text in ["", "[1]", "3", "null", "{\"a\":"] {
        assert!(Application::parse(text).is_err(), "{text}");
    }
    for text in ["", "3", "null", "\"x\"", "[1,"] {
        assert!(Configuration::parse(text).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec(("\\PC{0,8}", inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands in a document, known keys with odd values included.
    #[test]
    fn any_document_survives(
        known in proptest::collection::vec((prop_oneof![Just("name"), Just("steps"), Just("app_variables"), Just("configuration_data")], any_json()), 0..4),
        unknown in proptest::collection::vec(("\\PC{0,8}", any_json()), 0..6),
    ) {
        let document: serde_json::Map<String, Value> = unknown.into_iter()
            .chain(known.into_iter().map(|(key, value)| (key.to_owned(), value)))
            .collect();
        let text = Value::Object(document).to_string();
        prop_assert_eq!(&Application::parse(&text).unwrap().to_json(), &text);
        let configuration = Configuration::parse(&text).unwrap();
        prop_assert_eq!(&configuration.to_json(), &text);
        let _ = configuration.problems();
        let _ = configuration.secret_names();
    }
}
