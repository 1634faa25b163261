use serde_json::{Value, json};

use super::*;
use crate::{
    descriptor::ParameterDescriptor,
    validate::{Severity, validate},
};

#[path = "compile_bounds_tests.rs"]
mod bounds;
#[path = "compile_told_tests.rs"]
mod told;

/// Two packs: `p` has all steps, `q` has `Twice` as well.
pub(super) struct Packs;

impl Registry for Packs {
    fn step(&self, syncpack: Option<&str>, file: &str) -> Lookup {
        let parameters = match file {
            "Any" | "Twice" => json!([]),
            "Condition" | "Transform" if syncpack == Some(crate::operator::PACK) => {
                json!([{"name": "branches"}, {"name": "template"}])
            }
            "Typed" => json!([
                {"name": "n", "type": "integer"},
                {"name": "flag", "type": "boolean", "default": "true"},
                {"name": "list", "type": "array"},
                {"name": "mode", "type": "string", "choices": ["a", "b"]},
            ]),
            "Guarded" => {
                json!([{"name": "password", "type": "secret"}, {"name": "user", "type": "string"}])
            }
            "Needs" => json!([{"name": "host", "type": "string", "required": true}]),
            "NeedsQueue" => json!([{"name": "queue", "type": "string", "required": true}]),
            _ => return Lookup::UnknownStep,
        };
        match syncpack {
            None if file == "Twice" => return Lookup::Ambiguous(vec!["p".into(), "q".into()]),
            None | Some("p" | "q" | crate::operator::PACK) => {}
            Some(_) => return Lookup::UnknownPack,
        }
        let parameters: Vec<ParameterDescriptor> = serde_json::from_value(parameters).unwrap();
        Lookup::Found {
            syncpack: syncpack.unwrap_or("p").to_owned(),
            descriptor: Arc::new(StepDescriptor {
                name: file.to_owned(),
                parameters,
                ..StepDescriptor::default()
            }),
        }
    }
}

fn problems(document: Value) -> Vec<Problem> {
    validate(&Application::from_value(document).unwrap(), &Packs)
}

fn codes(document: Value) -> Vec<(&'static str, String)> {
    problems(document)
        .into_iter()
        .map(|one| (one.code, one.path))
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "called with json!")]
fn app(steps: Value) -> Value {
    json!({"name": "a", "steps": steps})
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_problem_is_found_at_its_place() {
    let any = |name: &str| json!({"name": name, "file": "Any"});
    let long = "ü".repeat(300);
    for (document, code, path) in [
        (json!({"steps": [any("s")]}), code::NAME_MISSING, "/name"),
        (
            json!({"name": long, "steps": [any("s")]}),
            code::NAME_LONG,
            "/name",
        ),
        (
            json!({"name": "a", "friendly_name": "é".repeat(67), "steps": [any("s")]}),
            code::NAME_LONG,
            "/friendly_name",
        ),
        (
            json!({"name": 5, "friendly_name": "x", "steps": [any("s")]}),
            code::WRONG_TYPE,
            "/name",
        ),
        (
            json!({"name": "a", "queue": [], "steps": [any("s")]}),
            code::WRONG_TYPE,
            "/queue",
        ),
        (
            json!({"name": "a", "generate_report": "perhaps", "steps": [any("s")]}),
            code::WRONG_TYPE,
            "/generate_report",
        ),
        (
            json!({"name": "a", "app_variables": {}, "steps": [any("s")]}),
            code::WRONG_TYPE,
            "/app_variables",
        ),
        (
            json!({"name": "a", "app_variables": [3], "steps": [any("s")]}),
            code::WRONG_TYPE,
            "/app_variables/0",
        ),
        (
            json!({"name": "a", "app_variables": [{"value": 3}], "steps": [any("s")]}),
            code::NAME_MISSING,
            "/app_variables/0/name",
        ),
        (
            json!({"name": "a", "app_variables": [{"name": "v"}, {"name": "v"}], "steps": [any("s")]}),
            code::DUPLICATE_VARIABLE,
            "/app_variables/1/name",
        ),
        (json!({"name": "a"}), code::EMPTY, "/steps"),
        (
            json!({"name": "a", "steps": [any("s"), "x"]}),
            code::WRONG_TYPE,
            "/steps/1",
        ),
        (
            app(json!([{"file": "Any"}])),
            code::NAME_MISSING,
            "/steps/0/name",
        ),
        (
            app(json!([{"name": "s", "file": 4}])),
            code::WRONG_TYPE,
            "/steps/0/file",
        ),
        (
            app(json!([any("config.x")])),
            code::HIDDEN_NAME,
            "/steps/0/name",
        ),
        (
            app(json!([any("s"), any("s")])),
            code::DUPLICATE_STEP,
            "/steps/1/name",
        ),
        (
            app(json!([{"name": "s", "file": "Nope"}])),
            code::UNKNOWN_STEP,
            "/steps/0/file",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "syncpack": "zz"}])),
            code::UNKNOWN_STEP,
            "/steps/0/syncpack",
        ),
        (
            app(json!([{"name": "s", "file": "Twice"}])),
            code::AMBIGUOUS_STEP,
            "/steps/0/file",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "output_to": ["x"]}])),
            code::DANGLING,
            "/steps/0/output_to/0",
        ),
        (
            app(json!([any("a"), {"name": "s", "file": "Any", "data_from": ["a", "é"]}])),
            code::DANGLING,
            "/steps/1/data_from/1",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "data_from": "s"}])),
            code::WRONG_TYPE,
            "/steps/0/data_from",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "data_from": [1]}])),
            code::WRONG_TYPE,
            "/steps/0/data_from/0",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "output_to": ["s"]}])),
            code::SELF_EDGE,
            "/steps/0/output_to/0",
        ),
        (
            app(json!([{"name": "s", "file": "Needs"}])),
            code::RUN_MUST_GIVE,
            "/steps/0/host",
        ),
        (
            app(json!([{"name": "s", "file": "Needs", "host": null}])),
            code::RUN_MUST_GIVE,
            "/steps/0/host",
        ),
        (
            app(json!([{"name": "s", "file": "NeedsQueue"}])),
            code::NO_VALUE,
            "/steps/0/queue",
        ),
        (
            app(json!([{"name": "s", "file": "Typed", "n": "5"}])),
            code::TYPE_MISMATCH,
            "/steps/0/n",
        ),
        (
            app(json!([{"name": "s", "file": "Typed", "n": 5.5}])),
            code::TYPE_MISMATCH,
            "/steps/0/n",
        ),
        (
            app(json!([{"name": "s", "file": "Typed", "n": "x ${config.y}"}])),
            code::TYPE_MISMATCH,
            "/steps/0/n",
        ),
        (
            app(json!([{"name": "s", "file": "Typed", "list": {"a": "${config.y}"}}])),
            code::TYPE_MISMATCH,
            "/steps/0/list",
        ),
        (
            app(json!([{"name": "s", "file": "Typed", "mode": "c"}])),
            code::CHOICE,
            "/steps/0/mode",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "x": ["${HOME}"]}])),
            code::UNKNOWN_REFERENCE,
            "/steps/0/x",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "a/b": "${appvar.y}"}])),
            code::UNKNOWN_VARIABLE,
            "/steps/0/a~1b",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "x": "${s"}])),
            code::UNCLOSED,
            "/steps/0/x",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "x": "${s.a}"}])),
            code::NOT_BEFORE,
            "/steps/0/x",
        ),
        (
            app(json!([{"name": "s", "file": "Any", "x": "${t}"}, any("t")])),
            code::NOT_BEFORE,
            "/steps/0/x",
        ),
        (
            app(json!([{"name": "s", "operator": "condition"}])),
            code::OPERATOR,
            "/steps/0",
        ),
        (
            json!({"name": "a", "app_variables": [{"name": "n", "default_value": "x"}], "steps": [{"name": "s", "file": "Typed"}]}),
            code::TYPE_MISMATCH,
            "/app_variables/0/default_value",
        ),
        (
            json!({"name": "a", "app_variables": [{"name": "v", "value": "${nope}"}], "steps": [any("s")]}),
            code::UNKNOWN_REFERENCE,
            "/app_variables/0/value",
        ),
    ] {
        assert_eq!(
            codes(document.clone()),
            [(code, path.to_owned())],
            "{document}"
        );
    }
}

#[test]
fn all_are_listed_at_once() {
    let found = codes(json!({
        "name": "", "friendly_name": 1,
        "steps": [
            {"name": "a", "file": "Nope", "output_to": ["b", "zz"], "p": "${nope}"},
            {"name": "b", "file": "Typed", "n": [], "mode": 5, "data_from": ["a"]},
            {"name": "b", "file": "Any", "syncpack": "zz"},
        ],
    }));
    let mut found: Vec<&str> = found.iter().map(|(code, _)| *code).collect();
    found.sort_unstable();
    let mut expected = [
        code::WRONG_TYPE,
        code::NAME_MISSING,
        code::UNKNOWN_STEP,
        code::DANGLING,
        code::UNKNOWN_REFERENCE,
        code::TYPE_MISMATCH,
        code::TYPE_MISMATCH,
        code::DUPLICATE_STEP,
        code::UNKNOWN_STEP,
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn cycles_are_named() {
    let found = problems(app(json!([
        {"name": "start", "file": "Any", "output_to": ["a"]},
        {"name": "a", "file": "Any", "output_to": ["b"]},
        {"name": "b", "file": "Any"},
        {"name": "c", "file": "Any", "data_from": ["b"], "output_to": ["a"]},
        {"name": "behind", "file": "Any", "data_from": ["c"]},
        {"name": "x", "file": "Any", "output_to": ["y"]},
        {"name": "y", "file": "Any", "output_to": ["x"]},
    ])));
    let found: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one.code,
                one.path.as_str(),
                one.message.rsplit(": ").next().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (code::CYCLE, "/steps/1", "a → b → c → a"),
            (code::CYCLE, "/steps/5", "x → y → x"),
        ]
    );
    let found = problems(
        json!({"name": "a", "steps": [{"name": "s", "file": "Any"}], "app_variables": [
            {"name": "u", "value": "${appvar.v}"}, {"name": "v", "value": ["${appvar.w.x}"]}, {"name": "w", "value": "-${appvar.v}"},
        ]}),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, code::VARIABLE_CYCLE);
    assert!(
        found[0].message.ends_with("v → w → v"),
        "{}",
        found[0].message
    );
}

#[test]
fn nesting_of_variables_is_limited() {
    let chain = |size: usize| {
        let variables: Vec<Value> = (0..size)
            .map(
                |at| json!({"name": format!("v{at}"), "value": format!("${{appvar.v{}}}", at + 1)}),
            )
            .chain([json!({"name": format!("v{size}"), "value": 1})])
            .collect();
        codes(
            json!({"name": "a", "app_variables": variables, "steps": [{"name": "s", "file": "Any"}]}),
        )
    };
    assert_eq!(chain(200), []);
    assert_eq!(chain(20_000)[0].0, code::TOO_DEEP);
}

#[test]
fn a_plan_has_edges_and_reads() {
    let plan = Plan::compile(
        &Application::from_value(app(json!([
            {"name": "a", "file": "Any", "output_to": ["b", "c"]},
            {"name": "b", "file": "Any", "output_to": ["d"]},
            {"name": "c", "file": "Any"},
            {"name": "d", "file": "Typed", "syncpack": "q", "data_from": ["c", "b"], "list": "${a.list}", "mode": "${config.mode}"},
        ]))).unwrap(),
        &Packs,
    )
    .unwrap();
    let ordinals = |list: &[u32]| list.iter().copied().map(Ordinal).collect::<Vec<_>>();
    assert_eq!(plan.graph.roots().collect::<Vec<_>>(), ordinals(&[0]));
    assert_eq!(plan.graph.successors(Ordinal(0)), ordinals(&[1, 2]));
    assert_eq!(plan.graph.inputs(Ordinal(3)), 2);
    assert_eq!(plan.steps[3].data_from, ordinals(&[2, 1, 0]));
    assert_eq!(plan.steps[3].connected, 2);
    assert_eq!(
        (
            plan.steps[3].syncpack.as_str(),
            plan.steps[0].syncpack.as_str()
        ),
        ("q", "p")
    );
    assert_eq!(plan.warnings, []);
}

#[test]
fn operators_and_empty_applications_are_kept_and_do_not_run() {
    for document in [
        app(
            json!([{"name": "s", "file": "Any"}, {"name": "o", "operator": {"odd": []}, "data_from": ["s"]}]),
        ),
        app(json!([])),
    ] {
        let application = Application::from_value(document).unwrap();
        assert!(
            validate(&application, &Packs)
                .iter()
                .all(|one| one.severity == Severity::Warning)
        );
        let refused = Plan::compile(&application, &Packs).unwrap_err();
        assert_eq!(refused[0].severity, Severity::Error);
    }
}

#[test]
fn what_a_run_gives_for_a_secret_parameter_is_known_to_be_secret() {
    let secret = |variables: Value, steps: Value| -> Vec<String> {
        let document = json!({"name": "a", "app_variables": variables, "steps": steps});
        let plan = Plan::compile(&Application::from_value(document).unwrap(), &Packs).unwrap();
        plan.secret_inputs.iter().map(ToString::to_string).collect()
    };
    let any = json!([{"name": "s", "file": "Any", "password": "x"}]);
    assert!(secret(json!([]), any).is_empty());
    let guarded = |password: Value| json!([{"name": "s", "file": "Guarded", "password": password}]);
    assert_eq!(secret(json!([]), guarded(json!("x"))), ["password"]);
    let variables = json!([
        {"name": "token", "value": "${appvar.part}-1"},
        {"name": "part"},
        {"name": "other", "value": "${appvar.part}"},
    ]);
    for password in [
        json!("${appvar.token}"),
        json!({"in": ["a ${appvar.token}"]}),
    ] {
        assert_eq!(
            secret(variables.clone(), guarded(password)),
            ["part", "password", "token"]
        );
    }
    // Declared by the variable itself.
    let declared = json!([
        {"name": "pin", "param_type": "secret", "value": "${appvar.part}"},
        {"name": "part"},
        {"name": "open", "param_type": "string"},
    ]);
    let any = json!([{"name": "s", "file": "Any"}]);
    assert_eq!(secret(declared, any), ["part", "pin"]);
    // The variable of the parameter's own name.
    let variables = json!([{"name": "password", "value": "${appvar.part}"}, {"name": "part"}]);
    let steps = json!([{"name": "s", "file": "Guarded", "user": "${appvar.part}"}]);
    assert_eq!(secret(variables, steps), ["part", "password"]);
}

/// A run is told which of its parameters are not of their variables' types; words that are no
/// types say nothing.
#[test]
fn the_types_of_variables_are_told_where_a_run_gives_others() {
    let application = Application::from_value(json!({"name": "a",
        "app_variables": [
            {"name": "n", "param_type": "integer"}, {"name": "list", "param_type": "array"},
            {"name": "odd", "param_type": "str"}, {"name": "none"},
        ],
        "steps": [{"name": "s", "file": "Any"}]}))
    .unwrap();
    let plan = Plan::compile(&application, &Packs).unwrap();
    let told = |params: &str| -> Vec<String> {
        let run = crate::parameters::RunParameters::parse(params).unwrap();
        let found = plan.mistyped(&run).into_iter();
        found.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(
        told(r#"{"n": "7", "list": {}, "odd": 1, "none": []}"#),
        ["n", "list"]
    );
    assert!(told(r#"{"n": 7, "list": [], "other": 1}"#).is_empty());
    assert!(told(r#"{"n": null}"#).is_empty());
}
