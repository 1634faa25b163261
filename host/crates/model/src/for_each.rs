//! A step that is executed once for each element of a list: `task_for_each` of an entry of
//! `steps`. Each element is a run of its own, of that one step, so that it has its own log,
//! attempts and limits; the step's data are their data, in the list's order.

use serde_json::{Map, Value};

use crate::{
    application::kind_of,
    id::Ordinal,
    reference::Template,
    suggest,
    validate::{Problem, code},
};

/// The key of an entry.
pub const KEY: &str = "task_for_each";
/// What a reference to the element names.
pub const ITEM_NAME: &str = "item";
/// What a reference to its place in the list names.
pub const INDEX_NAME: &str = "index";
/// The element, as the data of a step that no plan has.
pub const ITEM: Ordinal = Ordinal(u32::MAX);
/// Its place in the list, from 0, in the same way.
pub const INDEX: Ordinal = Ordinal(u32::MAX - 1);

/// The list.
pub(crate) const ITEMS: &str = "items";
/// How many elements may be under way at a time.
const PARALLEL: &str = "parallel";
/// What becomes of the step when it fails for an element.
const ON_FAILURE: &str = "on_failure";
/// The keys.
const KEYS: [&str; 3] = [ITEMS, PARALLEL, ON_FAILURE];
/// How many may be under way where nothing is said.
const USUAL: u32 = 10;
/// The most that can be asked for.
const MOST: u64 = 1_000;

/// For what a step of a plan is executed.
#[derive(Clone, Debug)]
pub struct ForEach {
    /// The list.
    pub items: Template,
    /// How many elements may be under way at a time.
    pub parallel: u32,
    /// Whether the step ends well, with a warning, when it fails for some elements.
    pub ignore_failures: bool,
}

/// Whether a reference means the element or its place.
pub const fn is_item(step: Ordinal) -> bool {
    step.0 == ITEM.0 || step.0 == INDEX.0
}

/// What `name` refers to in a step that is executed for each element.
pub(crate) fn named(name: &str) -> Option<Ordinal> {
    match name {
        ITEM_NAME => Some(ITEM),
        INDEX_NAME => Some(INDEX),
        _ => None,
    }
}

impl ForEach {
    /// What an entry says, but for the list. What is wrong counts as not said: the problems
    /// name it.
    pub(crate) fn of(said: &Map<String, Value>, items: Template) -> Self {
        let parallel = said.get(PARALLEL).and_then(Value::as_u64);
        Self {
            items,
            parallel: parallel
                .filter(|count| (1..=MOST).contains(count))
                .map_or(USUAL, |count| count as u32),
            ignore_failures: said.get(ON_FAILURE).and_then(Value::as_str) == Some("ignore"),
        }
    }
}

/// Reports what is wrong with what stands at `path`; the object, if it is one.
pub(crate) fn check<'v>(
    value: &'v Value,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'v Map<String, Value>> {
    let mut wrong = |path: String, message: String| {
        problems.push(Problem::error(code::FOR_EACH, path, message));
    };
    let Some(said) = value.as_object() else {
        wrong(
            path.to_owned(),
            format!(
                "`{KEY}` is an object such as {{\"items\": \"${{a step.list}}\", \"parallel\": 10}}, this is {}",
                kind_of(value)
            ),
        );
        return None;
    };
    for key in said.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        let hint = suggest::hint(key, KEYS);
        wrong(
            format!("{path}/{}", crate::validate::pointer(key)),
            format!("`{key}` is none of {}{hint}", KEYS.join(", ")),
        );
    }
    match said.get(ITEMS) {
        Some(Value::Array(_)) => {}
        Some(Value::String(text)) if text.contains("${") => {}
        other => wrong(
            format!("{path}/{ITEMS}"),
            format!(
                "`items` is a list or a reference to one, this is {}",
                kind_of(other.unwrap_or(&Value::Null))
            ),
        ),
    }
    match said.get(PARALLEL) {
        None => {}
        Some(count)
            if count
                .as_u64()
                .is_some_and(|count| (1..=MOST).contains(&count)) => {}
        Some(other) => wrong(
            format!("{path}/{PARALLEL}"),
            format!("`parallel` is a whole number from 1 to {MOST}, this is {other}"),
        ),
    }
    match said.get(ON_FAILURE) {
        None => {}
        Some(Value::String(word)) if word == "fail" || word == "ignore" => {}
        Some(other) => {
            let hint = other
                .as_str()
                .map_or_else(String::new, |word| suggest::hint(word, ["fail", "ignore"]));
            wrong(
                format!("{path}/{ON_FAILURE}"),
                format!("`on_failure` is `fail` or `ignore`, this is {other}{hint}"),
            );
        }
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: &Value) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        check(value, "", &mut problems);
        problems
            .into_iter()
            .map(|one| (one.path, one.message))
            .collect()
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for good in [
            json!({"items": []}),
            json!({"items": "${a.list}", "parallel": 1000, "on_failure": "ignore"}),
        ] {
            assert_eq!(told(&good), [], "{good}");
        }
        for (wrong, path) in [
            (json!("${a.list}"), ""),
            (json!({}), "/items"),
            (json!({"items": "a"}), "/items"),
            (json!({"items": [], "parallel": 0}), "/parallel"),
            (json!({"items": [], "parallel": 1001}), "/parallel"),
            (json!({"items": [], "parallel": 1.5}), "/parallel"),
            (json!({"items": [], "on_failure": "ignroe"}), "/on_failure"),
            (json!({"items": [], "paralel": 3}), "/paralel"),
        ] {
            let told = told(&wrong);
            assert_eq!(told.len(), 1, "{wrong}: {told:?}");
            assert_eq!(told[0].0, path, "{wrong}");
        }
        let hint = &told(&json!({"items": [], "paralel": 3}))[0].1;
        assert!(hint.contains("`parallel`"), "{hint}");
    }

    #[test]
    fn what_is_not_said_is_usual() {
        let of = |value: Value| {
            let each = ForEach::of(value.as_object().unwrap(), Template::Array(Vec::new()));
            (each.parallel, each.ignore_failures)
        };
        assert_eq!(of(json!({})), (USUAL, false));
        assert_eq!(
            of(json!({"parallel": 3, "on_failure": "ignore"})),
            (3, true)
        );
    }
}
