//! What is wrong with a value, in our own words instead of a library's.

use model::{run_request, suggest};
use serde_json::Error;

/// Why a JSON value could not be taken: what was given and what is allowed. `at` is the
/// place that the reader had come to.
pub(crate) struct Refused {
    /// Where: a JSON pointer.
    pub(crate) at: String,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// Puts a refusal of `serde_json` into our words.
pub(crate) fn of(at: &str, error: &Error) -> Refused {
    let text = without_place(error);
    let here = |message: String| Refused {
        at: at.to_owned(),
        message,
    };
    if let Some(name) = text.strip_prefix("unknown field ").and_then(quoted) {
        return unknown(at, name, &listed(&text[name.len() + 16..]));
    }
    if let Some(name) = text.strip_prefix("missing field ").and_then(quoted) {
        return here(format!("`{name}` is missing"));
    }
    if let Some(name) = text.strip_prefix("duplicate field ").and_then(quoted) {
        return here(format!("`{name}` is given twice"));
    }
    if let Some(word) = text.strip_prefix("unknown variant ").and_then(quoted) {
        let known = listed(&text[word.len() + 18..]);
        return here(format!(
            "`{word}` is none of {}{}",
            known.join(", "),
            suggest::hint(word, known.iter().copied())
        ));
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "]
        .into_iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match wrong {
        Some((found, wanted)) => here(format!(
            "this is {}; give {}",
            given(found),
            allowed(wanted)
        )),
        None => here(text),
    }
}

/// A key that the body does not have. What steers a run stands in `params`.
fn unknown(at: &str, name: &str, known: &[&str]) -> Refused {
    let part = format!("/{}", model::validate::pointer(name));
    // The reader has come to the key already.
    let at = at.strip_suffix(&part).unwrap_or(at);
    let place = format!("{at}{part}");
    let takes = known
        .iter()
        .map(|one| format!("`{one}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let hint = suggest::hint(name, known.iter().copied());
    let message = if known.contains(&"params") && hint.is_empty() {
        let what = if run_request::RESERVED.contains(&name) {
            "what steers the run stands in `params`"
        } else {
            "a parameter of the run stands in `params`"
        };
        format!(
            "`{name}` does not belong here: {what}, so write it at {at}/params/{name}. Beside each other stand {takes}"
        )
    } else if known.is_empty() {
        format!("there is no `{name}` here, nor anything else")
    } else {
        let hint = if hint.is_empty() { "." } else { &hint };
        format!("there is no `{name}` here{hint} There are {takes}")
    };
    Refused { at: place, message }
}

/// The text without the place, which is told in another way.
pub(crate) fn without_place(error: &Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The name at the beginning, in backticks.
fn quoted(text: &str) -> Option<&str> {
    let text = text.strip_prefix('`')?;
    // What follows a name begins with a comma or is nothing; a name may hold a backtick.
    let end = text.find("`, ").or_else(|| text.rfind('`'))?;
    Some(&text[..end])
}

/// The names in backticks in a text, such as "expected one of `a`, `b`".
fn listed(text: &str) -> Vec<&str> {
    let expected = text.rfind("expected ").map_or("", |at| &text[at..]);
    expected.split('`').skip(1).step_by(2).collect()
}

/// What was found, from the words of `serde`.
fn given(found: &str) -> String {
    match found.split_once(' ').unwrap_or((found, "")) {
        ("sequence", _) => "a list".to_owned(),
        ("map", _) => "an object".to_owned(),
        ("null" | "unit", _) => "null".to_owned(),
        ("string", text) => format!("the text {}", cut(text)),
        ("integer", number) => format!("the number {}", number.trim_matches('`')),
        ("floating", _) => {
            let number = found.trim_start_matches("floating point ");
            format!("the number {}", number.trim_matches('`'))
        }
        ("boolean", word) => word.trim_matches('`').to_owned(),
        _ => found.to_owned(),
    }
}

fn cut(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}…\"")
}

/// What is allowed, from the words of `serde`.
fn allowed(wanted: &str) -> &str {
    match wanted {
        "a map" => "an object: {\"name\": value, …}",
        "a string" => "a text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Map, Value};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Body {
        name: String,
        params: Option<Map<String, Value>>,
        count: Option<u32>,
        list: Option<Vec<String>>,
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Install,
        Remove,
    }

    #[test]
    fn refusals_are_in_our_words() {
        for (text, at, message) in [
            (
                r#"{"name": "a", "params": []}"#,
                "",
                "this is a list; give an object: {\"name\": value, …}",
            ),
            (r#"{"name": 1}"#, "", "this is the number 1; give a text"),
            (
                r#"{"name": "a", "count": -1}"#,
                "",
                "this is the number -1; give a whole number, 0 or more",
            ),
            (
                r#"{"name": "a", "count": 1.5}"#,
                "",
                "this is the number 1.5; give a whole number, 0 or more",
            ),
            (
                r#"{"name": "a", "list": "x"}"#,
                "",
                "this is the text \"x\"; give a list",
            ),
            (r#"{"params": {}}"#, "", "`name` is missing"),
            (r#"{"name": "a", "name": "b"}"#, "", "`name` is given twice"),
            (
                r#"{"name": "a", "word": "remvoe"}"#,
                "",
                "`remvoe` is none of install, remove; did you mean `remove`?",
            ),
            (
                r#"{"name": "a", "parms": {}}"#,
                "/parms",
                "there is no `parms` here; did you mean `params`? There are `name`, `params`, `count`, `list`, `word`",
            ),
            (
                r#"{"name": "a", "configuration": "acme"}"#,
                "/configuration",
                "`configuration` does not belong here: what steers the run stands in `params`, so write it at /params/configuration. Beside each other stand `name`, `params`, `count`, `list`, `word`",
            ),
            (
                r#"{"name": "a", "event_id": 1}"#,
                "/event_id",
                "`event_id` does not belong here: a parameter of the run stands in `params`, so write it at /params/event_id. Beside each other stand `name`, `params`, `count`, `list`, `word`",
            ),
        ] {
            let error = serde_json::from_str::<Body>(text).unwrap_err();
            let refused = of("", &error);
            assert_eq!((&*refused.at, &*refused.message), (at, message), "{text}");
        }
        let error = serde_json::from_str::<BTreeMap<u8, u8>>("[]").unwrap_err();
        assert!(of("/a", &error).message.contains("a list; give an object"));
    }
}
