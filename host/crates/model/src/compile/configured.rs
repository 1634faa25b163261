//! What an application wants of its configuration object.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use crate::{
    application::Application,
    configuration::Resolved,
    plan::run_code,
    reference::{OnlyConfig, Target, Template},
    suggest::Hints,
    validate::{Problem, pointer},
};

/// The references to the configuration object with where they stand, in the order of the
/// document: parameters of step entries, and values of application variables.
fn references(application: &Application) -> Vec<(String, Box<str>)> {
    let mut found = Vec::new();
    let mut look = |value: &Value, path: &dyn Fn() -> String| {
        let mut seen = HashSet::new();
        let template = Template::parse(value, &OnlyConfig, &mut Vec::new());
        template.references(&mut |reference| {
            if let Target::Config(name) = &reference.target
                && seen.insert(name.clone())
            {
                found.push((path(), name.clone()));
            }
        });
    };
    for variable in application.variables() {
        if let Some((key, value)) = variable.value() {
            let path = || format!("/app_variables/{}/{key}", variable.index);
            look(value, &path);
        }
    }
    for step in application.steps() {
        for (name, value) in step.parameters() {
            let path = || format!("/steps/{}/{}", step.index, pointer(name));
            look(value, &path);
        }
    }
    found
}

/// The problems of an application with the configuration object that it is aligned with:
/// an error for each reference to what that does not have, or, where none is aligned, a
/// warning that each run must name one.
pub fn configured(application: &Application, configuration: Option<&Resolved>) -> Vec<Problem> {
    let Some(configuration) = configuration else {
        return references(application).into_iter().next().map_or_else(Vec::new, |(path, name)| {
            vec![Problem::warning(
                run_code::NO_CONFIGURATION,
                path,
                format!(
                    "`${{config.{name}}}` needs a configuration object, and none is aligned (`configuration`): each run must name one"
                ),
            )]
        });
    };
    let hints = Hints::default();
    references(application)
        .into_iter()
        .filter(|(_, name)| configuration.find(name).is_none())
        .map(|(path, name)| {
            let mut known: Vec<&str> = configuration.names().collect();
            known.sort_unstable();
            let hint = hints.hint(first(&name, &known).as_ref(), known.iter().copied());
            Problem::error(
                run_code::CONFIGURATION_VARIABLE,
                path,
                format!(
                    "`${{config.{name}}}`: the aligned configuration object has no such value{hint}"
                ),
            )
        })
        .collect()
}

/// What of a reference is meant as the variable's name: all of it, or what stands before
/// the first dot where no name has one.
fn first<'a>(name: &'a str, known: &[&str]) -> Cow<'a, str> {
    match name.split_once('.') {
        Some((first, _)) if !known.iter().any(|one| one.contains('.')) => first.into(),
        _ => name.into(),
    }
}
