//! What can be wrong with a configuration object.

use std::collections::HashSet;

use serde_json::Value;

use super::{Configuration, code, resolve::Links};
use crate::{
    application::{kind_of, truth},
    validate::{MAX_NAME, Problem},
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
    if let Some(value) = configuration.document().get("configuration_data")
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
