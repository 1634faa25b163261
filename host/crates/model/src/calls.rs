//! Which applications an application starts, as far as its document says so.
//!
//! A trigger step names them in its parameters, under the key `application`: of the step's entry
//! itself, or of an object anywhere in it, as in a list of `children`. A name that is made when the
//! step runs, by a reference or by the step itself, is nobody's to know before. What children are
//! given, `params` and the `items` that they are started for, names none.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    application::Application,
    descriptor::StepKind,
    validate::{Lookup, Registry},
};

/// The key that names an application.
const APPLICATION: &str = "application";
/// The keys of what children are given: names in it are the children's affair.
const GIVEN: [&str; 2] = ["params", "items"];

/// The names of the applications that the trigger steps of an application name in so many words.
pub fn called(application: &Application, registry: &dyn Registry) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for step in application.steps() {
        let Some((pack, file)) = step.executes() else {
            continue;
        };
        let Lookup::Found { descriptor, .. } = registry.step(pack, file) else {
            continue;
        };
        if descriptor.kind != StepKind::Trigger {
            continue;
        }
        collect_all(step.parameters(), &mut names);
    }
    names
}

fn collect_all<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
    names: &mut BTreeSet<String>,
) {
    for (key, value) in entries.filter(|(key, _)| !GIVEN.contains(key)) {
        collect(key, value, names);
    }
}

fn collect(key: &str, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(name) if key == APPLICATION && !name.contains("${") => {
            names.insert(name.clone());
        }
        Value::Object(entries) => {
            collect_all(
                entries.iter().map(|(key, value)| (key.as_str(), value)),
                names,
            );
        }
        Value::Array(values) => {
            for value in values {
                collect("", value, names);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::descriptor::StepDescriptor;

    struct Triggers;

    impl Registry for Triggers {
        fn step(&self, _: Option<&str>, file: &str) -> Lookup {
            let kind = match file {
                "Trigger" => StepKind::Trigger,
                "Other" => StepKind::Standard,
                _ => return Lookup::UnknownStep,
            };
            Lookup::Found {
                syncpack: "pack".to_owned(),
                descriptor: Arc::new(StepDescriptor {
                    kind,
                    ..StepDescriptor::default()
                }),
            }
        }
    }

    #[test]
    fn names_of_trigger_steps_are_found_and_no_others() {
        let application = Application::from_value(json!({"steps": [
            {"name": "one", "file": "Trigger", "application": "direct",
                "params": {"application": "given"}, "items": [{"application": "given"}]},
            {"name": "two", "file": "Trigger", "request": {"children": [
                {"application": "listed", "params": {"application": "given"}},
                {"application": "${appvar.child}"}, {"application": 7}, "text"]}},
            {"name": "three", "file": "Other", "application": "standard"},
            {"name": "four", "file": "Gone", "application": "unknown"},
            {"name": "five", "operator": "transform", "template": "", "application": "operator"},
            {"name": "application", "file": "Trigger", "output_to": ["one"]},
        ]}))
        .unwrap();
        let names: Vec<_> = called(&application, &Triggers).into_iter().collect();
        assert_eq!(names, ["direct", "listed"]);
    }
}
