//! The application document. The JSON object itself is kept, with its unknown keys
//! and their order; what the service understands of it is read through views.
//!
//! A number beyond 64 bits comes out as the nearest double; everything else comes
//! out as it went in.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    descriptor::ParameterType,
    for_each, limits, on_error,
    operator::{self, Operator},
    policy, retry,
};

/// Keys of a step entry that are not parameters.
pub const STEP_KEYS: [&str; 13] = [
    "name",
    "file",
    "syncpack",
    "output_to",
    "data_from",
    policy::SOFT,
    policy::HARD,
    policy::LOST,
    retry::RETRY,
    on_error::ON_ERROR,
    for_each::KEY,
    limits::CONCURRENCY,
    limits::RATE,
];

/// An application's document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Application {
    document: Map<String, Value>,
}

/// A text that is no application.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No JSON.
    #[error("an application is a JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but no object.
    #[error("an application is a JSON object, this is {0}")]
    NoObject(&'static str),
}

impl Application {
    /// The document in a JSON text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// The document in a JSON value.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(document) => Ok(Self { document }),
            other => Err(Error::NoObject(kind_of(&other))),
        }
    }

    /// The whole document.
    pub const fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// The whole document, to change it.
    pub const fn document_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.document
    }

    /// The document as a value.
    pub fn into_value(self) -> Value {
        Value::Object(self.document)
    }

    /// The compact JSON text.
    pub fn to_json(&self) -> String {
        Value::Object(self.document.clone()).to_string()
    }

    /// The JSON text for people: indented, with a line end at its end.
    pub fn to_pretty(&self) -> String {
        // Writing JSON values to memory does not fail.
        let mut text = serde_json::to_string_pretty(&self.document).unwrap_or_default();
        text.push('\n');
        text
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key)?.as_str()
    }

    fn text_given(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|text| !text.trim().is_empty())
    }

    /// The id; `None` when the file leaves it out.
    pub fn name(&self) -> Option<&str> {
        self.text_given("name")
    }

    /// Sets the id, in its place or, where there was none, at the front.
    pub fn set_name(&mut self, name: &str) {
        if let Some(place) = self.document.get_mut("name") {
            *place = name.into();
        } else {
            self.document
                .shift_insert(0, "name".to_owned(), name.into());
        }
    }

    /// The id, or one derived from the file's name or else from the friendly name.
    /// `None` when nothing gives one.
    pub fn name_or_derived(&self, file_name: Option<&str>) -> Option<String> {
        if let Some(name) = self.name() {
            return Some(name.to_owned());
        }
        file_name
            .and_then(|file| {
                let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
                derive_name(file.strip_suffix(".json").unwrap_or(file))
            })
            .or_else(|| derive_name(self.friendly_name()?))
    }

    /// The name that people see.
    pub fn friendly_name(&self) -> Option<&str> {
        self.text_given("friendly_name")
    }

    /// What the application is for.
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

    /// The aligned configuration object; an empty text is none.
    pub fn configuration(&self) -> Option<&str> {
        self.text_given("configuration")
    }

    /// Aligns a configuration object, or none.
    pub fn set_configuration(&mut self, name: Option<&str>) {
        let value = name.unwrap_or_default();
        self.document
            .insert("configuration".to_owned(), value.into());
    }

    /// The queue that it runs on; an empty text is none.
    pub fn queue(&self) -> Option<&str> {
        self.text_given("queue")
    }

    /// Whether a run writes a report; `None` when the document does not say.
    pub fn generate_report(&self) -> Option<bool> {
        truth(self.document.get("generate_report")?)
    }

    /// The application variables that are objects, with their index in the list.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        list(self.document.get("app_variables")).filter_map(|(index, value)| {
            Some(Variable {
                index,
                entry: value.as_object()?,
            })
        })
    }

    /// The step entries that are objects, with their index in the list.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        list(self.document.get("steps")).filter_map(|(index, value)| {
            Some(Step {
                index,
                entry: value.as_object()?,
            })
        })
    }
}

impl Serialize for Application {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Application {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|document| Self { document })
    }
}

/// A view of one application variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// Its place in `app_variables`.
    pub index: usize,
    /// The entry.
    pub entry: &'a Map<String, Value>,
}

impl<'a> Variable<'a> {
    /// Its name.
    pub fn name(self) -> Option<&'a str> {
        self.entry.get("name")?.as_str()
    }

    /// Its value, or its default value, with the key that holds it; `null` is none.
    pub fn value(self) -> Option<(&'static str, &'a Value)> {
        ["value", "default_value"].into_iter().find_map(|key| {
            let value = self.entry.get(key)?;
            (!value.is_null()).then_some((key, value))
        })
    }

    /// Whether what a run gives for it is secret.
    pub fn secret(self) -> bool {
        self.param_type() == Some(ParameterType::Secret)
    }

    /// What values it takes, where it says so in a word that is known.
    pub fn param_type(self) -> Option<ParameterType> {
        ParameterType::deserialize(self.entry.get("param_type")?).ok()
    }

    /// Whether a run cannot do without it.
    pub fn required(self) -> bool {
        self.entry.get("required").and_then(truth).unwrap_or(false)
    }
}

/// A view of one step entry.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its place in `steps`: the step's ordinal in the plan.
    pub index: usize,
    /// The entry.
    pub entry: &'a Map<String, Value>,
}

impl<'a> Step<'a> {
    fn text(self, key: &str) -> Option<&'a str> {
        let text = self.entry.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// Its name, unique in the application.
    pub fn name(self) -> Option<&'a str> {
        self.text("name")
    }

    /// The step's id inside its SyncPack.
    pub fn file(self) -> Option<&'a str> {
        self.text("file")
    }

    /// The SyncPack that owns the step, if the entry says so.
    pub fn syncpack(self) -> Option<&'a str> {
        self.text("syncpack")
    }

    /// The operator that it is, if it is one that we know.
    pub fn operator(self) -> Option<Operator> {
        Operator::of(self.entry)
    }

    /// The SyncPack, if it is said, and the step of it that executes: the entry's own, or
    /// the operator's.
    pub fn executes(self) -> Option<(Option<&'a str>, &'a str)> {
        match self.operator() {
            Some(operator) => Some((Some(operator::PACK), operator.file())),
            None => self.file().map(|file| (self.syncpack(), file)),
        }
    }

    /// Names of steps that run after this one.
    pub fn output_to(self) -> impl Iterator<Item = &'a str> {
        list(self.entry.get("output_to")).filter_map(|(_, name)| name.as_str())
    }

    /// Names of steps whose data this one reads.
    pub fn data_from(self) -> impl Iterator<Item = &'a str> {
        list(self.entry.get("data_from")).filter_map(|(_, name)| name.as_str())
    }

    /// The parameters given in the entry: every other key.
    pub fn parameters(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.entry
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| !STEP_KEYS.contains(name))
    }

    /// The parameter of that name given in the entry.
    pub fn parameter(self, name: &str) -> Option<&'a Value> {
        (!STEP_KEYS.contains(&name)).then(|| self.entry.get(name))?
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    value
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .enumerate()
}

/// A boolean, or one of the texts that existing files write for it.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The word for a value's JSON type.
pub(crate) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An id from a name for people: lower case, and each run of characters other than
/// letters, digits and `_` becomes one `_`. Letters and digits of every script
/// stay, with the accents that follow them. `None` when no letter or digit is left.
pub fn derive_name(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut between = false;
    for character in text.trim().chars() {
        let accent = matches!(character, '\u{300}'..='\u{36f}') && !between && !name.is_empty();
        if character.is_alphanumeric() || character == '_' || accent {
            name.extend(character.to_lowercase());
            between = false;
        } else if !between {
            name.push('_');
            between = true;
        }
    }
    name.chars().any(char::is_alphanumeric).then_some(name)
}
