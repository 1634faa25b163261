//! Steps through the mock host: parameters, descriptors, data, log and cache.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use powerflow_sdk::{
    Invocation, Level,
    prelude::*,
    testing::{MockHost, MockResponse},
};

/// Takes one of each.
///
/// A second
/// paragraph.
#[derive(Step)]
#[step(
    friendly_name = "Everything",
    version = "2.1.0",
    kind = "aggregated",
    idempotent = false
)]
struct Everything {
    /// The URL.
    #[param(required, sample = "https://dev1.service-now.com")]
    url: String,
    #[param(default = 5, choices = [1, 3, 5])]
    severity: u8,
    #[param(default = "incident")]
    table: String,
    password: Secret,
    comment: Option<String>,
    ratio: Option<f64>,
    #[param(default = false)]
    dry_run: bool,
    #[param(default = Vec::new())]
    tags: Vec<String>,
    #[param(default = HashMap::new())]
    map: HashMap<String, i64>,
    #[param(default = json!({ "a": 1 }))]
    free: Value,
    #[param(name = "type")]
    r#type: Option<String>,
}

impl Execute for Everything {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        Ok(Output::new(json!({
            "url": self.url, "severity": self.severity, "table": self.table, "secret": format!("{:?}", self.password),
            "comment": self.comment, "ratio": self.ratio, "dry_run": self.dry_run, "tags": self.tags, "map": self.map,
            "free": self.free, "type": self.r#type,
        })))
    }
}

fn given() -> MockHost {
    MockHost::new()
        .parameter("url", "https://x")
        .secret("password", "hunter2")
}

#[test]
fn defaults_fill_what_is_not_given() {
    let data = given()
        .parameter("comment", Value::Null)
        .parameter("unknown", 1)
        .run::<Everything>()
        .unwrap()
        .data()
        .unwrap();
    assert_eq!(
        data,
        json!({
            "url": "https://x", "severity": 5, "table": "incident", "secret": "Secret(…)", "comment": null, "ratio": null,
            "dry_run": false, "tags": [], "map": {}, "free": { "a": 1 }, "type": null,
        })
    );
}

#[test]
fn the_descriptor_comes_from_the_type() {
    let descriptor = serde_json::to_value(Everything::descriptor()).unwrap();
    assert_eq!(
        descriptor,
        json!({
            "name": "Everything", "friendly_name": "Everything", "description": "Takes one of each.\n\nA second paragraph.",
            "version": "2.1.0", "kind": "aggregated", "idempotent": false,
            "parameters": [
                { "name": "url", "type": "string", "required": true, "sample": "https://dev1.service-now.com", "description": "The URL." },
                { "name": "severity", "type": "integer", "required": false, "default": 5, "choices": [1, 3, 5], "description": "" },
                { "name": "table", "type": "string", "required": false, "default": "incident", "description": "" },
                { "name": "password", "type": "secret", "required": true, "description": "" },
                { "name": "comment", "type": "string", "required": false, "description": "" },
                { "name": "ratio", "type": "number", "required": false, "description": "" },
                { "name": "dry_run", "type": "boolean", "required": false, "default": false, "description": "" },
                { "name": "tags", "type": "array", "required": false, "default": [], "description": "" },
                { "name": "map", "type": "object", "required": false, "default": {}, "description": "" },
                { "name": "free", "type": "any", "required": false, "default": { "a": 1 }, "description": "" },
                { "name": "type", "type": "string", "required": false, "description": "" },
            ],
        })
    );
}

#[test]
fn every_refused_parameter_is_named_at_once() {
    let error = MockHost::new()
        .parameter("severity", "high")
        .parameter("tags", "a")
        .parameter("password", 12345)
        .run::<Everything>()
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Permanent, "parameters")
    );
    assert_eq!(
        error.message(),
        "parameter \"url\" (string) is required and was not given; \
         parameter \"severity\": expected integer, got string \"high\" (the text \"high\" instead of a whole number from 0 to 255); \
         parameter \"password\": expected secret, got a value of type number; \
         parameter \"tags\": expected array, got string \"a\" (the text \"a\" instead of a list)"
    );
}

#[test]
fn a_value_outside_the_choices_is_refused() {
    let error = given()
        .parameter("severity", 2)
        .run::<Everything>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "parameter \"severity\": expected one of [1,3,5], got number 2"
    );
}

#[test]
fn a_long_refused_value_is_cut_between_characters() {
    let error = given()
        .parameter("dry_run", "ü".repeat(500))
        .run::<Everything>()
        .unwrap_err();
    assert!(error.message().contains("…"), "{error}");
}

#[derive(Step)]
struct Reads {
    step: Option<String>,
}

impl Execute for Reads {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        match &self.step {
            Some(step) => Ok(Output::new(json!({ "got": cx.data::<Vec<u32>>(step)? }))),
            None => Ok(cx.only_raw()?.into()),
        }
    }
}

#[test]
fn reads_the_data_of_connected_steps() {
    let host = MockHost::new().data("Größe holen", [1, 2]);
    assert_eq!(host.run::<Reads>().unwrap().data().unwrap(), json!([1, 2]));
    let host = host.data("other", "x").parameter("step", "Größe holen");
    assert_eq!(
        host.run::<Reads>().unwrap().data().unwrap(),
        json!({ "got": [1, 2] })
    );
    let error = MockHost::new()
        .data("a", 1)
        .parameter("step", "b")
        .run::<Reads>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "no step \"b\" is connected to this one (connected: \"a\")"
    );
    let error = MockHost::new()
        .data("a", 1)
        .data("b", 1)
        .run::<Reads>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "this step reads the data of one step, and several are connected: \"a\", \"b\""
    );
    let error = MockHost::new().run::<Reads>().unwrap_err();
    assert_eq!(error.code(), "input");
    let error = MockHost::new()
        .data("a", "x")
        .parameter("step", "a")
        .run::<Reads>()
        .unwrap_err();
    assert!(
        error
            .message()
            .starts_with("the data of step \"a\": JSON: the text \"x\" instead of"),
        "{error}"
    );
}

#[derive(Step)]
struct Talks {}

impl Execute for Talks {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        debug!(cx, "attempt {}", cx.run()?.attempt);
        info!(cx, "{}", "info");
        flow!(cx, "flow");
        warning!(cx, "warning");
        error!(cx, "error");
        let seen: Option<u32> = cx.cache().get("seen")?;
        cx.cache().put("seen", &seen.map_or(1, |seen| seen + 1))?;
        Ok(Output::empty().warning("careful"))
    }
}

#[test]
fn logs_what_the_level_lets_through_and_keeps_flow() {
    let host = MockHost::new()
        .run_info("log_level", 30)
        .run_info("attempt", 3);
    let output = host.run::<Talks>().unwrap();
    assert_eq!(output.warning_text(), Some("careful"));
    let levels: Vec<_> = host
        .log_lines()
        .into_iter()
        .map(|(level, _)| level)
        .collect();
    assert_eq!(levels, [Level::Flow, Level::Warning, Level::Error]);
    let host = MockHost::new().run_info("attempt", 3);
    host.run::<Talks>().unwrap();
    assert_eq!(host.log_lines()[0], (Level::Debug, "attempt 3".to_owned()));
}

#[test]
fn a_run_that_cannot_be_read_is_an_error_and_no_made_up_one() {
    let host = MockHost::new().run_info("attempt", "first");
    let error = host.run::<Talks>().unwrap_err();
    assert_eq!((error.is_retryable(), error.code()), (false, "context"));
    assert!(
        error.message().contains("describes the run") && error.message().contains("\"first\""),
        "{error:?}"
    );
    // What needs nothing of it goes on, and its log is not lost.
    let host = MockHost::new().run_info("idempotency_key", json!(null));
    host.run::<Quiet>().unwrap();
    assert_eq!(host.log_lines()[0], (Level::Debug, "said".to_owned()));
}

/// Logs and asks nothing.
#[derive(Step)]
struct Quiet {}

impl Execute for Quiet {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        debug!(cx, "said");
        Ok(Output::empty())
    }
}

#[test]
fn the_cache_lasts_from_run_to_run_and_may_be_denied() {
    let host = MockHost::new().cache("seen", 4);
    host.run::<Talks>().unwrap();
    host.run::<Talks>().unwrap();
    assert_eq!(host.cached("seen"), Some(json!(6)));
    let error = MockHost::new().deny_cache().run::<Talks>().unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Permanent, "cache-denied")
    );
    let error = MockHost::new()
        .cache("seen", "x")
        .run::<Talks>()
        .unwrap_err();
    assert!(
        error.message().starts_with("the cached value of \"seen\""),
        "{error}"
    );
}

powerflow_sdk::syncpack!(Reads, Talks);

#[test]
fn a_pack_describes_and_executes_its_steps() {
    let document: Value = serde_json::from_str(&SYNCPACK.describe()).unwrap();
    assert_eq!(document["sdk"]["name"], "powerflow-sdk");
    assert_eq!(document["steps"][0]["name"], "Reads");
    let invocation = |parameters: &str, data: &str| Invocation {
        parameters: parameters.to_owned(),
        data: data.to_owned(),
        context: "{}".to_owned(),
    };
    let output = SYNCPACK
        .execute("Reads", invocation("{}", r#" { "a" : [1, {"b":2}] } "#))
        .unwrap();
    assert_eq!(output.data().unwrap(), json!([1, { "b": 2 }]));
    let error = SYNCPACK
        .execute("Nope", invocation("{}", "{}"))
        .unwrap_err();
    assert_eq!(
        error.message(),
        "this SyncPack has no step \"Nope\"; it has \"Reads\", \"Talks\""
    );
    for broken in ["", "[]", "{", "null"] {
        assert_eq!(
            SYNCPACK
                .execute("Reads", invocation(broken, "{}"))
                .unwrap_err()
                .code(),
            "contract",
            "{broken:?}"
        );
        assert_eq!(
            SYNCPACK
                .execute("Reads", invocation("{}", broken))
                .unwrap_err()
                .code(),
            "contract",
            "{broken:?}"
        );
    }
}

#[test]
fn a_step_without_a_handler_meets_a_denial() {
    #[derive(Step)]
    struct Calls {}
    impl Execute for Calls {
        fn execute(&self, _: &mut Context) -> Result<Output> {
            http::get("https://h/").send()?;
            Ok(Output::empty())
        }
    }
    assert_eq!(
        MockHost::new().run::<Calls>().unwrap_err().code(),
        "http-denied"
    );
    assert!(
        MockHost::new()
            .http(|_| MockResponse::text(200, ""))
            .run::<Calls>()
            .is_ok()
    );
}
