//! Templates: minijinja, set up so that they do what they do in Jinja2 of Python.

use std::fmt::Write as _;

use minijinja::{Environment, Error, ErrorKind, Value, value::ValueKind};
use powerflow_sdk::Result;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::data::Data;

mod filters;
mod globals;
pub(crate) mod json;
mod literals;
mod methods;
mod ready;
mod text;
pub mod value;

/// The name of the template in messages.
const NAME: &str = "template";
/// How deep macros, includes and loops may call each other: the stack is small.
const RECURSION: usize = 100;

/// A template and the references in it, as the compiler of applications makes them.
#[derive(Debug, Deserialize)]
pub struct Template {
    /// What is rendered.
    text: String,
    /// Whether it is an expression instead of a template.
    #[serde(default)]
    expression: bool,
    /// What `__ref0`, `__ref1` … are.
    #[serde(default)]
    references: Vec<Box<RawValue>>,
}

impl Template {
    /// A template without references.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            expression: false,
            references: Vec::new(),
        }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_recursion_limit(RECURSION);
    environment.set_formatter(|out, state, value| {
        if value.kind() == ValueKind::Number && !value.is_integer() {
            let number = f64::try_from(value.clone())?;
            if number.is_finite() {
                return out.write_str(&json::float(number)).map_err(Error::from);
            }
        }
        minijinja::escape_formatter(out, state, value)
    });
    environment.set_unknown_method_callback(methods::call);
    filters::add(&mut environment);
    globals::add(&mut environment);
    literals::add(&mut environment);
    environment
}

/// What the template makes.
///
/// # Errors
/// Permanent, with the line.
pub fn render(template: &Template, data: &Data) -> Result<String> {
    ready::template(&template.text, |ready| {
        ready.and_then(|ready| ready.render(data.root(&template.references)))
    })
    .map_err(|error| failure(&error))
}

/// Whether a template, or an expression, makes something that is true.
///
/// # Errors
/// Permanent, with the line.
pub fn holds(template: &Template, data: &Data) -> Result<bool> {
    if let Some(expression) = only_expression(template) {
        let value = ready::expression(expression, |ready| {
            ready.and_then(|ready| ready.eval(data.root(&template.references)))
        })
        .map_err(|error| failure(&error))?;
        return Ok(match value.as_str() {
            Some(text) => is_true(text),
            None => value.is_true(),
        });
    }
    render(template, data).map(|text| is_true(&text))
}

/// The expression of a template that is nothing but one.
fn only_expression(template: &Template) -> Option<&str> {
    if template.expression {
        return Some(&template.text);
    }
    let inner = template
        .text
        .trim()
        .strip_prefix("{{")?
        .strip_suffix("}}")?;
    let marks = ["{{", "}}", "{%", "{#"];
    if marks.iter().any(|mark| inner.contains(mark)) {
        return None;
    }
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some(inner.strip_suffix(['-', '+']).unwrap_or(inner))
}

/// Whether a rendered text means yes.
fn is_true(text: &str) -> bool {
    let text = text.trim();
    let no = ["", "false", "none", "null", "[]", "{}", "no", "off"];
    !no.iter().any(|no| text.eq_ignore_ascii_case(no)) && text.parse::<f64>() != Ok(0.0)
}

/// The words of the engine with all that they are made of, and where.
fn failure(error: &Error) -> powerflow_sdk::Error {
    let code = match error.kind() {
        ErrorKind::SyntaxError => "template-syntax",
        ErrorKind::UndefinedError => "template-undefined",
        _ => "template",
    };
    let mut message = String::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut line = error.line();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            line = line.or(error.line());
            let detail = error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&detail);
        } else {
            let _ = write!(message, ": {error}");
        }
        next = error.source();
    }
    match line {
        Some(line) => {
            powerflow_sdk::Error::permanent(format!("the template, line {line}: {message}"))
                .with_detail(powerflow_sdk::json!({ "line": line }))
        }
        None => powerflow_sdk::Error::permanent(format!("the template: {message}")),
    }
    .with_code(code)
}

/// The error of an operation that an argument does not allow.
fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// A list as templates have it: one that can be changed.
fn list(values: Vec<Value>) -> Value {
    Value::from_object(value::List::new(values))
}
