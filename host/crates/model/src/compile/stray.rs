//! Keys that mean nothing to us: kept, and told, for most of them are slips.

use serde_json::{Map, Value};

use super::Compiler;
use crate::{
    application::{Application, STEP_KEYS, Step},
    descriptor::StepDescriptor,
    on_error, policy, retention, retry,
    suggest::Hints,
    validate::{Problem, code, pointer},
};

/// The keys of a document.
const DOCUMENT: [&str; 17] = [
    "name",
    "friendly_name",
    "description",
    "author",
    "version",
    "configuration",
    "app_variables",
    "steps",
    "queue",
    "generate_report",
    "hidden",
    policy::SOFT,
    policy::HARD,
    policy::LOST,
    retry::RETRY,
    on_error::ON_ERROR,
    retention::KEY,
];
/// The keys of an application variable.
const VARIABLE: [&str; 7] = [
    "name",
    "description",
    "value",
    "default_value",
    "sample_value",
    "required",
    "param_type",
];
/// What the keys are called elsewhere, with what they are called here.
const DOCUMENT_ELSEWHERE: [(&str, &str); 9] = [
    ("internal", "hidden"),
    ("params", "app_variables"),
    ("parameters", "app_variables"),
    ("variables", "app_variables"),
    ("inputs", "app_variables"),
    ("config", "configuration"),
    ("title", "friendly_name"),
    ("label", "friendly_name"),
    ("report", "generate_report"),
];
const STEP_ELSEWHERE: [(&str, &str); 11] = [
    ("params", BESIDE),
    ("parameters", BESIDE),
    ("inputs", BESIDE),
    ("upstream", "data_from"),
    ("depends_on", "data_from"),
    ("needs", "data_from"),
    ("downstream", "output_to"),
    ("next", "output_to"),
    ("class", "file"),
    ("uses", "file"),
    ("pack", "syncpack"),
];
const VARIABLE_ELSEWHERE: [(&str, &str); 3] = [
    ("type", "param_type"),
    ("default", "default_value"),
    ("example", "sample_value"),
];
/// There is no key for parameters.
const BESIDE: &str = "";
/// Keys of a step that are long enough for a slip to be told from a parameter of its own.
const UNMISTAKABLE: [&str; 7] = [
    "output_to",
    "data_from",
    "syncpack",
    "params",
    "parameters",
    "upstream",
    "downstream",
];

/// Keys that somebody added on purpose.
pub(crate) fn is_an_extension(key: &str) -> bool {
    ["$", "_", "x-", "x_", "//"]
        .iter()
        .any(|start| key.starts_with(start))
}

/// Tells of the keys of the document and of its variables that mean nothing.
pub(super) fn document(application: &Application, hints: &Hints, problems: &mut Vec<Problem>) {
    entry(
        application.document(),
        ("", "an application"),
        &DOCUMENT,
        &DOCUMENT_ELSEWHERE,
        hints,
        problems,
    );
    for variable in application.variables() {
        let path = format!("/app_variables/{}", variable.index);
        entry(
            variable.entry,
            (&path, "an application variable"),
            &VARIABLE,
            &VARIABLE_ELSEWHERE,
            hints,
            problems,
        );
    }
}

fn entry(
    map: &Map<String, Value>,
    (path, what): (&str, &str),
    known: &[&'static str],
    elsewhere: &[(&'static str, &'static str)],
    hints: &Hints,
    problems: &mut Vec<Problem>,
) {
    for key in map.keys() {
        if known.contains(&key.as_str()) || is_an_extension(key) {
            continue;
        }
        let hint = meant(key, known.iter().copied(), elsewhere, hints);
        problems.push(Problem::warning(
            code::STRAY_KEY,
            format!("{path}/{}", pointer(key)),
            format!("`{key}` is no key of {what}: it is kept and means nothing{hint}"),
        ));
    }
}

/// What the key was probably meant to be.
fn meant<'a>(
    key: &str,
    known: impl Iterator<Item = &'a str>,
    elsewhere: &'a [(&'static str, &'static str)],
    hints: &Hints,
) -> String {
    let hint = hints.hint(key, known.chain(elsewhere.iter().map(|(name, _)| *name)));
    let Some((name, here)) = elsewhere
        .iter()
        .find(|(name, _)| hint == format!("; did you mean `{name}`?"))
    else {
        return hint;
    };
    if *here == BESIDE {
        format!(
            "; did you mean `{name}`? A step has no such key either: its parameters stand beside its `name`"
        )
    } else {
        format!("; did you mean `{here}`?")
    }
}

/// Whether a key is so near to one of ours that it is hardly a parameter: not when one is
/// the beginning of the other, as `params2` is.
fn is_a_slip(key: &str) -> bool {
    key.len() >= 6
        && key.len() < 20
        && UNMISTAKABLE.iter().any(|known| {
            !key.starts_with(known)
                && !known.starts_with(key)
                && strsim::damerau_levenshtein(key, known) <= 2
        })
}

impl Compiler<'_> {
    /// Tells of the keys of a step that are no parameter of it. What a step that takes any
    /// parameter, or one that nobody knows, is given is its own affair, except for slips in
    /// our own keys.
    pub(super) fn stray_keys(&mut self, step: Step<'_>, descriptor: Option<&StepDescriptor>) {
        let declared = descriptor.filter(|descriptor| !descriptor.takes_any());
        for (key, _) in step.parameters() {
            let own = descriptor.is_some_and(|one| one.parameter(key).is_some());
            if own || is_an_extension(key) || (declared.is_none() && !is_a_slip(key)) {
                continue;
            }
            let parameters = declared.map_or(&[][..], |one| &one.parameters);
            let names = parameters.iter().map(|one| one.name.as_str());
            let known = names.chain(STEP_KEYS);
            let hint = meant(key, known, &STEP_ELSEWHERE, &self.names.hints);
            let message = if declared.is_some() {
                format!(
                    "`{key}` is neither a key of a step nor a parameter of `{}`: it is kept and means nothing{hint}",
                    step.file().unwrap_or_default()
                )
            } else {
                format!("`{key}` is no key of a step, and is taken as a parameter{hint}")
            };
            self.problems.push(Problem::warning(
                code::STRAY_KEY,
                format!("/steps/{}/{}", step.index, pointer(key)),
                message,
            ));
        }
    }
}
