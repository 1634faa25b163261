//! How two revisions of a document differ, in the terms in which people draw it: steps and
//! variables by their names, edges, and everything else.
//!
//! No patch of JSON is made of it: the places of a patch within a list are those of the list
//! half-way through, and nobody can draw them. Every pointer here leads into the old or the new
//! entry itself, and a list that has grown or shrunk is one value.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::{
    application::{Application, Step},
    configuration::Configuration,
    mask::MASK,
    on_error, operator,
    validate::pointer,
};

/// A value that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where: a JSON pointer, from the named entry or the document.
    pub at: String,
    /// What was there; `None`: nothing.
    pub old: Option<Value>,
    /// What is there; `None`: nothing.
    pub new: Option<Value>,
}

/// An entry that both have and that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What differs in it.
    pub changes: Vec<Change>,
}

/// How two lists of named entries differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// Names that only the new one has.
    pub added: Vec<String>,
    /// Names that only the old one has.
    pub removed: Vec<String>,
    /// Those that both have.
    pub changed: Vec<Changed>,
    /// Those that both have stand in another order.
    pub reordered: bool,
}

/// When the step at the end of an edge runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Behind the other one.
    Follows,
    /// When the condition chose that branch: its label, or its number from 1.
    Branch(String),
    /// When the other one failed.
    Failure,
}

/// An edge between two steps, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The step that runs first.
    pub from: String,
    /// The step behind it.
    pub to: String,
    /// When.
    pub way: Way,
}

/// How two revisions differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The steps.
    pub steps: Entries,
    /// Edges that only the new one has.
    pub edges_added: Vec<Edge>,
    /// Edges that only the old one has.
    pub edges_removed: Vec<Edge>,
    /// The variables.
    pub variables: Entries,
    /// Everything else, by pointers into the document.
    pub metadata: Vec<Change>,
}

/// Whether the value under that key of an entry is to be hidden.
type Hidden<'a> = &'a dyn Fn(&Map<String, Value>, &str) -> bool;

/// How two applications differ. `secret` says of a step's entry and a key whether it is a secret
/// parameter; values of secret ones, and of secret variables, are masked.
pub fn applications(
    old: &Application,
    new: &Application,
    secret: &dyn Fn(Step<'_>, &str) -> bool,
) -> Difference {
    let of_step = |entry: &Map<String, Value>, key: &str| secret(Step { index: 0, entry }, key);
    let of_variable = |entry: &Map<String, Value>, key: &str| {
        let variable = crate::application::Variable { index: 0, entry };
        matches!(key, "value" | "default_value" | "sample_value") && variable.secret()
    };
    let list = |document: &Application, key: &str| -> Vec<Value> {
        let list = document.document().get(key).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let entries =
        |key: &str, hidden: Hidden<'_>| self::entries(&list(old, key), &list(new, key), hidden);
    let (before, after) = (edges(old), edges(new));
    let mut metadata = Vec::new();
    each_key(old.document(), new.document(), |key, old, new| {
        // Where they are no lists, they have no names.
        let listed = |value: Option<&Value>| value.is_none_or(Value::is_array);
        let apart = matches!(key, "steps" | "app_variables") && listed(old) && listed(new);
        if !apart {
            compare(&format!("/{}", pointer(key)), old, new, &mut metadata);
        }
    });
    Difference {
        steps: entries("steps", &of_step),
        edges_added: after.difference(&before).cloned().collect(),
        edges_removed: before.difference(&after).cloned().collect(),
        variables: entries("app_variables", &of_variable),
        metadata,
    }
}

/// How two configuration objects differ; values that are encrypted in either are masked.
pub fn configurations(old: &Configuration, new: &Configuration) -> Difference {
    let encrypted: BTreeSet<&str> = [old, new]
        .into_iter()
        .flat_map(Configuration::variables)
        .filter(|variable| variable.encrypted)
        .map(|variable| variable.name)
        .collect();
    let hidden = |entry: &Map<String, Value>, key: &str| {
        let name = entry.get("name").and_then(Value::as_str);
        key == "value" && name.is_some_and(|name| encrypted.contains(name))
    };
    let data = |document: &Configuration| -> Vec<Value> {
        let document = document.document();
        let list = document.get("configuration_data").unwrap_or(document);
        list.as_array().cloned().unwrap_or_default()
    };
    let none = Map::new();
    let keys = |document: &'_ Configuration| document.document().as_object().cloned();
    let (before, after) = (
        keys(old).unwrap_or_else(|| none.clone()),
        keys(new).unwrap_or(none),
    );
    let mut metadata = Vec::new();
    each_key(&before, &after, |key, old, new| {
        if key != "configuration_data" {
            compare(&format!("/{}", pointer(key)), old, new, &mut metadata);
        }
    });
    Difference {
        variables: entries(&data(old), &data(new), &hidden),
        metadata,
        ..Difference::default()
    }
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// It in a line without values, such as ``added step `b`; changed `url` of step `a` ``.
    pub fn note(&self) -> String {
        let mut parts = Vec::new();
        for (what, entries) in [("step", &self.steps), ("variable", &self.variables)] {
            for (verb, names) in [("added", &entries.added), ("removed", &entries.removed)] {
                if !names.is_empty() {
                    parts.push(format!("{verb} {}", several(what, names)));
                }
            }
            let names: Vec<String> = entries.changed.iter().map(|one| one.name.clone()).collect();
            if !names.is_empty() {
                parts.push(format!("changed {}", several(what, &names)));
            }
            if entries.reordered {
                parts.push(format!("reordered {what}s"));
            }
        }
        let keys: BTreeSet<&str> = self
            .metadata
            .iter()
            .filter_map(|change| change.at.split('/').nth(1))
            .collect();
        if !keys.is_empty() {
            let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
            parts.push(format!("changed {}", several("", &keys)));
        }
        parts.join("; ")
    }
}

/// Three names at most; a note is a line.
fn several(what: &str, names: &[String]) -> String {
    const NAMED: usize = 3;
    const LONGEST: usize = 40;
    let short = |name: &String| {
        let cut: String = name.chars().take(LONGEST).collect();
        let more = if cut.len() < name.len() { "…" } else { "" };
        format!("`{cut}{more}`")
    };
    let shown: Vec<String> = names.iter().take(NAMED).map(short).collect();
    let s = if names.len() == 1 { " " } else { "s " };
    let what = if what.is_empty() {
        String::new()
    } else {
        format!("{what}{s}")
    };
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{what}{}{more}", shown.join(", "))
}

/// What entries are called; one without a name by its place.
fn by_name(list: &[Value]) -> (Vec<String>, HashMap<String, &Value>) {
    let (mut names, mut found) = (Vec::new(), HashMap::new());
    for (place, entry) in list.iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str);
        let mut name = name.map_or_else(|| format!("#{place}"), str::to_owned);
        if found.contains_key(&name) {
            name = format!("{name} #{place}");
        }
        found.insert(name.clone(), entry);
        names.push(name);
    }
    (names, found)
}

fn entries(old: &[Value], new: &[Value], hidden: Hidden<'_>) -> Entries {
    let (old_names, before) = by_name(old);
    let (new_names, after) = by_name(new);
    let mut entries = Entries::default();
    for name in &new_names {
        let Some(old) = before.get(name) else {
            entries.added.push(name.clone());
            continue;
        };
        let changes = of_entry(old, after[name], hidden);
        if !changes.is_empty() {
            entries.changed.push(Changed {
                name: name.clone(),
                changes,
            });
        }
    }
    entries.removed.extend(
        old_names
            .iter()
            .filter(|name| !after.contains_key(*name))
            .cloned(),
    );
    let common = |names: &[String], other: &HashMap<String, &Value>| -> Vec<String> {
        let both = names.iter().filter(|name| other.contains_key(*name));
        both.cloned().collect()
    };
    entries.reordered = common(&old_names, &after) != common(&new_names, &before);
    entries
}

fn of_entry(old: &Value, new: &Value, hidden: Hidden<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        compare("", Some(old), Some(new), &mut changes);
        return changes;
    };
    each_key(before, after, |key, old, new| {
        let at = format!("/{}", pointer(key));
        if old != new && (hidden(before, key) || hidden(after, key)) {
            let mask = |value: Option<&Value>| value.map(|_| Value::from(MASK));
            changes.push(Change {
                at,
                old: mask(old),
                new: mask(new),
            });
        } else {
            compare(&at, old, new, &mut changes);
        }
    });
    changes
}

/// Each key of either, those of the new one first.
fn each_key(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    mut with: impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    for (key, value) in new {
        with(key, old.get(key), Some(value));
    }
    for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        with(key, Some(value), None);
    }
}

fn compare(at: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    match (old, new) {
        _ if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            each_key(old, new, |key, old, new| {
                compare(&format!("{at}/{}", pointer(key)), old, new, changes);
            });
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{at}/{place}"), Some(old), Some(new), changes);
            }
        }
        _ => changes.push(Change {
            at: at.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

fn edges(application: &Application) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for step in application.steps() {
        let Some(own) = step.name() else { continue };
        let mut add = |from: &str, to: &str, way: Way| {
            edges.insert(Edge {
                from: from.to_owned(),
                to: to.to_owned(),
                way,
            });
        };
        for to in step.output_to() {
            add(own, to, Way::Follows);
        }
        for from in step.data_from() {
            add(from, own, Way::Follows);
        }
        for branch in operator::branches(step.entry) {
            let label = branch.entry.get("label").and_then(Value::as_str);
            let label = label.map_or_else(|| (branch.index + 1).to_string(), str::to_owned);
            for (_, to) in branch.steps() {
                add(own, to, Way::Branch(label.clone()));
            }
        }
        for (_, to) in on_error::steps(step.entry) {
            add(own, to, Way::Failure);
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(document: Value) -> Application {
        Application::from_value(document).unwrap()
    }

    fn change(at: &str, old: Option<Value>, new: Option<Value>) -> Change {
        Change {
            at: at.to_owned(),
            old,
            new,
        }
    }

    #[test]
    fn steps_edges_variables_and_the_rest_are_told_apart() {
        let old = application(json!({
            "name": "a", "version": "1", "configuration": "acme",
            "app_variables": [{"name": "v", "value": {"a": [1, 2], "b": 1}}, {"name": "w"}],
            "steps": [
                {"name": "read", "file": "R", "url": "x", "output_to": ["write"]},
                {"name": "write", "file": "W", "list": [1]},
                {"name": "gone", "file": "G", "data_from": ["read"]},
            ],
        }));
        let new = application(json!({
            "name": "a", "version": "2",
            "app_variables": [{"name": "w"}, {"name": "v", "value": {"a": [1, 3], "b": 1}}],
            "steps": [
                {"name": "read", "file": "R", "url": "y", "task_on_error": ["write"]},
                {"name": "choose", "operator": "condition", "branches": [
                    {"label": "yes", "steps": ["write"]}, {"steps": ["read"]}]},
                {"name": "write", "file": "W", "list": [1, 2], "a/b": null},
            ],
        }));
        let found = applications(&old, &new, &|_, _| false);
        assert_eq!(found.steps.added, ["choose"]);
        assert_eq!(found.steps.removed, ["gone"]);
        assert!(!found.steps.reordered && found.variables.reordered);
        assert_eq!(
            found.steps.changed,
            [
                Changed {
                    name: "read".to_owned(),
                    changes: vec![
                        change("/url", Some(json!("x")), Some(json!("y"))),
                        change("/task_on_error", None, Some(json!(["write"]))),
                        change("/output_to", Some(json!(["write"])), None),
                    ],
                },
                Changed {
                    name: "write".to_owned(),
                    changes: vec![
                        change("/list", Some(json!([1])), Some(json!([1, 2]))),
                        change("/a~1b", None, Some(Value::Null)),
                    ],
                },
            ]
        );
        assert_eq!(
            found.variables.changed[0].changes,
            [change("/value/a/1", Some(json!(2)), Some(json!(3)))]
        );
        let edge = |from: &str, to: &str, way| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            way,
        };
        assert_eq!(
            found.edges_added,
            [
                edge("choose", "read", Way::Branch("2".to_owned())),
                edge("choose", "write", Way::Branch("yes".to_owned())),
                edge("read", "write", Way::Failure),
            ]
        );
        assert_eq!(
            found.edges_removed,
            [
                edge("read", "gone", Way::Follows),
                edge("read", "write", Way::Follows),
            ]
        );
        assert_eq!(
            found.metadata,
            [
                change("/version", Some(json!("1")), Some(json!("2"))),
                change("/configuration", Some(json!("acme")), None),
            ]
        );
        assert_eq!(
            found.note(),
            "added step `choose`; removed step `gone`; changed steps `read`, `write`; \
             changed variable `v`; reordered variables; changed `configuration`, `version`"
        );
        assert!(applications(&new, &new, &|_, _| false).is_empty());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let with = |secret: &str| {
            application(json!({
                "app_variables": [{"name": "v", "param_type": "secret", "value": secret}],
                "steps": [{"name": "s", "file": "S", "password": secret, "user": "u"}],
            }))
        };
        let found = applications(&with("old-one"), &with("new-one"), &|_, key| {
            key == "password"
        });
        let masked = |at| [change(at, Some(json!(MASK)), Some(json!(MASK)))];
        assert_eq!(found.steps.changed[0].changes, masked("/password"));
        assert_eq!(found.variables.changed[0].changes, masked("/value"));

        let object = |entries: Value| Configuration::from_value(entries).unwrap();
        // Encrypted in one of the two is enough.
        let old = object(json!([{"name": "p", "value": "old-one", "encrypted": true}]));
        let new = object(json!({"configuration_data": [{"name": "p", "value": "new-one"}]}));
        let found = configurations(&old, &new);
        assert_eq!(
            found.variables.changed[0].changes,
            [
                change("/value", Some(json!(MASK)), Some(json!(MASK))),
                change("/encrypted", Some(json!(true)), None),
            ]
        );
        assert!(found.metadata.is_empty());
    }

    #[test]
    fn entries_that_nobody_can_name_are_still_told() {
        let old = application(json!({"steps": [7, {"name": "a"}, {"name": "a", "x": 1}]}));
        let new = application(json!({"steps": [8, {"name": "a"}, {"name": "a", "x": 2}]}));
        let found = applications(&old, &new, &|_, _| false);
        let names: Vec<_> = found.steps.changed.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["#0", "a #2"]);
        let found = applications(&old, &application(json!({"steps": 1})), &|_, _| false);
        assert_eq!(found.metadata.len(), 1);
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(several("step", &many), "steps `0`, `1`, `2` and 6 more");
    }
}
