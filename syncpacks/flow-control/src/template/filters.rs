//! Filters of Jinja2 that the engine lacks or has in another way.

use minijinja::{
    Environment, Error, ErrorKind, State, Value, filters,
    value::{Kwargs, Rest, ValueKind},
};
use minijinja_contrib::filters as contrib;

use super::{json, list, text, wrong};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("__text", |value: &Value| match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => json::write(value, json::Style::compact()),
    });
    environment.add_filter("tojson", tojson);
    environment.add_filter("list", |value: Value| -> Result<Value, Error> {
        Ok(list(value.try_iter()?.collect()))
    });
    let sort = ["reverse", "case_sensitive", "attribute"];
    environment.add_filter(
        "sort",
        move |state: &State<'_, '_>, value: Value, given: Rest<Value>, names: Kwargs| {
            again(filters::sort(state, value, named(&given, &names, &sort)?))
        },
    );
    environment.add_filter(
        "dictsort",
        |value: &Value, given: Rest<Value>, names: Kwargs| {
            again(filters::dictsort(
                value,
                named(&given, &names, &["case_sensitive", "by", "reverse"])?,
            ))
        },
    );
    environment.add_filter(
        "unique",
        |state: &State<'_, '_>, value: Value, given: Rest<Value>, names: Kwargs| {
            again(filters::unique(
                state,
                value,
                named(&given, &names, &["case_sensitive", "attribute"])?,
            ))
        },
    );
    environment.add_filter(
        "wordwrap",
        |value: &Value, given: Rest<Value>, names: Kwargs| {
            let known = [
                "width",
                "break_long_words",
                "wrapstring",
                "break_on_hyphens",
            ];
            contrib::wordwrap(value, named(&given, &names, &known)?)
        },
    );
    environment.add_filter("center", |value: String, width: Option<usize>| {
        text::pad(&value, width.unwrap_or(80), ' ', "center")
    });
    environment.add_filter("filesizeformat", contrib::filesizeformat);
    environment.add_filter("wordcount", contrib::wordcount);
    environment.add_filter("striptags", contrib::striptags);
    environment.add_filter("truncate", truncate);
    environment.add_filter("indent", indent);
    environment.add_filter("int", int);
    environment.add_filter("float", |value: &Value, default: Option<Value>| -> Value {
        let text = value.as_str().map(|text| text.trim().replace('_', ""));
        let number = match text {
            Some(text) => text.parse().ok(),
            None if value.kind() == ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
            None => f64::try_from(value.clone()).ok(),
        };
        number
            .map(Value::from)
            .or(default)
            .unwrap_or_else(|| Value::from(0.0))
    });
    environment.add_filter("escape", escaped);
    environment.add_filter("e", escaped);
    environment.add_filter("forceescape", |value: String| {
        Value::from_safe_string(escape(&value))
    });
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("xmlattr", xmlattr);
    environment.add_filter("random", random);
    environment.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::String | ValueKind::Map
        )
    });
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
}

/// Arguments by name, those given by place among them.
fn named(by_place: &[Value], by_name: &Kwargs, names: &[&str]) -> Result<Kwargs, Error> {
    if by_place.len() > names.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let by_place = names.iter().copied().zip(by_place.iter().cloned());
    let mut all: Vec<(String, Value)> = by_place
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for name in by_name.args() {
        all.push((name.to_owned(), by_name.get::<Value>(name)?));
    }
    Ok(all.into_iter().collect())
}

/// What Python makes as a list can be changed.
fn again(made: Result<Value, Error>) -> Result<Value, Error> {
    Ok(list(made?.try_iter()?.collect()))
}

/// JSON as `json.dumps(…, sort_keys=True)` writes it, with what HTML reads escaped.
fn tojson(value: &Value, given: Rest<Value>, names: Kwargs) -> Result<Value, Error> {
    let named = named(&given, &names, &["indent"])?;
    let indent = named.get::<Option<usize>>("indent")?;
    named.assert_all_used()?;
    json::write(value, json::Style::python(indent)).map(Value::from_safe_string)
}

/// Cuts a text off, at a space unless `killwords`.
fn truncate(value: String, given: Rest<Value>, names: Kwargs) -> Result<String, Error> {
    let named = named(&given, &names, &["length", "killwords", "end", "leeway"])?;
    let length = named.get::<Option<usize>>("length")?.unwrap_or(255);
    let killwords = named.get::<Option<bool>>("killwords")?.unwrap_or(false);
    let end = named
        .get::<Option<String>>("end")?
        .unwrap_or_else(|| "...".to_owned());
    let leeway = named.get::<Option<usize>>("leeway")?.unwrap_or(5);
    named.assert_all_used()?;
    let characters = value.chars().count();
    if characters <= length.saturating_add(leeway) {
        return Ok(value);
    }
    let kept = length.checked_sub(end.chars().count()).ok_or_else(|| {
        wrong(format!(
            "expected length >= {}, got {length}",
            end.chars().count()
        ))
    })?;
    let mut cut: String = value.chars().take(kept).collect();
    if !killwords && let Some(at) = cut.rfind(' ') {
        cut.truncate(at);
    }
    Ok(cut + &end)
}

/// Puts spaces, or a text, before each line but the first.
fn indent(value: String, given: Rest<Value>, names: Kwargs) -> Result<String, Error> {
    let named = named(&given, &names, &["width", "first", "blank"])?;
    let width = named.get::<Option<Value>>("width")?;
    let first = named.get::<Option<bool>>("first")?.unwrap_or(false);
    let blank = named.get::<Option<bool>>("blank")?.unwrap_or(false);
    named.assert_all_used()?;
    let by = match width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(width)?.min(text::WIDEST)),
        },
    };
    // As Jinja2: a line end is added, so that a last empty line is one, and taken away.
    let mut made = String::with_capacity(value.len());
    for (at, line) in value.split('\n').enumerate() {
        if at > 0 {
            made.push('\n');
        }
        let indented = if at == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if indented {
            made.push_str(&by);
        }
        made.push_str(line);
    }
    Ok(made)
}

/// A whole number, or the default.
fn int(value: &Value, given: Rest<Value>, names: Kwargs) -> Result<Value, Error> {
    let named = named(&given, &names, &["default", "base"])?;
    let default = named
        .get::<Option<Value>>("default")?
        .unwrap_or_else(|| Value::from(0));
    let base = named.get::<Option<u32>>("base")?.unwrap_or(10);
    named.assert_all_used()?;
    if let Some(text) = value.as_str() {
        let text = text.trim().replace('_', "");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(&text)),
        };
        let prefix = match base {
            16 => "0x",
            8 => "0o",
            2 => "0b",
            _ => "",
        };
        let lower = digits.to_lowercase();
        let digits = lower.strip_prefix(prefix).unwrap_or(&lower);
        if (2..=36).contains(&base)
            && let Ok(number) = i128::from_str_radix(digits, base)
            && digits.starts_with(|c: char| c.is_alphanumeric())
        {
            return Ok(Value::from(sign * number));
        }
        let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
        return Ok(real.map_or(default, |real| Value::from(real.trunc() as i128)));
    }
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => {
            let real = f64::try_from(value.clone())?;
            Ok(if real.is_finite() {
                Value::from(real.trunc() as i128)
            } else {
                default
            })
        }
        _ => Ok(default),
    }
}

fn escaped(value: &Value) -> Value {
    if value.is_safe() {
        return value.clone();
    }
    Value::from_safe_string(escape(&value.to_string()))
}

fn urlencode(value: &Value) -> Result<String, Error> {
    let made = filters::urlencode(value)?;
    Ok(if value.as_str().is_none() {
        made.replace("%20", "+")
    } else {
        made
    })
}

fn escape(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&#34;"),
            '\'' => made.push_str("&#39;"),
            _ => made.push(c),
        }
    }
    made
}

/// Attributes of an element; null and undefined ones are left out.
fn xmlattr(value: &Value, autospace: Option<bool>) -> Result<String, Error> {
    if value.kind() != ValueKind::Map {
        return Err(wrong("xmlattr takes a dict"));
    }
    let mut made = Vec::new();
    for key in value.try_iter()? {
        let text = key.to_string();
        if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(wrong(format!(
                "Invalid character in attribute name: {text:?}"
            )));
        }
        let value = value.get_item(&key)?;
        if !value.is_none() && !value.is_undefined() {
            made.push(format!(
                "{}=\"{}\"",
                escape(&text),
                escape(&value.to_string())
            ));
        }
    }
    let mut made = made.join(" ");
    if autospace.unwrap_or(true) && !made.is_empty() {
        made.insert(0, ' ');
    }
    Ok(made)
}

/// One element of a sequence.
fn random(value: &Value) -> Result<Value, Error> {
    use std::hash::BuildHasher as _;
    let values: Vec<Value> = value.try_iter()?.collect();
    let chance = std::collections::hash_map::RandomState::new().hash_one(0) as usize;
    let at = chance.checked_rem(values.len());
    Ok(at
        .and_then(|at| values.get(at).cloned())
        .unwrap_or_default())
}
