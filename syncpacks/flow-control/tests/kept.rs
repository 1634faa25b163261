//! An instance executes many steps: what one is given is not seen by the next.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use flow_control::{
    Data,
    template::{Template, holds, render},
};

const TEXTS: [&str; 10] = [
    "{{ input.a }} {{ steps }} {{ left | default('none') }}",
    "{% set left = input.a %}{{ left }}",
    "{% set ns = namespace(n=0) %}{% for x in input.list %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
    "{% set d = dict() %}{% do d.update({'secret': input.a}) %}{{ d | tojson }}",
    "{% do input.list.append(4) %}{{ input.list | tojson }}",
    "{% macro left(x) %}[{{ x }}]{% endmacro %}{{ left(input.a) }}",
    "{% set l = [] %}{% do l.append(input.a) %}{{ l | tojson }}",
    "{{ cycler('a', 'b').next() if cycler is defined else 'none' }}",
    "{{ input.missing.deeper }}",
    "{% if %}",
];

fn made(text: &str, data: &Data) -> (Result<String, String>, Result<bool, String>) {
    let template = Template::new(text);
    let words = |error: powerflow_sdk::Error| error.message().to_owned();
    (
        render(&template, data).map_err(words),
        holds(&template, data).map_err(words),
    )
}

fn data(of: &str) -> Data {
    Data::new([("Get Event", of)])
}

#[test]
fn the_order_of_evaluations_changes_nothing() {
    let given = [r#"{"a": "one", "list": [1, 2]}"#, r#"{"a": 2, "list": []}"#];
    let fresh: Vec<_> = TEXTS
        .iter()
        .flat_map(|text| given.map(|given| (*text, given)))
        .map(|(text, given)| {
            // A thread of its own has nothing kept.
            let thread = std::thread::spawn(move || made(text, &data(given)));
            (text, given, thread.join().unwrap())
        })
        .collect();
    assert!(fresh.iter().any(|(_, _, made)| made.0.is_ok()));
    for step in [1, 3, 7, 19] {
        for at in 0..3 * fresh.len() {
            let (text, given, expected) = &fresh[at * step % fresh.len()];
            assert_eq!(&made(text, &data(given)), expected, "{text}");
        }
    }
}

#[test]
fn more_templates_than_are_kept_are_rendered_all_the_same() {
    let given = data(r#"{"a": 1}"#);
    let long = "x".repeat(10_000);
    for number in 0..60 {
        let text = format!("{number}{long}{{{{ input.a }}}}");
        for _ in 0..2 {
            let made = render(&Template::new(text.as_str()), &given).unwrap();
            assert_eq!(made, format!("{number}{long}1"));
        }
    }
}
