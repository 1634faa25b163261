//! The parameters of one step of one run, made for its call.

use std::{borrow::Cow, collections::HashMap, hash::BuildHasher};

use serde_json::{Value, value::RawValue};

use super::{
    PlannedParameter, PlannedStep,
    evaluate::{Evaluation, insert_as_text},
    run_code,
};
use crate::{
    configuration::Resolved,
    descriptor::ParameterType,
    flow::Route,
    for_each,
    id::Ordinal,
    limits::{self, Wanted},
    parameters::RunParameters,
    raw,
    reference::Template,
};

/// The data of earlier steps of the run.
pub trait Outputs {
    /// The output of `step` as valid JSON text; `None` when it has none.
    fn output(&self, step: Ordinal) -> Option<&str>;
}

/// What stands in for secret values in a step.
pub trait SecretHandles {
    /// The opaque handle for `value`, the same each time within an execution.
    fn handle(&self, value: &str) -> String;
}

/// No step has data.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutputs;

impl Outputs for NoOutputs {
    fn output(&self, _: Ordinal) -> Option<&str> {
        None
    }
}

impl<V: AsRef<str>, H: BuildHasher> Outputs for HashMap<Ordinal, V, H> {
    fn output(&self, step: Ordinal) -> Option<&str> {
        self.get(&step).map(AsRef::as_ref)
    }
}

impl<S: AsRef<str>> Outputs for [(Ordinal, S)] {
    fn output(&self, step: Ordinal) -> Option<&str> {
        let (_, text) = self.iter().find(|(one, _)| *one == step)?;
        Some(text.as_ref())
    }
}

impl<S: AsRef<str>> Outputs for Vec<(Ordinal, S)> {
    fn output(&self, step: Ordinal) -> Option<&str> {
        self.as_slice().output(step)
    }
}

/// Masks instead of handing out: for checks and pages that show parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHandles;

impl SecretHandles for NoHandles {
    fn handle(&self, _: &str) -> String {
        crate::mask::MASK.to_owned()
    }
}

/// What a step's parameters are made from.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The run's own parameters.
    pub run: &'a RunParameters,
    /// The aligned configuration object.
    pub configuration: Option<&'a Resolved>,
    /// The data of earlier steps.
    pub outputs: &'a dyn Outputs,
    /// The names of the run's own parameters that are secret.
    pub secret: &'a [Box<str>],
    /// Makes handles for secrets.
    pub secrets: &'a dyn SecretHandles,
    /// The most bytes that the parameters may have together; see [`Scope::LIMIT`].
    pub limit: usize,
}

impl Scope<'_> {
    /// A limit for [`Scope::limit`] that is enough for data at its own limit.
    pub const LIMIT: usize = 32 << 20;
}

/// What a step is called with.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedParameters {
    /// A JSON object with every parameter that has a value.
    pub json: String,
    /// The secret values in it or behind its handles, to be masked wherever the
    /// step may write them.
    pub secrets: Vec<Secret>,
    /// References that led to nothing and count as null, as written: only in a condition.
    pub missing: Vec<String>,
}

/// A secret value that a parameter brought.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// JSON pointer to the parameter.
    pub path: String,
    /// The plain value.
    pub value: String,
}

impl std::fmt::Debug for ResolvedParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResolvedParameters")
            .field("bytes", &self.json.len())
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secret").field(&self.path).finish()
    }
}

/// Why a step's parameters cannot be made. Permanent: the same run gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}`, parameter `{parameter}`: {reason}")]
pub struct ResolveError {
    /// The step.
    pub step: String,
    /// The parameter.
    pub parameter: String,
    /// Why.
    pub reason: Reason,
}

impl ResolveError {
    /// The stable code; see [`run_code`].
    pub const fn code(&self) -> &'static str {
        match self.reason {
            Reason::NoValue => run_code::PARAMETER,
            Reason::NoConfiguration { .. } => run_code::NO_CONFIGURATION,
            Reason::NoConfigurationVariable { .. } => run_code::CONFIGURATION_VARIABLE,
            Reason::NoVariable { .. } => run_code::VARIABLE,
            Reason::NoOutput { .. } => run_code::NO_OUTPUT,
            Reason::NoData { .. } => run_code::NO_DATA,
            Reason::BrokenData { .. } => run_code::BROKEN,
            Reason::Type { .. } => run_code::TYPE_MISMATCH,
            Reason::Choice { .. } => run_code::CHOICE,
            Reason::TooLarge => run_code::TOO_LARGE,
            Reason::Secret { .. } | Reason::SecretKey { .. } => run_code::SECRET,
            Reason::Key { .. } => run_code::LIMIT_KEY,
        }
    }
}

/// Why a parameter cannot be made. Messages hold no values: they may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Reason {
    #[error("it is required and has no value")]
    NoValue,
    #[error("`{reference}` needs a configuration object, and none is aligned")]
    NoConfiguration { reference: String },
    #[error("`{reference}` names a configuration variable that does not exist")]
    NoConfigurationVariable { reference: String },
    #[error("`{reference}` refers to an application variable that has no value")]
    NoVariable { reference: String },
    #[error("`{reference}` refers to a step that has no data: it did not run")]
    NoOutput { reference: String },
    #[error("`{reference}` leads to no value")]
    NoData { reference: String },
    #[error("`{reference}` refers to data that is no JSON")]
    BrokenData { reference: String },
    #[error("it must be of type {wanted}, the value is {found}")]
    Type {
        wanted: &'static str,
        found: &'static str,
    },
    #[error("the value is none of its choices: {choices}")]
    Choice { choices: String },
    #[error("the parameters together become too large")]
    TooLarge,
    #[error(
        "`{reference}` is secret, and what an operator makes of it could be read by anybody: hand it to a step that declares a parameter of the type `secret`"
    )]
    Secret { reference: String },
    #[error("`{reference}` is secret, and the keys of limits are shown to everybody")]
    SecretKey { reference: String },
    #[error(
        "its key becomes {found}: it is a text of 1 to {most} characters, or a number or boolean"
    )]
    Key { found: String, most: usize },
}

impl PlannedStep {
    /// Where a run goes on behind this step when it failed and others go on all the same:
    /// behind a condition that has not chosen, into no branch.
    pub fn route_of_failure(&self) -> Route {
        let operator = self.operator.as_ref();
        let routing = operator.and_then(|one| one.routing.as_ref());
        routing.and_then(|one| one.route(None)).unwrap_or_default()
    }

    /// The list of the elements that this step is executed for; `None`: it is executed once.
    pub fn items(&self, scope: &Scope<'_>) -> Result<Option<Vec<Box<RawValue>>>, ResolveError> {
        let Some(each) = &self.for_each else {
            return Ok(None);
        };
        let mut evaluation = Evaluation::new(scope, &self.variables);
        // Elements are stored.
        evaluation.open = true;
        let mut json = String::new();
        evaluation
            .write(&each.items, &mut json)
            .map_err(|reason| self.error(for_each::KEY, reason))?;
        match serde_json::from_str(&json) {
            Ok(items) => Ok(Some(items)),
            Err(_) => Err(self.error(
                for_each::KEY,
                Reason::Type {
                    wanted: "a list",
                    found: kind_of(json.as_bytes().first().copied()),
                },
            )),
        }
    }

    /// The parameters for a call of this step.
    pub fn resolve(&self, scope: &Scope<'_>) -> Result<ResolvedParameters, ResolveError> {
        let mut evaluation = Evaluation::new(scope, &self.variables);
        let mut json = String::with_capacity(256);
        let mut secrets = Vec::new();
        if let Some(operator) = &self.operator {
            let word = operator.operator.word();
            evaluation.lenient = operator.is_lenient();
            evaluation.open = true;
            evaluation
                .write(&operator.parameters, &mut json)
                .map_err(|reason| self.error(word, reason))?;
            let missing = evaluation.missing;
            return Ok(ResolvedParameters {
                json,
                secrets,
                missing,
            });
        }
        json.push('{');
        for parameter in &self.parameters {
            parameter
                .write(&mut evaluation, &mut json)
                .map_err(|reason| self.error(&parameter.name, reason))?;
            take_secrets(&mut evaluation, &parameter.name, &mut secrets);
        }
        if self.descriptor.takes_any() {
            self.undeclared(&mut evaluation, &mut json, &mut secrets)?;
        }
        json.push('}');
        let missing = Vec::new();
        Ok(ResolvedParameters {
            json,
            secrets,
            missing,
        })
    }

    /// The limits of an attempt of this step, with their keys: a concurrency, then a rate.
    pub fn wanted(&self, scope: &Scope<'_>) -> Result<Vec<Wanted>, ResolveError> {
        let limits = self.limits.iter().map(|one| {
            let mut evaluation = Evaluation::new(scope, &self.variables);
            let key = limit_key(&mut evaluation, &one.key)
                .map_err(|reason| self.error(one.name, reason))?;
            let limit = one.limit;
            Ok(Wanted { key, limit })
        });
        limits.collect()
    }

    /// For a step that takes any: the other parameters of the run and the
    /// application variables.
    fn undeclared<'a>(
        &'a self,
        evaluation: &mut Evaluation<'a>,
        json: &mut String,
        secrets: &mut Vec<Secret>,
    ) -> Result<(), ResolveError> {
        let run = evaluation.scope.run;
        let known = |name: &str| self.parameters.iter().any(|known| known.name == name);
        for (name, value) in run.iter().filter(|(name, _)| !known(name)) {
            push_key(json, name);
            json.push_str(value);
        }
        for variable in self.variables.iter().filter(|one| one.automatic) {
            if let Some(template) = &variable.template
                && run.get(&variable.name).is_none()
                && !known(&variable.name)
            {
                push_key(json, &variable.name);
                evaluation
                    .write(template, json)
                    .map_err(|reason| self.error(&variable.name, reason))?;
                take_secrets(evaluation, &variable.name, secrets);
            }
        }
        Ok(())
    }

    fn error(&self, parameter: &str, reason: Reason) -> ResolveError {
        ResolveError {
            step: self.name.clone(),
            parameter: parameter.to_owned(),
            reason,
        }
    }
}

/// The key of a limit.
fn limit_key<'a>(
    evaluation: &mut Evaluation<'a>,
    template: &'a Template,
) -> Result<String, Reason> {
    evaluation.open = true;
    let mut json = String::new();
    evaluation
        .write(template, &mut json)
        .map_err(|reason| match reason {
            Reason::Secret { reference } => Reason::SecretKey { reference },
            other => other,
        })?;
    let mut text = String::new();
    insert_as_text(&json, &mut text);
    let found = match json.as_bytes().first() {
        Some(b'[') => "a list".to_owned(),
        Some(b'{') => "an object".to_owned(),
        Some(b'n') => "null".to_owned(),
        _ => match text.chars().count() {
            1..=limits::LONGEST_KEY if !text.trim().is_empty() && !text.contains('\0') => {
                return Ok(text);
            }
            length => format!("a text of {length}"),
        },
    };
    let most = limits::LONGEST_KEY;
    Err(Reason::Key { found, most })
}

fn push_key(json: &mut String, name: &str) {
    if json.len() > 1 {
        json.push(',');
    }
    raw::push_string(json, name);
    json.push(':');
}

fn take_secrets(evaluation: &mut Evaluation<'_>, name: &str, secrets: &mut Vec<Secret>) {
    for value in evaluation.secrets.drain(..) {
        let path = format!("/{}", crate::validate::pointer(name));
        secrets.push(Secret { path, value });
    }
}

impl PlannedParameter {
    /// Appends the parameter with its value, if it has one.
    fn write<'a>(
        &'a self,
        evaluation: &mut Evaluation<'a>,
        json: &mut String,
    ) -> Result<(), Reason> {
        let start = json.len();
        let separator = usize::from(start > 1);
        if separator == 1 {
            json.push(',');
        }
        json.push_str(&self.key);
        let value = json.len();
        let mut checked = false;
        if let Some(raw) = evaluation.scope.run.get(&self.name) {
            evaluation.spend(raw.len())?;
            json.push_str(raw);
        } else if let Some(template) = &self.template {
            evaluation.write(template, json)?;
            checked = self.checked;
        } else if self.required {
            return Err(Reason::NoValue);
        } else {
            json.truncate(start);
            return Ok(());
        }
        if !checked {
            self.check_value(json, value)?;
        }
        if self.param_type == ParameterType::Secret && &json[value..] != "null" {
            let secret = raw::unquote(&json[value..])
                .map_or_else(|| json[value..].to_owned(), Cow::into_owned);
            json.truncate(value);
            raw::push_string(json, &evaluation.scope.secrets.handle(&secret));
            if !evaluation.secrets.contains(&secret) {
                evaluation.secrets.push(secret);
            }
        }
        Ok(())
    }

    /// Checks the value that stands in `json` from `at` on, and puts the documented
    /// other spellings right.
    fn check_value(&self, json: &mut String, at: usize) -> Result<(), Reason> {
        if &json[at..] == "null" {
            return if self.required {
                Err(Reason::NoValue)
            } else {
                Ok(())
            };
        }
        if let Some(instead) = fit(self.param_type, &json[at..])? {
            json.truncate(at);
            json.push_str(&instead);
        }
        match &self.choices {
            Some(choices) => chosen(choices, &json[at..]),
            None => Ok(()),
        }
    }
}

/// Whether a raw value other than `null` has a type. `Some` is the same value as the
/// type writes it.
pub(crate) fn fit(param_type: ParameterType, raw: &str) -> Result<Option<String>, Reason> {
    let first = raw.as_bytes().first().copied().unwrap_or(b'n');
    let number = matches!(first, b'-' | b'0'..=b'9');
    let fits = match param_type {
        ParameterType::Any | ParameterType::Secret => true,
        ParameterType::String => first == b'"',
        ParameterType::Array => first == b'[',
        ParameterType::Object => first == b'{',
        ParameterType::Number => number,
        ParameterType::Boolean => {
            if let Some(text) = raw::unquote(raw)
                && let Some(truth) = crate::application::truth(&Value::from(&*text))
            {
                return Ok(Some(truth.to_string()));
            }
            matches!(first, b't' | b'f')
        }
        ParameterType::Integer if number => {
            if !raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
                true
            } else if let Some(whole) = whole(raw) {
                return Ok(Some(whole));
            } else {
                false
            }
        }
        ParameterType::Integer => false,
    };
    if fits {
        return Ok(None);
    }
    Err(Reason::Type {
        wanted: param_type.word(),
        found: match kind_of(Some(first)) {
            "a number" if param_type == ParameterType::Integer => "a number with a fraction",
            kind => kind,
        },
    })
}

/// What a compact JSON value is that begins with this byte.
const fn kind_of(first: Option<u8>) -> &'static str {
    match first {
        Some(b'"') => "a text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') | None => "null",
        Some(_) => "a number",
    }
}

/// A number with a fraction part or an exponent, if it is whole and exact.
fn whole(raw: &str) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = raw.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT).then(|| (number as i64).to_string())
}

/// Whether a raw value is one of `choices`.
pub(crate) fn chosen(choices: &[Value], raw: &str) -> Result<(), Reason> {
    let value: Value = serde_json::from_str(raw).unwrap_or(Value::Null);
    let same = |choice: &Value| {
        *choice == value
            || matches!((choice.as_f64(), value.as_f64()), (Some(a), Some(b)) if a.to_bits() == b.to_bits())
    };
    if choices.iter().any(same) {
        return Ok(());
    }
    let mut list: Vec<String> = choices.iter().take(20).map(Value::to_string).collect();
    if choices.len() > list.len() {
        list.push("…".to_owned());
    }
    Err(Reason::Choice {
        choices: list.join(", "),
    })
}
