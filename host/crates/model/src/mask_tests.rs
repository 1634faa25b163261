use proptest::prelude::*;

use super::*;

fn masker(values: &[&str]) -> Masker {
    Masker::new(values.iter().map(|value| ("a secret", value))).unwrap()
}

#[test]
fn every_form_is_masked() {
    let secret = "pä$$/w \"ö+rd\\\u{1F511}&=";
    let masker = masker(&[secret]);
    let json = Value::from(secret).to_string();
    let python = r#"p\u00e4$$/w \"\u00f6+rd\\\ud83d\udd11&="#;
    for (text, form) in [
        ("plain", secret.to_owned()),
        ("json", json[1..json.len() - 1].to_owned()),
        ("json, ascii only", python.to_owned()),
        ("json, slashes", json[1..json.len() - 1].replace('/', "\\/")),
        (
            "encodeURIComponent",
            "p%C3%A4%24%24%2Fw%20%22%C3%B6%2Brd%5C%F0%9F%94%91%26%3D".to_owned(),
        ),
        (
            "form",
            "p%C3%A4%24%24%2Fw+%22%C3%B6%2Brd%5C%F0%9F%94%91%26%3D".to_owned(),
        ),
        (
            "quote, lower case",
            "p%c3%a4%24%24/w%20%22%c3%b6%2brd%5c%f0%9f%94%91%26%3d".to_owned(),
        ),
        ("base64", general_purpose::STANDARD.encode(secret)),
        (
            "base64 url",
            general_purpose::URL_SAFE_NO_PAD.encode(secret),
        ),
    ] {
        assert_eq!(
            masker.mask(&format!("a {form} z")),
            format!("a {MASK} z"),
            "{text}"
        );
    }
}

#[test]
fn base64_of_a_longer_text_does_not_show_it() {
    let secret = "Correct-Horse?";
    let masker = masker(&[secret]);
    for before in ["", "u", "us", "user:", "Benutzer:"] {
        for after in ["", "x", "xy", "xyz"] {
            for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
                let encoded = engine.encode(format!("{before}{secret}{after}"));
                let hidden = masker.mask(&encoded).into_owned();
                assert!(hidden.contains(MASK), "{before}|{after}: {hidden}");
                // Less than a byte may remain at either end beside what is no secret.
                let rest = hidden.replace(MASK, "");
                let around = (before.len() + after.len()) * 8;
                assert!(
                    rest.trim_end_matches('=').len() * 6 <= around + 12,
                    "{before}|{after}: {hidden}"
                );
            }
        }
    }
}

#[test]
fn overlapping_and_short_values() {
    assert_eq!(masker(&["abcd", "cdef"]).mask("xabcdefx"), "x********x");
    assert_eq!(
        masker(&["abcdabcd", "abcd"]).mask("abcdabcdabcd"),
        "********"
    );
    assert_eq!(masker(&["bcde", "abcdefgh"]).mask("abcdefgh"), "********");
    assert!(masker(&["abc", ""]).is_empty());
    assert!(!masker(&["äöü€"]).is_empty());
    assert!(matches!(Masker::none().mask("abcd"), Cow::Borrowed("abcd")));
    assert!(matches!(masker(&["abcd"]).mask("abc d"), Cow::Borrowed(_)));
}

#[test]
fn json_stays_json() {
    let quotes = "\",\"a\":\"";
    let masker = masker(&[quotes, "1234567", "sécret"]);
    for (json, masked) in [
        (
            r#"{"x": "1","a":"2"}"#.to_owned(),
            r#"{"x": "1","a":"2"}"#.to_owned(),
        ),
        (
            r#"{"n":12345678,"s":"sécret"}"#.into(),
            r#"{"n":"********","s":"********"}"#.into(),
        ),
        (
            r#"{"s\u00e9cret":1,"sécret2":[2]}"#.into(),
            r#"{"********":1,"********2":[2]}"#.into(),
        ),
        (
            r#"{"s":"a \u0073écret\n"}"#.into(),
            r#"{"s":"a ********\n"}"#.into(),
        ),
        (r#"{"s": "a\nb"}"#.into(), r#"{"s": "a\nb"}"#.into()),
        (Value::from(quotes).to_string(), format!("\"{MASK}\"")),
        ("no json sécret".into(), "no json ********".into()),
    ] {
        assert_eq!(masker.mask_json(&json), masked, "{json}");
    }
    let both = masker
        .mask_json(r#"{"sécret":1,"\u0073écret":2}"#)
        .into_owned();
    assert!(serde_json::from_str::<Value>(&both).is_ok(), "{both}");
}

#[test]
fn what_is_hidden_can_be_named() {
    let secrets = [
        ("password", "s\u{e9}cret"),
        ("alias", "s\u{e9}cret"),
        ("address", "https://u:s\u{e9}cret@example.com"),
        ("number", "1234567"),
        ("short", "abc"),
        ("key", "k\"ey"),
    ];
    let masker = Masker::new(secrets).unwrap();
    for (json, names) in [
        (r#"{"a":"abc"}"#, &[][..]),
        (r#"{"a":["x sécret"]}"#, &["password"]),
        (r#"{"a":"\u0073écret"}"#, &["password"]),
        (
            r#"{"a":"https://u:sécret@example.com/"}"#,
            &["password", "address"],
        ),
        (r#"{"a":12345678}"#, &["number"]),
        (
            r#"{"k\"ey":1,"b":["sécret","sécret"]}"#,
            &["password", "key"],
        ),
        ("no json sécret", &["password"]),
    ] {
        assert_eq!(masker.found_in_json(json), names, "{json}");
        let hidden = matches!(masker.mask_json(json), Cow::Owned(_));
        assert_eq!(hidden, !names.is_empty(), "{json}");
    }
    assert_eq!(masker.found("a s\u{e9}cret"), ["password"]);
    assert!(Masker::none().found_in_json("{}").is_empty());
}

proptest! {
    /// No secret survives in a JSON text, which stays one.
    #[test]
    fn no_secret_remains(secret in "[^*]{4,12}", before in "\\PC{0,8}", after in "\\PC{0,8}") {
        let masker = masker(&[&secret]);
        let text = format!("{before}{secret}{after}");
        prop_assert!(!masker.mask(&text).contains(&secret));
        let json = serde_json::json!({"k": [text], "n": 5}).to_string();
        let masked = masker.mask_json(&json).into_owned();
        let value: Value = serde_json::from_str(&masked).unwrap();
        prop_assert!(!value["k"][0].as_str().unwrap().contains(&secret), "{}", masked);
    }
}

#[test]
fn each_line_of_a_secret_is_masked() {
    let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n  kqhkiG9w0BAQEF\r\nQ==\n-----END KEY-----\n";
    let masker = masker(&[pem]);
    for line in ["MIIEvQIBADANBg", "kqhkiG9w0BAQEF", "-----END KEY-----"] {
        assert_eq!(masker.mask(&format!("a {line} b")), "a ******** b");
    }
    assert_eq!(masker.mask("Q=="), "Q==");
    assert_eq!(masker.mask(pem), "********");
}

#[test]
fn a_secret_is_masked_where_a_text_is_cut() {
    let masker = masker(&["secret-value"]);
    let text = "0123456789 secret-value secret-value";
    for limit in 0..60 {
        let shown = masker.mask_start(text, limit);
        assert!(shown.len() <= limit);
        assert!(
            !shown.contains("se") && !shown.contains("ue"),
            "{limit}: {shown}"
        );
        assert!(
            "0123456789 ******** ********".starts_with(&*shown),
            "{shown}"
        );
    }
    assert_eq!(masker.mask_start("äöü", 3), "ä");
    assert_eq!(Masker::none().mask_start("äöü", 5), "äö");
}

#[test]
fn a_text_in_pieces_is_masked_as_a_whole() {
    let secrets = ["secret-value", "valuepair\nof lines", "aaaa"];
    let text = "x secret-valuepair\nof lines y seceret-value aaaaaaaaaaaa secret-valu";
    let whole = "x ******** y seceret-value ******** secret-valu";
    for size in 1..text.len() {
        let mut pieces = Pieces::new(masker(&secrets));
        let mut shown = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            pieces.push(piece);
            shown.extend(pieces.take());
            // Nothing is held that cannot be the beginning of a secret.
            assert!(pieces.held() < 3 * 20, "{}", pieces.held());
        }
        shown.extend(pieces.finish());
        let mut shown = String::from_utf8(shown).unwrap();
        // What is hidden in parts is hidden.
        while shown.contains("****************") {
            shown = shown.replace("****************", "********");
        }
        assert_eq!(shown, whole, "in pieces of {size}");
    }
}

#[test]
fn a_whole_line_is_not_held_back() {
    let mut pieces = Pieces::new(masker(&["first line\nsecond line\n"]));
    pieces.push(b"the first line\n");
    assert_eq!(pieces.take(), b"the ");
    pieces.push(b"of others\n");
    assert_eq!(pieces.take(), b"********\nof others\n");
    pieces.push(b"first line\nsecond line\n");
    assert_eq!(pieces.take(), b"********");
    assert_eq!(pieces.held(), 0);
}
