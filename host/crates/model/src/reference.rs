//! Strings with references: `${config.NAME}`, `${appvar.NAME}` and
//! `${step name.path.to.value}`.
//!
//! A string that is exactly one reference takes the referenced value with its
//! type. Inside a longer string a referenced text is inserted as it is and any other
//! value as compact JSON. `$${` stands for a literal `${`, so a `$` cannot stand
//! directly before a reference. A reference ends at the first `}`; only a step's
//! name may itself hold one. Of several steps whose names fit, the one with the
//! longest name is meant. A path goes through objects by key and through lists by
//! index; a key that holds a dot or `}` cannot be reached.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::id::Ordinal;

/// A parsed JSON value: literal, or with references to fill in.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// A value without references, as compact JSON text.
    Literal(Box<str>),
    /// A string that is exactly one reference.
    Reference(Reference),
    /// A string with references inside.
    Text(Vec<Part>),
    /// A list that holds references.
    Array(Vec<Template>),
    /// An object that holds references; keys are taken as they are.
    Object(Vec<(Box<str>, Template)>),
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// As it is.
    Text(Box<str>),
    /// What this refers to.
    Reference(Reference),
}

/// A reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What it refers to.
    pub target: Target,
    /// The way into the value.
    pub path: Box<[Box<str>]>,
    /// As written, with `${` and `}`.
    pub text: Box<str>,
}

/// What a reference refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A configuration variable: all that follows `config.`. A variable of that
    /// whole name is meant; if there is none, the longest name that ends before a
    /// dot, and the rest is a path.
    Config(Box<str>),
    /// An application variable, by its place in [`crate::plan::Plan::variables`].
    Variable(u32),
    /// The data of a step.
    Step(Ordinal),
}

/// What the names in references mean.
pub trait Names {
    /// The step of that name.
    fn step(&self, name: &str) -> Option<Ordinal>;
    /// The length of the longest step name in bytes.
    fn longest_step(&self) -> usize;
    /// The application variable of that name.
    fn variable(&self, name: &str) -> Option<u32>;
}

/// Something odd in a string. What it is about is kept as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issue {
    /// `${…}` names neither a step nor `config.` or `appvar.`.
    UnknownReference(String),
    /// `${appvar.…}` names no application variable.
    UnknownVariable(String),
    /// `${` without `}`.
    Unclosed,
}

impl Template {
    /// Parses a value; what is odd goes to `issues`.
    pub fn parse(value: &Value, names: &dyn Names, issues: &mut Vec<Issue>) -> Self {
        match value {
            Value::String(text) => Self::parse_text(text, names, issues),
            Value::Array(list) => {
                let parts: Vec<Self> = list
                    .iter()
                    .map(|one| Self::parse(one, names, issues))
                    .collect();
                if !parts.iter().all(Self::is_literal) {
                    return Self::Array(parts);
                }
                let mut json = String::from("[");
                for part in &parts {
                    part.push_literal(&mut json);
                }
                json.push(']');
                Self::Literal(json.into())
            }
            Value::Object(map) => Self::parse_object(map, names, issues),
            other => Self::Literal(other.to_string().into()),
        }
    }

    fn parse_object(map: &Map<String, Value>, names: &dyn Names, issues: &mut Vec<Issue>) -> Self {
        let parts: Vec<(Box<str>, Self)> = map
            .iter()
            .map(|(key, value)| {
                let mut json = String::new();
                crate::raw::push_string(&mut json, key);
                json.push(':');
                (json.into(), Self::parse(value, names, issues))
            })
            .collect();
        if !parts.iter().all(|(_, part)| part.is_literal()) {
            return Self::Object(parts);
        }
        let mut json = String::from("{");
        for (key, part) in &parts {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(key);
            if let Self::Literal(text) = part {
                json.push_str(text);
            }
        }
        json.push('}');
        Self::Literal(json.into())
    }

    fn push_literal(&self, json: &mut String) {
        if let Self::Literal(text) = self {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(text);
        }
    }

    /// Parses a string.
    pub fn parse_text(text: &str, names: &dyn Names, issues: &mut Vec<Issue>) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, body) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                push_text(&mut parts, before);
                push_text(&mut parts, "${");
                rest = body;
                continue;
            }
            push_text(&mut parts, before);
            let (used, part) = reference(body, names, issues);
            match part {
                Part::Text(text) => push_text(&mut parts, &text),
                Part::Reference(_) => parts.push(part),
            }
            rest = &body[used..];
        }
        push_text(&mut parts, rest);
        match parts.as_mut_slice() {
            [] => Self::Literal("\"\"".into()),
            [Part::Text(text)] => {
                let mut json = String::new();
                crate::raw::push_string(&mut json, text);
                Self::Literal(json.into())
            }
            [Part::Reference(_)] => match parts.pop() {
                Some(Part::Reference(only)) => Self::Reference(only),
                _ => Self::Text(parts),
            },
            _ => Self::Text(parts),
        }
    }

    /// Whether there is no reference in it.
    pub const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Every reference in it.
    pub fn references<'a>(&'a self, visit: &mut dyn FnMut(&'a Reference)) {
        match self {
            Self::Literal(_) => {}
            Self::Reference(one) => visit(one),
            Self::Text(parts) => {
                for part in parts {
                    if let Part::Reference(one) = part {
                        visit(one);
                    }
                }
            }
            Self::Array(list) => {
                for one in list {
                    one.references(visit);
                }
            }
            Self::Object(pairs) => {
                for (_, one) in pairs {
                    one.references(visit);
                }
            }
        }
    }
}

/// The string whose parsed form is `text`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.contains("${") {
        Cow::Owned(text.replace("${", "$${"))
    } else {
        Cow::Borrowed(text)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Part::Text(last)) = parts.last_mut() {
        let mut joined = String::from(std::mem::take(last));
        joined.push_str(text);
        *last = joined.into();
    } else {
        parts.push(Part::Text(text.into()));
    }
}

/// The reference at the start of `body`, which follows a `${`, and how long it is.
fn reference(body: &str, names: &dyn Names, issues: &mut Vec<Issue>) -> (usize, Part) {
    let end = body.find('}');
    let found = |used: usize, target: Target, path: &str| {
        let text = format!("${{{}", &body[..used]).into();
        let path = if path.is_empty() {
            Box::default()
        } else {
            path.split('.').map(Box::from).collect()
        };
        (used, Part::Reference(Reference { target, path, text }))
    };
    // References do not nest: one that opens inside another leaves the outer as text.
    let closed = end.map(|end| &body[..end]);
    let inside = closed.filter(|inside| !inside.contains("${"));
    if let Some(name) = inside.and_then(|inside| inside.strip_prefix("config.")) {
        return found(name.len() + 8, Target::Config(name.into()), "");
    }
    if let Some(name) = inside.and_then(|inside| inside.strip_prefix("appvar.")) {
        if let Some((variable, path)) = longest(name, |name| names.variable(name)) {
            return found(name.len() + 8, Target::Variable(variable), path);
        }
        issues.push(Issue::UnknownVariable(name.to_owned()));
        let text = format!("${{appvar.{name}}}");
        return (name.len() + 8, Part::Text(text.into()));
    }
    if let Some((used, step, path)) = step_reference(body, names) {
        return found(used, Target::Step(step), path);
    }
    if let Some(inside) = inside {
        issues.push(Issue::UnknownReference(inside.to_owned()));
        (
            inside.len() + 1,
            Part::Text(format!("${{{inside}}}").into()),
        )
    } else {
        issues.push(match closed {
            Some(nested) if nested.starts_with("config.") || nested.starts_with("appvar.") => {
                Issue::UnknownReference(nested.to_owned())
            }
            _ => Issue::Unclosed,
        });
        (0, Part::Text("${".into()))
    }
}

/// The longest step name that `body` starts with and that ends at a dot or a `}`.
fn step_reference<'a>(body: &'a str, names: &dyn Names) -> Option<(usize, Ordinal, &'a str)> {
    let ends: Vec<usize> = body
        .bytes()
        .take(names.longest_step() + 1)
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'.' | b'}'))
        .map(|(at, _)| at)
        .collect();
    ends.into_iter().rev().find_map(|at| {
        let step = names.step(&body[..at])?;
        if body.as_bytes()[at] == b'}' {
            return Some((at + 1, step, ""));
        }
        let path = &body[at + 1..];
        let path = &path[..path.find('}')?];
        if path.contains("${") {
            return None;
        }
        Some((at + path.len() + 2, step, path))
    })
}

/// What `find` knows of `text` as a whole or up to the last possible dot, with the
/// path behind it.
pub(crate) fn longest<T>(text: &str, mut find: impl FnMut(&str) -> Option<T>) -> Option<(T, &str)> {
    if let Some(found) = find(text) {
        return Some((found, ""));
    }
    text.rmatch_indices('.')
        .find_map(|(at, _)| Some((find(&text[..at])?, &text[at + 1..])))
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
