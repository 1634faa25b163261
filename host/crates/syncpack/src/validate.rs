//! Finds every problem of a SyncPack's metadata.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use serde_json::Value;

use crate::{
    FORMAT, Grant, HostPattern, Manifest, Meta, Metadata, Parameter, Step,
    component::check_contract,
    stray::{self, pointer},
};

/// Whether a problem is an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The SyncPack is refused.
    Error,
    /// A person should look at it.
    Warning,
}

/// Something wrong with a manifest or a document in the pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it is an obstacle.
    pub severity: Severity,
    /// The stable code.
    pub code: &'static str,
    /// Where: a JSON pointer, `/steps/2/parameters/0/type`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        write!(
            f,
            "{severity}{}: {} ({})",
            self.path, self.message, self.code
        )
    }
}

/// The kinds of steps.
const STEP_KINDS: [&str; 3] = ["standard", "aggregated", "trigger"];
/// The types of parameters.
const TYPES: [&str; 8] = [
    "string", "integer", "number", "boolean", "array", "object", "any", "secret",
];
/// The longest name of a pack, a step or a grant.
const MAX_NAME: usize = 128;

pub(crate) fn metadata(metadata: &Metadata) -> Vec<Problem> {
    let mut check = Check::default();
    check.manifest(&metadata.manifest);
    check.applications(&metadata.manifest, &metadata.applications);
    check.configurations(&metadata.configurations);
    check.schedules(&metadata.schedules);
    for name in metadata
        .sources
        .keys()
        .filter(|name| metadata.manifest.step(name).is_none())
    {
        check.warning(
            "PF-SYNCPACK-SOURCES",
            "sources",
            format!("there is no step \"{name}\""),
        );
    }
    check.problems
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn error(&mut self, code: &'static str, path: impl AsRef<str>, message: impl Into<String>) {
        self.problems.push(Problem {
            severity: Severity::Error,
            code,
            path: pointer(path.as_ref()),
            message: message.into(),
        });
    }

    fn warning(&mut self, code: &'static str, path: impl AsRef<str>, message: impl Into<String>) {
        self.problems.push(Problem {
            severity: Severity::Warning,
            code,
            path: pointer(path.as_ref()),
            message: message.into(),
        });
    }

    fn name(&mut self, code: &'static str, path: String, name: &str) {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if name.is_empty() {
            self.error(code, path, "the name is empty");
        } else if name.len() > MAX_NAME {
            self.error(
                code,
                path,
                format!("the name is longer than {MAX_NAME} characters"),
            );
        } else if !name.chars().all(letter) || name.starts_with('.') {
            self.error(
                code,
                path,
                format!("\"{name}\" is no name: use letters, digits, _, - and ."),
            );
        }
    }

    fn manifest(&mut self, manifest: &Manifest) {
        let meta = &manifest.meta;
        if manifest.format != FORMAT {
            self.error(
                "PF-SYNCPACK-FORMAT",
                "format",
                format!(
                    "format {} is not known; this platform reads {FORMAT}",
                    manifest.format
                ),
            );
        }
        self.name("PF-SYNCPACK-NAME", "name".to_owned(), &meta.name);
        if meta.semver().is_none() {
            self.error(
                "PF-SYNCPACK-VERSION",
                "version",
                format!(
                    "\"{}\" is no version; write three numbers such as 1.0.0",
                    meta.version
                ),
            );
        }
        if let Err(error) = check_contract(&manifest.wit) {
            self.error("PF-SYNCPACK-CONTRACT", "wit", error.to_string());
        }
        if let Some(requirement) = &meta.requires_platform
            && semver::VersionReq::parse(requirement).is_err()
        {
            let message = format!("\"{requirement}\" is no requirement; write it as \">=0.1.0\"");
            self.error("PF-SYNCPACK-REQUIRES", "requires_platform", message);
        }
        for (index, requirement) in meta.requires_dist.iter().enumerate() {
            if !is_requirement(requirement) {
                let message =
                    format!("\"{requirement}\" is no requirement; write it as \"other_pack>=1.2\"");
                self.error(
                    "PF-SYNCPACK-REQUIRES",
                    format!("requires_dist[{index}]"),
                    message,
                );
            }
        }
        if manifest.steps.is_empty() {
            self.error("PF-SYNCPACK-STEPS", "steps", "the SyncPack has no steps");
        }
        let mut seen = BTreeSet::new();
        for (index, step) in manifest.steps.iter().enumerate() {
            let path = format!("steps[{index}]");
            if !seen.insert(&step.name) {
                self.error(
                    "PF-SYNCPACK-STEP",
                    format!("{path}.name"),
                    format!("two steps are called \"{}\"", step.name),
                );
            }
            self.step(&path, step);
        }
        self.grants(meta);
    }

    fn grants(&mut self, meta: &Meta) {
        for (path, message) in stray::keys("", &meta.extra, &stray::META) {
            self.warning("PF-SYNCPACK-STRAY-KEY", path, message);
        }
        let mut seen = BTreeSet::new();
        for (index, grant) in meta.grants.iter().enumerate() {
            let path = format!("grants[{index}]");
            for (path, message) in stray::keys(&path, &grant.extra, &stray::GRANT) {
                self.warning("PF-SYNCPACK-STRAY-KEY", path, message);
            }
            if !seen.insert(&grant.id) {
                self.error(
                    "PF-SYNCPACK-GRANT",
                    format!("{path}.id"),
                    format!("two grants have the id \"{}\"", grant.id),
                );
            }
            self.grant(&path, grant);
        }
    }

    fn step(&mut self, path: &str, step: &Step) {
        self.name("PF-SYNCPACK-STEP", format!("{path}.name"), &step.name);
        if !STEP_KINDS.contains(&step.kind.as_str()) {
            let message = format!(
                "\"{}\" is no kind of step; the kinds are {}",
                step.kind,
                STEP_KINDS.join(", ")
            );
            self.error("PF-SYNCPACK-STEP", format!("{path}.kind"), message);
        }
        let mut seen = BTreeSet::new();
        for (index, parameter) in step.parameters.iter().enumerate() {
            let path = format!("{path}.parameters[{index}]");
            if !seen.insert(&parameter.name) {
                let message = format!("two parameters are called \"{}\"", parameter.name);
                self.error("PF-SYNCPACK-PARAMETER", format!("{path}.name"), message);
            }
            self.parameter(&path, parameter);
        }
    }

    fn parameter(&mut self, path: &str, parameter: &Parameter) {
        const CODE: &str = "PF-SYNCPACK-PARAMETER";
        if parameter.name.is_empty() {
            self.error(CODE, format!("{path}.name"), "the name is empty");
        }
        if !TYPES.contains(&parameter.kind.as_str()) {
            let message = format!(
                "\"{}\" is no type; the types are {}",
                parameter.kind,
                TYPES.join(", ")
            );
            self.error(CODE, format!("{path}.type"), message);
        }
        let Some(default) = &parameter.default else {
            return;
        };
        if parameter.required {
            self.warning(
                CODE,
                format!("{path}.required"),
                "a parameter with a default is never missing",
            );
        }
        if parameter.kind == "secret" {
            self.error(
                CODE,
                format!("{path}.default"),
                "a secret has no default: it would stand in the file for all to read",
            );
        } else if !fits(&parameter.kind, default) {
            self.error(
                CODE,
                format!("{path}.default"),
                format!("{default} is no {}", parameter.kind),
            );
        } else if let Some(choices) = &parameter.choices
            && !choices.contains(default)
        {
            self.error(
                CODE,
                format!("{path}.default"),
                format!("{default} is not among the choices"),
            );
        }
    }

    fn grant(&mut self, path: &str, grant: &Grant) {
        const CODE: &str = "PF-SYNCPACK-GRANT";
        self.name(CODE, format!("{path}.id"), &grant.id);
        if grant
            .reason
            .as_deref()
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            self.warning(
                CODE,
                format!("{path}.reason"),
                "say why the SyncPack needs it: an administrator decides by this text",
            );
        }
        match grant.kind.as_str() {
            "http" => self.http_grant(path, grant),
            "cache" => {
                if grant.host.is_some() || grant.ports.is_some() || grant.methods.is_some() {
                    self.error(
                        CODE,
                        path,
                        "a grant of kind cache has neither host, ports nor methods",
                    );
                }
            }
            other => self.error(
                CODE,
                format!("{path}.kind"),
                format!("\"{other}\" is no kind of grant; the kinds are http, cache"),
            ),
        }
    }

    fn http_grant(&mut self, path: &str, grant: &Grant) {
        const CODE: &str = "PF-SYNCPACK-GRANT";
        match grant.host.as_deref().map(HostPattern::parse) {
            None => self.error(
                CODE,
                format!("{path}.host"),
                "a grant of kind http names a host",
            ),
            Some(Err(reason)) => self.error(CODE, format!("{path}.host"), reason),
            Some(Ok(_)) => {}
        }
        if grant
            .ports
            .as_ref()
            .is_some_and(|ports| ports.is_empty() || ports.contains(&0))
        {
            self.error(
                CODE,
                format!("{path}.ports"),
                "list ports from 1 to 65535, or leave the key out",
            );
        }
        let method = |method: &String| {
            !method.is_empty()
                && method
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        if grant
            .methods
            .as_ref()
            .is_some_and(|methods| methods.is_empty() || !methods.iter().all(method))
        {
            self.error(
                CODE,
                format!("{path}.methods"),
                "list methods in capitals, or leave the key out",
            );
        }
    }

    fn applications(&mut self, manifest: &Manifest, applications: &[Value]) {
        const CODE: &str = "PF-SYNCPACK-APPLICATION";
        self.unique_names(CODE, "applications", applications);
        for (index, application) in applications.iter().enumerate() {
            let path = format!("applications[{index}]");
            let steps = match application.get("steps") {
                Some(Value::Array(steps)) => steps,
                None | Some(Value::Null) => continue,
                Some(_) => {
                    self.error(CODE, format!("{path}.steps"), "steps is no list");
                    continue;
                }
            };
            for (position, step) in steps.iter().enumerate() {
                let text = |key: &str| step.get(key).and_then(Value::as_str);
                let Some(file) = text("file") else { continue };
                if text("syncpack") == Some(manifest.meta.name.as_str())
                    && manifest.step(file).is_none()
                {
                    let message = format!("this SyncPack has no step \"{file}\"");
                    self.error(CODE, format!("{path}.steps[{position}].file"), message);
                }
            }
        }
    }

    fn configurations(&mut self, configurations: &[Value]) {
        const CODE: &str = "PF-SYNCPACK-CONFIGURATION";
        self.unique_names(CODE, "configurations", configurations);
        for (index, configuration) in configurations.iter().enumerate() {
            let variables = configuration
                .get("configuration_data")
                .and_then(Value::as_array);
            for (position, variable) in variables.into_iter().flatten().enumerate() {
                let encrypted = variable.get("encrypted").and_then(Value::as_bool) == Some(true);
                let value = variable
                    .get("value")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                if encrypted && !value.is_empty() && !value.starts_with("${") {
                    self.warning(
                        CODE,
                        format!("configurations[{index}].configuration_data[{position}].value"),
                        "an encrypted variable comes with a value that everybody who has the file can read; leave it empty",
                    );
                }
            }
        }
    }

    fn schedules(&mut self, schedules: &[Value]) {
        for (index, schedule) in schedules.iter().enumerate() {
            if schedule
                .get("application_id")
                .and_then(Value::as_str)
                .is_none()
            {
                let path = format!("schedules[{index}].application_id");
                self.error(
                    "PF-SYNCPACK-SCHEDULE",
                    path,
                    "a schedule names its application",
                );
            }
        }
    }

    fn unique_names(&mut self, code: &'static str, what: &str, documents: &[Value]) {
        let mut seen = BTreeSet::new();
        for (index, document) in documents.iter().enumerate() {
            let path = format!("{what}[{index}]");
            match document.get("name").map(Value::as_str) {
                _ if !document.is_object() => self.error(code, path, "this is no object"),
                Some(Some(name)) if !name.is_empty() => {
                    if !seen.insert(name) {
                        self.error(
                            code,
                            format!("{path}.name"),
                            format!("\"{name}\" stands here twice"),
                        );
                    }
                }
                _ => self.error(code, format!("{path}.name"), "the name is missing"),
            }
        }
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// `name`, `name>=1.2`, `name >= 1.2, < 2`.
fn is_requirement(text: &str) -> bool {
    let end = text
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_-.".contains(letter)))
        .unwrap_or(text.len());
    let (name, bounds) = text.split_at(end);
    let bound = |bound: &str| {
        let bound = bound.trim();
        let operator = bound
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(bound.len());
        let (operator, version) = bound.split_at(operator);
        ["==", "!=", ">=", "<=", ">", "<", "~="].contains(&operator.trim())
            && !version.is_empty()
            && version
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || ".*+-_!".contains(letter))
    };
    !name.is_empty() && (bounds.trim().is_empty() || bounds.split(',').all(bound))
}
