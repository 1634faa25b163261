//! What follows when a step fails, after all of its attempts: an application says it for
//! all of its steps, an entry of `steps` for one.

use serde_json::{Map, Value};

use crate::{
    application::{Application, Step, kind_of},
    suggest,
    validate::{Problem, code},
};

/// The key in an application and in an entry of `steps`.
pub const ON_ERROR: &str = "task_on_error";

/// The words in place of a list.
const WORDS: [&str; 2] = ["fail", "continue"];

/// What follows when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// What depends on it does not run.
    #[default]
    Fail,
    /// It counts as ended with a warning, and what depends on it runs.
    Continue,
    /// Other steps run instead of those that depend on it.
    Steps,
}

impl OnError {
    /// What a document says. What is wrong counts as not said: the problems name it.
    fn of(map: &Map<String, Value>) -> Option<Self> {
        match map.get(ON_ERROR)? {
            Value::String(word) if word == "continue" => Some(Self::Continue),
            Value::String(word) if word == "fail" => Some(Self::Fail),
            Value::Array(steps) if !steps.is_empty() => Some(Self::Steps),
            Value::Null => Some(Self::Fail),
            _ => None,
        }
    }

    /// What holds for a step: its entry's word before the application's.
    pub fn of_step(application: &Application, step: Step<'_>) -> Self {
        Self::of(step.entry)
            .or_else(|| Self::of(application.document()))
            .unwrap_or_default()
    }
}

/// The names of the steps that run when a step fails, each with its place in the list.
pub(crate) fn steps(entry: &Map<String, Value>) -> impl Iterator<Item = (usize, &str)> {
    let list = entry.get(ON_ERROR).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(at, name)| Some((at, name.as_str()?)))
}

/// Reports what is wrong with what `map`, at `path`, says. Only an entry can name steps.
pub(crate) fn check(
    map: &Map<String, Value>,
    path: &str,
    entry: bool,
    problems: &mut Vec<Problem>,
) {
    let at = format!("{path}/{ON_ERROR}");
    let allowed = if entry {
        "`fail`, `continue` or a list of steps that run when this one fails"
    } else {
        "`fail` or `continue`; only an entry of `steps` can name steps"
    };
    match map.get(ON_ERROR) {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if WORDS.contains(&word.as_str()) => {}
        Some(Value::String(word)) => {
            let hint = suggest::hint(word, WORDS);
            problems.push(Problem::error(
                code::ON_ERROR,
                at,
                format!("`{ON_ERROR}` is {allowed}; this is `{word}`{hint}"),
            ));
        }
        Some(Value::Array(names)) if entry => {
            for (place, name) in names.iter().enumerate().filter(|(_, one)| !one.is_string()) {
                problems.push(Problem::error(
                    code::ON_ERROR,
                    format!("{at}/{place}"),
                    format!(
                        "`{ON_ERROR}` lists names of steps as texts, this is {}",
                        kind_of(name)
                    ),
                ));
            }
        }
        Some(other) => problems.push(Problem::error(
            code::ON_ERROR,
            at,
            format!("`{ON_ERROR}` is {allowed}; this is {}", kind_of(other)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(document: &Value, entry: bool) -> Vec<String> {
        let mut problems = Vec::new();
        check(document.as_object().unwrap(), "", entry, &mut problems);
        problems.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn the_entrys_word_goes_first() {
        let application = Application::from_value(json!({
            "name": "a", "task_on_error": "continue", "steps": [
                {"name": "one", "file": "F"},
                {"name": "two", "file": "F", "task_on_error": "fail"},
                {"name": "three", "file": "F", "task_on_error": ["one"]},
                {"name": "four", "file": "F", "task_on_error": null},
                {"name": "five", "file": "F", "task_on_error": []},
            ],
        }))
        .unwrap();
        let found: Vec<_> = application
            .steps()
            .map(|step| OnError::of_step(&application, step))
            .collect();
        let (fail, go_on) = (OnError::Fail, OnError::Continue);
        assert_eq!(found, [go_on, fail, OnError::Steps, fail, go_on]);
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for right in [json!("fail"), json!("continue"), json!(null), json!(["a"])] {
            assert!(problems(&json!({"task_on_error": right}), true).is_empty());
        }
        assert_eq!(
            problems(&json!({"task_on_error": ["a", 1]}), true),
            ["/task_on_error/1"]
        );
        for wrong in [json!("ignore"), json!(true), json!({})] {
            let document = json!({"task_on_error": wrong});
            assert_eq!(problems(&document, true), ["/task_on_error"], "{document}");
        }
        let document = json!({"task_on_error": ["a"]});
        assert_eq!(problems(&document, false), ["/task_on_error"]);
    }
}
