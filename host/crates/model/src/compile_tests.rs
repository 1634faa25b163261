use serde_json::{Value, json};

use super::*;
use crate::{
    descriptor::ParameterDescriptor,
    validate::{Severity, validate},
};

/// Two packs: `p` has all steps, `q` has `Twice` as well.
struct Packs;

impl Registry for Packs {
    fn step(&self, syncpack: Option<&str>, file: &str) -> Lookup {
        let parameters = match file {
            "Any" | "Twice" => json!([]),
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
            None | Some("p" | "q") => {}
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
    assert!(plan.steps[3].needs_config && !plan.steps[0].needs_config && plan.needs_config());
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
fn size_is_limited_and_large_applications_compile() {
    let step = |at: usize, size: usize| {
        let mut step = json!({"name": format!("s{at}"), "file": "Any"});
        if at > 0 {
            step["data_from"] = json!([format!("s{}", at - 1)]);
            step["x"] = format!("${{s{}.y}}", (at * 7) % at).into();
        }
        if at + 1 < size && at > 0 {
            step["z"] = "${s0}".into();
        }
        step
    };
    let many: Vec<Value> = (0..20_000).map(|at| step(at, 20_000)).collect();
    let plan = Plan::compile(&Application::from_value(app(many.into())).unwrap(), &Packs).unwrap();
    assert_eq!(plan.steps.len(), 20_000);
    let wide: Vec<Value> = (0..=MAX_STEPS)
        .map(|at| json!({"name": at.to_string(), "file": "Any"}))
        .collect();
    assert_eq!(
        codes(app(wide.into())),
        [(code::TOO_MANY, "/steps".to_owned())]
    );
}

mod any {
    use proptest::prelude::*;

    use super::*;

    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!(1)),
            Just(json!("s0")),
            Just(json!("${s1.a} ${appvar.s0} ${config.x")),
            Just(json!([])),
            Just(json!(["s0", "s1"])),
            Just(json!(["s2", 4])),
            Just(json!({"name": "s1"})),
            Just(json!("Any")),
            Just(json!("Typed")),
        ]
    }

    fn entry() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("name"),
            Just("file"),
            Just("syncpack"),
            Just("output_to"),
            Just("data_from"),
            Just("n"),
            Just("value"),
            Just("default_value"),
            Just("required"),
        ];
        (proptest::collection::vec((key, odd()), 0..6), 0..4_u32).prop_map(|(pairs, at)| {
            let mut entry = json!({"name": format!("s{at}"), "file": "Any"});
            for (key, value) in pairs {
                entry[key] = value;
            }
            entry
        })
    }

    proptest! {
        /// Whatever stands in a document: no panic, and a plan exactly when no problem
        /// keeps it from running.
        #[test]
        fn documents_compile_or_say_why(
            steps in prop_oneof![proptest::collection::vec(prop_oneof![8 => entry(), 1 => odd()], 0..6).prop_map(Value::from), odd()],
            variables in prop_oneof![proptest::collection::vec(entry(), 0..4).prop_map(Value::from), odd()],
        ) {
            let application = Application::from_value(json!({"name": "a", "steps": steps, "app_variables": variables})).unwrap();
            let problems = validate(&application, &Packs);
            let free = problems.iter().all(|one| one.severity == Severity::Warning && ![code::OPERATOR, code::EMPTY].contains(&one.code));
            prop_assert_eq!(Plan::compile(&application, &Packs).is_ok(), free, "{:?}", problems);
            for one in &problems {
                prop_assert!(one.code.starts_with("PF-A"));
            }
        }
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

#[test]
fn keys_that_mean_nothing_are_told_with_what_was_meant() {
    let typed = |key: &str| json!({"name": "s", "file": "Typed", key: {}});
    let any = |key: &str| json!({"name": "s", "file": "Any", key: {}});
    for (document, path, words) in [
        (
            json!({"name": "a", "stpes": [], "steps": [any("x")]}),
            "/stpes",
            "did you mean `steps`?",
        ),
        (
            json!({"name": "a", "config": "c", "steps": [any("x")]}),
            "/config",
            "did you mean `configuration`?",
        ),
        (
            json!({"name": "a", "app_variables": [{"name": "v", "defautl": 1}], "steps": [any("x")]}),
            "/app_variables/0/defautl",
            "did you mean `default_value`?",
        ),
        (
            app(json!([typed("perams")])),
            "/steps/0/perams",
            "stand beside its `name`",
        ),
        (
            app(json!([any("perams")])),
            "/steps/0/perams",
            "did you mean `params`?",
        ),
        (
            app(json!([typed("upstraem")])),
            "/steps/0/upstraem",
            "did you mean `data_from`?",
        ),
        (
            app(json!([any("upstraem")])),
            "/steps/0/upstraem",
            "did you mean `data_from`?",
        ),
        (
            app(json!([any("outptu_to")])),
            "/steps/0/outptu_to",
            "did you mean `output_to`?",
        ),
        (
            app(json!([typed("falg")])),
            "/steps/0/falg",
            "did you mean `flag`?",
        ),
        (
            app(json!([typed("zzzzzz")])),
            "/steps/0/zzzzzz",
            "kept and means nothing",
        ),
    ] {
        let found = problems(document.clone());
        let one = found.iter().find(|one| one.path == path);
        let one = one.unwrap_or_else(|| panic!("{document}: {found:?}"));
        assert_eq!(
            (one.code, one.severity),
            (code::STRAY_KEY, Severity::Warning),
            "{document}"
        );
        assert!(one.message.contains(words), "{}", one.message);
    }
    for fine in [
        app(json!([any("params")])),
        app(json!([any("params2")])),
        app(json!([any("anything")])),
        app(json!([typed("_note"), {"name": "t", "file": "Typed", "x-place": [1, 2], "n": 1}])),
        json!({"name": "a", "on_worker_lost": "fail", "task_soft_time_limit": 1, "task_time_limit": 2,
            "steps": [{"name": "s", "file": "NoSuch", "task_time_limit": 2}]}),
        json!({"name": "a", "$schema": "x", "steps": [{"name": "s", "file": "NoSuch", "other": 1}]}),
    ] {
        let found = problems(fine.clone());
        assert!(
            found.iter().all(|one| one.code != code::STRAY_KEY),
            "{fine}: {found:?}"
        );
    }
}

#[test]
fn a_circle_hides_no_other_fault() {
    let found = problems(json!({"name": "a", "steps": [
        {"name": "one", "file": "Any", "output_to": ["two"]},
        {"name": "two", "file": "Any", "output_to": ["one", "thre"]},
        {"name": "three", "file": "Typed", "n": "${two.x}", "mode": "${appvar.mdoe}"},
        {"name": "four", "file": "Any", "data_from": ["one"], "x": "${two.y}", "y": "${fuor.z}"},
        {"name": "five", "file": "NoSuch"},
    ], "app_variables": [{"name": "mode", "value": 1}]}));
    let expected = [
        (
            code::DANGLING,
            "/steps/1/output_to/1",
            "did you mean `three`?",
        ),
        (code::CYCLE, "/steps/0", "one → two → one"),
        (
            code::UNKNOWN_VARIABLE,
            "/steps/2/mode",
            "did you mean `mode`?",
        ),
        (
            code::UNKNOWN_REFERENCE,
            "/steps/3/y",
            "did you mean `four`?",
        ),
        (code::UNKNOWN_STEP, "/steps/4/file", "has a step `NoSuch`"),
        (
            code::NOT_BEFORE,
            "/steps/2/n",
            "does not run before `three`",
        ),
    ];
    for (code, path, words) in expected {
        let one = found
            .iter()
            .find(|one| (one.code, &*one.path) == (code, path));
        let one = one.unwrap_or_else(|| panic!("{code} {path}: {found:?}"));
        assert!(one.message.contains(words), "{}", one.message);
    }
    // The circle itself runs before `four`, as far as can be told.
    assert!(
        found.iter().all(|one| one.path != "/steps/3/x"),
        "{found:?}"
    );
}

#[test]
fn references_to_a_configuration_object_are_held_against_it() {
    use crate::{configuration::Configuration, validate::configured};
    let application = Application::from_value(json!({"name": "a",
        "app_variables": [{"name": "v", "value": "${config.sn_ulr}"}],
        "steps": [{"name": "s", "file": "Any", "a": "${config.sn_url}/${config.nested.b}",
            "b": ["${config.nested.c}", "${config.zzz}", "${config.zzz}"]}]}))
    .unwrap();
    let configuration = Configuration::from_value(json!({"name": "c", "configuration_data": [
        {"name": "sn_url", "value": "u"}, {"name": "nested", "value": {"b": 1}}]}))
    .unwrap();
    let resolved = configuration.resolve(|_, _| Ok(Value::Null)).unwrap();
    let found = configured(&application, Some(&resolved));
    let places: Vec<_> = found.iter().map(|one| (one.code, &*one.path)).collect();
    assert_eq!(
        places,
        [
            ("PF-R003", "/app_variables/0/value"),
            ("PF-R003", "/steps/0/b"),
            ("PF-R003", "/steps/0/b")
        ],
        "{found:?}"
    );
    assert!(
        found[0].message.contains("did you mean `sn_url`?"),
        "{found:?}"
    );
    let unaligned = configured(&application, None);
    assert_eq!(unaligned.len(), 1);
    assert_eq!(unaligned[0].severity, Severity::Warning);
}

#[test]
fn parameters_of_a_run_that_nothing_takes_are_found() {
    use crate::parameters::RunParameters;
    let run =
        RunParameters::parse(r#"{"n": 1, "vv": 2, "mdoe": "a", "cofniguration": "c"}"#).unwrap();
    let untaken = |steps: Value| {
        let application = json!({"name": "a", "app_variables": [{"name": "vv"}], "steps": steps});
        let application = Application::from_value(application).unwrap();
        let plan = Plan::compile(&application, &Packs).unwrap();
        plan.untaken(&run)
            .into_iter()
            .map(|(name, hint)| format!("{name}{hint}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        untaken(json!([{"name": "s", "file": "Typed"}])),
        [
            "mdoe; did you mean `mode`?",
            "cofniguration; did you mean `configuration`?"
        ]
    );
    let any = json!([{"name": "s", "file": "Typed"}, {"name": "t", "file": "Any"}]);
    assert_eq!(untaken(any), [""; 0]);
}
