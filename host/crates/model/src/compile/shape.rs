//! The JSON types of the keys that we know.

use serde_json::{Map, Value};

use crate::{
    application::{Application, kind_of, truth},
    limits, on_error, policy, retention, retry,
    validate::{MAX_FRIENDLY_NAME, MAX_NAME, Problem, code},
};

/// Reports known keys of the wrong type and answers how many entries `steps` has.
pub(super) fn check(application: &Application, problems: &mut Vec<Problem>) -> usize {
    let document = application.document();
    let texts = [
        "name",
        "friendly_name",
        "description",
        "author",
        "version",
        "configuration",
        "queue",
    ];
    texts_of(document, &texts, "", problems);
    truth_of(document, "generate_report", "", problems);
    truth_of(document, "hidden", "", problems);
    names(application, problems);
    policy::check(document, "", problems);
    retry::check(document, "", problems);
    on_error::check(document, "", false, problems);
    retention::check(document, problems);
    for (index, value) in list(document, "app_variables", "", problems)
        .iter()
        .enumerate()
    {
        let path = format!("/app_variables/{index}");
        let Some(entry) = object(value, &path, "an application variable", problems) else {
            continue;
        };
        texts_of(entry, &["name", "description"], &path, problems);
        truth_of(entry, "required", &path, problems);
        match entry.get("name") {
            None | Some(Value::Null) => problems.push(Problem::error(
                code::NAME_MISSING,
                format!("{path}/name"),
                "the application variable has no `name`",
            )),
            Some(Value::String(name)) if name.is_empty() => problems.push(Problem::error(
                code::NAME_MISSING,
                format!("{path}/name"),
                "the application variable's `name` is empty",
            )),
            Some(Value::String(name)) if name.chars().count() > MAX_NAME => {
                problems.push(Problem::error(
                    code::NAME_LONG,
                    format!("{path}/name"),
                    format!("the application variable's name has more than {MAX_NAME} characters"),
                ));
            }
            Some(_) => {}
        }
    }
    let steps = list(document, "steps", "", problems);
    for (index, value) in steps.iter().enumerate() {
        let path = format!("/steps/{index}");
        let Some(entry) = object(value, &path, "a step", problems) else {
            continue;
        };
        texts_of(entry, &["name", "file", "syncpack"], &path, problems);
        policy::check(entry, &path, problems);
        retry::check(entry, &path, problems);
        on_error::check(entry, &path, true, problems);
        limits::check(entry, &path, problems);
        for key in ["output_to", "data_from"] {
            for (at, name) in list(entry, key, &path, problems).iter().enumerate() {
                if !name.is_string() {
                    problems.push(Problem::error(
                        code::WRONG_TYPE,
                        format!("{path}/{key}/{at}"),
                        format!(
                            "`{key}` lists names of steps as texts, this is {}",
                            kind_of(name)
                        ),
                    ));
                }
            }
        }
    }
    steps.len()
}

fn names(application: &Application, problems: &mut Vec<Problem>) {
    match application.name_or_derived(None) {
        None => problems.push(Problem::error(
            code::NAME_MISSING,
            "/name",
            "the application has neither a `name` nor a `friendly_name` to derive one from",
        )),
        Some(name) if name.chars().count() > MAX_NAME => problems.push(Problem::error(
            code::NAME_LONG,
            "/name",
            format!("the name has more than {MAX_NAME} characters"),
        )),
        Some(_) => {}
    }
    if let Some(name) = application.friendly_name()
        && name.chars().count() > MAX_FRIENDLY_NAME
    {
        problems.push(Problem::warning(
            code::NAME_LONG,
            "/friendly_name",
            format!(
                "the friendly name has more than {MAX_FRIENDLY_NAME} characters; pages will cut it"
            ),
        ));
    }
}

fn wrong(path: String, key: &str, wanted: &str, value: &Value) -> Problem {
    Problem::error(
        code::WRONG_TYPE,
        path,
        format!("`{key}` must be {wanted}, it is {}", kind_of(value)),
    )
}

fn texts_of(map: &Map<String, Value>, keys: &[&str], path: &str, problems: &mut Vec<Problem>) {
    for key in keys {
        if let Some(value) = map.get(*key)
            && !matches!(value, Value::String(_) | Value::Null)
        {
            problems.push(wrong(format!("{path}/{key}"), key, "a text", value));
        }
    }
}

fn truth_of(map: &Map<String, Value>, key: &str, path: &str, problems: &mut Vec<Problem>) {
    if let Some(value) = map.get(key)
        && !value.is_null()
        && truth(value).is_none()
    {
        problems.push(wrong(format!("{path}/{key}"), key, "true or false", value));
    }
}

fn list<'a>(
    map: &'a Map<String, Value>,
    key: &str,
    path: &str,
    problems: &mut Vec<Problem>,
) -> &'a [Value] {
    match map.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list,
        Some(other) => {
            problems.push(wrong(format!("{path}/{key}"), key, "a list", other));
            &[]
        }
    }
}

fn object<'a>(
    value: &'a Value,
    path: &str,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a Map<String, Value>> {
    let object = value.as_object();
    if object.is_none() {
        problems.push(Problem::error(
            code::WRONG_TYPE,
            path,
            format!("{what} is an object, this is {}", kind_of(value)),
        ));
    }
    object
}
