//! JSON as text: what resolving needs to look into values without building them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::run_request::Text;

/// Appends `text` as a JSON string.
pub(crate) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: Option<&str> = match byte {
            b'"' => Some("\\\""),
            b'\\' => Some("\\\\"),
            b'\n' => Some("\\n"),
            b'\r' => Some("\\r"),
            b'\t' => Some("\\t"),
            0x08 => Some("\\b"),
            0x0c => Some("\\f"),
            0..0x20 => None,
            _ => continue,
        };
        json.push_str(&text[from..at]);
        from = at + 1;
        if let Some(escape) = escape {
            json.push_str(escape);
        } else {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            json.push_str("\\u00");
            json.push(char::from(HEX[usize::from(byte >> 4)]));
            json.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    json.push_str(&text[from..]);
    json.push('"');
}

/// The text of a JSON string.
pub(crate) fn unquote(json: &str) -> Option<Cow<'_, str>> {
    if let Some(inner) = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        && !inner.bytes().any(|byte| byte == b'\\')
    {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Text<'_>>(json)
        .ok()
        .map(|text| text.0)
}

/// What stands at `path` in a JSON text: object keys, and indexes of lists. `None`
/// when nothing does. Of a repeated key the last value counts.
pub(crate) fn find<'a>(json: &'a str, path: &[Box<str>]) -> serde_json::Result<Option<&'a str>> {
    if path.is_empty() {
        return Ok(Some(json.trim_ascii()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = At(path).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found.map(RawValue::get))
}

struct At<'p>(&'p [Box<str>]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return <&RawValue>::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if *key.0 == *self.0[0] {
                found = map.next_value_seed(At(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.0[0].parse().ok();
        let (mut at, mut found) = (0, None);
        loop {
            if Some(at) == wanted {
                match list.next_element_seed(At(&self.0[1..]))? {
                    Some(value) => found = value,
                    None => return Ok(None),
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn path(parts: &[&str]) -> Vec<Box<str>> {
        parts.iter().map(|&part| part.into()).collect()
    }

    #[test]
    fn finds_what_stands_at_a_path() {
        let json = r#" {"a": [1, {"b é": {"c": [ "x" ]}}], "n": null, "a\n": 2, "d": 1, "d": 3} "#;
        for (parts, found) in [
            (&["a", "1", "b é", "c"][..], Some(r#"[ "x" ]"#)),
            (&["a", "1", "b é", "c", "0"], Some("\"x\"")),
            (&["a", "0"], Some("1")),
            (&["a", "2"], None),
            (&["a", "-1"], None),
            (&["a", "x"], None),
            (&["n"], Some("null")),
            (&["n", "x"], None),
            (&["a\n"], Some("2")),
            (&["d"], Some("3")),
            (&["missing"], None),
            (&["d", "x"], None),
        ] {
            assert_eq!(find(json, &path(parts)).unwrap(), found, "{parts:?}");
        }
        assert!(find("{\"a\":1", &path(&["a"])).is_err());
        assert!(find("{\"a\":1} x", &path(&["a"])).is_err());
    }

    proptest! {
        #[test]
        fn strings_are_those_of_serde_json(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut json = String::new();
            push_string(&mut json, &text);
            prop_assert_eq!(&json, &Value::from(text.clone()).to_string());
            prop_assert_eq!(unquote(&json).unwrap(), text);
        }
    }
}
