//! The parameters that a run was given, kept as the text they came in.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

/// More entries than this are looked up by hash.
const LINEAR: usize = 12;

/// The parameters of a run: names and raw JSON values, in their order. A clone
/// shares the text. Values are taken literally: a `${…}` in them is text, since
/// they may come from outside.
#[derive(Clone, Default)]
pub struct RunParameters {
    text: Arc<str>,
    entries: Arc<[Entry]>,
    index: Option<Arc<HashMap<Box<str>, usize>>>,
}

struct Entry {
    name: Box<str>,
    value: Range<usize>,
}

/// A text that is no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("parameters must be a JSON object: {0}")]
pub struct ParseError(#[from] pub(crate) serde_json::Error);

impl RunParameters {
    /// The parameters in a JSON object's text.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, ParseError> {
        Self::parse_without(text.into(), |_| false)
    }

    /// The same, leaving out names for which `left_out` holds. Of a repeated name
    /// the last value counts.
    pub(crate) fn parse_without(
        text: Arc<str>,
        left_out: impl Fn(&str) -> bool,
    ) -> Result<Self, ParseError> {
        let pairs: Pairs<'_> = serde_json::from_str(&text)?;
        let base = text.as_ptr() as usize;
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.0.len());
        let mut index = (pairs.0.len() > LINEAR).then(HashMap::new);
        for (name, value) in pairs.0 {
            if left_out(&name) {
                continue;
            }
            let start = value.get().as_ptr() as usize - base;
            let value = start..start + value.get().len();
            let earlier = match &index {
                Some(index) => index.get(&*name).copied(),
                None => entries.iter().position(|entry| *entry.name == *name),
            };
            if let Some(at) = earlier {
                entries[at].value = value;
                continue;
            }
            if let Some(index) = &mut index {
                index.insert(name.clone(), entries.len());
            }
            entries.push(Entry { name, value });
        }
        Ok(Self {
            entries: entries.into(),
            index: index.map(Arc::new),
            text,
        })
    }

    /// The raw JSON text of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let entry = match &self.index {
            Some(index) => &self.entries[*index.get(name)?],
            None => self.entries.iter().find(|entry| *entry.name == *name)?,
        };
        self.text.get(entry.value.clone())
    }

    /// Names and raw JSON texts, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (&*entry.name, &self.text[entry.value.clone()]))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The parameters whose value holds what would be a reference if it stood in an application's
    /// document, `${config.…}` or `${appvar.…}`; with what it begins with.
    pub fn with_references(&self) -> impl Iterator<Item = (&str, &'static str)> {
        const KINDS: [(&str, &str); 2] = [("${config.", "config."), ("${appvar.", "appvar.")];
        self.iter().filter_map(|(name, value)| {
            let found = KINDS.into_iter().find(|(mark, _)| {
                value
                    .match_indices(mark)
                    .any(|(at, _)| !value[..at].ends_with('$'))
            })?;
            Some((name, found.1))
        })
    }

    /// The JSON object's text, as a store keeps it.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.text.len() + 2);
        for (name, value) in self.iter() {
            push(&mut json, name, value);
        }
        close(json)
    }

    /// The JSON object's text with other JSON values in place of some: `instead` is asked
    /// with each name and value, and answers `None` for one that stays.
    ///
    /// # Errors
    /// The first that `instead` answers.
    pub fn to_json_with<E>(
        &self,
        mut instead: impl FnMut(&str, &str) -> Result<Option<String>, E>,
    ) -> Result<String, E> {
        let mut json = String::with_capacity(self.text.len() + 2);
        for (name, value) in self.iter() {
            let other = instead(name, value)?;
            push(&mut json, name, other.as_deref().unwrap_or(value));
        }
        Ok(close(json))
    }
}

fn push(json: &mut String, name: &str, value: &str) {
    json.push(if json.is_empty() { '{' } else { ',' });
    crate::raw::push_string(json, name);
    json.push(':');
    json.push_str(value);
}

fn close(mut json: String) -> String {
    if json.is_empty() {
        json.push('{');
    }
    json.push('}');
    json
}

/// An object's pairs in order, values as they stand in the text.
struct Pairs<'a>(Vec<(Box<str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Serialize for RunParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            let value: &RawValue =
                serde_json::from_str(value).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RunParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for RunParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secret: names only.
        f.debug_set()
            .entries(self.entries.iter().map(|entry| &entry.name))
            .finish()
    }
}

impl PartialEq for RunParameters {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn values_keep_their_text_and_the_last_of_a_name_counts() {
        let run = RunParameters::parse(r#" {"a": 1.50, "b\n": {"x": [1, 2]}, "a": "é"} "#).unwrap();
        assert_eq!(run.get("a"), Some("\"é\""));
        assert_eq!(run.get("b\n"), Some(r#"{"x": [1, 2]}"#));
        assert_eq!(run.get("c"), None);
        assert_eq!(run.to_json(), r#"{"a":"é","b\n":{"x": [1, 2]}}"#);
        assert_eq!(RunParameters::parse(run.to_json()).unwrap(), run);
        let again: RunParameters =
            serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(again, run);
        assert!(!format!("{run:?}").contains('é'));
        assert_eq!(RunParameters::default().to_json(), "{}");
        let other = run.to_json_with(|name, _| Ok::<_, ()>((name == "a").then(|| "1".to_owned())));
        assert_eq!(other.unwrap(), r#"{"a":1,"b\n":{"x": [1, 2]}}"#);
        assert_eq!(run.to_json_with(|_, _| Err(7)), Err(7));
    }

    #[test]
    fn many_are_found_as_few_are() {
        let mut text = String::from("{");
        for at in 0..500 {
            write!(text, "\"p{}\":{at},", at % 400).unwrap();
        }
        text.push_str("\"end\":true}");
        let run = RunParameters::parse(text).unwrap();
        assert_eq!(run.len(), 401);
        assert_eq!(run.get("p7"), Some("407"));
        assert_eq!(run.get("p399"), Some("399"));
        assert_eq!(run.get("end"), Some("true"));
        assert_eq!(run.get("p400"), None);
    }

    #[test]
    fn values_that_look_like_references_are_found() {
        let run = RunParameters::parse(
            r#"{"a": "${config.url}", "b": ["x ${appvar.n} y"], "c": "$${config.url}", "d": "${other}", "e": 1}"#,
        )
        .unwrap();
        let found: Vec<_> = run.with_references().collect();
        assert_eq!(found, [("a", "config."), ("b", "appvar.")]);
    }

    #[test]
    fn only_an_object_will_do() {
        for text in ["[]", "1", "null", "", "{", "{\"a\":}", "{} x"] {
            assert!(RunParameters::parse(text).is_err(), "{text}");
        }
    }
}
