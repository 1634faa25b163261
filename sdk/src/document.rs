//! A JSON object whose members are found once and parsed when they are asked for.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// A JSON text that is known to be valid and has not been parsed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(pub(crate) &'a str);

impl<'a> Json<'a> {
    /// The text itself.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Parses the value; `T` may borrow from the text.
    pub fn parse<T: Deserialize<'a>>(self) -> Result<T> {
        Ok(serde_json::from_str(self.0)?)
    }

    /// `object`, `array`, `string`, `number`, `boolean` or `null`.
    pub fn kind(self) -> &'static str {
        match self.0.trim_start().as_bytes().first() {
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') | None => "null",
            Some(_) => "number",
        }
    }
}

/// An object as the host gave it, with the place of each member.
#[derive(Debug, Default)]
pub(crate) struct Document {
    text: String,
    members: Vec<(String, Range<usize>)>,
}

impl Document {
    /// Finds the members of `text`; `what` names the document in the error.
    pub(crate) fn new(what: &str, text: String) -> Result<Self> {
        let start = text.as_ptr() as usize;
        let Members(found) = serde_json::from_str(&text).map_err(|error| {
            Error::permanent(format!(
                "the host gave {what} that are no JSON object: {error}"
            ))
            .with_code("contract")
        })?;
        let members = found
            .into_iter()
            .map(|(name, raw)| {
                let from = raw.get().as_ptr() as usize - start;
                (name, from..from + raw.get().len())
            })
            .collect();
        Ok(Self { text, members })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json<'_>> {
        // From the end: of two members of one name the last counts, as everywhere.
        let (_, range) = self.members.iter().rev().find(|(key, _)| key == name)?;
        self.text.get(range.clone()).map(Json)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Json<'_>)> {
        self.members.iter().map(|(name, range)| {
            (
                name.as_str(),
                Json(self.text.get(range.clone()).unwrap_or("null")),
            )
        })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }
}

/// Quotes names for a message: `"a", "b"`.
pub(crate) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push('"');
        text.push_str(name);
        text.push('"');
    }
    text
}

/// Parses `json` and, when it does not fit, says so with `what`.
pub(crate) fn parse_as<T: DeserializeOwned>(what: &str, json: Json<'_>) -> Result<T> {
    json.parse().map_err(|error| error.context(what))
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
