//! What was accepted without a word: slips in parameters, documents and names of queues, told on a
//! single process and on a cluster alike.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use harness::cluster::{Cluster, Size};
use harness::http::Client;
use harness::packs::TRIAL;
use harness::service::{Plan, Service};
use serde_json::{Value, json};

#[test]
fn one_process_tells_of_slips() {
    let folder = support::folder();
    let plan = Plan::new(folder.path())
        .unwrap()
        .with("worker.queues", "acme,default");
    let service = support::serve_plan(&plan, &[TRIAL]);
    slips(&service, 1);
    service.stop().unwrap();
}

#[test]
fn a_cluster_tells_of_slips() {
    let folder = support::folder();
    let settings = [("worker.queues", "acme,default")];
    let cluster = Cluster::start(folder.path(), &Size::default(), &settings).unwrap();
    cluster.api().upload(&TRIAL.build().unwrap()).unwrap();
    cluster.api().activate(TRIAL.name, TRIAL.grants).unwrap();
    slips(cluster.api(), 2);
    cluster.stop().unwrap();
}

/// All of it on a service whose `workers` listen on `acme` and `default`.
fn slips(service: &Service, workers: u32) {
    let mut client = service.client().unwrap();
    parameters_that_nothing_takes(service, &mut client);
    queues_that_nobody_serves(service, &mut client, workers);
    documents_with_slips(service, &mut client);
    configurations_with_slips(&mut client);
    every_fault_at_once(service, &mut client);
    places_in_lists(&mut client);
}

fn accepted(client: &mut Client, query: &str, body: &Value) -> Value {
    let path = format!("/api/v1/applications/run{query}");
    client.send_json("POST", &path, body).unwrap()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn parameters_that_nothing_takes(service: &Service, client: &mut Client) {
    support::save_steps(
        client,
        "echo",
        json!([{"name": "echo", "file": "Echo", "value": 1}]),
    );
    let odd = json!({"name": "echo", "params": {"vlaue": 2, "a/b": 3}});
    for query in ["", "?wait=500"] {
        let answer = accepted(client, query, &odd);
        let warnings = answer["warnings"].as_array().unwrap();
        let places: Vec<_> = warnings
            .iter()
            .map(|one| (one["code"].as_str().unwrap(), one["at"].as_str().unwrap()))
            .collect();
        assert_eq!(
            places,
            [("PF-R014", "/params/vlaue"), ("PF-R014", "/params/a~1b")],
            "{answer}"
        );
        let message = warnings[0]["message"].as_str().unwrap();
        assert!(message.ends_with("did you mean `value`?"), "{message}");
        let id = answer["task_id"].as_str().unwrap();
        assert_eq!(support::ended(client, id)["state"], "success");
    }
    // What would be a reference in a document is text in what a run is given.
    let text = json!({"name": "echo", "params": {"value": "${config.sn_url}"}});
    let answer = accepted(client, "", &text);
    let warning = &answer["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["at"]),
        (&"PF-R015".into(), &"/params/value".into()),
        "{answer}"
    );
    let run = support::ended(client, answer["task_id"].as_str().unwrap());
    assert_eq!(support::output(client, &run, "echo"), "${config.sn_url}");
    let fine = accepted(
        client,
        "",
        &json!({"name": "echo", "params": {"value": 2, "loglevel": 10}}),
    );
    assert_eq!(fine["warnings"], json!([]));
    let line = ["application", "run", "echo", "--param", "vlaue=2"];
    let output = support::pfctl(service, &line);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output)
            .contains("warning[PF-R014] /params/vlaue: nothing takes the parameter `vlaue`"),
        "{}",
        said(&output)
    );
    for manner in [
        &["--json"][..],
        &["--json", "--wait"],
        &["--json", "--follow"],
    ] {
        let answer = support::pfctl_well(service, &[&line[..], manner].concat());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["warnings"][0]["code"], "PF-R014",
            "{manner:?}: {answer}"
        );
    }
}

fn queues_that_nobody_serves(service: &Service, client: &mut Client, workers: u32) {
    let served = json!({"by_all": 0, "queues": [
        {"queue": "acme", "workers": workers}, {"queue": "default", "workers": workers}]});
    for path in ["/api/v1/workers", "/api/v1/about"] {
        assert_eq!(client.get(path).unwrap()["served"], served, "{path}");
    }
    let answer = accepted(
        client,
        "",
        &json!({"name": "echo", "params": {"queue": "amce"}}),
    );
    let warning = &answer["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["at"]),
        (&"PF-R013".into(), &"/params/queue".into()),
        "{answer}"
    );
    let id = answer["task_id"].as_str().unwrap().to_owned();
    let run = support::task(client, &id);
    let waiting = &run["waiting"];
    assert_eq!(
        (&waiting["code"], &waiting["queue"]),
        (&"PF-R013".into(), &"amce".into()),
        "{run}"
    );
    assert_eq!(
        (&waiting["served"], &waiting["steps"]),
        (&served, &1.into()),
        "{run}"
    );
    let words = "no worker listens on queue `amce`; did you mean `acme`?";
    assert!(
        waiting["message"].as_str().unwrap().starts_with(words),
        "{waiting}"
    );
    let shown = support::pfctl_well(service, &["run", "show", &id]);
    assert!(shown.contains(words), "{shown}");
    // Whoever follows is told once, after a while.
    let line = [
        "application",
        "run",
        "echo",
        "--queue",
        "amce",
        "--follow",
        "--wait=5",
    ];
    let output = support::pfctl(service, &line);
    assert_eq!(
        said(&output).matches(&format!("waiting: {words}")).count(),
        1,
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("warning[PF-R013] /params/queue: the run is accepted and waits"),
        "{}",
        said(&output)
    );
    assert_eq!(client.send("GET", "/readyz", &[], &[]).unwrap().status, 200);
    // It goes on as soon as somebody listens.
    let list = client.get("/api/v1/workers").unwrap();
    let worker = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["slots"] != 0)
        .unwrap();
    let body = json!({"queues": ["acme", "default", "amce"]}).to_string();
    let path = worker["href"].as_str().unwrap();
    let headers = [("content-type", "application/json")];
    client
        .send("PATCH", path, &headers, body.as_bytes())
        .unwrap()
        .json()
        .unwrap();
    let run = support::ended(client, &id);
    assert_eq!(
        (&run["state"], &run["waiting"]),
        (&"success".into(), &Value::Null),
        "{run}"
    );
}

fn documents_with_slips(service: &Service, client: &mut Client) {
    let document = json!({"name": "slips", "varsion": "1", "steps": [
        {"name": "a", "file": "Echo", "syncpack": "trial_pack", "vlaue": 1, "outptu_to": ["b"]},
        {"name": "b", "file": "Gather", "syncpack": "trial_pack", "upstraem": ["a"], "perams": {}},
    ]});
    let expected = [
        ("/varsion", "did you mean `version`?"),
        ("/steps/0/vlaue", "did you mean `value`?"),
        ("/steps/0/outptu_to", "did you mean `output_to`?"),
        ("/steps/1/upstraem", "did you mean `data_from`?"),
        ("/steps/1/perams", "stand beside its `name`"),
    ];
    let saved = support::save(client, "applications", &document);
    let checked = client
        .send_json("POST", "/api/v1/applications/validate", &document)
        .unwrap();
    for (answer, what) in [(saved, "save"), (checked, "validate")] {
        for (at, words) in expected {
            let warnings = answer["warnings"].as_array().unwrap();
            let one = warnings.iter().find(|one| one["at"] == at);
            let one = one.unwrap_or_else(|| panic!("{what}, {at}: {answer}"));
            assert_eq!(one["code"], "PF-A026", "{one}");
            assert!(one["message"].as_str().unwrap().contains(words), "{one}");
        }
    }
    assert_eq!(client.get("/api/v1/applications/slips").unwrap(), document);
    let folder = support::folder();
    std::fs::write(folder.path().join("slips.json"), document.to_string()).unwrap();
    let output = support::pfctl_in(
        folder.path(),
        service,
        &["application", "upload", "slips.json"],
    );
    assert!(
        said(&output).contains("warning[PF-A026] /varsion"),
        "{}",
        said(&output)
    );
}

/// What would show or lose a secret is refused, and what is stored stays as it is.
#[expect(clippy::too_many_lines, reason = "one slip after the other")]
fn configurations_with_slips(client: &mut Client) {
    let path = "/api/v1/configurations/kept";
    let variable = json!({"name": "pw", "value": "s3cretpassw0rd", "encrypted": true});
    let document = json!({"name": "kept", "configuration_data": [variable]});
    support::save(client, "configurations", &document);
    let before = client.get(path).unwrap();
    let sealed = before["configuration_data"][0]["value"].clone();
    assert!(sealed.as_str().unwrap().starts_with("pfenc:"), "{before}");
    let only = |variable: Value| json!({"name": "kept", "configuration_data": [variable]});
    let shown = json!({"name": "pw", "value": "s3cretpassw0rd", "encryptd": true});
    let guarded = |value: &str| {
        let secret = json!({"name": "pw", "value": value, "encrypted": true});
        json!({"name": "kept", "configuration_data": [secret]})
    };
    for (slip, code, at, words) in [
        (
            guarded("********"),
            "PF-C013",
            "/configuration_data/pw",
            "stands where a secret is hidden",
        ),
        (
            guarded("pfenc:1:0123456789abcdef:cut"),
            "PF-C008",
            "/configuration_data/pw",
            "cannot be opened",
        ),
        (
            json!({"name": "kept", "configuration_data": [shown]}),
            "PF-C011",
            "/configuration_data/0/encryptd",
            "did you mean `encrypted`?",
        ),
        (
            json!({"name": "kept", "configuration_dta": [variable]}),
            "PF-C011",
            "/configuration_dta",
            "did you mean `configuration_data`?",
        ),
        // An export that comes back without what makes its ciphertext a secret.
        (
            only(json!({"name": "pw", "value": sealed})),
            "PF-C008",
            "/configuration_data/pw",
            "not marked as encrypted",
        ),
        (
            only(json!({"name": "pw", "value": sealed, "encrypted": false})),
            "PF-C008",
            "/configuration_data/pw",
            "not marked as encrypted",
        ),
        (
            only(json!({"name": "pw", "value": "An0therSecret"})),
            "PF-C014",
            "/configuration_data/pw",
            "does not say so any more",
        ),
        (
            only(json!({"name": "pw", "encrypted": true})),
            "PF-C014",
            "/configuration_data/pw",
            "the stored secret would be lost",
        ),
        (
            only(json!({"name": "pw", "value": null, "encrypted": true})),
            "PF-C014",
            "/configuration_data/pw",
            "the stored secret would be lost",
        ),
        (
            json!({"name": "kept"}),
            "PF-C012",
            "/configuration_data",
            "`\"configuration_data\": []`",
        ),
    ] {
        let headers = [("content-type", "application/json"), ("if-match", "*")];
        let answer = client
            .send("PUT", path, &headers, slip.to_string().as_bytes())
            .unwrap();
        let problem = support::problem(&answer, code);
        assert_eq!(answer.status, 422, "{problem}");
        let faults = problem["errors"].as_array().unwrap();
        let one = faults
            .iter()
            .find(|one| one["code"] == code && one["at"] == at);
        let one = one.unwrap_or_else(|| panic!("{code} {at}: {problem}"));
        assert!(one["message"].as_str().unwrap().contains(words), "{one}");
        assert_eq!(client.get(path).unwrap(), before, "{code}");
    }
    // Whoever means it empties it, or makes it public.
    support::save(client, "configurations", &guarded(""));
    let open = only(json!({"name": "pw", "value": "public", "encrypted": false}));
    support::save(client, "configurations", &open);
}

fn every_fault_at_once(service: &Service, client: &mut Client) {
    let configuration =
        json!({"name": "acme_config", "configuration_data": [{"name": "sn_url", "value": "u"}]});
    support::put_configuration(service, "acme_config", &configuration);
    let document = |configuration: &str| {
        json!({"name": "faulty", "configuration": configuration, "steps": [
            {"name": "one", "file": "Ehco", "syncpack": "trial_pack", "output_to": ["two"]},
            {"name": "two", "file": "Echo", "syncpack": "trial_pck", "output_to": ["one"]},
            {"name": "three", "file": "Echo", "syncpack": "trial_pack", "value": "${config.sn_ulr}", "data_from": ["tow"]},
        ]})
    };
    let faults = [
        ("PF-A005", "/steps/0/file", "did you mean `Echo`?"),
        ("PF-A005", "/steps/1/syncpack", "did you mean `trial_pack`?"),
        ("PF-A007", "/steps/2/data_from/0", "did you mean `two`?"),
        ("PF-A009", "/steps/0", "one → two → one"),
    ];
    for (configuration, own) in [
        (
            "acme_config",
            ("PF-R003", "/steps/2/value", "did you mean `sn_url`?"),
        ),
        (
            "amce_config",
            ("PF-R004", "/configuration", "did you mean `acme_config`?"),
        ),
    ] {
        let path = "/api/v1/applications/validate";
        let answer = client
            .send_json("POST", path, &document(configuration))
            .unwrap();
        let found = answer["faults"].as_array().unwrap();
        for (code, at, words) in faults.into_iter().chain([own]) {
            let one = found
                .iter()
                .find(|one| one["code"] == code && one["at"] == at);
            let one = one.unwrap_or_else(|| panic!("{code} {at}: {answer}"));
            assert!(one["message"].as_str().unwrap().contains(words), "{one}");
        }
        assert_eq!(found.len(), 5, "{answer}");
    }
    let folder = support::folder();
    std::fs::write(
        folder.path().join("faulty.json"),
        document("amce_config").to_string(),
    )
    .unwrap();
    let output = support::pfctl_in(
        folder.path(),
        service,
        &["application", "validate", "faulty.json"],
    );
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    for (code, at, words) in faults {
        assert!(
            shown.contains(&format!("{code} {at}")) && shown.contains(words),
            "{shown}"
        );
    }
}

fn places_in_lists(client: &mut Client) {
    for list in [
        "runs",
        "applications",
        "configurations",
        "applications/echo/logs",
    ] {
        let path = format!("/api/v1/{list}?limit=1");
        let answer = client
            .send("GET", &format!("{path}&after=zzz"), &[], &[])
            .unwrap();
        let problem = support::problem(&answer, list);
        assert_eq!(
            (answer.status, &problem["code"]),
            (400, &"PF-1005".into()),
            "{list}"
        );
        // What the list answers itself leads through all of it, once.
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let part = client.get(&format!("{path}{after}")).unwrap();
            seen.extend(
                part["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one["href"].to_string()),
            );
            match part["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{list}");
        let whole = client.get(&format!("/api/v1/{list}?limit=200")).unwrap();
        assert_eq!(
            whole["items"].as_array().unwrap().len(),
            seen.len(),
            "{list}"
        );
    }
}
