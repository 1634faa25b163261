//! Bad input to every endpoint of the OpenAPI document: each is refused with a problem document
//! that names the cause, and nothing is stored.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use harness::http::{Client, Response};
use harness::packs::{BENCH, TRIAL};
use harness::service::Service;
use serde_json::{Value, json};

/// Well-formed, and of no run.
const NO_RUN: &str = "isapp-01890a5d-ac96-774b-bcce-b30200000000";
/// Operations that everybody may ask and that take nothing: there is nothing to get wrong.
const NOTHING_TO_REFUSE: [&str; 6] = [
    "GET /",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
    "GET /docs/errors",
    "GET /api/v1/session",
];
const BIG: usize = 50 << 20;
const JSON: (&str, &str) = ("content-type", "application/json");

/// An operation of the document.
struct Operation {
    method: String,
    /// With its placeholders.
    path: String,
    parameters: Vec<Value>,
    /// The schema of its JSON body.
    body: Option<Value>,
    /// Takes a file.
    file: bool,
    public: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = &operation["requestBody"]["content"];
            let schema = &content["application/json"]["schema"];
            let body = match schema["$ref"].as_str() {
                Some(name) => {
                    let name = name.strip_prefix("#").unwrap();
                    Some(document.pointer(name).unwrap().clone())
                }
                None if schema.is_null() => None,
                None => Some(schema.clone()),
            };
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: operation["parameters"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default(),
                body,
                file: !content["application/wasm"].is_null(),
                public: operation["security"].as_array().is_none_or(Vec::is_empty),
            });
        }
    }
    assert!(
        found.len() > 40,
        "the document lists {} operations",
        found.len()
    );
    found
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn has_place(&self) -> bool {
        self.path.contains('{')
    }

    /// The address with `value` in place of its placeholder.
    fn at(&self, value: &str) -> String {
        match (self.path.find('{'), self.path.find('}')) {
            // Others are numbers.
            (Some(start), Some(end)) => format!(
                "{}{}{}",
                &self.path[..start],
                support::part(value),
                &self.path[end + 1..]
            )
            .replace("{number}", "1")
            .replace("{other}", "2"),
            _ => self.path.clone(),
        }
    }

    /// The address with something that could be there.
    fn address(&self) -> String {
        self.at(if self.path.contains("{id}") {
            NO_RUN
        } else {
            "no_such_thing"
        })
    }

    /// A body that is not wrong in itself.
    fn fine_body(&self) -> Vec<u8> {
        if self.body.is_none() {
            return Vec::new();
        }
        if self.path.ends_with("/steps/run") || self.path.ends_with("/applications/run") {
            return br#"{"name": "no_such_thing"}"#.to_vec();
        }
        if self.path.ends_with("/decision") {
            return br#"{"decision": "approve"}"#.to_vec();
        }
        b"{}".to_vec()
    }

    fn send(
        &self,
        client: &mut Client,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut all = headers.to_vec();
        if self.method == "PUT" {
            all.push(("if-none-match", "*"));
        }
        client.send(&self.method, path, &all, body).unwrap()
    }
}

/// Sends bad requests and notes which operations refused one.
struct Prober<'a> {
    client: Client,
    refused: BTreeSet<String>,
    service: &'a Service,
}

impl Prober<'_> {
    /// Sends a request that must be refused with that status; one of `causes` must stand in the
    /// problem's text.
    fn refuses(
        &mut self,
        operation: &Operation,
        about: &str,
        (path, headers, body): (&str, &[(&str, &str)], &[u8]),
        status: &[u16],
        causes: &[&str],
    ) -> Value {
        let about = format!("{} with {about}", operation.name());
        let response = operation.send(&mut self.client, path, headers, body);
        let document = support::problem(&response, &about);
        assert!(status.contains(&response.status), "{about}: {document}");
        let mut said = document["detail"].as_str().unwrap().to_owned();
        said.push_str(&document["errors"].to_string());
        assert!(
            causes.is_empty() || causes.iter().any(|cause| said.contains(cause)),
            "{about}: none of {causes:?} in {document}"
        );
        self.refused.insert(operation.name());
        document
    }

    fn probe(&mut self, operation: &Operation) {
        if !operation.public {
            self.strangers(operation);
        }
        self.unknown_names(operation);
        self.queries(operation);
        if operation.body.is_some() {
            self.bodies(operation);
        } else if !operation.file {
            self.unasked_body(operation);
        }
    }

    fn strangers(&mut self, operation: &Operation) {
        let address = operation.address();
        let wrong = Client::new(self.service.url())
            .unwrap()
            .with_basic("isadmin", "wrong");
        for client in [Client::new(self.service.url()).unwrap(), wrong] {
            let mut client = client;
            let response = operation.send(&mut client, &address, &[JSON], b"{}");
            let document = support::problem(&response, &operation.name());
            assert_eq!(response.status, 401, "{}: {document}", operation.name());
            assert_eq!(document["code"], "PF-0401");
            assert!(
                response.header("www-authenticate").is_some(),
                "{}",
                operation.name()
            );
        }
        self.refused.insert(operation.name());
    }

    fn unknown_names(&mut self, operation: &Operation) {
        if !operation.has_place() || operation.method == "PUT" {
            return;
        }
        let body = operation.fine_body();
        let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &[JSON] };
        let address = operation.address();
        let cause = if operation.path.contains("{id}") {
            NO_RUN
        } else {
            "no_such_thing"
        };
        self.refuses(
            operation,
            "an unknown name",
            (&address, headers, &body),
            &[404],
            &[cause, "no such code"],
        );
        if operation.path.contains("{id}") {
            for id in ["nonsense", "isapp-", "istask-zz", "isapp-01890a5d"] {
                let address = operation.at(id);
                self.refuses(
                    operation,
                    "no id",
                    (&address, headers, &body),
                    &[400],
                    &["id"],
                );
            }
        } else {
            // Bytes that are no UTF-8.
            let address = operation.address().replace("no_such_thing", "%FF%FE");
            self.refuses(
                operation,
                "no UTF-8",
                (&address, headers, &body),
                &[400],
                &[],
            );
        }
    }

    fn queries(&mut self, operation: &Operation) {
        let body = operation.fine_body();
        let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &[JSON] };
        let query: Vec<&Value> = operation
            .parameters
            .iter()
            .filter(|one| one["in"] == "query")
            .collect();
        if query.is_empty() {
            return;
        }
        let mut needed = String::new();
        for one in query.iter().filter(|one| one["required"] == true) {
            let name = one["name"].as_str().unwrap();
            let address = operation.address();
            self.refuses(
                operation,
                "a missing parameter",
                (&address, headers, &body),
                &[400],
                &[name],
            );
            needed = format!("&{name}=x");
        }
        let address = format!("{}?no_such_parameter=1{needed}", operation.address());
        self.refuses(
            operation,
            "an unknown parameter",
            (&address, headers, &body),
            &[400],
            &["no_such_parameter"],
        );
        for one in query {
            let name = one["name"].as_str().unwrap();
            let typed = ["integer", "number", "boolean"]
                .iter()
                .any(|kind| one["schema"]["type"].to_string().contains(kind));
            // Words of a fixed set are texts to the document.
            let words = matches!(name, "state" | "level");
            if !typed && !words {
                continue;
            }
            let address = format!("{}?{name}=%C3%A4pfel", operation.address());
            let causes = [name, "äpfel", "invalid"];
            self.refuses(operation, name, (&address, headers, &body), &[400], &causes);
        }
    }

    fn bodies(&mut self, operation: &Operation) {
        let address = operation.address();
        let broken: &[(&[u8], &[&str])] = &[
            (b"{", &["line 1"]),
            (b"{'name': 1}", &["line 1"]),
            (b"[1, 2", &["line 1", "must be an object"]),
            // Where a field is missing, that comes first.
            (b"{} trailing", &["trailing", "` is missing"]),
            (b"{\"\xff\": 1}", &[]),
        ];
        for (body, causes) in broken {
            self.refuses(
                operation,
                "broken JSON",
                (&address, &[JSON], body),
                &[400],
                causes,
            );
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
        ] {
            let body = operation.fine_body();
            let headers = [("content-type", kind)];
            self.refuses(
                operation,
                "another content type",
                (&address, &headers, &body),
                &[415],
                &[kind],
            );
        }
        let big = vec![b' '; BIG];
        let document = self.refuses(
            operation,
            "50 MB",
            (&address, &[JSON], &big),
            &[413],
            &["MiB", "bytes"],
        );
        assert_eq!(document["code"], "PF-0413");
        for text in ["7", "\"text\"", "null", "true"] {
            self.refuses(
                operation,
                "no object",
                (&address, &[JSON], text.as_bytes()),
                &[400, 422],
                &[],
            );
        }
        self.fields(operation, &address);
    }

    /// Each field of a known body with a value of another type, left out, and one too many.
    fn fields(&mut self, operation: &Operation, address: &str) {
        let schema = operation.body.clone().unwrap();
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let required: Vec<&str> = schema["required"]
            .as_array()
            .map(|all| all.iter().map(|one| one.as_str().unwrap()).collect())
            .unwrap_or_default();
        let whole = || {
            let mut whole = json!({});
            for name in &required {
                // An object where one is asked for, so that the fault is the field's that is meant.
                whole[*name] = match schema["properties"][*name]["type"].as_str() {
                    Some("object") => json!({}),
                    _ => "no_such_thing".into(),
                };
            }
            whole
        };
        for name in properties.keys() {
            let mut body = whole();
            body[name] = json!(4711.5);
            let body = body.to_string();
            self.refuses(
                operation,
                name,
                (address, &[JSON], body.as_bytes()),
                &[400, 422],
                &[name],
            );
        }
        for name in &required {
            let mut body = whole();
            body.as_object_mut().unwrap().remove(*name);
            let body = body.to_string();
            self.refuses(
                operation,
                "a missing field",
                (address, &[JSON], body.as_bytes()),
                &[400],
                &[name],
            );
        }
        let mut body = whole();
        body["no_such_field"] = 1.into();
        let body = body.to_string();
        self.refuses(
            operation,
            "an unknown field",
            (address, &[JSON], body.as_bytes()),
            &[400],
            &["no_such_field"],
        );
    }

    /// A large body where none is wanted: it is thrown away, and changes nothing about the answer.
    fn unasked_body(&mut self, operation: &Operation) {
        let big = vec![b'x'; BIG];
        let path = operation.address();
        let response = operation.send(&mut self.client, &path, &[JSON], &big);
        if operation.has_place() {
            support::problem(&response, &operation.name());
            return;
        }
        let plain = operation.send(&mut self.client, &path, &[], &[]);
        assert_eq!(response.status, plain.status, "{}", operation.name());
        assert!(response.status < 500, "{}", operation.name());
    }
}

/// What is stored, as lists show it.
fn stored(client: &mut Client) -> Vec<Value> {
    [
        "applications",
        "configurations",
        "schedules",
        "webhooks",
        "syncpacks",
        "steps",
        "runs",
        "cache",
    ]
    .iter()
    .map(|list| client.get(&format!("/api/v1/{list}")).unwrap())
    .collect()
}

/// Runs `test` and checks that it left nothing.
fn leaves_nothing(service: &Service, test: impl FnOnce()) {
    let mut client = service.client().unwrap();
    let before = stored(&mut client);
    test();
    assert_eq!(stored(&mut client), before);
}

#[test]
fn every_endpoint_refuses_bad_input_and_stores_nothing() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH]);
    let document = Client::new(service.url())
        .unwrap()
        .get("/openapi.json")
        .unwrap();
    let operations = operations(&document);
    leaves_nothing(&service, || {
        let mut prober = Prober {
            client: service.client().unwrap(),
            refused: BTreeSet::new(),
            service: &service,
        };
        for operation in &operations {
            prober.probe(operation);
        }
        for operation in &operations {
            let name = operation.name();
            let expected = !NOTHING_TO_REFUSE.contains(&name.as_str());
            assert_eq!(prober.refused.contains(&name), expected, "{name}");
        }
    });
    // What is no endpoint at all.
    let mut client = service.client().unwrap();
    for (method, path, code) in [
        ("GET", "/api/v1/nothing", "PF-0406"),
        ("PATCH", "/api/v1/applications", "PF-0405"),
        ("PUT", "/healthz", "PF-0405"),
        ("GET", "/api/v1/applications/a%00b", "PF-0400"),
        ("GET", "/api/v1/runs?queue=a%00", "PF-0400"),
    ] {
        let response = client.send(method, path, &[], &[]).unwrap();
        assert_eq!(support::problem(&response, path)["code"], code);
    }
    service.stop().unwrap();
}

#[test]
fn documents_with_faults_are_refused_with_all_of_them() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH]);
    leaves_nothing(&service, || {
        let mut client = service.client().unwrap();
        let applications: &[(Value, &[&str])] = &[
            (json!({"name": 7, "steps": []}), &["/name"]),
            (json!({"steps": []}), &["name"]),
            (
                json!({"name": 5, "steps": []}),
                &["/name", "that is a text"],
            ),
            (
                json!({"name": 5, "friendly_name": "x", "steps": [{"name": "a", "file": 1}]}),
                &["/name", "/steps/0/file"],
            ),
            (json!({"name": "x", "steps": "none"}), &["/steps"]),
            (
                json!({"name": "x", "steps": [{"name": "a", "file": 1}, {"name": "b", "file": "Noop", "output_to": "a"}]}),
                &["/steps/0/file", "/steps/1/output_to"],
            ),
            (
                json!({"name": "x", "steps": [{"name": "a", "file": "Noop", "output_to": ["b", "a"]}, {"name": "a", "file": "Noop"}]}),
                &["`b`", "`a`", "/steps/1/name", "/steps/0/output_to"],
            ),
            (
                json!({"name": "x", "steps": [{"name": "a", "file": "Noop", "output_to": ["b"]}, {"name": "b", "file": "Noop", "output_to": ["a"]}]}),
                &["a", "b"],
            ),
            (
                json!({"name": "x", "app_variables": {"name": "v"}, "steps": []}),
                &["/app_variables"],
            ),
            (json!({"name": "n".repeat(1000), "steps": []}), &["/name"]),
            (
                json!({"name": "nul\u{0}x", "steps": []}),
                &["/name", "control characters"],
            ),
        ];
        for (document, causes) in applications {
            refused(&mut client, "applications", document, causes);
        }
        let configurations: &[(Value, &[&str])] = &[
            (
                json!({"name": "x", "configuration_data": 7}),
                &["/configuration_data"],
            ),
            (json!({"name": ["x"], "configuration_data": []}), &["/name"]),
            (json!({"configuration_data": []}), &["name"]),
            (
                json!({"name": "x", "configuration_data": [{"value": 1}, 7, {"name": "a", "encrypted": "maybe"}]}),
                &[
                    "/configuration_data/0",
                    "/configuration_data/1",
                    "/configuration_data/2/encrypted",
                ],
            ),
            (
                json!({"name": "x", "configuration_data": [{"name": "a", "value": "${config.b}"}, {"name": "b", "value": "${config.a}"}]}),
                &["a → b", "b → a"],
            ),
            (
                json!({"name": "x", "configuration_data": [{"name": "a", "value": "${config.gone}"}]}),
                &["gone"],
            ),
            (
                json!({"name": "x", "configuration_data": [{"name": "a", "encrypted": true,
                "value": format!("pfenc:1:0123456789abcdef:{}", "A".repeat(80))}]}),
                &["0123456789abcdef"],
            ),
        ];
        for (document, causes) in configurations {
            refused(&mut client, "configurations", document, causes);
        }
    });
    service.stop().unwrap();
}

/// The document is refused as a whole, by POST and by PUT.
fn refused(client: &mut Client, collection: &str, document: &Value, causes: &[&str]) {
    let body = document.to_string();
    let post = client
        .send(
            "POST",
            &format!("/api/v1/{collection}"),
            &[JSON],
            body.as_bytes(),
        )
        .unwrap();
    let problem = support::problem(&post, &body);
    assert_eq!(
        (post.status, &problem["code"]),
        (422, &json!("PF-1001")),
        "{body}: {problem}"
    );
    let said = problem["errors"].to_string();
    assert!(
        causes.iter().any(|cause| said.contains(cause)),
        "{body}: {problem}"
    );
    assert!(
        !problem["errors"].as_array().unwrap().is_empty(),
        "{problem}"
    );
    let headers = [JSON, ("if-none-match", "*")];
    let path = format!("/api/v1/{collection}/another");
    let put = client
        .send("PUT", &path, &headers, body.as_bytes())
        .unwrap();
    // Some lack only a name, which the address gives here.
    if document["name"].is_null() {
        if put.is_success() {
            client.send("DELETE", &path, &[], &[]).unwrap();
        }
        return;
    }
    assert_eq!(put.status, 422, "{body}");
}

#[test]
fn runs_that_cannot_start_are_refused_with_every_reason() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH, TRIAL]);
    let mut client = service.client().unwrap();
    support::save_steps(
        &mut client,
        "needs",
        json!([
            {"name": "one", "file": "Meet"},
            {"name": "two", "file": "Hold", "key": "${config.key}"},
            {"name": "three", "file": "Warn"},
        ]),
    );
    leaves_nothing(&service, || {
        let mut refuse = |path: &str, body: &Value, causes: &[&str]| {
            let text = body.to_string();
            let response = client.send("POST", path, &[JSON], text.as_bytes()).unwrap();
            let problem = support::problem(&response, &text);
            assert_eq!(
                (response.status, &problem["code"]),
                (422, &json!("PF-1002")),
                "{text}: {problem}"
            );
            let said = problem["errors"].to_string();
            for cause in causes {
                assert!(said.contains(cause), "{text}: no {cause} in {problem}");
            }
        };
        let run = "/api/v1/applications/run";
        refuse(run, &json!({"name": "needs"}), &["others", "onfig"]);
        refuse(
            run,
            &json!({"name": "needs", "params": {"configuration": "no_such"}}),
            &["no_such"],
        );
        refuse(run, &json!({"name": "bench_chain_of_three"}), &["event"]);
        refuse(
            run,
            &json!({"name": "bench_noop", "params": {"loglevel": "loud"}}),
            &["loud"],
        );
        refuse(
            run,
            &json!({"name": "bench_noop", "params": {"queue": 7}}),
            &["queue"],
        );
        refuse(
            run,
            &json!({"name": "bench_noop", "params": {"queue": "q".repeat(1000)}}),
            &["queue"],
        );
        refuse(
            "/api/v1/applications/needs/run",
            &json!({"params": {"text": 1}}),
            &["others"],
        );
    });
    // A single step is checked as the application that it becomes.
    for (name, params, cause) in [
        ("Hold", json!({}), "key"),
        ("Meet", json!({"others": "x"}), "others"),
    ] {
        let text = json!({"name": name, "params": params}).to_string();
        let response = client
            .send("POST", "/api/v1/steps/run", &[JSON], text.as_bytes())
            .unwrap();
        let problem = support::problem(&response, &text);
        assert_eq!(response.status, 422, "{text}: {problem}");
        assert!(
            problem["errors"].to_string().contains(cause),
            "{text}: {problem}"
        );
    }
    let runs = client.get("/api/v1/runs").unwrap();
    assert_eq!(runs["items"], json!([]));
    service.stop().unwrap();
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of files and their refusals"
)]
fn files_that_are_no_syncpack_are_refused_with_the_cause() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[BENCH]);
    let good = fs::read(TRIAL.build().unwrap()).unwrap();
    let module = b"\0asm\x01\0\0\0".to_vec();
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    let mut random = support::Random::new(7);
    let noise: Vec<u8> = (0..100_000).map(|_| random.below(256) as u8).collect();
    let huge = vec![0_u8; (256 << 20) + 1];
    leaves_nothing(&service, || {
        let mut client = service.client().unwrap();
        let mut refuse = |about: &str, kind: &str, body: &[u8], status: u16, cause: &str| {
            let headers = [("content-type", kind)];
            let response = client
                .send("POST", "/api/v1/syncpacks", &headers, body)
                .unwrap();
            let problem = support::problem(&response, about);
            assert_eq!(response.status, status, "{about}: {problem}");
            assert!(
                problem.to_string().contains(cause),
                "{about}: no {cause} in {problem}"
            );
            problem
        };
        let wasm = "application/wasm";
        for length in [9, 100, good.len() / 3, good.len() - 1] {
            let problem = refuse(
                "a truncated component",
                wasm,
                &good[..length],
                422,
                "PF-SYNCPACK-",
            );
            assert_eq!(problem["code"], "PF-2001");
        }
        refuse(
            "half a component",
            wasm,
            &good[..good.len() / 2],
            422,
            "truncated",
        );
        refuse(
            "a core module",
            wasm,
            &module,
            422,
            "PF-SYNCPACK-CORE-MODULE",
        );
        refuse(
            "another component",
            wasm,
            &component,
            422,
            "PF-SYNCPACK-NO-MANIFEST",
        );
        refuse("noise", wasm, &noise, 422, "PF-SYNCPACK-NOT-WASM");
        refuse("text", wasm, b"hello", 422, "PF-SYNCPACK-NOT-WASM");
        refuse("nothing", wasm, b"", 400, "no body");
        refuse(
            "another type",
            "application/json",
            b"{}",
            415,
            "application/wasm",
        );
        refuse(
            "50 MB of zeros",
            wasm,
            &huge[..BIG],
            422,
            "PF-SYNCPACK-NOT-WASM",
        );
        refuse("more than is taken", wasm, &huge, 413, "256 MiB");
        refuse(
            "a broken form",
            "multipart/form-data",
            b"--x",
            400,
            "boundary",
        );
        let form = "multipart/form-data; boundary=x";
        refuse(
            "a form that ends early",
            form,
            b"--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n\0asm",
            400,
            "",
        );
        let empty = b"--x\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x--\r\n";
        refuse("a form without a file", form, empty, 400, "file");
    });
    let stored = service.client().unwrap().get("/api/v1/syncpacks").unwrap();
    // And the two that are built in.
    assert_eq!(stored["items"].as_array().unwrap().len(), 3);
    service.stop().unwrap();
}

#[test]
fn activation_takes_only_what_the_manifest_asks_for() {
    let folder = support::folder();
    let service = support::serve(folder.path(), &[]);
    service.upload(&TRIAL.build().unwrap()).unwrap();
    leaves_nothing(&service, || {
        let mut client = service.client().unwrap();
        let path = "/api/v1/syncpacks/trial_pack/activate";
        for (body, status, cause) in [
            (json!({"version": "9.9.9"}), 404, "9.9.9"),
            (json!({"grants": [{"id": "everything"}]}), 422, "everything"),
            (
                json!({"grants": [{"id": "cache", "private_network": true}]}),
                422,
                "cache",
            ),
            (json!({"grants": ["cache"]}), 400, "grants"),
            (json!({"grants": [{"id": 7}]}), 400, "/grants/0/id"),
        ] {
            let text = body.to_string();
            let response = client.send("POST", path, &[JSON], text.as_bytes()).unwrap();
            let problem = support::problem(&response, &text);
            assert_eq!(response.status, status, "{text}: {problem}");
            assert!(problem.to_string().contains(cause), "{text}: {problem}");
        }
        let response = client
            .send(
                "POST",
                "/api/v1/syncpacks/trial_pack/install",
                &[JSON],
                br#"{"version": "9.9.9"}"#,
            )
            .unwrap();
        assert_eq!(response.status, 404);
        support::problem(&response, "an unknown version");
    });
    service.stop().unwrap();
}
