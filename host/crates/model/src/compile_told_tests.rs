//! What is told beside what is refused.

use super::*;

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
