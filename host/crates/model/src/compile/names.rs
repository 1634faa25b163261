//! The names that steps are referred to by.

use std::collections::HashMap;

use crate::{
    application::Application,
    id::Ordinal,
    reference::LONGEST_NAME,
    suggest::Hints,
    validate::{MAX_NAME, Problem, code},
};

/// The names of an application's steps.
pub(crate) struct StepNames<'a> {
    pub(super) ordinals: HashMap<&'a str, Ordinal>,
    names: HashMap<Ordinal, &'a str>,
    pub(super) longest: usize,
    /// What hints about this document may still cost.
    pub(super) hints: Hints,
}

impl<'a> StepNames<'a> {
    pub(super) fn of(application: &'a Application, problems: &mut Vec<Problem>) -> Self {
        let mut all = Self {
            ordinals: HashMap::new(),
            names: HashMap::new(),
            longest: 0,
            hints: Hints::default(),
        };
        for step in application.steps() {
            let path = format!("/steps/{}/name", step.index);
            let Some(name) = step.name() else {
                // An entry that is no step of ours is reported as such.
                let text = step
                    .entry
                    .get("name")
                    .is_none_or(|name| name.is_null() || name.is_string());
                if step.executes().is_some() && text {
                    problems.push(Problem::error(
                        code::NAME_MISSING,
                        path,
                        "the step has no `name`",
                    ));
                }
                continue;
            };
            if name.chars().count() > MAX_NAME {
                problems.push(Problem::error(
                    code::NAME_LONG,
                    &*path,
                    format!("the step's name has more than {MAX_NAME} characters"),
                ));
            }
            if ["config", "appvar"].iter().any(|word| {
                name == *word
                    || name
                        .strip_prefix(word)
                        .is_some_and(|rest| rest.starts_with('.'))
            }) {
                problems.push(Problem::warning(
                    code::HIDDEN_NAME,
                    &*path,
                    format!("`${{{name}…}}` always means a variable: other steps cannot refer to a step of this name"),
                ));
            }
            let ordinal = Ordinal(step.index as u32);
            if let Some(first) = all.ordinals.get(name) {
                problems.push(Problem::error(
                    code::DUPLICATE_STEP,
                    path,
                    format!(
                        "`{name}` is also the name of step {}; names are unique in an application",
                        first.0 + 1
                    ),
                ));
                continue;
            }
            all.longest = all.longest.max(name.len().min(LONGEST_NAME));
            all.ordinals.insert(name, ordinal);
            all.names.insert(ordinal, name);
        }
        all
    }

    /// "; did you mean `…`?" for a name that no step has.
    pub(super) fn hint(&self, name: &str) -> String {
        self.hints.hint(name, self.ordinals.keys().copied())
    }

    /// The name of a step, for messages.
    pub(super) fn show(&self, step: Ordinal) -> &'a str {
        self.names.get(&step).copied().unwrap_or("(no name)")
    }
}
