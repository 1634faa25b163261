//! The parameters of one execution, read by the derived code of a step.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    document::{Document, Json},
    error::{Error, Result},
    words,
};

/// How much of a refused value a message shows, in characters.
const SHOWN: usize = 60;

/// The parameters of one execution. Every problem is kept, so that a person mends
/// all of them at once.
#[derive(Debug)]
pub struct Parameters {
    given: Document,
    problems: Vec<String>,
}

impl Parameters {
    /// Takes the object that the host gave.
    pub(crate) fn new(text: String) -> Result<Self> {
        Ok(Self {
            given: Document::new("parameters", text)?,
            problems: Vec::new(),
        })
    }

    /// Reads a required parameter. `None` means that it was refused; the reason is
    /// part of [`Parameters::refusal`].
    pub fn read<T: DeserializeOwned>(
        &mut self,
        name: &str,
        kind: &str,
        choices: &dyn Fn() -> Option<Vec<Value>>,
    ) -> Option<T> {
        let Some(json) = self.given.get(name) else {
            self.problems.push(format!(
                "parameter \"{name}\" ({kind}) is required and was not given"
            ));
            return None;
        };
        match read(name, kind, json, choices) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Reads a parameter that has a default; null counts as not given.
    pub fn read_or<T: DeserializeOwned>(
        &mut self,
        name: &str,
        kind: &str,
        choices: &dyn Fn() -> Option<Vec<Value>>,
        default: impl FnOnce() -> T,
    ) -> Option<T> {
        match self.given.get(name) {
            None => Some(default()),
            Some(json) if json.text() == "null" => Some(default()),
            Some(_) => self.read(name, kind, choices),
        }
    }

    /// The permanent error that lists every problem found so far.
    pub fn refusal(&self) -> Error {
        Error::permanent(self.problems.join("; ")).with_code("parameters")
    }
}

fn read<T: DeserializeOwned>(
    name: &str,
    kind: &str,
    json: Json<'_>,
    choices: &dyn Fn() -> Option<Vec<Value>>,
) -> Result<T, String> {
    let value = serde_json::from_str::<T>(json.text()).map_err(|error| {
        // A value of a secret parameter may be the secret itself.
        if kind == "secret" {
            return format!(
                "parameter \"{name}\": expected secret, got a value of type {}",
                json.kind()
            );
        }
        format!(
            "parameter \"{name}\": expected {kind}, got {} ({})",
            came(json),
            words::plain(&error)
        )
    })?;
    if let Some(choices) = choices() {
        let given = serde_json::from_str::<Value>(json.text()).unwrap_or_default();
        if !choices.contains(&given) {
            let choices = Value::Array(choices);
            return Err(format!(
                "parameter \"{name}\": expected one of {choices}, got {}",
                came(json)
            ));
        }
    }
    Ok(value)
}

fn came(json: Json<'_>) -> String {
    let text = json.text();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} {}…", json.kind(), &text[..end]),
        None if text == "null" => "null".to_owned(),
        None => format!("{} {text}", json.kind()),
    }
}
