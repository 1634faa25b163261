//! Methods that Python's values have: those of text that the engine's own set lacks, and the
//! lists that others make, which can be changed.

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Tuple, ValueKind, from_args},
};
use minijinja_contrib::pycompat;

use super::{list, text, wrong};

/// Calls a method that the value itself does not have.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(found) = of_text(text, method, args)
    {
        return found;
    }
    if let Some(found) = of_number(value, method) {
        return found;
    }
    let made = pycompat::unknown_method_callback(state, value, method, args).map_err(|error| {
        if error.kind() == ErrorKind::UnknownMethod {
            let kind = kind(value);
            Error::new(
                ErrorKind::UnknownMethod,
                format!("'{kind} object' has no attribute '{method}'"),
            )
        } else {
            error
        }
    })?;
    // What Python makes as a list can be changed.
    if ["split", "splitlines"].contains(&method) {
        return Ok(list(made.try_iter()?.collect()));
    }
    Ok(made)
}

/// The name of a type in Python.
pub(super) fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Map => "dict",
        ValueKind::Seq if value.is_tuple() => "tuple",
        ValueKind::Seq => "list",
        _ => "object",
    }
}

fn of_number(value: &Value, method: &str) -> Option<Result<Value, Error>> {
    if value.kind() != ValueKind::Number || method != "is_integer" {
        return None;
    }
    let number = f64::try_from(value.clone()).ok()?;
    Some(Ok(Value::from(number.fract() == 0.0)))
}

fn tuple<const N: usize>(parts: [&str; N]) -> Value {
    Value::from(Tuple::from(parts.map(Value::from).to_vec()))
}

/// Where a part begins, in characters; -1 where it is not.
fn place(text: &str, part: &str, last: bool, (start, end): (Option<i64>, Option<i64>)) -> i64 {
    let characters: Vec<char> = text.chars().collect();
    let length = characters.len() as i64;
    let within = |at: i64| {
        if at < 0 {
            (at + length).max(0)
        } else {
            at.min(length)
        }
    };
    let (from, to) = (within(start.unwrap_or(0)), within(end.unwrap_or(length)));
    if from > to {
        return -1;
    }
    let slice: String = characters[from as usize..to as usize].iter().collect();
    let found = if last {
        slice.rfind(part)
    } else {
        slice.find(part)
    };
    found.map_or(-1, |at| from + slice[..at].chars().count() as i64)
}

fn of_text(value: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "partition" | "rpartition" => from_args(args).map(|(separator,): (&str,)| {
            let found = if method == "partition" {
                value.split_once(separator)
            } else {
                value.rsplit_once(separator)
            };
            match found {
                Some((before, after)) => tuple([before, separator, after]),
                None if method == "partition" => tuple([value, "", ""]),
                None => tuple(["", "", value]),
            }
        }),
        "find" | "rfind" | "index" | "rindex" => {
            from_args(args).and_then(|(part, start, end): (&str, Option<i64>, Option<i64>)| {
                let at = place(value, part, method.starts_with('r'), (start, end));
                if at < 0 && method.ends_with("index") {
                    return Err(wrong("ValueError: substring not found"));
                }
                Ok(Value::from(at))
            })
        }
        "rsplit" => from_args(args).map(|(separator, most): (Option<&str>, Option<i64>)| {
            list(
                text::rsplit(value, separator, most)
                    .into_iter()
                    .map(Value::from)
                    .collect(),
            )
        }),
        "join" => from_args(args).and_then(|(parts,): (Value,)| {
            let mut made = String::new();
            for (at, part) in parts.try_iter()?.enumerate() {
                let text = part.as_str().ok_or_else(|| {
                    let found = kind(&part);
                    wrong(format!(
                        "TypeError: sequence item {at}: expected str instance, {found} found"
                    ))
                })?;
                if at > 0 {
                    made.push_str(value);
                }
                made.push_str(text);
            }
            Ok(Value::from(made))
        }),
        "zfill" => from_args(args).map(|(width,): (usize,)| Value::from(text::zfill(value, width))),
        "center" | "ljust" | "rjust" => {
            from_args(args).and_then(|(width, fill): (usize, Option<&str>)| {
                let mut fills = fill.unwrap_or(" ").chars();
                let (Some(fill), None) = (fills.next(), fills.next()) else {
                    return Err(wrong(
                        "TypeError: The fill character must be exactly one character long",
                    ));
                };
                Ok(Value::from(text::pad(value, width, fill, method)?))
            })
        }
        "swapcase" => from_args(args).map(|()| Value::from(text::swapcase(value))),
        "casefold" => {
            from_args(args).map(|()| Value::from(value.to_lowercase().replace('ß', "ss")))
        }
        "removeprefix" => from_args(args)
            .map(|(part,): (&str,)| Value::from(value.strip_prefix(part).unwrap_or(value))),
        "removesuffix" => from_args(args)
            .map(|(part,): (&str,)| Value::from(value.strip_suffix(part).unwrap_or(value))),
        "isdecimal" => from_args(args)
            .map(|()| Value::from(!value.is_empty() && value.chars().all(|c| c.is_ascii_digit()))),
        "isidentifier" => from_args(args).map(|()| {
            let starts = value.starts_with(|c: char| c == '_' || c.is_alphabetic());
            Value::from(starts && value.chars().all(|c| c == '_' || c.is_alphanumeric()))
        }),
        "istitle" => from_args(args).map(|()| Value::from(text::is_title(value))),
        "expandtabs" => from_args(args).map(|(size,): (Option<usize>,)| {
            Value::from(text::expand_tabs(value, size.unwrap_or(8)))
        }),
        "title" => from_args(args).map(|()| Value::from(text::title(value))),
        _ => return None,
    })
}
