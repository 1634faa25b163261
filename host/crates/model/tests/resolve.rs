//! Where parameters get their values, and what a run lacks.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use model::{
    application::Application,
    configuration::{Configuration, Resolved},
    descriptor::StepDescriptor,
    id::Ordinal,
    parameters::RunParameters,
    plan::{NoOutputs, Plan, ResolveError, ResolvedParameters, Scope, SecretHandles, run_code},
    validate::{Lookup, Registry, code},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every `file` is a step whose parameters these are.
struct Steps(Value);

impl Registry for Steps {
    fn step(&self, _: Option<&str>, file: &str) -> Lookup {
        let Some(parameters) = self.0.get(file) else {
            return Lookup::UnknownStep;
        };
        let descriptor: StepDescriptor =
            serde_json::from_value(json!({"name": file, "parameters": parameters})).unwrap();
        Lookup::Found {
            syncpack: "p".into(),
            descriptor: Arc::new(descriptor),
        }
    }
}

#[derive(Default)]
struct Handles(Mutex<Vec<String>>);

impl SecretHandles for Handles {
    fn handle(&self, value: &str) -> String {
        let mut known = self.0.lock().unwrap();
        known.push(value.to_owned());
        format!("pf-secret:{}", known.len())
    }
}

/// One application with one step `s` behind `a` and `b`, and what a run of it gets.
struct Case {
    parameters: Value,
    entry: Value,
    variables: Value,
    run: Value,
    configuration: Option<Value>,
    outputs: Vec<(Ordinal, String)>,
}

impl Case {
    fn new(parameters: Value) -> Self {
        Self {
            parameters,
            entry: json!({}),
            variables: json!([]),
            run: json!({}),
            configuration: None,
            outputs: Vec::new(),
        }
    }
    fn entry(self, entry: Value) -> Self {
        Self { entry, ..self }
    }
    fn variables(self, variables: Value) -> Self {
        Self { variables, ..self }
    }
    fn run(self, run: Value) -> Self {
        Self { run, ..self }
    }
    fn configuration(self, data: Value) -> Self {
        Self {
            configuration: Some(data),
            ..self
        }
    }
    fn output(mut self, step: u32, json: &str) -> Self {
        self.outputs.push((Ordinal(step), json.to_owned()));
        self
    }

    fn plan(&self) -> Plan {
        let mut entry = json!({"name": "s", "file": "S", "data_from": ["b é"]});
        entry
            .as_object_mut()
            .unwrap()
            .extend(self.entry.as_object().unwrap().clone());
        let application = json!({"name": "app", "app_variables": self.variables, "steps": [
            {"name": "a.b", "file": "A", "output_to": ["b é"]}, {"name": "b é", "file": "A"}, entry,
        ]});
        let steps = Steps(json!({"A": [{"name": "unused"}], "S": self.parameters}));
        Plan::compile(&Application::from_value(application).unwrap(), &steps).unwrap()
    }

    fn run_parameters(&self) -> RunParameters {
        RunParameters::parse(self.run.to_string()).unwrap()
    }

    fn resolved(&self) -> Option<Resolved> {
        let configuration = Configuration::from_value(self.configuration.clone()?).unwrap();
        Some(configuration.resolve(|_, value| Ok(value.clone())).unwrap())
    }

    fn make(&self) -> Result<ResolvedParameters, ResolveError> {
        let (plan, run, configuration) = (self.plan(), self.run_parameters(), self.resolved());
        let handles = Handles::default();
        plan.steps[2].resolve(&Scope {
            run: &run,
            configuration: configuration.as_ref(),
            outputs: &self.outputs,
            secret: &[],
            secrets: &handles,
            limit: Scope::LIMIT,
        })
    }

    fn value(&self) -> Value {
        serde_json::from_str(&self.make().unwrap().json).unwrap()
    }

    fn error(&self) -> ResolveError {
        self.make().unwrap_err()
    }

    fn missing(&self) -> Vec<(&'static str, String)> {
        match self
            .plan()
            .check(&self.run_parameters(), self.resolved().as_ref())
        {
            Ok(()) => Vec::new(),
            Err(missing) => missing
                .into_iter()
                .map(|one| (one.code, one.parameter))
                .collect(),
        }
    }
}

proptest! {
    /// The first place that has a value gives it, whatever the type.
    #[test]
    fn values_are_looked_up_in_order(
        run in proptest::option::of(leaf()), entry in proptest::option::of(leaf()),
        value in proptest::option::of(leaf()), default_value in proptest::option::of(leaf()), default in proptest::option::of(leaf()),
    ) {
        let case = Case::new(json!([{"name": "p", "type": "any", "default": default}]))
            .run(run.as_ref().map_or(json!({}), |value| json!({"p": value})))
            .entry(entry.as_ref().map_or(json!({}), |value| json!({"p": value})))
            .variables(json!([{"name": "p", "value": value, "default_value": default_value}]));
        let expected = run.or(entry).or(value).or(default_value).or(default);
        prop_assert_eq!(case.value(), expected.map_or(json!({}), |value| json!({"p": value})));
        prop_assert_eq!(case.missing(), Vec::new());
    }

    /// A whole reference keeps the type over any way; inside a text, texts are bare
    /// and other values compact JSON.
    #[test]
    fn references_keep_types(value in leaf(), key in "[a-zé ]{1,6}", at in 0..3_usize) {
        let mut list = vec![json!(0); 3];
        list[at] = json!({"x": value});
        let case = Case::new(json!([{"name": "whole"}, {"name": "text"}, {"name": "deep"}]))
            .entry(json!({
                "whole": format!("${{a.b.{key}.{at}.x}}"),
                "text": format!("<${{a.b.{key}.{at}.x}}|${{config.v}}|${{appvar.v}}>"),
                "deep": {"k": ["${config.v}", "${appvar.v}", "${b é}"]},
            }))
            .variables(json!([{"name": "v", "value": "${config.w.k}"}]))
            .configuration(json!([{"name": "v", "value": value}, {"name": "w", "value": {"k": "${config.v}"}}]))
            .output(0, &format!(" {} ", json!({"other": [1], (key.as_str()): list})))
            .output(1, &value.to_string());
        let text = match &value { Value::String(text) => text.clone(), other => other.to_string() };
        prop_assert_eq!(case.value(), json!({
            "whole": value, "text": format!("<{text}|{text}|{text}>"), "deep": {"k": [value, value, value]},
        }));
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(|text: String| Value::from(text.replace('$', "S"))),
        Just(json!([1, "é", {"k": null}])),
        Just(json!({"größe": [true, 2.5]})),
    ]
}

#[test]
fn the_run_s_parameters_are_never_searched_for_references() {
    let case = Case::new(json!([{"name": "p"}, {"name": "q"}]))
        .run(json!({"p": "${config.password} $${x}", "v": "${config.password}"}))
        .entry(json!({"q": "x ${appvar.v}"}))
        .variables(json!([{"name": "v", "value": "own"}]))
        .configuration(json!([{"name": "password", "value": "hunter22", "encrypted": true}]));
    assert_eq!(
        case.value(),
        json!({"p": "${config.password} $${x}", "q": "x ${config.password}"})
    );
}

#[test]
fn raw_text_is_copied_as_it_is() {
    let case =
        Case::new(json!([{"name": "doc", "type": "object"}, {"name": "n", "type": "number"}]));
    let run = RunParameters::parse(r#"{"doc": {"a": 1.50, "b":  [ ]}, "n": 1e3}"#).unwrap();
    let made = case.plan().steps[2]
        .resolve(&Scope {
            run: &run,
            configuration: None,
            outputs: &NoOutputs,
            secret: &[],
            secrets: &Handles::default(),
            limit: Scope::LIMIT,
        })
        .unwrap();
    assert_eq!(made.json, r#"{"doc":{"a": 1.50, "b":  [ ]},"n":1e3}"#);
    assert_eq!(made.secrets, []);
}

#[test]
fn types_are_checked_and_not_converted() {
    for (kind, given, made) in [
        ("integer", json!(5), Some(json!(5))),
        ("integer", json!(5.0), Some(json!(5))),
        ("integer", json!(u64::MAX), Some(json!(u64::MAX))),
        ("integer", json!(5.5), None),
        ("integer", json!(1e300), None),
        ("integer", json!("5"), None),
        ("number", json!(-2.5), Some(json!(-2.5))),
        ("number", json!("2.5"), None),
        ("boolean", json!(true), Some(json!(true))),
        ("boolean", json!("False"), Some(json!(false))),
        ("boolean", json!("yes"), None),
        ("boolean", json!(1), None),
        ("string", json!("é"), Some(json!("é"))),
        ("string", json!(5), None),
        ("array", json!([]), Some(json!([]))),
        ("array", json!({}), None),
        ("object", json!({}), Some(json!({}))),
        ("object", json!("{}"), None),
        ("object", json!(null), Some(json!(null))),
        ("any", json!([1]), Some(json!([1]))),
    ] {
        let declared = json!([{"name": "p", "type": kind}]);
        let cases = [
            Case::new(declared.clone()).run(json!({"p": given})),
            Case::new(declared.clone())
                .entry(json!({"p": "${config.c}"}))
                .configuration(json!([{"name": "c", "value": given}])),
            Case::new(declared)
                .entry(json!({"p": "${b é.x}"}))
                .output(1, &json!({"x": given}).to_string()),
        ];
        for (at, case) in cases.iter().enumerate() {
            if let Some(made) = &made {
                assert_eq!(case.value(), json!({"p": made}), "{kind} {given}");
                assert_eq!(case.missing(), [], "{kind} {given}");
                continue;
            }
            let error = case.error();
            assert_eq!(error.code(), run_code::TYPE_MISMATCH, "{kind} {given}");
            let start = format!("step `s`, parameter `p`: it must be of type {kind}");
            assert!(error.to_string().starts_with(&start), "{error}");
            // What only an earlier step's data decides is not known before the run.
            let refused: &[_] = if at < 2 {
                &[(run_code::TYPE_MISMATCH, "p".to_owned())]
            } else {
                &[]
            };
            assert_eq!(case.missing(), refused, "{kind} {given}");
        }
    }
    let choice = Case::new(json!([{"name": "p", "type": "number", "choices": [1, 2.5]}]));
    assert_eq!(choice.run(json!({"p": 1.0})).value(), json!({"p": 1.0}));
    let choice = Case::new(json!([{"name": "p", "type": "number", "choices": [1, 2.5]}]))
        .run(json!({"p": 3}));
    assert_eq!(
        (choice.error().code(), choice.missing()),
        (run_code::CHOICE, vec![(run_code::CHOICE, "p".to_owned())])
    );
}

#[test]
fn secrets_go_by_handle_or_are_told() {
    let case = Case::new(json!([
            {"name": "token", "type": "secret"}, {"name": "header", "type": "string"}, {"name": "key", "type": "secret"},
            {"name": "plain", "type": "string"}, {"name": "own", "type": "secret"},
        ]))
        .entry(json!({"token": "Bearer ${config.pw}", "header": "x ${config.pw}", "key": "${config.keys}", "plain": "${config.user}"}))
        .run(json!({"own": "gïven"}))
        .configuration(json!([
            {"name": "pw", "value": "pw\"1", "encrypted": true}, {"name": "keys", "value": {"k": [1]}, "encrypted": true},
            {"name": "user", "value": "admin"},
        ]));
    let made = case.make().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&made.json).unwrap(),
        json!({"token": "pf-secret:1", "header": "x pw\"1", "key": "pf-secret:2", "plain": "admin", "own": "pf-secret:3"})
    );
    let secrets: BTreeSet<(&str, &str)> = made
        .secrets
        .iter()
        .map(|one| (one.path.as_str(), one.value.as_str()))
        .collect();
    assert_eq!(
        secrets,
        BTreeSet::from([
            ("/token", "pw\"1"),
            ("/token", "Bearer pw\"1"),
            ("/header", "pw\"1"),
            ("/key", "{\"k\":[1]}"),
            ("/own", "gïven"),
        ])
    );
    assert!(!format!("{made:?}").contains("pw"));
}

#[test]
fn everything_that_a_run_lacks_is_named() {
    let case = Case::new(json!([
            {"name": "host", "type": "string", "required": true}, {"name": "port", "type": "integer", "required": true},
            {"name": "url", "type": "string"}, {"name": "n", "type": "integer"},
        ]))
        .entry(json!({"port": null, "url": "${config.gone} ${appvar.empty} ${config.there.k}", "n": "${config.text}"}))
        .variables(json!([{"name": "must", "required": true}, {"name": "empty"}]));
    let names = |list: &[(&'static str, &str)]| {
        list.iter()
            .map(|(code, name)| (*code, (*name).to_owned()))
            .collect::<Vec<_>>()
    };
    let common = [
        (run_code::VARIABLE, "must"),
        (run_code::PARAMETER, "host"),
        (run_code::PARAMETER, "port"),
    ];
    let mut expected = names(&common);
    expected.extend(names(&[
        (run_code::NO_CONFIGURATION, "gone"),
        (run_code::VARIABLE, "empty"),
        (run_code::NO_CONFIGURATION, "there.k"),
        (run_code::NO_CONFIGURATION, "text"),
    ]));
    assert_eq!(case.missing(), expected);
    let case = case.configuration(
        json!([{"name": "there", "value": {"k": 1}}, {"name": "text", "value": "t"}]),
    );
    let mut expected = names(&common);
    expected.extend(names(&[
        (run_code::CONFIGURATION_VARIABLE, "gone"),
        (run_code::VARIABLE, "empty"),
        (run_code::TYPE_MISMATCH, "n"),
    ]));
    assert_eq!(case.missing(), expected);
    // What the run gives itself needs nothing else.
    let case = case.run(json!({"must": 1, "host": "h", "port": 2.0, "url": "u", "n": 7}));
    assert_eq!(case.missing(), []);
    assert_eq!(
        case.value(),
        json!({"host": "h", "port": 2, "url": "u", "n": 7})
    );
    let case = case.run(json!({"must": null, "host": null, "port": 1, "url": "u", "n": null}));
    assert_eq!(case.missing(), names(&common[..2]));
}

#[test]
fn messages_say_where_a_value_can_be_given() {
    let case = Case::new(json!([{"name": "host", "type": "string", "required": true}]));
    let plan = case.plan();
    assert_eq!(plan.warnings[0].code, code::RUN_MUST_GIVE);
    let missing = plan.check(&RunParameters::default(), None).unwrap_err();
    assert_eq!(missing[0].step.as_deref(), Some("s"));
    assert_eq!(
        missing[0].message,
        "step `s` requires parameter `host` (string); give `host` in the run's params, in the step's entry, or as application variable `host`"
    );
    assert_eq!(
        case.error().to_string(),
        "step `s`, parameter `host`: it is required and has no value"
    );
}

#[test]
fn failures_are_typed_and_name_the_reference() {
    let case = |text: &str| {
        Case::new(json!([{"name": "p"}]))
            .entry(json!({"p": text}))
            .variables(json!([{"name": "v"}]))
            .output(1, r#"{"a":{"b":1},"broken":"#)
    };
    for (text, code, part) in [
        ("${a.b}", run_code::NO_OUTPUT, "`${a.b}`"),
        ("x ${b é.a.b}", run_code::BROKEN, "`${b é.a.b}`"),
        ("${config.x}", run_code::NO_CONFIGURATION, "`${config.x}`"),
        ("${appvar.v}", run_code::VARIABLE, "`${appvar.v}`"),
    ] {
        let error = case(text).error();
        assert_eq!(error.code(), code, "{text}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = Case::new(json!([{"name": "p"}]))
        .entry(json!({"p": "${b é.a.c}"}))
        .output(1, r#"{"a":{"b":1}}"#)
        .error();
    assert_eq!(error.code(), run_code::NO_DATA);
    let error = case("${config.x}").configuration(json!([])).error();
    assert_eq!(error.code(), run_code::CONFIGURATION_VARIABLE);
}

#[test]
fn a_step_that_declares_nothing_is_given_everything() {
    let case = Case::new(json!([]))
        .entry(json!({"own": "${b é}", "both": 1}))
        .variables(json!([{"name": "v", "value": "${config.c}"}, {"name": "both", "value": 2}, {"name": "data", "value": "${a.b}"}, {"name": "w", "value": 4}]))
        .run(json!({"event": {"id": 1}, "w": 5}))
        .configuration(json!([{"name": "c", "value": "k3y!", "encrypted": true}]))
        .output(1, "[1]");
    assert_eq!(
        case.value(),
        json!({"own": [1], "both": 1, "event": {"id": 1}, "w": 5, "v": "k3y!"})
    );
    assert_eq!(case.make().unwrap().secrets[0].path, "/v");
    assert_eq!(
        Case {
            configuration: None,
            ..case
        }
        .missing(),
        [(run_code::NO_CONFIGURATION, "c".to_owned())]
    );
}

#[test]
fn growth_is_limited() {
    for seed in ["0123456789", ""] {
        let mut variables = vec![json!({"name": "v0", "value": seed})];
        for at in 1..60 {
            let before = format!("${{appvar.v{}}}", at - 1);
            variables.push(json!({"name": format!("v{at}"), "value": format!("{before}{before}")}));
        }
        let case = Case::new(json!([{"name": "p"}]))
            .entry(json!({"p": "${appvar.v59}"}))
            .variables(variables.into());
        assert_eq!(case.error().code(), run_code::TOO_LARGE);
    }
}

/// The key of a step's concurrency in a run, or the code of why it has none.
fn limit_key(case: &Case) -> Result<String, &'static str> {
    let handles = Handles::default();
    let (run, resolved) = (case.run_parameters(), case.resolved());
    let wanted = case.plan().steps[2].wanted(&Scope {
        run: &run,
        configuration: resolved.as_ref(),
        outputs: &case.outputs,
        secret: &[],
        secrets: &handles,
        limit: Scope::LIMIT,
    });
    let wanted = wanted.map_err(|error| error.code())?;
    assert!(handles.0.lock().unwrap().is_empty());
    Ok(wanted[0].key.clone())
}

#[test]
fn keys_of_limits_are_filled_in() {
    let case = |key: &str| {
        Case::new(json!([{"name": "x"}]))
            .entry(json!({"task_concurrency": {"key": key, "limit": 2}}))
            .variables(
                json!([{"name": "device", "value": "d1"}, {"name": "list", "value": [1]},
                {"name": "inner", "value": "${config.password}"}]),
            )
            .configuration(json!([{"name": "site", "value": "fr"},
                {"name": "password", "value": "hunter22", "encrypted": true}]))
            .output(0, r#"{"id": 7, "up": true, "none": null}"#)
    };
    for (key, expected) in [
        ("all", "all"),
        ("${config.site}/${appvar.device}", "fr/d1"),
        // A whole reference takes the value as a text.
        ("${a.b.id}", "7"),
        ("${a.b.up}", "true"),
        ("if ${a.b.id}", "if 7"),
        ("$${x}", "${x}"),
    ] {
        assert_eq!(limit_key(&case(key)).as_deref(), Ok(expected), "{key}");
    }
    for (key, expected) in [
        ("${a.b.none}", run_code::LIMIT_KEY),
        ("${appvar.list}", run_code::LIMIT_KEY),
        ("${a.b}", run_code::LIMIT_KEY),
        ("${a.b.gone}", run_code::NO_DATA),
        ("k ${config.password}", run_code::SECRET),
        ("${appvar.inner}", run_code::SECRET),
    ] {
        assert_eq!(limit_key(&case(key)), Err(expected), "{key}");
    }
    let given = case("${appvar.device}").run(json!({"device": "d2"}));
    assert_eq!(limit_key(&given).as_deref(), Ok("d2"));
    for text in ["", " ", &"d".repeat(201), "a\u{0}b"] {
        let given = case("${appvar.device}").run(json!({"device": text}));
        assert_eq!(limit_key(&given), Err(run_code::LIMIT_KEY), "{text}");
    }
    // Told before anything runs.
    let secret = case("k ${config.password}");
    let resolved = secret.resolved();
    let missing = secret
        .plan()
        .check(&secret.run_parameters(), resolved.as_ref())
        .unwrap_err();
    let told: Vec<_> = missing
        .iter()
        .map(|one| (one.code, one.parameter.as_str()))
        .collect();
    assert_eq!(told, [(run_code::SECRET, "task_concurrency")]);
}
