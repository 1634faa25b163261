use serde_json::json;

use super::*;

fn read(kind: &str, body: &[u8]) -> Result<Value> {
    let received = Received {
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: Bytes::copy_from_slice(body),
        ..Received::default()
    };
    received.read().map(|read| read.body)
}

#[test]
fn a_body_is_json_a_form_or_a_text() {
    let json = "application/json; charset=utf-8";
    assert_eq!(read(json, b"{\"a\": 1}").unwrap(), json!({"a": 1}));
    assert_eq!(read("text/plain", b"[1]").unwrap(), json!([1]));
    assert_eq!(read("text/plain", b"one two").unwrap(), json!("one two"));
    assert_eq!(read("", b" \n").unwrap(), Value::Null);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        read(form, b"a=1&b=x%20y+z").unwrap(),
        json!({"a": "1", "b": "x y z"})
    );
    for (kind, body) in [
        (json, &b"{\"secret\": "[..]),
        ("application/cloudevents+json", b"x"),
        ("", b"\xff\xfe"),
        ("", b"a\0b"),
    ] {
        let error = read(kind, body).unwrap_err();
        assert!(
            matches!(&error, Error::Undeliverable(text) if !text.contains("secret")),
            "{error}"
        );
    }
}

#[test]
fn junk_does_not_fill_the_log_and_hides_nothing_else() {
    let refused = Refused::default();
    let now = Timestamp(1_000_000_000);
    let told = (0..1000).filter(|_| refused.note(1, false, now).is_some());
    assert_eq!(told.count(), 10);
    // What is refused for another reason, or by another webhook, is recorded.
    assert_eq!(refused.note(1, true, now), Some(0));
    assert_eq!(refused.note(2, false, now), Some(0));
    assert_eq!(refused.note(1, false, now.plus_micros(WINDOW)), Some(990));
    assert_eq!(refused.note(1, false, now.plus_micros(WINDOW)), Some(0));
}

#[test]
fn a_key_of_any_length_is_one() {
    let webhook = Webhook {
        id: 1,
        tenant: model::id::TenantId::DEFAULT,
        name: "w".to_owned(),
        public: 7,
        application: "a".to_owned(),
        document: "{}".to_owned(),
        secrets: "[]".to_owned(),
        revision: 1,
        proven: 0,
        unproven: 0,
        edited_by: String::new(),
        edited_at: Timestamp(0),
        created_at: Timestamp(0),
    };
    let short = key_of(&webhook, "4711");
    assert_eq!(short, "webhook/00000000000000000000000000000007/4711");
    let (one, two) = ("x".repeat(5000), format!("{}y", "x".repeat(4999)));
    assert!(key_of(&webhook, &one).len() < 200);
    assert_ne!(key_of(&webhook, &one), key_of(&webhook, &two));
    // No text of PostgreSQL holds one.
    assert!(!key_of(&webhook, "a\0b").contains('\0'));
}
