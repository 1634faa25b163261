//! Fills references in.

use std::borrow::Cow;

use super::{PlannedVariable, Reason, Scope};
use crate::{
    raw,
    reference::{Part, Reference, Target, Template},
};

/// What a reference costs beside the bytes that it brings, so that variables that
/// refer to each other many times come to an end even when they are empty.
const REFERENCE_COST: usize = 64;

/// The making of one step's parameters.
pub(super) struct Evaluation<'a> {
    pub(super) scope: Scope<'a>,
    variables: &'a [PlannedVariable],
    left: usize,
    /// Secret values inserted since somebody took them.
    pub(super) secrets: Vec<String>,
    /// A reference that leads to nothing is null.
    pub(super) lenient: bool,
    /// What is made of the values is shown: none may be secret.
    pub(super) open: bool,
    /// References that led to nothing, as written.
    pub(super) missing: Vec<String>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(scope: &Scope<'a>, variables: &'a [PlannedVariable]) -> Self {
        Self {
            scope: *scope,
            variables,
            left: scope.limit,
            secrets: Vec::new(),
            lenient: false,
            open: false,
            missing: Vec::new(),
        }
    }

    /// Counts bytes against the limit.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Reason> {
        self.left = self.left.checked_sub(bytes).ok_or(Reason::TooLarge)?;
        Ok(())
    }

    /// Appends a template's value as JSON.
    pub(super) fn write(
        &mut self,
        template: &'a Template,
        json: &mut String,
    ) -> Result<(), Reason> {
        match template {
            Template::Literal(text) => {
                self.spend(text.len())?;
                json.push_str(text);
            }
            Template::Reference(reference) => json.push_str(&self.value(reference)?),
            Template::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    self.insert(part, &mut text)?;
                }
                raw::push_string(json, &text);
            }
            Template::Array(list) => {
                let mut opening = '[';
                for one in list {
                    json.push(opening);
                    opening = ',';
                    self.write(one, json)?;
                }
                json.push(']');
            }
            Template::Object(pairs) => {
                let mut opening = '{';
                for (key, one) in pairs {
                    json.push(opening);
                    opening = ',';
                    self.spend(key.len())?;
                    json.push_str(key);
                    self.write(one, json)?;
                }
                json.push('}');
            }
        }
        Ok(())
    }

    fn insert(&mut self, part: &'a Part, text: &mut String) -> Result<(), Reason> {
        match part {
            Part::Text(literal) => {
                self.spend(literal.len())?;
                text.push_str(literal);
            }
            Part::Reference(reference) => {
                let value = self.value(reference)?;
                insert_as_text(&value, text);
            }
        }
        Ok(())
    }

    /// The JSON text of what a reference refers to.
    fn value(&mut self, reference: &'a Reference) -> Result<Cow<'a, str>, Reason> {
        match self.value_of(reference) {
            Err(Reason::NoData { reference } | Reason::NoOutput { reference }) if self.lenient => {
                self.spend(REFERENCE_COST)?;
                if !self.missing.contains(&reference) {
                    self.missing.push(reference);
                }
                Ok(Cow::Borrowed("null"))
            }
            other => other,
        }
    }

    fn value_of(&mut self, reference: &'a Reference) -> Result<Cow<'a, str>, Reason> {
        let named = || reference.text.to_string();
        let value = match &reference.target {
            Target::Config(name) => {
                let configuration = self
                    .scope
                    .configuration
                    .ok_or_else(|| Reason::NoConfiguration { reference: named() })?;
                let (variable, value) = configuration
                    .find(name)
                    .ok_or_else(|| Reason::NoConfigurationVariable { reference: named() })?;
                if variable.secret {
                    if self.open {
                        return Err(Reason::Secret { reference: named() });
                    }
                    let mut secret = String::new();
                    insert_as_text(&value, &mut secret);
                    self.secrets.push(secret);
                }
                value
            }
            Target::Variable(index) => {
                let whole = self.variable(*index as usize, reference)?;
                match whole {
                    Cow::Borrowed(text) => found(text, reference)?.into(),
                    Cow::Owned(text) if reference.path.is_empty() => text.into(),
                    Cow::Owned(text) => found(&text, reference)?.to_owned().into(),
                }
            }
            Target::Step(step) => {
                let output = self
                    .scope
                    .outputs
                    .output(*step)
                    .ok_or_else(|| Reason::NoOutput { reference: named() })?;
                found(output, reference)?.into()
            }
        };
        self.spend(value.len() + REFERENCE_COST)?;
        Ok(value)
    }

    fn variable(&mut self, index: usize, reference: &Reference) -> Result<Cow<'a, str>, Reason> {
        let none = || Reason::NoVariable {
            reference: reference.text.to_string(),
        };
        let variable = self.variables.get(index).ok_or_else(none)?;
        let secret = || {
            self.scope
                .secret
                .iter()
                .any(|name| **name == *variable.name)
        };
        if self.open && (variable.secret || secret()) {
            return Err(Reason::Secret {
                reference: reference.text.to_string(),
            });
        }
        if let Some(raw) = self.scope.run.get(&variable.name) {
            return Ok(raw.into());
        }
        match variable.template.as_ref().ok_or_else(none)? {
            Template::Literal(text) => Ok(Cow::Borrowed(text)),
            template => {
                let mut json = String::new();
                self.write(template, &mut json)?;
                Ok(json.into())
            }
        }
    }
}

fn found<'t>(json: &'t str, reference: &Reference) -> Result<&'t str, Reason> {
    match raw::find(json, &reference.path) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(Reason::NoData {
            reference: reference.text.to_string(),
        }),
        Err(_) => Err(Reason::BrokenData {
            reference: reference.text.to_string(),
        }),
    }
}

/// Appends a JSON value to a text: a string as it is, anything else as compact JSON.
pub(crate) fn insert_as_text(json: &str, text: &mut String) {
    if let Some(string) = raw::unquote(json) {
        text.push_str(&string);
    } else if json.bytes().any(|byte| byte.is_ascii_whitespace())
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(json)
    {
        text.push_str(&value.to_string());
    } else {
        text.push_str(json);
    }
}
