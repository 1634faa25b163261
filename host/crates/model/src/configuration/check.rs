//! What can be wrong with a configuration object.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Configuration, code, resolve::Links};
use crate::{
    application::{kind_of, truth},
    compile::is_an_extension,
    suggest,
    validate::{MAX_NAME, Problem, pointer},
};

pub(super) fn problems(configuration: &Configuration) -> Vec<Problem> {
    let mut problems = Vec::new();
    let list_path = if configuration.is_bare() {
        ""
    } else {
        "/configuration_data"
    };
    if !configuration.is_bare() {
        document(configuration, &mut problems);
    }
    entries(configuration, list_path, &mut problems);
    let links = Links::of(configuration);
    for (at, reference) in &links.unknown {
        problems.push(Problem::error(
            code::UNKNOWN_REFERENCE,
            format!("{list_path}/{}/value", links.entries[*at]),
            format!(
                "`${{config.{reference}}}` names no variable of this object; for the text itself write `$${{config.{reference}}}`"
            ),
        ));
    }
    if let Err(circle) = links.order() {
        problems.push(Problem::error(
            code::CYCLE,
            list_path,
            format!(
                "variables refer to each other in a circle: {}",
                circle.join(" → ")
            ),
        ));
    }
    problems
}

fn document(configuration: &Configuration, problems: &mut Vec<Problem>) {
    for key in ["name", "friendly_name", "description", "author", "version"] {
        if let Some(value) = configuration.document().get(key)
            && !matches!(value, Value::String(_) | Value::Null)
        {
            problems.push(Problem::error(
                code::WRONG_TYPE,
                format!("/{key}"),
                format!("`{key}` must be a text, it is {}", kind_of(value)),
            ));
        }
    }
    if let Some(map) = configuration.document().as_object() {
        strays(map, ("", OBJECT), &DOCUMENT, problems);
    }
    match configuration.name() {
        None => problems.push(Problem::error(
            code::NAME_MISSING,
            "/name",
            "the configuration object has no `name`",
        )),
        Some(name) if name.chars().count() > MAX_NAME => problems.push(Problem::error(
            code::NAME_LONG,
            "/name",
            format!("`name` has more than {MAX_NAME} characters"),
        )),
        Some(_) => {}
    }
    let data = configuration.document().get("configuration_data");
    if data.is_none_or(Value::is_null) {
        problems.push(Problem::error(
            code::NO_DATA,
            "/configuration_data",
            "the configuration object has no `configuration_data`: saved, it would take the place of one with values; for one without variables write `\"configuration_data\": []`",
        ));
    }
    if let Some(value) = data
        && !matches!(value, Value::Array(_) | Value::Null)
    {
        problems.push(Problem::error(
            code::WRONG_TYPE,
            "/configuration_data",
            format!(
                "`configuration_data` must be a list of variables, it is {}",
                kind_of(value)
            ),
        ));
    }
}

/// The keys of a document.
const DOCUMENT: [&str; 6] = [
    "name",
    "friendly_name",
    "description",
    "author",
    "version",
    "configuration_data",
];
/// The keys of a variable.
const VARIABLE: [&str; 4] = ["name", "value", "encrypted", "description"];
/// What `encrypted` is called elsewhere.
const ENCRYPTED: [&str; 5] = ["encrypt", "secret", "is_secret", "sensitive", "masked"];

/// Tells of keys that mean nothing. Those that are near to one that does are refused: a variable
/// whose `encrypted` is misspelt would be kept in the clear.
fn strays(
    map: &Map<String, Value>,
    (path, what): (&str, &str),
    known: &[&'static str],
    problems: &mut Vec<Problem>,
) {
    for key in map.keys() {
        if known.contains(&key.as_str()) || is_an_extension(key) {
            continue;
        }
        let hidden = what == ENTRY && ENCRYPTED.contains(&key.to_lowercase().as_str());
        let meant = if hidden {
            Some("encrypted")
        } else {
            suggest::nearest(key, known.iter().copied())
        };
        let at = format!("{path}/{}", pointer(key));
        problems.push(match meant {
            Some(name) => Problem::error(
                code::STRAY_KEY,
                at,
                format!(
                    "`{key}` is no key of {what}; did you mean `{name}`? For a remark of your own write `_{key}`"
                ),
            ),
            None => Problem::warning(
                code::STRAY_KEY,
                at,
                format!("`{key}` is no key of {what}: it is kept and means nothing"),
            ),
        });
    }
}

const OBJECT: &str = "a configuration object";
const ENTRY: &str = "a variable";

fn entries(configuration: &Configuration, list_path: &str, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (index, entry) in configuration.data().iter().enumerate() {
        let path = format!("{list_path}/{index}");
        let Some(entry) = entry.as_object() else {
            problems.push(Problem::error(
                code::WRONG_TYPE,
                path,
                format!(
                    "a variable is an object with `name` and `value`, this is {}",
                    kind_of(entry)
                ),
            ));
            continue;
        };
        strays(entry, (&path, ENTRY), &VARIABLE, problems);
        match entry.get("name") {
            None | Some(Value::Null) => problems.push(Problem::error(
                code::NAME_MISSING,
                format!("{path}/name"),
                "the variable has no `name`",
            )),
            Some(Value::String(name)) if name.trim().is_empty() => problems.push(Problem::error(
                code::NAME_MISSING,
                format!("{path}/name"),
                "the variable's `name` is empty",
            )),
            Some(Value::String(name)) if name.chars().count() > MAX_NAME => {
                problems.push(Problem::error(
                    code::NAME_LONG,
                    format!("{path}/name"),
                    format!("the variable's `name` has more than {MAX_NAME} characters"),
                ));
            }
            Some(Value::String(name)) => {
                if !seen.insert(name) {
                    problems.push(Problem::error(
                        code::DUPLICATE_VARIABLE,
                        format!("{path}/name"),
                        format!("`{name}` is the name of more than one variable"),
                    ));
                }
            }
            Some(other) => problems.push(Problem::error(
                code::WRONG_TYPE,
                format!("{path}/name"),
                format!("`name` must be a text, it is {}", kind_of(other)),
            )),
        }
        if let Some(encrypted) = entry.get("encrypted")
            && !encrypted.is_null()
            && truth(encrypted).is_none()
        {
            problems.push(Problem::error(
                code::WRONG_TYPE,
                format!("{path}/encrypted"),
                format!(
                    "`encrypted` must be true or false, it is {}",
                    kind_of(encrypted)
                ),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::Severity;

    fn found(document: Value) -> Vec<(Severity, String)> {
        let configuration = Configuration::from_value(document);
        let problems = configuration.map(|one| one.problems()).unwrap_or_default();
        problems
            .into_iter()
            .filter(|one| one.code == code::STRAY_KEY)
            .map(|one| (one.severity, one.path))
            .collect()
    }

    #[test]
    fn a_slip_that_would_show_or_lose_a_secret_is_refused() {
        for slip in ["encryptd", "Encrypted", "encrypt", "secret", "valeu"] {
            let document = json!({"name": "acme", "configuration_data": [
                {"name": "pw", "value": "x", slip: true},
            ]});
            let at = format!("/configuration_data/0/{slip}");
            assert_eq!(found(document), [(Severity::Error, at)]);
        }
        let document = json!({"name": "acme", "configuration_dta": []});
        let at = "/configuration_dta".to_owned();
        assert_eq!(found(document), [(Severity::Error, at)]);
    }

    #[test]
    fn an_object_without_its_list_is_refused_and_an_empty_list_is_taken() {
        let codes = |document: Value| -> Vec<&'static str> {
            let configuration = Configuration::from_value(document);
            let problems = configuration.map(|one| one.problems()).unwrap_or_default();
            problems.into_iter().map(|one| one.code).collect()
        };
        assert_eq!(codes(json!({"name": "acme"})), [code::NO_DATA]);
        let null = json!({"name": "acme", "configuration_data": null});
        assert_eq!(codes(null), [code::NO_DATA]);
        let elsewhere = json!({"name": "acme", "variables": []});
        assert_eq!(codes(elsewhere), [code::STRAY_KEY, code::NO_DATA]);
        let empty = json!({"name": "acme", "configuration_data": []});
        assert!(codes(empty).is_empty());
        assert!(codes(json!([{"name": "a", "value": 1}])).is_empty());
    }

    #[test]
    fn other_keys_are_kept_and_told() {
        let document = json!({"name": "acme", "owner": "me", "_note": 1, "x-y": 2,
            "configuration_data": [{"name": "a", "value": 1, "unit": "s", "//": "said"}]});
        assert_eq!(
            found(document),
            [
                (Severity::Warning, "/owner".to_owned()),
                (Severity::Warning, "/configuration_data/0/unit".to_owned()),
            ]
        );
    }
}
