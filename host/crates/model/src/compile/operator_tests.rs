use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{tests::Packs, *};
use crate::{
    configuration::Configuration,
    flow::Route,
    parameters::RunParameters,
    plan::{NoHandles, ResolveError, ResolvedParameters, Scope},
    validate::validate,
};

fn plain(name: &str, data_from: &[&str]) -> Value {
    json!({"name": name, "file": "Any", "data_from": data_from})
}

fn condition(branches: &Value) -> Value {
    json!({"name": "C", "operator": "condition", "data_from": ["Get Event"], "branches": branches})
}

fn document(mut operators: Vec<Value>) -> Application {
    let mut steps = vec![plain("Get Event", &[]), plain("A", &[]), plain("B", &[])];
    steps.append(&mut operators);
    Application::from_value(json!({
        "name": "a", "steps": steps,
        "app_variables": [{"name": "limit", "value": 3}, {"name": "again", "value": "${Get Event.n}"}],
    }))
    .unwrap()
}

fn problems(operator: Value) -> Vec<(&'static str, String)> {
    let problems = validate(&document(vec![operator]), &Packs);
    problems
        .into_iter()
        .map(|one| (one.code, one.path))
        .collect()
}

fn plan(operators: Vec<Value>) -> Plan {
    Plan::compile(&document(operators), &Packs).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What the last step of a plan is called with when `Get Event` made that data.
fn resolved(plan: &Plan, data: &Value) -> Result<ResolvedParameters, ResolveError> {
    let configuration = Configuration::parse(
        r#"{"name":"c","configuration_data":[{"name":"region","value":"e\"u"},{"name":"limit","value":5}]}"#,
    );
    let configuration = configuration
        .unwrap()
        .resolve(|_, _| unreachable!())
        .unwrap();
    let outputs: HashMap<Ordinal, String> = HashMap::from([(Ordinal(0), data.to_string())]);
    plan.steps.last().unwrap().resolve(&Scope {
        run: &RunParameters::parse(r#"{"branches":1,"template":2}"#).unwrap(),
        configuration: Some(&configuration),
        outputs: &outputs,
        secret: &[],
        secrets: &NoHandles,
        limit: Scope::LIMIT,
    })
}

fn parameters(operator: Value, data: &Value) -> Value {
    let resolved = resolved(&plan(vec![operator]), data).unwrap();
    serde_json::from_str(&resolved.json).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn each_problem_is_found_at_its_place() {
    let when = |when: Value| condition(&json!([{"label": "l", "when": when, "steps": ["A"]}]));
    let at = |rest: &str| format!("/steps/3/branches/0/when{rest}");
    for (operator, code, path) in [
        (
            condition(&json!([])),
            code::BRANCH,
            "/steps/3/branches".to_owned(),
        ),
        (
            condition(&json!({})),
            code::BRANCH,
            "/steps/3/branches".to_owned(),
        ),
        (
            condition(&json!([1])),
            code::BRANCH,
            "/steps/3/branches/0".to_owned(),
        ),
        (
            condition(&json!([{"steps": ["A"]}, {"when": {"exists": 1}, "steps": ["B"]}])),
            code::BRANCH,
            "/steps/3/branches/0".to_owned(),
        ),
        (
            condition(
                &json!([{"label": "x", "when": {"exists": 1}, "steps": []}, {"label": "x", "steps": []}]),
            ),
            code::BRANCH,
            "/steps/3/branches/1/label".to_owned(),
        ),
        (
            condition(&json!([{"steps": "A"}])),
            code::BRANCH,
            "/steps/3/branches/0/steps".to_owned(),
        ),
        (
            condition(&json!([{"steps": [1]}])),
            code::BRANCH,
            "/steps/3/branches/0/steps/0".to_owned(),
        ),
        (
            condition(&json!([{"steps": ["Z"]}])),
            code::DANGLING,
            "/steps/3/branches/0/steps/0".to_owned(),
        ),
        (
            condition(&json!([{"steps": ["C"]}])),
            code::SELF_EDGE,
            "/steps/3/branches/0/steps/0".to_owned(),
        ),
        (
            condition(&json!([{"steps": ["Get Event"]}])),
            code::CYCLE,
            "/steps/0".to_owned(),
        ),
        (
            condition(&json!([{"steps": [], "stpes": []}])),
            code::STRAY_KEY,
            "/steps/3/branches/0/stpes".to_owned(),
        ),
        (when(json!(true)), code::CONDITION, at("")),
        (when(json!({})), code::CONDITION, at("")),
        (
            when(json!({"equal": [1, 1], "above": [1, 1]})),
            code::CONDITION,
            at(""),
        ),
        (
            when(json!({"equals": [1, 1]})),
            code::CONDITION,
            at("/equals"),
        ),
        (when(json!({"equal": [1]})), code::CONDITION, at("/equal")),
        (
            when(json!({"above": ["x", 1]})),
            code::CONDITION,
            at("/above/0"),
        ),
        (
            when(json!({"below": [1, {}]})),
            code::CONDITION,
            at("/below/1"),
        ),
        (when(json!({"and": []})), code::CONDITION, at("/and")),
        (
            when(json!({"or": [{"not": {"equal": 1}}]})),
            code::CONDITION,
            at("/or/0/not/equal"),
        ),
        (
            when(json!({"template": 1})),
            code::TEMPLATE,
            at("/template"),
        ),
        (
            when(json!({"template": " "})),
            code::TEMPLATE,
            at("/template"),
        ),
        (
            when(json!({"template": "'${Get Event.a}' == 1"})),
            code::TEMPLATE,
            at("/template"),
        ),
        (
            when(json!({"equal": ["${Gte Event.a}", 1]})),
            code::UNKNOWN_REFERENCE,
            at("/equal/0"),
        ),
        (
            when(json!({"template": "${Gte Event.a}"})),
            code::UNKNOWN_REFERENCE,
            at("/template"),
        ),
        (
            when(json!({"equal": ["${A.a}", 1]})),
            code::NOT_BEFORE,
            "/steps/3".to_owned(),
        ),
        (
            json!({"name": "T", "operator": "transform"}),
            code::OPERATOR,
            "/steps/3".to_owned(),
        ),
        (
            json!({"name": "T", "operator": "transform", "template": null}),
            code::TEMPLATE,
            "/steps/3/template".to_owned(),
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "", "output": "xml"}),
            code::TEMPLATE,
            "/steps/3/output".to_owned(),
        ),
        (
            json!({"name": "T", "operator": "transform", "template": "", "tempalte": ""}),
            code::STRAY_KEY,
            "/steps/3/tempalte".to_owned(),
        ),
        (
            json!({"operator": "transform", "template": ""}),
            code::NAME_MISSING,
            "/steps/3/name".to_owned(),
        ),
        (
            json!({"name": "L", "operator": "loop"}),
            code::OPERATOR,
            "/steps/3".to_owned(),
        ),
        (
            json!({"name": "D", "syncpack": "flow_control", "file": "Transform"}),
            code::OPERATOR,
            "/steps/3/syncpack".to_owned(),
        ),
    ] {
        let found = problems(operator.clone());
        assert!(
            found.contains(&(code, path.clone())),
            "{code} {path}: {found:?} in {operator}"
        );
    }
}

#[test]
fn operands_keep_their_type_and_a_missing_one_is_null() {
    let operator = condition(&json!([
        {"label": "one", "steps": ["A"], "when": {"and": [
            {"equal": ["${Get Event.deep}", {"a": ["${appvar.limit}", "text ${Get Event.n}"]}]},
            {"not": {"above": ["${Get Event.none.at.all}", "${config.limit}"]}},
        ]}},
        {"steps": ["B"], "when": {"template": "${Get Event.s} == '[x]' and ${appvar.again} > 1"}},
        {"steps": []},
    ]));
    let data = json!({"deep": [1], "n": 2, "s": "'; drop"});
    let plan = plan(vec![operator]);
    let found = resolved(&plan, &data).unwrap();
    assert_eq!(found.missing, ["${Get Event.none.at.all}"]);
    let found: Value = serde_json::from_str(&found.json).unwrap();
    assert_eq!(
        found,
        json!({
            "branches": [
                {"label": "one", "when": {"and": [
                    {"equal": [[1], {"a": [3, "text 2"]}]},
                    {"not": {"above": [null, 5]}},
                ]}},
                {"label": "2", "when": {"template": {
                    "text": " __ref0  == '[x]' and  __ref1  > 1",
                    "expression": true,
                    "references": ["'; drop", 2],
                }}},
                {"label": "else"},
            ],
            "output": "auto",
            "connected": ["Get Event"],
        })
    );
}

#[test]
fn a_reference_in_a_template_is_never_text_of_it() {
    let transform = |template: &str| json!({"name": "T", "operator": "transform", "data_from": ["Get Event"], "template": template});
    let data = json!({"s": "{{ 1 }}"});
    for (template, text) in [
        ("{{ ${Get Event.s} }}", "{{  __ref0  }}"),
        ("a ${Get Event.s} b", "a {{ __ref0|__text }} b"),
        ("{# ${Get Event.s} #}", "{# ${Get Event.s} #}"),
        (
            "{%- raw %}${Get Event.s}{% endraw -%}",
            "{%- raw %}${Get Event.s}{% endraw -%}",
        ),
        ("{{ \"}}\" ~ ${Get Event.s} }}", "{{ \"}}\" ~  __ref0  }}"),
        (
            "{% if ${Get Event.s} == '\\'%}' %}${Get Event.s}{% endif %}",
            "{% if  __ref0  == '\\'%}' %}{{ __ref1|__text }}{% endif %}",
        ),
        (
            "$${Get Event.s} {{ '$${x}' }}",
            "${Get Event.s} {{ '${x}' }}",
        ),
        (
            "{% rawness %}${Get Event.s}",
            "{% rawness %}{{ __ref0|__text }}",
        ),
    ] {
        let found = parameters(transform(template), &data);
        assert_eq!(found["template"]["text"], text, "{template}");
        let count = text.matches("__ref").count();
        let references = found["template"].get("references");
        let found = references.and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(found, count, "{template}");
    }
    let strict = resolved(&plan(vec![transform("${Get Event.none}")]), &data).unwrap_err();
    assert_eq!(strict.code(), "PF-R007");
}

#[test]
fn the_plan_knows_where_each_branch_leads() {
    let plan = plan(vec![
        plain("Always", &["C"]),
        condition(&json!([
            {"label": "a", "when": {"exists": 1}, "steps": ["A", "Both"]},
            {"label": "b", "steps": ["B", "Both"]},
        ])),
        plain("Both", &["Get Event"]),
        plain("Join", &["A", "B"]),
        plain("Tail", &["Get Event", "A"]),
    ]);
    let operator = plan.steps[4].operator.as_ref().unwrap();
    let routing = operator.routing.as_ref().unwrap();
    let ordinals = |list: &[u32]| list.iter().copied().map(Ordinal).collect::<Vec<_>>();
    assert_eq!(routing.always, ordinals(&[3]));
    assert_eq!(routing.branches, [ordinals(&[1, 5]), ordinals(&[2, 5])]);
    assert_eq!(
        routing.route(Some(0)),
        Some(Route::Only(ordinals(&[3, 1, 5])))
    );
    // A branch orders and hands over no data; `data_from` does.
    assert_eq!(plan.steps[1].data_from, []);
    assert_eq!(plan.steps[3].data_from, ordinals(&[4]));
    assert_eq!(plan.steps[5].data_from, ordinals(&[0]));
    let data_only = |from, to| plan.graph.is_data_only(Ordinal(from), Ordinal(to));
    assert!(data_only(0, 5), "data does not choose the branch");
    assert!(data_only(0, 7), "what follows a branch follows it");
    assert!(!data_only(1, 6) && !data_only(2, 6) && !data_only(4, 5) && !data_only(4, 1));
}

/// A branch that joins later, beside one that leads to the join itself.
#[test]
fn an_else_may_lead_to_the_join() {
    let plan = plan(vec![
        condition(&json!([
            {"label": "a", "when": {"exists": 1}, "steps": ["A"]},
            {"label": "else", "steps": ["Join"]},
        ])),
        plain("Join", &["A", "Get Event"]),
    ]);
    let data_only = |from, to| plan.graph.is_data_only(Ordinal(from), Ordinal(to));
    assert!(data_only(0, 4));
    assert!(!data_only(1, 4) && !data_only(3, 4));
}

/// A step that runs when another fails neither comes to life by what it reads besides, nor
/// decides for those that follow both.
#[test]
fn what_runs_on_a_failure_does_not_change_what_runs_without() {
    let of = |name: &str, data_from: &[&str], on_error: &[&str]| json!({"name": name, "file": "Any", "data_from": data_from, "task_on_error": on_error});
    let edges = |steps: &[Value]| -> Vec<(String, String)> {
        let plan = Plan::compile(
            &Application::from_value(json!({"name": "a", "steps": steps})).unwrap(),
            &Packs,
        )
        .unwrap_or_else(|problems| panic!("{problems:?}"));
        let pairs = plan.steps.iter().flat_map(|from| {
            let all = plan.graph.successors(from.ordinal).iter();
            all.filter(|to| plan.graph.is_data_only(from.ordinal, **to))
                .map(|to| (from.name.clone(), plan.step(*to).unwrap().name.clone()))
                .collect::<Vec<_>>()
        });
        pairs.collect()
    };
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    // Read beside the failure, from before it and from elsewhere.
    let read = [
        plain("fetch", &[]),
        plain("beside", &[]),
        of("try", &["fetch"], &["mend"]),
        plain("mend", &["fetch", "beside", "try"]),
        plain("last", &["try", "mend"]),
    ];
    assert_eq!(
        edges(&read),
        [pair("fetch", "mend"), pair("beside", "mend")]
    );
    // What follows the step where it does not fail is another way to the same.
    let finally = [
        of("try", &[], &["close"]),
        plain("then", &["try"]),
        plain("close", &["then"]),
    ];
    assert_eq!(edges(&finally), []);
    // Of two that may fail, the second has not failed yet.
    let shared = [
        of("a", &[], &["tell"]),
        plain("x", &["a"]),
        of("b", &["x"], &["tell"]),
        plain("tell", &["x"]),
    ];
    assert_eq!(edges(&shared), [pair("x", "tell")]);
    // In a branch, and behind it.
    let branch = [
        json!({"name": "C", "operator": "condition", "branches": [
            {"label": "yes", "when": {"equal": [1, 1]}, "steps": ["try"]}]}),
        of("try", &[], &["mend"]),
        plain("mend", &[]),
        plain("last", &["try", "mend"]),
    ];
    assert_eq!(edges(&branch), []);
}

/// What a condition's `output_to` names runs whichever branch is chosen, also where it reads
/// a step of one.
#[test]
fn what_always_follows_a_condition_does_not_hang_on_a_branch() {
    let plan = plan(vec![
        json!({"name": "C", "operator": "condition", "output_to": ["D"],
        "branches": [{"label": "yes", "when": {"equal": [1, 1]}, "steps": ["A"]}]}),
        plain("D", &["A"]),
    ]);
    assert!(!plan.graph.is_data_only(Ordinal(3), Ordinal(4)));
    assert!(!plan.graph.is_data_only(Ordinal(1), Ordinal(4)));
}

#[test]
fn what_a_run_gives_does_not_replace_an_operator() {
    let plan = plan(vec![condition(&json!([{"steps": ["A"]}]))]);
    let found = resolved(&plan, &json!(1)).unwrap();
    assert!(
        found.json.starts_with(r#"{"branches":[{"label":"else"}]"#),
        "{}",
        found.json
    );
    let missing = plan.check(&RunParameters::default(), None);
    assert_eq!(missing, Ok(()));
}

proptest! {
    /// Whatever edges an application with conditions has: each step keeps an input that can
    /// bring it to life, and without conditions nothing is set apart.
    #[test]
    fn no_step_is_left_with_data_alone(
        size in 2usize..14,
        raw in proptest::collection::vec((0usize..14, 0usize..14), 0..40),
        conditions in proptest::collection::vec(any::<bool>(), 14),
    ) {
        let name = |at: usize| format!("s{at}");
        let steps: Vec<Value> = (0..size).map(|at| {
            let to: Vec<String> = raw.iter()
                .filter(|(a, b)| *a == at && b > a && *b < size).map(|(_, b)| name(*b)).collect();
            if conditions[at] {
                json!({"name": name(at), "operator": "condition", "branches": [{"steps": to}]})
            } else {
                json!({"name": name(at), "file": "Any", "output_to": to})
            }
        }).collect();
        let any_condition = conditions[..size].contains(&true);
        let application = Application::from_value(json!({"name": "a", "steps": steps})).unwrap();
        let plan = Plan::compile(&application, &Packs).unwrap();
        for to in 0..size as u32 {
            let inputs: Vec<u32> = (0..to)
                .filter(|from| plan.graph.successors(Ordinal(*from)).contains(&Ordinal(to))).collect();
            let deciding = inputs.iter()
                .filter(|from| !plan.graph.is_data_only(Ordinal(**from), Ordinal(to))).count();
            prop_assert!(inputs.is_empty() || deciding > 0, "step {to} of {steps:?}");
            prop_assert!(any_condition || deciding == inputs.len());
        }
    }
}
