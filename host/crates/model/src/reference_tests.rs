use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Known;

const STEPS: [&str; 5] = [
    "load",
    "load.v1",
    "Événement à préparer",
    "a}b",
    "load.v1.x y",
];

impl Names for Known {
    fn step(&self, name: &str) -> Option<Ordinal> {
        STEPS
            .iter()
            .position(|one| *one == name)
            .map(|at| Ordinal(at as u32))
    }
    fn longest_step(&self) -> usize {
        STEPS.iter().map(|one| one.len()).max().unwrap()
    }
    fn variable(&self, name: &str) -> Option<u32> {
        ["region", "a.b"]
            .iter()
            .position(|one| *one == name)
            .map(|at| at as u32)
    }
}

fn parse(text: &str) -> (Template, Vec<Issue>) {
    let mut issues = Vec::new();
    (Template::parse_text(text, &Known, &mut issues), issues)
}

fn one(text: &str) -> (Target, Vec<String>) {
    match parse(text) {
        (Template::Reference(one), issues) if issues.is_empty() => {
            assert_eq!(&*one.text, text);
            (
                one.target,
                one.path.iter().map(ToString::to_string).collect(),
            )
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn whole_references() {
    for (text, target, path) in [
        ("${load}", Target::Step(Ordinal(0)), &[][..]),
        ("${load.v1}", Target::Step(Ordinal(1)), &[]),
        ("${load.v2.a}", Target::Step(Ordinal(0)), &["v2", "a"]),
        ("${load.v1.x y.0}", Target::Step(Ordinal(4)), &["0"]),
        ("${load.v1.x yz}", Target::Step(Ordinal(1)), &["x yz"]),
        (
            "${Événement à préparer.größe.0}",
            Target::Step(Ordinal(2)),
            &["größe", "0"],
        ),
        ("${a}b.c}", Target::Step(Ordinal(3)), &["c"]),
        ("${a}b}", Target::Step(Ordinal(3)), &[]),
        ("${config.sn.url}", Target::Config("sn.url".into()), &[]),
        ("${appvar.region.x}", Target::Variable(0), &["x"]),
        ("${appvar.a.b}", Target::Variable(1), &[]),
    ] {
        assert_eq!(
            one(text),
            (target, path.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
}

#[test]
fn texts_are_cut_into_parts() {
    let (template, issues) = parse("é ${load.a}$${x} ${config.b}");
    assert_eq!(issues, []);
    let Template::Text(parts) = template else {
        panic!("{template:?}")
    };
    assert_eq!(parts.len(), 4);
    assert_eq!(parts[0], Part::Text("é ".into()));
    assert_eq!(parts[2], Part::Text("${x} ".into()));
}

#[test]
fn what_names_nothing_stays_text_and_is_told() {
    for (text, issue) in [
        ("${HOME}", Issue::UnknownReference("HOME".into())),
        ("x ${loadx.a} y", Issue::UnknownReference("loadx.a".into())),
        ("${}", Issue::UnknownReference(String::new())),
        ("${appvar.nope}", Issue::UnknownVariable("nope".into())),
        ("${load.a", Issue::Unclosed),
        ("a${", Issue::Unclosed),
    ] {
        let (template, issues) = parse(text);
        assert_eq!(issues, [issue], "{text}");
        assert_eq!(
            template,
            Template::Literal(Value::from(text).to_string().into()),
            "{text}"
        );
    }
}

#[test]
fn references_do_not_nest() {
    let (template, issues) = parse("${config.${load}}");
    assert_eq!(issues, [Issue::UnknownReference("config.${…".into())]);
    let Template::Text(parts) = template else {
        panic!("{template:?}")
    };
    assert_eq!(
        (&parts[0], &parts[2]),
        (&Part::Text("${config.".into()), &Part::Text("}".into()))
    );
    let (template, issues) = parse("${ ${load.x");
    assert_eq!(issues, [Issue::Unclosed, Issue::Unclosed]);
    assert!(template.is_literal());
}

#[test]
fn values_without_references_become_one_text() {
    let value =
        json!({"a": [1, 2.5, null, {"é\"": "$${x}"}], "b": {}, "c": [], "d": "", "e": true});
    let template = Template::parse(&value, &Known, &mut Vec::new());
    let text = value.to_string().replace("$${", "${");
    assert_eq!(template, Template::Literal(text.into()));
    let mixed = Template::parse(
        &json!({"a": [1, "${load}"], "b": 2}),
        &Known,
        &mut Vec::new(),
    );
    let mut found = Vec::new();
    mixed.references(&mut |one| found.push(one.text.to_string()));
    assert_eq!(found, ["${load}"]);
    assert!(!mixed.is_literal());
}

/// Texts in which the characters that matter are frequent.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${".to_owned()),
        Just("$".to_owned()),
        Just("}".to_owned()),
        Just(".".to_owned()),
        Just("{".to_owned()),
        Just("load".to_owned()),
        Just("config.".to_owned()),
        Just("appvar.".to_owned()),
        Just("région".to_owned()),
        Just("a}b".to_owned()),
        Just("Événement à préparer".to_owned()),
        "\\PC{0,4}".prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|parts| parts.concat())
}

/// What the parser keeps of a text and says about it is bounded by the text.
fn kept(text: &str) -> usize {
    let (template, issues) = parse(text);
    let parts = match &template {
        Template::Text(parts) => &parts[..],
        Template::Literal(text) => return text.len() + said(&issues),
        _ => &[],
    };
    let part = |part: &Part| match part {
        Part::Text(text) => text.len(),
        Part::Reference(one) => one.text.len(),
    };
    parts.iter().map(part).sum::<usize>() + said(&issues)
}

fn said(issues: &[Issue]) -> usize {
    let text = |issue: &Issue| match issue {
        Issue::UnknownReference(text) | Issue::UnknownVariable(text) => text.len(),
        Issue::Unclosed => 0,
    };
    issues.iter().map(text).sum()
}

#[test]
fn references_that_open_in_each_other_take_no_more_room_than_their_text() {
    for piece in [
        "${config.",
        "${appvar.",
        "${load.",
        "${",
        "$${",
        "${}",
        "${appvar.x}",
        "${appvar....",
    ] {
        for end in ["", "}"] {
            let text = piece.repeat(100_000 / piece.len()) + end;
            let kept = kept(&text);
            assert!(kept < 2 * text.len() + 65_536, "{piece}: {kept}");
            let (_, issues) = parse(&text);
            assert!(issues.len() <= 60, "{piece}: {}", issues.len());
        }
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_bounded_by_the_text(text in tricky(), times in 1_usize..40) {
        let text = text.repeat(times);
        prop_assert!(kept(&text) <= 4 * text.len() + 1024, "{}", kept(&text));
    }

    #[test]
    fn the_parser_never_panics(text in tricky()) {
        let (template, _) = parse(&text);
        if !text.contains("${") {
            prop_assert_eq!(template, Template::Literal(Value::from(text).to_string().into()));
        }
    }

    #[test]
    fn an_escaped_text_is_itself(text in tricky()) {
        let (template, issues) = parse(&text.replace("${", "$${"));
        prop_assert_eq!(issues, Vec::new());
        prop_assert_eq!(template, Template::Literal(Value::from(text).to_string().into()));
    }

    /// Parts put together again are the text, but for the escapes.
    #[test]
    fn nothing_is_lost(text in tricky()) {
        let (template, _) = parse(&text);
        let whole = match template {
            Template::Text(parts) => parts.iter().map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Reference(one) => one.text.to_string(),
            }).collect::<String>(),
            Template::Reference(one) => one.text.to_string(),
            Template::Literal(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(whole, text.replace("$${", "${"));
    }
}
