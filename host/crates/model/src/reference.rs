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

use serde_json::{Map, Value};

use crate::{id::Ordinal, validate::MAX_NAME};

/// The longest name, in bytes.
pub(crate) const LONGEST_NAME: usize = 4 * MAX_NAME;
/// How much that is odd is told of one value, of each kind.
const MAX_ISSUES: usize = 20;

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

/// Here only `config.` means something; any other `${…}` is text.
pub(crate) struct OnlyConfig;

impl Names for OnlyConfig {
    fn step(&self, _: &str) -> Option<Ordinal> {
        None
    }
    fn longest_step(&self) -> usize {
        0
    }
    fn variable(&self, _: &str) -> Option<u32> {
        None
    }
}

/// Something odd in a string. What it is about is kept as text,
/// cut where it is longer than a name may be.
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
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let last_end = text.rfind('}').unwrap_or_default();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, body) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = body;
                continue;
            }
            plain.push_str(before);
            let closed = text.len() - body.len() <= last_end;
            let (used, found) = reference(body, closed, names, issues);
            if let Some((target, path)) = found {
                flush(&mut plain, &mut parts);
                parts.push(Part::Reference(Reference {
                    target,
                    path,
                    text: format!("${{{}", &body[..used]).into(),
                }));
            } else {
                plain.push_str("${");
                plain.push_str(&body[..used]);
            }
            rest = &body[used..];
        }
        plain.push_str(rest);
        flush(&mut plain, &mut parts);
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

fn flush(plain: &mut String, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain).into()));
    }
}

/// Notes what is odd, the first of each kind: a value may hold more of it than anybody reads.
fn note(issues: &mut Vec<Issue>, issue: Issue) {
    let kind = std::mem::discriminant(&issue);
    let known = issues
        .iter()
        .filter(|one| std::mem::discriminant(*one) == kind);
    if known.count() < MAX_ISSUES {
        issues.push(issue);
    }
}

/// A name as a message shows it.
fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

/// How a reference ends.
enum End {
    /// At this `}`.
    Closed(usize),
    /// Another opens here, before a `}`.
    Nested(usize),
    /// Not at all.
    Open,
}

fn end(body: &str) -> End {
    let bytes = body.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'}' => return End::Closed(at),
            b'$' if bytes.get(at + 1) == Some(&b'{') => return End::Nested(at),
            _ => {}
        }
    }
    End::Open
}

fn path_of(text: &str) -> Box<[Box<str>]> {
    if text.is_empty() {
        Box::default()
    } else {
        text.split('.').map(Box::from).collect()
    }
}

pub(crate) type Found = (Target, Box<[Box<str>]>);

/// The reference at the start of `body`, which follows a `${`, and how long it, or the
/// text in place of it, is. Never looks further than to the next `${` or `}`, but for the
/// length of a step's name. `closed`: a `}` follows somewhere.
pub(crate) fn reference(
    body: &str,
    closed: bool,
    names: &dyn Names,
    issues: &mut Vec<Issue>,
) -> (usize, Option<Found>) {
    let end = end(body);
    // References do not nest: one that opens inside another leaves the outer as text.
    let inside = match end {
        End::Closed(at) => Some(&body[..at]),
        End::Nested(_) | End::Open => None,
    };
    if let Some(name) = inside.and_then(|inside| inside.strip_prefix("config.")) {
        let found = (Target::Config(name.into()), Box::default());
        return (name.len() + 8, Some(found));
    }
    if let Some(name) = inside.and_then(|inside| inside.strip_prefix("appvar.")) {
        let used = name.len() + 8;
        if let Some((variable, path)) = longest(name, |name| names.variable(name)) {
            return (used, Some((Target::Variable(variable), path_of(path))));
        }
        note(issues, Issue::UnknownVariable(shown(name)));
        return (used, None);
    }
    if let Some((used, step, path)) = step_reference(body, names) {
        return (used, Some((Target::Step(step), path_of(path))));
    }
    if let Some(inside) = inside {
        note(issues, Issue::UnknownReference(shown(inside)));
        return (inside.len() + 1, None);
    }
    let issue = match end {
        End::Nested(at)
            if closed && (body.starts_with("config.") || body.starts_with("appvar.")) =>
        {
            Issue::UnknownReference(format!("{}${{…", shown(&body[..at])))
        }
        _ => Issue::Unclosed,
    };
    note(issues, issue);
    (0, None)
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
        match end(path) {
            End::Closed(length) => Some((at + length + 2, step, &path[..length])),
            End::Nested(_) | End::Open => None,
        }
    })
}

/// What `find` knows of `text` as a whole or up to the last possible dot, with the
/// path behind it.
pub(crate) fn longest<T>(text: &str, mut find: impl FnMut(&str) -> Option<T>) -> Option<(T, &str)> {
    if let Some(found) = find(text) {
        return Some((found, ""));
    }
    text.rmatch_indices('.')
        .filter(|(at, _)| *at <= LONGEST_NAME)
        .find_map(|(at, _)| Some((find(&text[..at])?, &text[at + 1..])))
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
