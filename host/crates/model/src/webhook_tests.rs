use serde_json::json;

use super::*;

struct Received {
    body: Value,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
}

fn of<'a>(list: &'a [(&'static str, &'static str)], name: &str) -> Option<&'a str> {
    let found = list.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

impl Delivery for Received {
    fn body(&self) -> &Value {
        &self.body
    }
    fn header(&self, name: &str) -> Option<&str> {
        of(&self.headers, name)
    }
    fn query(&self, name: &str) -> Option<&str> {
        of(&self.query, name)
    }
}

fn read(document: &Value) -> Webhook {
    let (read, problems) = Webhook::read(document.as_object().unwrap());
    read.unwrap_or_else(|| panic!("{problems:?}"))
}

/// The places that are wrong.
fn wrong(document: &Value) -> Vec<String> {
    let (read, problems) = Webhook::read(document.as_object().unwrap());
    assert!(read.is_none(), "{document}");
    problems
        .into_iter()
        .map(|problem| {
            assert_eq!(problem.code, FAULT);
            problem.path
        })
        .collect()
}

fn with(key: &str, value: Value) -> Value {
    let mut document = json!({"application": "a", "signature": {"scheme": "none"}});
    document[key] = value;
    document
}

#[test]
fn a_delivery_becomes_parameters_with_their_types() {
    let webhook = read(&json!({
        "application": "sync", "signature": {"scheme": "none"},
        "params": {"region": "eu", "id": 0, "loglevel": 10},
        "body_parameter": "event",
        "mapping": {
            "id": {"body": "/event/id"},
            "list": {"body": "/event/a~1b"},
            "kind": {"header": "X-Kind"},
            "count": {"query": "n", "type": "integer"},
            "half": {"query": "h", "type": "number"},
            "flag": {"header": "x-flag", "type": "boolean"},
            "more": {"header": "x-json", "type": "json"},
            "perhaps": {"body": "/gone", "required": false},
        },
        "deduplicate": {"body": "/event/id"},
    }));
    let body = json!({"event": {"id": 7, "a/b": [1]}});
    let received = Received {
        body: body.clone(),
        headers: vec![
            ("x-kind", "push"),
            ("x-flag", "true"),
            ("x-json", "{\"a\": 1}"),
        ],
        query: vec![("n", "42"), ("h", "0.5")],
    };
    assert_eq!(
        Value::Object(webhook.parameters(&received).unwrap()),
        json!({"region": "eu", "id": 7, "loglevel": 10, "event": body, "list": [1], "kind": "push",
            "count": 42, "half": 0.5, "flag": true, "more": {"a": 1}})
    );
    assert_eq!(webhook.key(&received).as_deref(), Some("7"));
    let headers: Vec<_> = webhook.headers().collect();
    assert_eq!(headers, ["x-kind", "x-flag", "x-json"]);

    // Everything that is missing or of another type, without a value of it.
    let poor = Received {
        body: json!("text"),
        headers: vec![("x-flag", "perhaps-secret"), ("x-json", "{")],
        query: vec![("n", "4.2"), ("h", "inf")],
    };
    let problems = webhook.parameters(&poor).unwrap_err();
    let told: Vec<_> = problems.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(
        told,
        ["id", "list", "kind", "count", "half", "flag", "more"]
    );
    assert!(problems.iter().all(|one| one.code == LACKS));
    let said = format!("{problems:?}");
    assert!(
        !said.contains("perhaps-secret") && said.contains("has no `/event/id` of the body"),
        "{said}"
    );
    assert_eq!(webhook.key(&poor), None);
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    for (document, places) in [
        (json!({}), vec!["/signature", "/application"]),
        (with("application", json!("")), vec!["/application"]),
        (with("application", json!(7)), vec!["/application"]),
        (with("aplication", json!("x")), vec!["/aplication"]),
        (with("enabled", json!("yes")), vec!["/enabled"]),
        (with("params", json!([])), vec!["/params"]),
        (
            with("params", json!({"queue": "q", "configuration": "c"})),
            vec!["/params/configuration", "/params/queue"],
        ),
        // The sender must not choose where the run runs and with what.
        (
            with("body_parameter", json!("queue")),
            vec!["/body_parameter"],
        ),
        (
            with(
                "mapping",
                json!({"configuration": {"query": "c"}, "loglevel": {"query": "l"}}),
            ),
            vec!["/mapping/configuration", "/mapping/loglevel"],
        ),
        (
            with(
                "mapping",
                json!({"a": {}, "b": {"body": "/x", "query": "y"}, "c": 7, "d/e": {"body": "x"},
                "f": {"body": "/x", "type": "integer"}, "g": {"query": "x", "type": "int"},
                "h": {"header": "a b"}, "i": {"header": "Authorization"}, "j": {"query": "x", "mandatory": true}}),
            ),
            vec![
                "/mapping/a",
                "/mapping/b",
                "/mapping/c",
                "/mapping/d~1e/body",
                "/mapping/f/type",
                "/mapping/g/type",
                "/mapping/h/header",
                "/mapping/i/header",
                "/mapping/j/mandatory",
            ],
        ),
        (
            with("deduplicate", json!({"type": "x"})),
            vec!["/deduplicate/type", "/deduplicate"],
        ),
    ] {
        assert_eq!(wrong(&document), places, "{document}");
    }
}

#[test]
fn what_is_wrong_with_a_signature_is_told_at_its_place() {
    for (document, places) in [
        (with("signature", json!("none")), vec!["/signature"]),
        (with("signature", json!({})), vec!["/signature/scheme"]),
        (
            with("signature", json!({"scheme": "md5"})),
            vec!["/signature/scheme"],
        ),
        (
            with("signature", json!({"scheme": "none", "header": "x"})),
            vec!["/signature/header"],
        ),
        (
            with("signature", json!({"scheme": "token"})),
            vec!["/signature/header"],
        ),
        (
            with(
                "signature",
                json!({"scheme": "hmac-sha256", "header": "x", "signed": "{body}", "encoding": "utf-8"}),
            ),
            vec!["/signature/encoding"],
        ),
        (
            with(
                "signature",
                json!({"scheme": "hmac-sha256", "header": "x", "tolerance_seconds": 300}),
            ),
            vec!["/signature/tolerance_seconds"],
        ),
        (
            with(
                "signature",
                json!({"scheme": "hmac-sha256", "header": "x", "timestamp_header": "t",
                "signed": "{body}", "tolerance_seconds": 0}),
            ),
            vec!["/signature/tolerance_seconds", "/signature/signed"],
        ),
    ] {
        assert_eq!(wrong(&document), places, "{document}");
    }
    // The proof is nobody's parameter.
    let mut document = with("signature", json!({"scheme": "token", "header": "X-Token"}));
    document["mapping"] = json!({"t": {"header": "x-token"}});
    document["deduplicate"] = json!({"header": "x-token"});
    assert_eq!(
        wrong(&document),
        ["/mapping/t/header", "/deduplicate/header"]
    );
}

#[test]
fn schemes_of_known_senders_are_said_in_a_few_words() {
    let signature = |entry: Value| read(&with("signature", entry)).signature;
    assert_eq!(
        signature(
            json!({"scheme": "hmac-sha256", "header": "X-Hub-Signature-256", "prefix": "sha256="})
        ),
        Signature::HmacSha256 {
            header: "x-hub-signature-256".to_owned(),
            prefix: "sha256=".to_owned(),
            encoding: Encoding::Hex,
            timed: None,
        }
    );
    assert_eq!(
        signature(
            json!({"scheme": "hmac-sha256", "header": "x-slack-signature", "prefix": "v0=",
            "timestamp_header": "x-slack-request-timestamp", "signed": "v0:{timestamp}:{body}"})
        ),
        Signature::HmacSha256 {
            header: "x-slack-signature".to_owned(),
            prefix: "v0=".to_owned(),
            encoding: Encoding::Hex,
            timed: Some(Timed {
                header: "x-slack-request-timestamp".to_owned(),
                tolerance: 300,
                signed: "v0:{timestamp}:{body}".to_owned(),
            }),
        }
    );
    assert_eq!(
        signature(json!({"scheme": "stripe", "tolerance_seconds": 60})),
        Signature::Stripe {
            header: "stripe-signature".to_owned(),
            tolerance: 60,
        }
    );
    assert!(!signature(json!({"scheme": "none"})).needs_secret());
}
