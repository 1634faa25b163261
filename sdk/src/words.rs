//! What is wrong with JSON, in plain words instead of those of Rust's types.

/// What `serde_json` says, in plain words and without the place.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(&*text, |end| &text[..end]);
    let named = |rest: &str| rest.trim_matches('`').to_owned();
    if let Some(name) = text.strip_prefix("missing field ") {
        return format!("\"{}\" is missing", named(name));
    }
    if let Some(name) = text.strip_prefix("duplicate field ") {
        return format!("\"{}\" is given twice", named(name));
    }
    for (start, what) in [
        ("unknown field ", "there is nothing called"),
        ("unknown variant ", "there is no choice"),
    ] {
        if let Some((name, wanted)) = text
            .strip_prefix(start)
            .and_then(|rest| rest.split_once(", "))
        {
            let wanted = wanted
                .trim_start_matches("expected ")
                .trim_start_matches("one of ")
                .replace('`', "\"");
            return format!("{what} \"{}\"; known: {wanted}", named(name));
        }
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "]
        .into_iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match wrong {
        Some((found, expected)) if text.starts_with("invalid length ") => {
            format!("a list of {found} instead of {}", wanted(expected))
        }
        Some((found, expected)) => format!("{} instead of {}", given(found), wanted(expected)),
        None => text.to_owned(),
    }
}

/// What was found.
fn given(found: &str) -> String {
    let (kind, rest) = found.split_once(' ').unwrap_or((found, ""));
    let rest = rest.trim_start_matches("point ").trim_matches('`');
    match kind {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit" => "null".to_owned(),
        "string" => format!("the text {rest}"),
        "integer" | "floating" => format!("the number {rest}"),
        "boolean" => rest.to_owned(),
        _ => found.to_owned(),
    }
}

/// What would be right.
fn wanted(expected: &str) -> String {
    let most = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" => "a text",
        "a character" => "a single character",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" | "a JSON object" => "an object",
        "unit" => "null",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    most.to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::from_str;

    use super::plain;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Ticket {
        id: u8,
        word: Option<Word>,
        note: Option<char>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Open,
        Closed,
    }

    #[test]
    fn no_word_is_of_rust() {
        for (text, words) in [
            ("[]", "a list of 0 instead of an object"),
            ("7", "the number 7 instead of an object"),
            ("{}", "\"id\" is missing"),
            (r#"{"id": 1, "id": 2}"#, "\"id\" is given twice"),
            (
                r#"{"id": "a"}"#,
                "the text \"a\" instead of a whole number from 0 to 255",
            ),
            (
                r#"{"id": 300}"#,
                "the number 300 instead of a whole number from 0 to 255",
            ),
            (
                r#"{"id": 1.5}"#,
                "the number 1.5 instead of a whole number from 0 to 255",
            ),
            (
                r#"{"id": null}"#,
                "null instead of a whole number from 0 to 255",
            ),
            (
                r#"{"id": true}"#,
                "true instead of a whole number from 0 to 255",
            ),
            (
                r#"{"id": 1, "x": 2}"#,
                "there is nothing called \"x\"; known: \"id\", \"word\", \"note\"",
            ),
            (
                r#"{"id": 1, "word": "x"}"#,
                "there is no choice \"x\"; known: \"open\" or \"closed\"",
            ),
            ("{", "EOF while parsing an object"),
        ] {
            let error = from_str::<Ticket>(text).expect_err(text);
            assert_eq!(plain(&error), words, "{text}");
        }
    }
}
