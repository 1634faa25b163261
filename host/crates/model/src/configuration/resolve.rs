//! References between configuration variables.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fmt,
};

use serde_json::Value;

use super::{Configuration, Error, Positions};
use crate::{
    plan::insert_as_text,
    raw,
    reference::{self, OnlyConfig, Part, Reference, Target, Template},
};

/// The most bytes that all values may have together.
const LIMIT: usize = 16 << 20;

/// A configuration object's values, with references replaced. Its `Debug` form
/// shows names only.
#[derive(Clone, Default)]
pub struct Resolved {
    variables: HashMap<Box<str>, ResolvedVariable>,
}

/// A configuration variable's value.
#[derive(Clone)]
pub struct ResolvedVariable {
    /// The value as compact JSON text.
    pub json: Box<str>,
    /// Whether it is encrypted or was made with one that is.
    pub secret: bool,
    /// Whether it is encrypted itself.
    pub encrypted: bool,
}

impl Resolved {
    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&ResolvedVariable> {
        self.variables.get(name)
    }

    /// What `${config.<text>}` means: the variable of that whole name, else the
    /// longest name before a dot with the rest as a path into its value.
    pub fn find<'a>(&'a self, text: &str) -> Option<(&'a ResolvedVariable, Cow<'a, str>)> {
        let (variable, path) = reference::longest(text, |name| self.variables.get(name))?;
        Some((variable, at_path(&variable.json, path)?.into()))
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(|name| &**name)
    }

    /// The texts that must be masked, with the names of their variables: secret values,
    /// and every text and number inside secret lists and objects. Encrypted variables
    /// stand before those that refer to them.
    pub fn secrets(&self) -> Vec<(&str, String)> {
        let mut secret: Vec<_> = self
            .variables
            .iter()
            .filter(|(_, variable)| variable.secret)
            .collect();
        secret.sort_by_key(|(name, variable)| (!variable.encrypted, *name));
        let mut found = Vec::new();
        for (name, variable) in secret {
            let values = crate::mask::values(&variable.json);
            found.extend(values.into_iter().map(|value| (&**name, value)));
        }
        found
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl fmt::Debug for ResolvedVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedVariable")
            .field("bytes", &self.json.len())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

fn at_path<'a>(json: &'a str, path: &str) -> Option<&'a str> {
    if path.is_empty() {
        return Some(json);
    }
    let path: Vec<Box<str>> = path.split('.').map(Box::from).collect();
    raw::find(json, &path).ok().flatten()
}

/// The variables of an object with what they refer to.
pub(super) struct Links<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) entries: Vec<usize>,
    encrypted: Vec<bool>,
    templates: Vec<Template>,
    /// For each variable those that it refers to.
    refers_to: Vec<Vec<usize>>,
    /// References that name no variable: (variable, name).
    pub(super) unknown: Vec<(usize, String)>,
}

impl<'a> Links<'a> {
    pub(super) fn of(configuration: &'a Configuration) -> Self {
        let mut positions = Positions::new();
        let mut of = Self {
            names: Vec::new(),
            entries: Vec::new(),
            encrypted: Vec::new(),
            templates: Vec::new(),
            refers_to: Vec::new(),
            unknown: Vec::new(),
        };
        for variable in configuration.variables() {
            let template = if variable.encrypted {
                Template::Literal("null".into())
            } else {
                Template::parse(variable.value, &OnlyConfig, &mut Vec::new())
            };
            let at = *positions.entry(variable.name).or_insert(of.names.len());
            if at == of.names.len() {
                of.names.push(variable.name);
                of.entries.push(variable.index);
                of.encrypted.push(variable.encrypted);
                of.templates.push(template);
            } else {
                of.entries[at] = variable.index;
                of.encrypted[at] = variable.encrypted;
                of.templates[at] = template;
            }
        }
        for (at, template) in of.templates.iter().enumerate() {
            let mut links = Vec::new();
            template.references(&mut |reference| {
                if let Target::Config(name) = &reference.target {
                    match reference::longest(name, |name| positions.get(name).copied()) {
                        Some((to, _)) => links.push(to),
                        None => of.unknown.push((at, name.to_string())),
                    }
                }
            });
            of.refers_to.push(links);
        }
        of
    }

    /// An order in which each variable stands behind those that it refers to.
    pub(super) fn order(&self) -> Result<Vec<usize>, Vec<String>> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![NEW; self.names.len()];
        let mut order = Vec::with_capacity(self.names.len());
        for start in 0..self.names.len() {
            if state[start] != NEW {
                continue;
            }
            let mut way = vec![(start, 0)];
            state[start] = OPEN;
            while let Some((at, next)) = way.last_mut() {
                let Some(&to) = self.refers_to[*at].get(*next) else {
                    state[*at] = DONE;
                    order.push(*at);
                    way.pop();
                    continue;
                };
                *next += 1;
                match state[to] {
                    NEW => {
                        state[to] = OPEN;
                        way.push((to, 0));
                    }
                    OPEN => {
                        let circle = way.iter().map(|(at, _)| *at).skip_while(|at| *at != to);
                        return Err(circle
                            .chain([to])
                            .map(|at| self.names[at].to_owned())
                            .collect());
                    }
                    _ => {}
                }
            }
        }
        Ok(order)
    }
}

pub(super) fn secret_names(configuration: &Configuration) -> BTreeSet<&str> {
    let links = Links::of(configuration);
    let mut used_by = vec![Vec::new(); links.names.len()];
    for (at, to) in links.refers_to.iter().enumerate() {
        for &to in to {
            used_by[to].push(at);
        }
    }
    let mut secret = links.encrypted.clone();
    let mut open: Vec<usize> = (0..secret.len()).filter(|at| secret[*at]).collect();
    while let Some(at) = open.pop() {
        for &user in &used_by[at] {
            if !std::mem::replace(&mut secret[user], true) {
                open.push(user);
            }
        }
    }
    links
        .names
        .iter()
        .zip(secret)
        .filter_map(|(name, secret)| secret.then_some(*name))
        .collect()
}

pub(super) fn resolve(
    configuration: &Configuration,
    mut reveal: impl FnMut(&str, &Value) -> Result<Value, String>,
) -> Result<Resolved, Error> {
    let links = Links::of(configuration);
    if let Some((at, reference)) = links.unknown.first() {
        return Err(Error::Unknown {
            variable: links.names[*at].to_owned(),
            reference: reference.clone(),
        });
    }
    let values: HashMap<&str, &Value> = configuration
        .variables()
        .map(|one| (one.name, one.value))
        .collect();
    let mut resolved = Resolved::default();
    let mut left = LIMIT;
    for at in links.order().map_err(Error::Cycle)? {
        let name = links.names[at];
        let encrypted = links.encrypted[at];
        let mut secret = encrypted;
        let mut json = String::new();
        if secret {
            let value = reveal(name, values[name]).map_err(|reason| Error::Sealed {
                variable: name.to_owned(),
                reason,
            })?;
            json = value.to_string();
        } else {
            secret = links.refers_to[at].iter().any(|to| {
                resolved
                    .get(links.names[*to])
                    .is_some_and(|variable| variable.secret)
            });
            write(&links.templates[at], &resolved, name, left, &mut json)?;
        }
        left = left
            .checked_sub(json.len())
            .ok_or_else(|| Error::TooLarge(name.to_owned()))?;
        let json = json.into();
        let variable = ResolvedVariable {
            json,
            secret,
            encrypted,
        };
        resolved.variables.insert(name.into(), variable);
    }
    Ok(resolved)
}

fn write(
    template: &Template,
    resolved: &Resolved,
    name: &str,
    limit: usize,
    json: &mut String,
) -> Result<(), Error> {
    match template {
        Template::Literal(text) => json.push_str(text),
        Template::Reference(reference) => json.push_str(&value(reference, resolved, name)?),
        Template::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Text(literal) => text.push_str(literal),
                    Part::Reference(reference) => {
                        insert_as_text(&value(reference, resolved, name)?, &mut text);
                    }
                }
                if text.len() > limit {
                    return Err(Error::TooLarge(name.to_owned()));
                }
            }
            raw::push_string(json, &text);
        }
        Template::Array(list) => {
            let mut opening = '[';
            for one in list {
                json.push(opening);
                opening = ',';
                write(one, resolved, name, limit, json)?;
            }
            json.push(']');
        }
        Template::Object(pairs) => {
            let mut opening = '{';
            for (key, one) in pairs {
                json.push(opening);
                opening = ',';
                json.push_str(key);
                write(one, resolved, name, limit, json)?;
            }
            json.push('}');
        }
    }
    if json.len() > limit {
        return Err(Error::TooLarge(name.to_owned()));
    }
    Ok(())
}

fn value<'a>(
    reference: &Reference,
    resolved: &'a Resolved,
    name: &str,
) -> Result<Cow<'a, str>, Error> {
    let found = match &reference.target {
        Target::Config(text) => resolved.find(text),
        Target::Variable(_) | Target::Step(_) => None,
    };
    found
        .map(|(_, value)| value)
        .ok_or_else(|| Error::NoSuchPath {
            variable: name.to_owned(),
            reference: reference.text.to_string(),
        })
}
