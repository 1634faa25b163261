//! Templates make what Jinja2 of Python makes of them, as `expected.py` has written it down.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use flow_control::{
    Data,
    template::{Template, render},
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Expected {
    data: std::collections::BTreeMap<String, Box<RawValue>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    makes: Option<String>,
    fails: Option<String>,
}

/// Where we do not do what Python does; `host/docs/operators.md` lists the same.
const DIFFERENT: &[(&str, &str)] = &[
    // Values of different types have an order.
    ("{{ 1 < \"a\" }}", "True"),
    ("{{ [3, \"a\"]|sort }}", "[3, 'a']"),
    // Null is as good as an empty list.
    ("{% for i in nothing %}x{% endfor %}", ""),
    // Members of a dict are its attributes, and its methods are none.
    ("{{ event|attr(\"name\") }}|", "disk full|"),
    (
        "{{ event.items is defined }} {{ event.nope is defined }} {{ event[\"name\"] is defined }} {{ event.owner is none }} {{ event.owner is defined }}",
        "False False True True True",
    ),
    // Texts have no `%`: there is the filter `format`.
    (
        "{{ \"%s-%s\" % (\"a\", 1) }} {{ \"%d%%\" % 5 }}",
        "the template, line 1: tried to use % operator on unsupported types string and sequence",
    ),
];

#[test]
fn templates_make_what_they_make_in_python() {
    let expected: Expected = serde_json::from_str(include_str!("expected.json")).unwrap();
    assert!(expected.cases.len() > 200);
    let mut wrong = Vec::new();
    for case in &expected.cases {
        let data = Data::new(
            expected
                .data
                .iter()
                .map(|(name, json)| (&**name, json.get())),
        );
        let made = render(&Template::new(&*case.template), &data);
        let different = DIFFERENT
            .iter()
            .find(|(template, _)| *template == case.template);
        let (same, said) = match (&made, different) {
            (Ok(made), Some((_, ours))) => (made == ours, made.clone()),
            (Ok(made), None) => (case.makes.as_ref() == Some(made), made.clone()),
            (Err(error), Some((_, ours))) => (error.message() == *ours, error.message().to_owned()),
            (Err(error), None) => (case.fails.is_some(), error.message().to_owned()),
        };
        if !same {
            let should = case.makes.as_ref().or(case.fails.as_ref());
            wrong.push(format!(
                "{:?}\n  Python: {should:?}\n  ours:   {said:?}",
                case.template
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        expected.cases.len(),
        wrong.join("\n")
    );
}
