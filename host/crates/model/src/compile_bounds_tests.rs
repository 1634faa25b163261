//! What a large or odd document may cost.

use super::*;

/// A document as large as these must not cost a multiple of its size.
#[test]
fn what_is_said_about_a_document_is_bounded() {
    let size = |problems: &[Problem]| -> usize {
        problems
            .iter()
            .map(|one| one.path.len() + one.message.len())
            .sum()
    };
    for piece in ["${config.", "${config.x", "${", "${}", "${appvar.x}"] {
        for end in ["", "}"] {
            let text = piece.repeat(100_000 / piece.len()) + end;
            let found = problems(app(json!([{"name": "s", "file": "Any", "x": text}])));
            assert!(!found.is_empty(), "{piece}");
            assert!(size(&found) < 100_000, "{piece}: {}", size(&found));
        }
    }
    let odd: Vec<Value> = (0..3000)
        .map(|at| json!({"name": format!("s{at}"), "file": "Any", "a": "${", "b": "${x}", "c": "${y}"}))
        .collect();
    let found = problems(app(odd.into()));
    assert!(found.len() < 2100, "{}", found.len());
    assert!(found.iter().any(|one| one.severity == Severity::Error));
}

#[test]
fn steps_cannot_multiply_references() {
    let all: Vec<String> = (0..1100).map(|at| format!("${{s{at}}}")).collect();
    let all = all.concat();
    let steps: Vec<Value> = (0..1100)
        .map(|at| json!({"name": format!("s{at}"), "file": "Any", "x": "${appvar.v}"}))
        .collect();
    let document =
        json!({"name": "a", "app_variables": [{"name": "v", "value": all}], "steps": steps});
    let found = problems(document);
    assert_eq!(
        found.iter().map(|one| one.code).collect::<Vec<_>>(),
        [code::TOO_MANY]
    );
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
