//! From JSON to what templates read: the order of keys is kept, as Python keeps it.

use std::fmt;

use minijinja::{Error, Value, value::ValueKind};
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, SeqAccess, Visitor},
};

use super::{
    value::{Dict, List},
    wrong,
};

/// The value of a JSON text. The host has checked it; what is none is undefined.
pub(crate) fn read(json: &str) -> Value {
    serde_json::from_str::<Read>(json).map_or(Value::UNDEFINED, |read| read.0)
}

struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::from(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::with_capacity(list.size_hint().unwrap_or(0).min(1024));
        while let Some(Read(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::from_object(List::new(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = indexmap::IndexMap::new();
        while let Some((key, Read(value))) = map.next_entry::<String, Read>()? {
            members.insert(Value::from(key), value);
        }
        Ok(Value::from_object(Dict::new(members)))
    }
}

/// How JSON is written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    indent: Option<usize>,
    sorted: bool,
    /// A space after `,` and `:`.
    spaced: bool,
    /// What is not ASCII, and what HTML reads, as `\u…`.
    escaped: bool,
}

impl Style {
    pub(super) const fn compact() -> Self {
        Self {
            indent: None,
            sorted: false,
            spaced: false,
            escaped: false,
        }
    }

    /// As the filter `tojson` of Jinja2 writes it.
    pub(super) const fn python(indent: Option<usize>) -> Self {
        Self {
            indent,
            sorted: true,
            spaced: true,
            escaped: true,
        }
    }
}

/// How deep values nest at most.
const DEEPEST: usize = 100;

/// The JSON text of a value.
pub(super) fn write(value: &Value, style: Style) -> Result<String, Error> {
    let mut made = String::new();
    write_to(value, style, 0, &mut made)?;
    Ok(made)
}

fn write_to(value: &Value, style: Style, depth: usize, made: &mut String) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(wrong("ValueError: Circular reference detected"));
    }
    match value.kind() {
        ValueKind::None => made.push_str("null"),
        ValueKind::Bool => made.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => made.push_str(&value.to_string()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
            made.push_str(&float(number));
        }
        ValueKind::String => quote(value.as_str().unwrap_or_default(), style.escaped, made),
        ValueKind::Map => {
            let mut members = Vec::new();
            for key in value.try_iter()? {
                let member = value.get_item(&key)?;
                members.push((key_of(&key)?, member));
            }
            if style.sorted {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            made.push('{');
            for (at, (key, member)) in members.iter().enumerate() {
                separate(style, at, depth + 1, made);
                quote(key, style.escaped, made);
                made.push_str(if style.spaced { ": " } else { ":" });
                write_to(member, style, depth + 1, made)?;
            }
            close(style, members.is_empty(), depth, made);
            made.push('}');
        }
        ValueKind::Seq => {
            made.push('[');
            let mut empty = true;
            for (at, one) in value.try_iter()?.enumerate() {
                separate(style, at, depth + 1, made);
                write_to(&one, style, depth + 1, made)?;
                empty = false;
            }
            close(style, empty, depth, made);
            made.push(']');
        }
        _ => {
            let kind = if value.is_undefined() {
                "Undefined"
            } else {
                "generator"
            };
            return Err(wrong(format!(
                "TypeError: Object of type {kind} is not JSON serializable"
            )));
        }
    }
    Ok(())
}

fn separate(style: Style, at: usize, depth: usize, made: &mut String) {
    if at > 0 {
        made.push(',');
        if style.spaced && style.indent.is_none() {
            made.push(' ');
        }
    }
    if let Some(indent) = style.indent {
        made.push('\n');
        made.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
    }
}

fn close(style: Style, empty: bool, depth: usize, made: &mut String) {
    if let Some(indent) = style.indent.filter(|_| !empty) {
        made.push('\n');
        made.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
    }
}

/// A key as JSON has it: a text.
fn key_of(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => key.to_string(),
        _ => {
            return Err(wrong(
                "TypeError: keys must be str, int, float, bool or None",
            ));
        }
    })
}

/// A number with a fraction, as Python writes it.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    // The same digits and thresholds; the exponent has a sign and two digits at least.
    let text = format!("{number:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            let (sign, exponent) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

fn quote(text: &str, escaped: bool, made: &mut String) {
    use std::fmt::Write as _;
    made.push('"');
    for c in text.chars() {
        match c {
            '"' => made.push_str("\\\""),
            '\\' => made.push_str("\\\\"),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            '\u{8}' => made.push_str("\\b"),
            '\u{c}' => made.push_str("\\f"),
            '<' | '>' | '&' | '\'' if escaped => {
                let _ = write!(made, "\\u{:04x}", u32::from(c));
            }
            _ if u32::from(c) < 0x20 || (escaped && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(made, "\\u{unit:04x}");
                }
            }
            _ => made.push(c),
        }
    }
    made.push('"');
}
