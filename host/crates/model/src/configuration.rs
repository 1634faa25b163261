//! Configuration objects: environments and secrets as named variables.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    application::{kind_of, truth},
    validate::Problem,
};

mod check;
mod resolve;

pub use resolve::{Resolved, ResolvedVariable};

/// A configuration object's document, or a bare list of variables. The JSON itself
/// is kept, with its unknown keys and their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    document: Value,
}

/// Why a configuration object cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No JSON.
    #[error("a configuration object is a JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither an object nor a list.
    #[error("a configuration object is a JSON object or a list of variables, this is {0}")]
    NoObject(&'static str),
    /// Variables refer to each other in a circle.
    #[error("configuration variables refer to each other in a circle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// A variable refers to one that does not exist.
    #[error("configuration variable `{variable}` refers to `{reference}`, which does not exist")]
    Unknown {
        /// The variable that refers.
        variable: String,
        /// What it refers to.
        reference: String,
    },
    /// A reference leads to nothing inside a variable's value.
    #[error("configuration variable `{variable}`: `{reference}` leads to no value")]
    NoSuchPath {
        /// The variable that refers.
        variable: String,
        /// What it refers to.
        reference: String,
    },
    /// Values become larger than the limit.
    #[error("configuration variable `{0}` becomes too large when its references are resolved")]
    TooLarge(String),
    /// An encrypted value cannot be read.
    #[error("configuration variable `{variable}` cannot be decrypted: {reason}")]
    Sealed {
        /// The variable.
        variable: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::NoObject(_) => code::WRONG_TYPE,
            Self::Cycle(_) => code::CYCLE,
            Self::Unknown { .. } | Self::NoSuchPath { .. } => code::UNKNOWN_REFERENCE,
            Self::TooLarge(_) => code::TOO_LARGE,
            Self::Sealed { .. } => code::SEALED,
        }
    }
}

/// The stable codes of problems with configuration objects.
pub mod code {
    /// A known key holds the wrong JSON type.
    pub const WRONG_TYPE: &str = "PF-C001";
    /// A name is missing.
    pub const NAME_MISSING: &str = "PF-C002";
    /// A name is too long.
    pub const NAME_LONG: &str = "PF-C003";
    /// Two variables have the same name.
    pub const DUPLICATE_VARIABLE: &str = "PF-C004";
    /// A variable refers to one that does not exist.
    pub const UNKNOWN_REFERENCE: &str = "PF-C005";
    /// Variables refer to each other in a circle.
    pub const CYCLE: &str = "PF-C006";
    /// Values become too large.
    pub const TOO_LARGE: &str = "PF-C007";
    /// An encrypted value cannot be read.
    pub const SEALED: &str = "PF-C008";
    /// What stands in place of a secret was given as a secret.
    pub const MASKED: &str = "PF-C013";
    /// A secret that is stored would be lost.
    pub const NO_SECRET: &str = "PF-C014";
    /// A key that means nothing: refused where it is probably a slip, otherwise a warning.
    pub const STRAY_KEY: &str = "PF-C011";
    /// There is no list of variables.
    pub const NO_DATA: &str = "PF-C012";
}

impl Configuration {
    /// The document in a JSON text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// The document in a JSON value: an object, or a bare list of variables.
    pub fn from_value(document: Value) -> Result<Self, Error> {
        match document {
            Value::Object(_) | Value::Array(_) => Ok(Self { document }),
            other => Err(Error::NoObject(kind_of(&other))),
        }
    }

    /// The whole document.
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// The document as a value.
    pub fn into_value(self) -> Value {
        self.document
    }

    /// The compact JSON text.
    pub fn to_json(&self) -> String {
        self.document.to_string()
    }

    /// The JSON text for people: indented, with a line end at its end.
    pub fn to_pretty(&self) -> String {
        // Writing JSON values to memory does not fail.
        let mut text = serde_json::to_string_pretty(&self.document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Whether it is a bare list of variables, without a name of its own.
    pub fn is_bare(&self) -> bool {
        self.document.is_array()
    }

    /// Makes an object named `name` of a bare list; names an object.
    pub fn set_name(&mut self, name: &str) {
        if let Value::Object(document) = &mut self.document {
            if let Some(place) = document.get_mut("name") {
                *place = name.into();
            } else {
                document.shift_insert(0, "name".to_owned(), name.into());
            }
        } else {
            let list = self.document.take();
            let mut document = Map::new();
            document.insert("name".to_owned(), name.into());
            document.insert("configuration_data".to_owned(), list);
            self.document = Value::Object(document);
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key)?.as_str()
    }

    /// The id.
    pub fn name(&self) -> Option<&str> {
        self.text("name").filter(|name| !name.trim().is_empty())
    }

    /// The name that people see.
    pub fn friendly_name(&self) -> Option<&str> {
        self.text("friendly_name")
            .filter(|name| !name.trim().is_empty())
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        self.text("description")
    }

    /// Who wrote it.
    pub fn author(&self) -> Option<&str> {
        self.text("author")
    }

    /// Its version.
    pub fn version(&self) -> Option<&str> {
        self.text("version")
    }

    fn data(&self) -> &[Value] {
        match &self.document {
            Value::Array(list) => list,
            other => other
                .get("configuration_data")
                .and_then(Value::as_array)
                .map_or(&[], Vec::as_slice),
        }
    }

    fn data_mut(&mut self) -> &mut [Value] {
        match &mut self.document {
            Value::Array(list) => list,
            other => other
                .get_mut("configuration_data")
                .and_then(Value::as_array_mut)
                .map_or(&mut [], Vec::as_mut_slice),
        }
    }

    /// The variables that have a name, in their order.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        self.data().iter().enumerate().filter_map(|(index, entry)| {
            let entry = entry.as_object()?;
            Some(Variable {
                index,
                name: entry.get("name")?.as_str()?,
                value: entry.get("value").unwrap_or(&Value::Null),
                encrypted: entry.get("encrypted").and_then(truth).unwrap_or(false),
                marked: entry.contains_key("encrypted"),
            })
        })
    }

    /// The variable of that name; of repeated ones the last.
    pub fn variable(&self, name: &str) -> Option<Variable<'_>> {
        self.variables().filter(|one| one.name == name).last()
    }

    /// The values of encrypted variables with their names, to encrypt or replace them.
    pub fn encrypted_values_mut(&mut self) -> impl Iterator<Item = (String, &mut Value)> {
        self.data_mut().iter_mut().filter_map(|entry| {
            let entry = entry.as_object_mut()?;
            if !entry.get("encrypted").and_then(truth).unwrap_or(false) {
                return None;
            }
            let name = entry.get("name")?.as_str()?.to_owned();
            Some((name, entry.get_mut("value")?))
        })
    }

    /// The variables that are secret: encrypted ones and those that refer to one,
    /// over any number of others.
    pub fn secret_names(&self) -> BTreeSet<&str> {
        resolve::secret_names(self)
    }

    /// What is wrong with the document, every problem listed at once.
    pub fn problems(&self) -> Vec<Problem> {
        check::problems(self)
    }

    /// The values with the references between variables replaced.
    ///
    /// `reveal` makes the plain value of an encrypted variable from its name and
    /// what the document holds; it is taken as it is, without looking for
    /// references: a password may hold any characters.
    pub fn resolve(
        &self,
        reveal: impl FnMut(&str, &Value) -> Result<Value, String>,
    ) -> Result<Resolved, Error> {
        resolve::resolve(self, reveal)
    }
}

impl Serialize for Configuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Configuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A view of one variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// Its place in the list.
    pub index: usize,
    /// Its name.
    pub name: &'a str,
    /// Its value; `null` when absent.
    pub value: &'a Value,
    /// Whether the value is encrypted, or is to be on upload.
    pub encrypted: bool,
    /// Whether it says so, or that it is not.
    pub marked: bool,
}

type Positions<'a> = HashMap<&'a str, usize>;
